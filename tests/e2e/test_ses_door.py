"""The door that speaks as SES does, over real HTTP: boto3 with nothing changed but its endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from relay.control.client import ControlClient
from relay.outcome import Hold, HoldScope
from tests.e2e.api import api_of
from tests.e2e.ses_door import FIRST, Key, Scene, Signed, boto3_client, form, issued, scene_in, sent, signed
from tests.harness import Relay, arrived, mail, running_relay

TO = {"ToAddresses": ["reader@example.net"]}
BODY = {"Text": {"Data": "hello"}, "Html": {"Data": "<p>hello</p>"}}
NUMBERS = count(1)


def simple() -> dict[str, Any]:
    """One that was not sent before: two calls that say the same in the same second have the same signature."""
    return {"Subject": {"Data": f"Größe {next(NUMBERS)}"}, "Body": BODY}


def v1(**changes: Any) -> dict[str, Any]:
    """SendEmail of the query API."""
    return {"Source": "The Shop <shop@example.com>", "Destination": TO, "Message": simple(), **changes}


def v2(**changes: Any) -> dict[str, Any]:
    """SendEmail of v2."""
    content = {"Simple": simple()}
    return {"FromEmailAddress": "The Shop <shop@example.com>", "Destination": TO, "Content": content, **changes}


RAW = b"From: shop@example.com\nTo: reader@example.net\nCc: other@example.net\nSubject: raw\n\nhello\n"


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path_factory.mktemp("door")) as found:
        yield found


async def sent_by(
    scene: Scene, service: str, operation: str, login: str = "crm", **parameters: Any
) -> tuple[str, EmailMessage]:
    """The id that the door gave, and what arrived."""
    before = len(scene.cloud.calls)
    answer = await scene.call(service, operation, login, **parameters)
    found = message_from_bytes(await arrived(scene.relay, scene.cloud, before + 1), policy=default)
    assert isinstance(found, EmailMessage)
    return answer["MessageId"], found


async def fault(scene: Scene, service: str, operation: str, login: str = "crm", **parameters: Any) -> tuple[str, int, str]:
    """Code, HTTP status and text of what is refused."""
    with pytest.raises(ClientError) as refused:
        await scene.call(service, operation, login, **parameters)
    answer = refused.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


@pytest.mark.parametrize(("service", "made"), [("ses", v1), ("sesv2", v2)], ids=["query", "v2"])
async def test_a_message_of_parts_arrives_and_is_known_by_its_id(
    scene: Scene, service: str, made: Callable[[], dict[str, Any]]
) -> None:
    id, found = await sent_by(scene, service, "send_email", **made())
    assert (found["From"], found["To"]) == ("The Shop <shop@example.com>", "reader@example.net")
    assert found["Subject"].startswith("Größe ")
    for kind, text in (("plain", "hello"), ("html", "<p>hello</p>")):
        part = found.get_body((kind,))
        assert part is not None
        assert part.get_content().strip() == text
    life = await scene.relay.life(id)
    assert life is not None
    assert [delivery.recipient for delivery in life.deliveries] == ["reader@example.net"]
    assert await scene.relay.status(id, "delivered") == ["delivered"]
    assert scene.cloud.calls[-1].ses_message_id in (await scene.relay.cli("message", "show", id))[1]


async def test_a_whole_message_goes_where_the_call_says_or_else_where_it_says_itself(scene: Scene) -> None:
    before = len(scene.cloud.calls)
    await scene.call("ses", "send_raw_email", "split", RawMessage={"Data": RAW})
    await arrived(scene.relay, scene.cloud, before + 2)
    calls = list(scene.cloud.calls)[before:]
    assert {call.recipients for call in calls} == {("reader@example.net",), ("other@example.net",)}
    assert all(call.source == "shop@example.com" and call.raw.endswith(b"\r\n\r\nhello\r\n") for call in calls)
    for service, operation, parameters in (
        (
            "ses",
            "send_raw_email",
            {"RawMessage": {"Data": RAW}, "Destinations": ["x@example.net"], "Source": "verp@example.com"},
        ),
        (
            "sesv2",
            "send_email",
            {
                "Content": {"Raw": {"Data": RAW}},
                "Destination": {"BccAddresses": ["x@example.net"]},
                "FromEmailAddress": "verp@example.com",
            },
        ),
    ):
        _, found = await sent_by(scene, service, operation, **parameters)
        assert (scene.cloud.calls[-1].source, scene.cloud.calls[-1].recipients) == ("verp@example.com", ("x@example.net",))
        assert found["To"] == "reader@example.net"


async def test_files_headers_and_hidden_recipients_of_a_message_of_parts(scene: Scene) -> None:
    before = len(scene.cloud.calls)
    content = simple() | {
        "Headers": [{"Name": "X-Relay-Id", "Value": "order-42"}, {"Name": "List-Id", "Value": "<news.example.com>"}],
        "Attachments": [{"RawContent": b"BEGIN:VCALENDAR", "FileName": "meeting.bin", "ContentType": "text/calendar"}],
    }
    destination = {"ToAddresses": ["a@example.net"], "CcAddresses": ["b@example.net"], "BccAddresses": ["c@example.net"]}
    answer = await scene.call(
        "sesv2",
        "send_email",
        "split",
        FromEmailAddress="shop@example.com",
        Destination=destination,
        ReplyToAddresses=["help@example.com"],
        Content={"Simple": content},
    )
    await arrived(scene.relay, scene.cloud, before + 3)
    calls = list(scene.cloud.calls)[before:]
    assert {call.recipients[0] for call in calls} == {"a@example.net", "b@example.net", "c@example.net"}
    for call in calls:
        found = message_from_bytes(call.raw, policy=default)
        assert isinstance(found, EmailMessage)
        assert (found["To"], found["Cc"], found["Bcc"]) == ("a@example.net", "b@example.net", None)
        assert (found["Reply-To"], found["List-Id"], found["X-Relay-Id"]) == ("help@example.com", "<news.example.com>", None)
        (file,) = found.iter_attachments()
        assert (file.get_filename(), file.get_content_type()) == ("meeting.bin", "text/calendar")
        assert file.get_payload(decode=True) == b"BEGIN:VCALENDAR"
    life = await scene.relay.life(answer["MessageId"])
    assert life is not None
    assert life.message.labels.id == "order-42"


async def test_a_login_has_as_many_recipients_as_by_smtp(scene: Scene) -> None:
    two = v2(Destination={"ToAddresses": ["a@example.net", "b@example.net"]})
    assert (await fault(scene, "sesv2", "send_email", **two))[:2] == ("MessageRejected", 400)
    answer = await scene.call("sesv2", "send_email", "first", **two)
    life = await scene.relay.life(answer["MessageId"])
    assert life is not None
    assert [delivery.state.value == "ignored" for delivery in life.deliveries] == [False, True]
    many = [f"{number}@example.net" for number in range(51)]
    for service, operation, given, code in (
        ("ses", "send_email", v1(Destination={"BccAddresses": many}), "InvalidParameterValue"),
        ("sesv2", "send_email", v2(Destination={"CcAddresses": many}), "BadRequestException"),
    ):
        assert await fault(scene, service, operation, "split", **given) == (code, 400, "Recipient count exceeds 50.")


async def test_tags_and_a_configuration_set_reach_ses_for_logins_that_may_give_them(scene: Scene) -> None:
    said: dict[str, Any] = {"ConfigurationSetName": "news"}
    before = len(scene.cloud.calls)
    for login in ("tags", "crm"):
        tag = {"Name": "campaign", "Value": "spring"}
        await scene.call("ses", "send_email", login, **v1(), **said, Tags=[tag])
        await scene.call("sesv2", "send_email", login, **v2(), **said, EmailTags=[tag])
    await arrived(scene.relay, scene.cloud, before + 4)
    found = [(call.tags.get("campaign"), call.configuration_set) for call in list(scene.cloud.calls)[before:]]
    assert sorted(map(str, found)) == sorted(map(str, [("spring", "news")] * 2 + [(None, "tests")] * 2))


LARGE, TOO_LARGE = "Message length is more than 300000 bytes long.", "Request is more than 1000000 bytes long."
BAD_SENDER = "Email address is not verified. The following identities failed the check in region EU-WEST-1: thief@example.org"


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"Source": "thief@example.org"}, "MessageRejected", BAD_SENDER),
        ({"Source": "no address"}, "MessageRejected", "Email address is not verified"),
        ({"Source": ""}, "invalid", "Source"),
        ({"Destination": {"ToAddresses": ["no address"]}}, "invalid", "Illegal address: no address"),
        ({"Destination": {"ToAddresses": ["größe@example.net"]}}, "invalid", "Illegal address"),
        ({"Destination": {}}, "invalid", "There are no recipients specified."),
        ({"Message": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x" * 300_000}}}}, "invalid", LARGE),
        ({"Message": {"Subject": {"Data": "x"}, "Body": {}}}, "invalid", "Body"),
        ({"Message": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "x" * 1_000_000}}}}, "invalid", TOO_LARGE),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused_in_the_words_of_ses(
    scene: Scene, changes: dict[str, Any], kind: str, text: str
) -> None:
    given = v1(**changes)
    same = v2(FromEmailAddress=given["Source"], Destination=given["Destination"], Content={"Simple": given["Message"]})
    before = scene.cloud.accepted
    code, status, said = await fault(scene, "ses", "send_email", **given)
    assert (code, status) == ("InvalidParameterValue" if kind == "invalid" else kind, 400)
    assert text in said
    code, status, said = await fault(scene, "sesv2", "send_email", **same)
    assert (code, status) == ("BadRequestException" if kind == "invalid" else kind, 400)
    assert text.replace("Source", "FromEmailAddress") in said
    assert scene.cloud.accepted == before


async def test_boto3_has_the_exceptions_of_ses_for_what_is_refused(scene: Scene) -> None:
    with pytest.raises(scene.client("ses").exceptions.MessageRejected):
        await scene.call("ses", "send_email", **v1(Source="thief@example.org"))
    faults = scene.client("sesv2").exceptions
    with pytest.raises(faults.MessageRejected):
        await scene.call("sesv2", "send_email", **v2(FromEmailAddress="thief@example.org"))
    with pytest.raises(faults.BadRequestException, match="Templates of SES are not kept"):
        await scene.call("sesv2", "send_email", Destination=TO, Content={"Template": {"TemplateName": "x"}})
    with pytest.raises(faults.BadRequestException, match="ListManagementOptions"):
        await scene.call("sesv2", "send_email", **v2(), ListManagementOptions={"ContactListName": "x"})


async def test_a_suppressed_recipient_is_refused_where_the_login_is_told_at_once(scene: Scene) -> None:
    async with api_of(scene.relay) as api:
        await api.post("/Suppressions", {"Address": "gone@example.net"})
    to = {"ToAddresses": ["reader@example.net", "gone@example.net"]}
    before = scene.cloud.accepted
    for service, given in (("ses", v1(Destination=to)), ("sesv2", v2(Destination=to))):
        code, status, text = await fault(scene, service, "send_email", "rejects", **given)
        assert (code, status) == ("MessageRejected", 400)
        assert text.startswith("Address is on the suppression list: manual since ")
    assert scene.cloud.accepted == before
    gone = v1(Destination={"ToAddresses": ["gone@example.net"]})
    id = (await scene.call("ses", "send_email", "split", **gone))["MessageId"]
    assert await scene.relay.status(id, "suppressed") == ["suppressed"]


async def test_who_sends_more_than_he_may_is_throttled(scene: Scene) -> None:
    rate, day = "Maximum sending rate exceeded.", "Daily message quota exceeded."
    for login in ("minute", "day"):
        await scene.call("ses", "send_email", login, **v1())
    assert await fault(scene, "ses", "send_email", "minute", **v1()) == ("Throttling", 400, rate)
    assert await fault(scene, "sesv2", "send_email", "minute", **v2()) == ("TooManyRequestsException", 429, rate)
    assert await fault(scene, "ses", "send_email", "day", **v1()) == ("Throttling", 400, day)
    assert await fault(scene, "sesv2", "send_email", "day", **v2()) == ("LimitExceededException", 400, day)


async def test_a_login_needs_the_scope_of_each_call(scene: Scene) -> None:
    text = "Login smtp is not authorized to perform: ses:SendEmail (it lacks the scope messages)"
    assert await fault(scene, "ses", "send_email", "smtp", **v1()) == ("AccessDenied", 403, text)
    assert await fault(scene, "sesv2", "send_email", "smtp", **v2()) == ("AccessDeniedException", 403, text)
    for service, operation in (("ses", "get_send_quota"), ("sesv2", "get_account"), ("sesv2", "list_suppressed_destinations")):
        assert (await fault(scene, service, operation, "smtp"))[1] == 403


async def test_the_account_is_shown_as_ses_shows_it(scene: Scene) -> None:
    quota = {"Max24HourSend": 1_000_000.0, "MaxSendRate": 200.0}
    said = await scene.call("ses", "get_send_quota")
    assert quota.items() <= said.items()
    account = await scene.call("sesv2", "get_account")
    assert quota.items() <= account["SendQuota"].items()
    assert account["SendingEnabled"] is True
    id, _ = await sent_by(scene, "ses", "send_email", "tags", **v1())
    await scene.relay.status(id, "delivered")
    points = (await scene.call("ses", "get_send_statistics", "tags"))["SendDataPoints"]
    assert sum(point["DeliveryAttempts"] for point in points) >= 1
    assert set(points[0]) == {"Timestamp", "DeliveryAttempts", "Bounces", "Complaints", "Rejects"}
    assert (await scene.call("ses", "list_identities"))["Identities"] == ["example.com"]
    assert (await scene.call("ses", "list_identities", IdentityType="EmailAddress"))["Identities"] == []
    assert (await scene.call("ses", "list_verified_email_addresses"))["VerifiedEmailAddresses"] == []
    await scene.call("ses", "verify_email_identity", EmailAddress="shop@example.com")
    assert (await fault(scene, "ses", "verify_email_identity", EmailAddress="shop@example.org"))[0] == "AccessDenied"


async def test_an_account_that_is_paused_does_not_send(scene: Scene) -> None:
    control = ControlClient(scene.relay.where.control)
    await control.hold(Hold(HoldScope.ACCOUNT, "paused", 1e12))
    assert (await scene.call("sesv2", "get_account"))["SendingEnabled"] is False
    await control.lift(HoldScope.ACCOUNT, "")
    assert (await scene.call("sesv2", "get_account"))["SendingEnabled"] is True


async def test_the_suppression_list_is_the_relay_s_own(scene: Scene) -> None:
    for address, reason in (("A+b@example.org", "BOUNCE"), ("c@example.org", "COMPLAINT"), ("d@example.org", "BOUNCE")):
        await scene.call("sesv2", "put_suppressed_destination", EmailAddress=address, Reason=reason)
    found = (await scene.call("sesv2", "get_suppressed_destination", EmailAddress="a+B@example.org"))["SuppressedDestination"]
    assert (found["EmailAddress"], found["Reason"]) == ("A+b@example.org", "BOUNCE")
    assert found["LastUpdateTime"].timestamp() > 1_700_000_000
    async with api_of(scene.relay) as api:
        (checked,) = (await api.post("/Suppressions/Check", {"Addresses": ["a+b@example.org"]})).result
        assert (checked["Reason"], checked["Source"]) == ("hard_bounce", "login crm")

    async def listed(**wanted: Any) -> list[str]:
        addresses: list[str] = []
        token: dict[str, str] = {}
        while True:
            answer = await scene.call("sesv2", "list_suppressed_destinations", PageSize=1, **wanted, **token)
            assert len(answer["SuppressedDestinationSummaries"]) <= 1
            addresses += [each["EmailAddress"] for each in answer["SuppressedDestinationSummaries"]]
            if "NextToken" not in answer:
                return [address for address in addresses if address.endswith("@example.org")]
            token = {"NextToken": answer["NextToken"]}

    assert await listed() == ["A+b@example.org", "c@example.org", "d@example.org"]
    assert await listed(Reasons=["COMPLAINT"]) == ["c@example.org"]
    assert await listed(StartDate=found["LastUpdateTime"], Reasons=["BOUNCE"]) == ["A+b@example.org", "d@example.org"]
    assert await listed(EndDate="2020-01-01T00:00:00Z") == []
    await scene.call("sesv2", "delete_suppressed_destination", EmailAddress="A+b@example.org")
    for operation in ("get_suppressed_destination", "delete_suppressed_destination"):
        with pytest.raises(scene.client("sesv2").exceptions.NotFoundException):
            await scene.call("sesv2", operation, EmailAddress="A+b@example.org")
    wrong = {"EmailAddress": "no address", "Reason": "BOUNCE"}
    assert (await fault(scene, "sesv2", "put_suppressed_destination", **wrong))[0] == "BadRequestException"
    assert (await fault(scene, "sesv2", "list_suppressed_destinations", NextToken="\u00e9"))[0] == "InvalidNextTokenException"
    assert (await fault(scene, "sesv2", "list_suppressed_destinations", PageSize=1001))[0] == "BadRequestException"


async def test_what_the_relay_does_not_do_it_says(scene: Scene) -> None:
    assert (await fault(scene, "ses", "list_templates"))[:2] == ("InvalidAction", 400)
    assert (await fault(scene, "sesv2", "list_email_identities"))[:2] == ("UnknownOperationException", 404)
    assert (await fault(scene, "sesv2", "create_contact_list", ContactListName="x"))[:2] == ("UnknownOperationException", 404)


async def test_the_stored_form_of_atsd_is_taken_as_it_is(scene: Scene) -> None:
    body = form(
        action="SendEmail",
        Destination__ToAddresses__member__1="ops@example.net",
        Source="shop@example.com",
        Message__Body__Text__Data='{"entity": "nürn"}',
        Message__Subject__Data="[OPEN] cpu + disk",
    )
    before = len(scene.cloud.calls)
    request = signed(scene, "POST", "/", body, Content_Type="application/x-www-form-urlencoded")
    reply = await sent(scene, request)
    assert reply.status == 200
    assert reply.text.startswith(
        '<SendEmailResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendEmailResult><MessageId>'
    )
    found = message_from_bytes(await arrived(scene.relay, scene.cloud, before + 1), policy=default)
    assert found["Subject"] == "[OPEN] cpu + disk"
    assert "nürn" in found.get_content()


async def test_the_door_is_there_by_whatever_name_it_is_called(scene: Scene) -> None:
    request = signed(scene, "POST", "/", form(Action="GetSendQuota"), Host="email.us-east-1.amazonaws.com")
    assert (await sent(scene, request)).status == 200
    renamed = request._replace(headers=request.headers | {"Host": "email.eu-west-1.amazonaws.com"})
    assert (await sent(scene, renamed)).status == 403


ALSO_WRONG = {
    "another secret": lambda key: key._replace(secret="x" * 40),
    "another id": lambda key: key._replace(id="AKIAEXAMPLEEXAMPLE22"),
}


@pytest.mark.parametrize("what", ALSO_WRONG)
async def test_who_cannot_sign_is_answered_as_by_aws(scene: Scene, what: str) -> None:
    key: Key = ALSO_WRONG[what](scene.keys["crm"])
    codes = {
        "another secret": ("SignatureDoesNotMatch", "InvalidSignatureException"),
        "another id": ("InvalidClientTokenId", "UnrecognizedClientException"),
    }[what]
    for service, operation, code in zip(("ses", "sesv2"), ("get_send_quota", "get_account"), codes, strict=True):
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(getattr(boto3_client(service, key, scene.endpoint), operation))
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    why = "wrong signature" if what == "another secret" else "unknown access key"
    assert await scene.relay.told("login_refused", name=key.id, why=why)


async def test_whatever_is_wrong_with_a_request_it_has_an_id_and_says_nothing_else(scene: Scene) -> None:
    body = form(Action="GetSendQuota")
    bare = signed(scene, "POST", "/", body)._replace(headers={"Host": "127.0.0.1"})
    reply = await sent(scene, bare)
    assert (reply.status, "<Code>MissingAuthenticationToken</Code>" in reply.text) == (403, True)
    assert reply.headers["x-amzn-RequestId"] in reply.text
    reply = await sent(scene, bare._replace(target="/v2/email/account", method="GET"))
    assert (reply.status, reply.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert reply.headers["x-amzn-RequestId"]
    for changed in (
        signed(scene, "POST", "/?X-Amz-Signature=0", body),
        signed(scene, "POST", "/", body)._replace(body=form(Action="GetSendStatistics")),
        signed(scene, "POST", "/", body, at=1_700_000_000.0),
        signed(scene, "POST", "/", form(Action="GetSendQuota", action="GetSendQuota") + b"&Action=SendEmail"),
        signed(scene, "POST", "/", b"Action=%ff"),
        signed(scene, "POST", "/", b"&".join(b"%d=" % number for number in range(1001))),
        signed(scene, "POST", "/v2/email/outbound-emails", b"{"),
        signed(scene, "POST", "/v2/email/outbound-emails", b"[" * 5000),
        signed(scene, "POST", "/v2/email/outbound-emails", b'{"Content": {"Raw": {"Data": "?"}}}'),
        signed(scene, "GET", "/v2/email/suppression/addresses/%ff"),
        signed(scene, "GET", "/v2/email/suppression/addresses?StartDate=yesterday"),
        signed(scene, "POST", "/v2/email/account"),
        signed(scene, "GET", "/v2/email"),
    ):
        reply = await sent(scene, changed)
        assert 400 <= reply.status < 500, (changed, reply)
        assert reply.headers["x-amzn-RequestId"]
    assert not [line for line in scene.relay.faults() if line["event"] == "bug"]


async def test_a_replayed_request_is_answered_as_before_and_sends_nothing(scene: Scene) -> None:
    fields = {"Source": "shop@example.com", "Destination__ToAddresses__member__1": "once@example.net"}
    body = form(Action="SendEmail", **fields, Message__Subject__Data="once", Message__Body__Text__Data="x")
    request = signed(scene, "POST", "/", body)
    replies = [await sent(scene, request) for _ in range(3)]
    replies += await asyncio.gather(*(sent(scene, request) for _ in range(5)))
    ids = {reply.text.partition("<MessageId>")[2].partition("<")[0] for reply in replies}
    assert ({reply.status for reply in replies}, len(ids)) == ({200}, 1)
    await scene.relay.status(ids.pop(), "delivered")
    assert sum(call.recipients == ("once@example.net",) for call in scene.cloud.calls) == 1


async def test_a_list_is_read_whole_or_refused(scene: Scene) -> None:
    """A recipient that is passed over in silence is a mail that is lost."""
    fields = {"Action": "SendEmail", "Source": "shop@example.com", "Message.Subject.Data": "x", "Message.Body.Text.Data": "x"}
    to = "Destination.ToAddresses"
    before = len(scene.cloud.calls)
    gap = urlencode(
        fields | {f"{to}.member.10": "z@example.net", f"{to}.member.3": "a@example.net", "Destination.CcAddresses": ""}
    )
    reply = await sent(scene, signed(scene, "POST", "/", f"&{gap}&&".encode(), login="split"))
    assert reply.status == 200, reply
    await arrived(scene.relay, scene.cloud, before + 2)
    assert {call.recipients for call in list(scene.cloud.calls)[before:]} == {("a@example.net",), ("z@example.net",)}
    for name in (f"{to}.member.01", f"{to}.member.0", f"{to}.1", f"{to}.member.x", f"{to}.member.1.Name"):
        form = urlencode(fields | {f"{to}.member.7": "a@example.net", name: "b@example.net"}).encode()
        reply = await sent(scene, signed(scene, "POST", "/", form))
        assert (reply.status, name in reply.text) == (400, True), reply


@pytest.mark.parametrize("size", ["0", "1001", "0000000019999999", "9" * 5000])
async def test_a_page_has_a_size(scene: Scene, size: str) -> None:
    reply = await sent(scene, signed(scene, "GET", f"/v2/email/suppression/addresses?PageSize={size}"))
    assert (reply.status, "PageSize" in reply.text) == (400, True)


async def begun(scene: Scene, request: Signed) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Of whose body the last octet has not come yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.relay.ports["api"])
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    lines += [f"Content-Length: {len(request.body)}", "", ""]
    writer.write("\r\n".join(lines).encode() + request.body[:-1])
    await writer.drain()
    return reader, writer


async def test_who_only_knows_a_key_s_id_keeps_nobody_out(scene: Scene) -> None:
    """By bodies that he says are large, and never sends."""
    wrong = signed(scene, "POST", "/", b"x")
    wrong = wrong._replace(headers={**wrong.headers, "Transfer-Encoding": "chunked"}, body=b"")
    writers = []
    for _ in range(6):
        _, writer = await asyncio.open_connection("127.0.0.1", scene.relay.ports["api"])
        lines = "".join(f"{name}: {value}\r\n" for name, value in wrong.headers.items())
        writer.write(f"POST / HTTP/1.1\r\n{lines}\r\n".encode())
        await writer.drain()
        writers.append(writer)
    await asyncio.sleep(0.3)
    assert (await sent(scene, signed(scene, "POST", "/", b"Action=GetSendQuota"))).status == 200
    for writer in writers:
        writer.close()


async def test_a_key_that_goes_while_a_body_comes_is_of_no_use(scene: Scene) -> None:
    key = await issued(scene.relay, "crm")
    reader, writer = await begun(scene, signed(scene, "POST", "/", b"Action=GetSendQuota", key=key))
    await asyncio.sleep(0.3)
    await ControlClient(scene.relay.where.control).remove_access_key(key.id)
    await asyncio.sleep(1.2)
    writer.write(b"a")
    assert b" 403 " in await reader.readline()
    writer.close()


async def test_the_next_try_of_the_same_call_of_an_sdk_sends_nothing_more(scene: Scene) -> None:
    """Its signature is another, of another second."""
    fields = {"Source": "shop@example.com", "Destination__ToAddresses__member__1": "again@example.net"}
    body = form(Action="SendEmail", **fields, Message__Subject__Data="x", Message__Body__Text__Data="x")
    now = time.time()

    async def id_of(call: str, attempt: int, text: bytes = body) -> str:
        request = signed(scene, "POST", "/", text, at=now + attempt, amz_sdk_invocation_id=call, amz_sdk_request=str(attempt))
        reply = await sent(scene, request)
        assert reply.status == 200, reply
        return reply.text.partition("<MessageId>")[2].partition("<")[0]

    first = await id_of("one", 1)
    assert await id_of("one", 2) == first
    assert await id_of("two", 1) != first
    assert await id_of("one", 1, body + b"&ConfigurationSetName=x") != first


async def test_what_is_not_signed_makes_no_other_call_of_a_replayed_one(scene: Scene) -> None:
    """boto3 gives its tries an id, and does not sign that."""
    seen: list[Signed] = []

    def note(request: Any, **_: Any) -> None:
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        seen.append(Signed("POST", "/", headers, request.body))

    client = boto3_client("ses", scene.keys["crm"], scene.endpoint)
    client.meta.events.register("before-send.ses", note)
    answer = await asyncio.to_thread(client.send_email, **v1(Destination={"ToAddresses": ["twice@example.net"]}))
    (request,) = seen
    assert request.headers["amz-sdk-invocation-id"]
    for changed in ({"amz-sdk-invocation-id": "another"}, {"Accept": "x"}):
        replayed = await sent(scene, request._replace(headers=request.headers | changed))
        assert (replayed.status, answer["MessageId"] in replayed.text) == (200, True)
    await scene.relay.status(answer["MessageId"], "delivered")
    assert sum(call.recipients == ("twice@example.net",) for call in scene.cloud.calls) == 1


async def test_a_key_is_given_used_by_smtp_disabled_and_removed(scene: Scene) -> None:
    relay = scene.relay
    said = (await relay.cli("credential", "key", "add", "split", "--smtp"))[1].split()
    id, password = said[3].rstrip(","), said[-1]
    key = Key(id, said[5])
    client = boto3_client("sesv2", key, scene.endpoint)
    await asyncio.to_thread(client.get_account)
    with relay.smtp(login="") as smtp:
        smtp.login(id, password)
        smtp.sendmail("shop@example.com", ["a@example.net"], mail())
    life = await relay.life((await newest(relay))[0])
    assert life is not None
    assert life.message.credential == "split"
    async with api_of(relay, id, password) as api:
        assert (await api.get("/Account")).status == 401  # by SMTP alone
    shown = (await relay.cli("credential", "key", "list"))[1]
    assert f"{id} │ split" in shown
    with relay.smtp(login="") as smtp:
        smtp.login(id, password)
        await relay.cli("credential", "key", "disable", id)
        assert smtp.getreply() == (421, b"4.7.0 Your login was disabled")
    await asyncio.sleep(1.1)  # so long the door of SES knows a key
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        await asyncio.to_thread(client.get_account)
    with relay.smtp(login="") as smtp, pytest.raises(Exception, match="535"):
        smtp.login(id, password)
    await relay.cli("credential", "key", "remove", id)
    assert (await relay.cli("credential", "key", "enable", id, check=False)) == (2, f"relay: no access key {id}\n")


async def newest(relay: Relay) -> list[str]:
    lines = [line for line in relay.journal() if line["event"] == "accepted"]
    return [line["id"] for line in reversed(lines)]


async def test_what_holds_for_a_login_holds_for_its_keys(scene: Scene) -> None:
    key = await issued(scene.relay, "first")
    client = boto3_client("sesv2", key, scene.endpoint)
    await asyncio.to_thread(client.get_account)
    await ControlClient(scene.relay.where.control).put_credential(replace(FIRST, networks=("192.0.2.0/24",)))
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        await asyncio.to_thread(client.get_account)
    assert await scene.relay.told("login_refused", name=key.id, why="not from this network")


async def test_without_a_key_to_seal_with_there_are_no_access_keys(tmp_path: Any) -> None:
    async with running_relay(tmp_path) as (relay, _):
        status, said = await relay.cli("credential", "key", "add", "app", check=False)
        assert (status, said.startswith("relay: secrets.keys is not set")) == (2, True)
        found = Scene(relay, _, {"crm": Key("AKIAEXAMPLEEXAMPLE22", "x")}, {})
        assert (await sent(found, signed(found, "POST", "/", form(Action="GetSendQuota")))).status == 405
