"""POST /Messages and what came of it, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, api_of
from tests.harness import Relay, arrived, running_relay

MAIL = {
    "Sender": {"Address": "shop@example.com", "Name": "The Shop"},
    "Recipient": {"Address": "reader@example.net", "Name": "Ann Reader"},
    "Subject": "Order 42",
    "Text": "<p>Hello</p>",
}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("api")
    async with running_relay(folder) as (relay, cloud), api_of(relay) as api:
        yield Scene(relay, cloud, api)


async def sent(scene: Scene, body: dict[str, Any], **headers: str) -> EmailMessage:
    """What arrived of a message."""
    before = len(scene.cloud.calls)
    reply = await scene.api.post("/Messages", body, **headers)
    assert (reply.status, reply.code) == (201, "ok"), reply
    raw = await arrived(scene.relay, scene.cloud, before + 1)
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def html(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


async def test_a_message_arrives_as_it_was_said(scene: Scene) -> None:
    mail = await sent(scene, MAIL)
    assert mail["From"] == "The Shop <shop@example.com>"
    assert mail["To"] == "Ann Reader <reader@example.net>"
    assert mail["Subject"] == "Order 42"
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "<p>Hello</p>"


async def test_all_letters_arrive(scene: Scene) -> None:
    said = {**MAIL, "Subject": "Заказ № 42 — 大丈夫", "Text": "<p>Привет, 世界</p>" + "x" * 3000}
    said["Recipient"] = {"Address": "reader@example.net", "Name": 'Анна "А" Читатель'}
    mail = await sent(scene, said)
    assert mail["Subject"] == said["Subject"]
    assert mail["To"].addresses[0].display_name == 'Анна "А" Читатель'
    assert html(mail).strip() == said["Text"]


async def test_both_texts_files_and_an_image_in_the_text(scene: Scene) -> None:
    picture, file = b"\x89PNG\r\n\x1a\n" + bytes(100), b"%PDF-1.4\n" + bytes(500)
    said = {
        **{name: value for name, value in MAIL.items() if name != "Text"},
        "Body": {"Html": "<p><img src='cid:Picture.png'/></p>", "PlainText": "look"},
        "Attachments": [
            {"FileName": "Picture.png", "Data": base64.b64encode(picture).decode(), "ContentId": "Picture.png"},
            {"FileName": "счёт.pdf", "Data": base64.b64encode(file).decode()},
        ],
    }
    mail = await sent(scene, said)
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "look"
    parts = {part.get_filename(): part for part in mail.walk() if part.get_filename()}
    assert parts["Picture.png"].get_payload(decode=True) == picture
    assert parts["Picture.png"]["Content-ID"] == "<Picture.png>"
    assert parts["счёт.pdf"].get_payload(decode=True) == file
    assert [parts[name].get_content_disposition() for name in ("Picture.png", "счёт.pdf")] == ["inline", "attachment"]
    assert mail.get_content_type() == "multipart/mixed"


async def test_a_file_that_the_text_does_not_show_is_an_attachment(scene: Scene) -> None:
    file = {"FileName": "y.pdf", "Data": base64.b64encode(b"%PDF-1.4").decode(), "ContentId": "y.pdf"}
    mail = await sent(scene, {**MAIL, "Attachments": [file]})
    assert [part.get_content_disposition() for part in mail.iter_attachments()] == ["attachment"]


async def test_ten_megabytes_of_files_arrive_though_they_are_more_in_base64(scene: Scene) -> None:
    data = bytes(range(256)) * (3 << 12)
    files = [{"FileName": f"{number}.txt", "Data": base64.b64encode(data).decode()} for number in range(3)]
    mail = await sent(scene, {**MAIL, "Attachments": files})
    assert [part.get_payload(decode=True) for part in mail.iter_attachments()] == [data] * 3
    check = await scene.api.post("/Policy/Check", {**MAIL, "Attachments": files})
    assert check.result["Accepted"]
    whole = b"From: shop@example.com\r\n\r\n" + b"x" * 70 + (b"\r\n" + b"x" * 70) * ((11 << 20) // 72)
    check = await scene.api.post("/Policy/Check", {"Recipient": MAIL["Recipient"], "Message": base64.b64encode(whole).decode()})
    assert check.result["Accepted"] is False


async def test_what_is_null_is_not_said(scene: Scene) -> None:
    nothing = dict.fromkeys(("Recipients", "Attachments", "Body", "UserMessageId", "UserCampaignId", "TemplateId", "SendAt"))
    said = {**MAIL, **nothing, "Sender": {"Address": "shop@example.com", "Name": None}, "MergeFields": {"City": None}}
    assert (await sent(scene, said))["From"] == "shop@example.com"
    file = {"FileName": "a.txt", "Data": "aGVsbG8=", "ContentId": None}
    assert (await sent(scene, {**said, "Attachments": [file], "UserMessageId": 7}))["Subject"] == "Order 42"
    document = """<Message xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
        <Sender><Address>shop@example.com</Address><Name i:nil="true"/></Sender><UserMessageId i:nil="true"/>
        <Recipient><Address>reader@example.net</Address></Recipient><Subject>Order</Subject><Text>x</Text></Message>"""
    reply = await scene.api.call("POST", "/Messages", data=document.encode(), headers={"Content-Type": "application/xml"})
    assert reply.status == 201, reply.text
    reply = await scene.api.post("/Messages", {**MAIL, "Subject": None})
    assert (reply.status, reply.code) == (400, "empty_value")


async def test_of_several_each_hears_whether_his_address_is_one(scene: Scene) -> None:
    before = len(scene.cloud.calls)
    people = [{"Address": address} for address in ("a@several.example", "nobody", "", "ä@several.example", "b@several.example")]
    said = {**{name: value for name, value in MAIL.items() if name != "Recipient"}, "Recipients": people}
    reply = await scene.api.post("/Messages", said)
    assert (reply.status, [each["Code"] for each in reply.result]) == (201, ["ok", *["invalid_email"] * 3, "ok"])
    ids = [each["MessageId"] for each in reply.result]
    assert (ids[0][26:], ids[1:4], ids[4]) == ("-1", [""] * 3, ids[0].replace("-1", "-2"))
    await arrived(scene.relay, scene.cloud, before + 2)
    assert {call.recipients[0] for call in list(scene.cloud.calls)[before:]} == {"a@several.example", "b@several.example"}
    reply = await scene.api.post("/Messages", {**said, "Recipients": people[1:4]})
    assert (reply.status, reply.code) == (400, "invalid_email")


async def test_what_cannot_be_written_for_one_has_failed_and_was_not_sent(scene: Scene) -> None:
    """Which only shows when his own words are put in."""
    people = [
        {"Address": "long@fields.example", "MergeFields": {"A": "x" * 200}},
        {"Address": "short@fields.example", "MergeFields": {"A": "x"}},
    ]
    said = {**{name: value for name, value in MAIL.items() if name != "Recipient"}, "Subject": "[A]" * 6, "Recipients": people}
    reply = await scene.api.post("/Messages", said)
    ids = [each["MessageId"] for each in reply.result]
    for _ in range(100):
        states = {each["Email"]: each["State"] for each in (await scene.api.get(f"/Messages/{','.join(ids)}")).result}
        if "NotSent" not in states.values():
            break
        await asyncio.sleep(0.1)
    assert states["long@fields.example"] == "Rejected"
    assert states["short@fields.example"] in ("Sent", "Delivered")
    assert not [line for line in scene.relay.journal() if line["event"] == "bug"]


async def test_it_is_known_by_its_id(scene: Scene) -> None:
    reply = await scene.api.post("/Messages", {**MAIL, "UserMessageId": "um-1", "UserCampaignId": "uc-1"})
    for _ in range(100):
        states = (await scene.api.get(f"/Messages/{reply.result},{reply.result},01ARZ3NDEKTSV4RRFFQ69G5FAV")).result
        if states[0]["State"] != "NotSent":
            break
        await asyncio.sleep(0.1)
    assert states == [
        {"MessageId": reply.result, "Email": "reader@example.net", "State": states[0]["State"], "RecipientId": None}
    ]
    assert states[0]["State"] in ("Sent", "Delivered")
    assert reply.result[26:] == "-1"
    life = await scene.relay.life(reply.result[:26])
    assert life is not None
    assert (life.message.labels.id, life.message.labels.campaign) == ("um-1", "uc-1")


async def test_several_recipients_each_with_his_own_words(scene: Scene) -> None:
    before = len(scene.cloud.calls)
    reply = await scene.api.call(
        "POST",
        "//email/v2/messages",
        {
            "Sender": {"Address": "shop@example.com"},
            "Recipients": [
                {
                    "Address": "a@example.net",
                    "Name": "Ann",
                    "RecipientId": "7",
                    "MergeFields": {"Name": "Ann & <co>", "Sum": "5 €"},
                },
                {"Address": "b@example.net", "Name": "Борис", "MergeFields": {"Name": "Борис", "Sum": "[Name]"}},
            ],
            "Subject": "For [Name]",
            "Body": {"Html": "<p>[Name] owes [Sum] [1]</p>", "PlainText": "[Name] owes [Sum] [1]"},
        },
    )
    assert reply.status == 201
    assert [(each["Index"], each["Address"], each["Code"]) for each in reply.result] == [
        (0, "a@example.net", "ok"),
        (1, "b@example.net", "ok"),
    ]
    await arrived(scene.relay, scene.cloud, before + 2)
    got = {call.recipients[0]: message_from_bytes(call.raw, policy=default) for call in list(scene.cloud.calls)[before:]}
    ann, boris = got["a@example.net"], got["b@example.net"]
    assert isinstance(ann, EmailMessage)
    assert isinstance(boris, EmailMessage)
    assert (ann["Subject"], ann["To"]) == ("For Ann & <co>", "Ann <a@example.net>")
    assert texts(ann) == ("<p>Ann &amp; &lt;co&gt; owes 5 € [1]</p>", "Ann & <co> owes 5 € [1]")
    assert (boris["Subject"], boris["To"].addresses[0].display_name) == ("For Борис", "Борис")
    assert texts(boris) == ("<p>Борис owes [Name] [1]</p>", "Борис owes [Name] [1]")
    ids = ",".join(each["MessageId"] for each in reply.result)
    states = (await scene.api.get(f"/Messages/{ids}")).result
    assert [each["RecipientId"] for each in states] == ["7", None]


def texts(mail: EmailMessage) -> tuple[str, str]:
    found = [mail.get_body((kind,)) for kind in ("html", "plain")]
    assert all(found)
    html, plain = (part.get_content().strip() for part in found if part)
    return html, plain


async def test_the_same_key_sends_once(scene: Scene) -> None:
    once = {**MAIL, "Recipient": {"Address": "once@example.net"}}
    replies = await asyncio.gather(*(scene.api.post("/Messages", once, Idempotency_Key="k-1") for _ in range(5)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.result for reply in replies}) == 1
    assert sorted(reply.headers.get("Idempotency-Replayed", "") for reply in replies) == ["", *["true"] * 4]
    other = await scene.api.post("/Messages", {**once, "Subject": "another"}, Idempotency_Key="k-1")
    assert (other.status, other.code) == (422, "invalid_value")
    await asyncio.sleep(2)
    assert [call.recipients for call in scene.cloud.calls if "once@example.net" in call.recipients] == [("once@example.net",)]


async def test_xml_both_ways(scene: Scene) -> None:
    document = """<?xml version="1.0" encoding="UTF-8"?><SendMessage xmlns="http://schemas.example/types">
        <Sender><Address>shop@example.com</Address><Name>Shop</Name></Sender>
        <Recipient><Address>reader@example.net</Address></Recipient>
        <Subject>Заказ</Subject><Text>&lt;p&gt;Hello&lt;/p&gt;</Text>
        <Attachments><Attachment><FileName>a.txt</FileName><Data>aGVsbG8=</Data></Attachment></Attachments></SendMessage>"""
    reply = await scene.api.call(
        "POST", "/Messages?format=xml", data=document.encode(), headers={"Content-Type": "application/xml"}
    )
    assert reply.status == 201, reply.text
    assert reply.headers["Content-Type"].startswith("application/xml")
    message_id = reply.xml.findtext("Result") or ""
    assert (reply.xml.findtext("Code"), len(message_id)) == ("ok", 28)
    states = await scene.api.get(f"/Messages/{message_id}.xml")
    assert states.xml.findtext("Result/Item/MessageId") == message_id


LARGE = base64.b64encode(bytes(4 << 20)).decode()
WRONG: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no recipient": ({"Recipient": None}, 400, "empty_value", "Recipient"),
    "no sender": ({"Sender": None}, 400, "empty_value", "Sender"),
    "no subject": ({"Subject": ""}, 400, "empty_value", "Subject"),
    "no text": ({"Text": ""}, 400, "empty_value", "Text"),
    "no address": ({"Recipient": {"Address": "nobody"}}, 400, "invalid_email", "Recipient.Address"),
    "an address beyond ASCII": ({"Recipient": {"Address": "ä@example.net"}}, 400, "invalid_email", "ä@example.net"),
    "somebody else's sender": ({"Sender": {"Address": "a@other.example"}}, 400, "invalid_value", "a@other.example"),
    "a number for a subject": ({"Subject": {"a": 1}}, 400, "invalid_value", "Subject"),
    "an executable": ({"Attachments": [{"FileName": "a.exe", "Data": "aGVsbG8="}]}, 400, "invalid_value", "exe"),
    "no base64": ({"Attachments": [{"FileName": "a.txt", "Data": "!"}]}, 400, "invalid_value", "Data"),
    "a file of 4 MB": ({"Attachments": [{"FileName": "a.txt", "Data": LARGE}]}, 400, "size_exceeded", "a.txt"),
    "11 MB of text": ({"Text": "x" * (11 << 20)}, 400, "size_exceeded", "larger"),
    "a campaign that is no header": ({"UserCampaignId": "весна"}, 400, "invalid_value", "UserCampaignId"),
    "no such template": ({"TemplateId": 77}, 404, "not_found", "template"),
    "an end that is over": ({"ExpiresAt": "01/01/2020 00:00:00"}, 400, "invalid_value", "X-Relay-Expires-At"),
    "a date that is none": ({"SendAt": "tomorrow"}, 400, "invalid_value", "SendAt"),
    "a number beyond all dates": ({"SendAt": 10**400}, 400, "invalid_value", "SendAt"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_and_nothing_is_sent(scene: Scene, what: str) -> None:
    change, status, code, word = WRONG[what]
    reply = await scene.api.post("/Messages", {name: value for name, value in {**MAIL, **change}.items() if value is not None})
    assert (reply.status, reply.code) == (status, code), reply.text
    assert word in reply.document["Description"]
    assert "Result" not in reply.document


async def test_it_may_be_sent_later(scene: Scene) -> None:
    at = datetime.fromtimestamp(time.time() + 3, UTC).isoformat()
    began, before = time.time(), len(scene.cloud.calls)
    reply = await scene.api.post("/Messages", {**MAIL, "SendAt": at})
    assert reply.status == 201
    while len(scene.cloud.calls) == before:
        [state] = (await scene.api.get(f"/Messages/{reply.result}")).result
        assert state["State"] in ("NotSent", "Sent")
        assert time.time() - began < 20
        await asyncio.sleep(0.05)
    assert time.time() - began >= 3


async def test_a_template_gives_what_is_not_said(scene: Scene) -> None:
    links = "<a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>"
    template: dict[str, Any] = {"Name": "receipt", "Subject": "Order [Number]", "Text": f"<p>Number [Number]</p>{links}"}
    template |= {"Sender": {"Address": "shop@example.com", "Name": "The Shop"}, "UserTemplateId": "receipt-1"}
    number = (await scene.api.post("/Templates", template)).result
    for called in (number, str(number), "receipt-1"):
        said = {"Recipient": MAIL["Recipient"], "TemplateId": called, "MergeFields": {"Number": "<7>"}}
        mail = await sent(scene, said)
        assert (mail["Subject"], mail["From"]) == ("Order <7>", "The Shop <shop@example.com>")
        assert html(mail).startswith("<p>Number &lt;7&gt;</p>")
    mail = await sent(scene, {**said, "Subject": "Mine", "Text": "<p>mine</p>"})
    assert (mail["Subject"], html(mail).strip()) == ("Mine", "<p>mine</p>")


async def test_it_may_not_be_sent_much_later(scene: Scene) -> None:
    reply = await scene.api.post("/Messages", {**MAIL, "SendAt": "2030-01-01T00:00:00Z"})
    assert (reply.status, reply.code) == (400, "invalid_value")  # more than 30 days ahead
    assert "30 days" in reply.document["Description"]


async def test_three_hundred_are_asked_for_at_once(scene: Scene) -> None:
    recipients = [{"Address": f"{number}@many.example"} for number in range(300)]
    made = (await scene.api.post("/Messages", {**MAIL, "Recipient": None, "Recipients": recipients})).result
    ids = [each["MessageId"] for each in made]
    for comma in (",", "%2C"):
        reply = await scene.api.get(f"/Messages/{comma.join(ids)}")
        assert (reply.status, len(reply.result)) == (200, 300)
    assert (await scene.api.get(f"/Messages/{','.join([*ids, 'one-more'])}")).code == "invalid_value"


@pytest.mark.parametrize("name", ["@Recipient", "@Id", "1st", "a<b", "", " City", "x" * 65])
async def test_what_can_be_no_name_of_a_field_is_refused(scene: Scene, name: str) -> None:
    fields = {"MergeFields": {"City": "Bonn", name: "x"}}
    several = {"Recipient": None, "Recipients": [{"Address": "a@names.example", **fields}, {"Address": "b@names.example"}]}
    for said in ({"Recipient": {"Address": "a@names.example"}, **fields}, several):
        reply = await scene.api.post("/Messages", {**MAIL, **said})
        assert (reply.status, reply.code) == (400, "invalid_value"), reply.text
        assert f"MergeFields.{name}" in reply.document["Description"]
