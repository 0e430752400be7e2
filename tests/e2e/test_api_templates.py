"""/Templates: kept, changed, and used by messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.credential import Scope
from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, api_of
from tests.harness import CRM, Relay, arrived, running_relay

LINKS = '<a href="[Unsubscribe]">leave</a> <a href="[WebVersion]">look</a>'
WELCOME = {
    "Name": "Welcome",
    "Sender": {"Address": "shop@example.com", "Name": "The Shop"},
    "Subject": "Hello [FirstName]",
    "Text": f"<p>[FirstName], your code is [Code 2] [not a field!] {LINKS}</p>",
}
OTHER = replace(CRM, name="other")
WITHOUT = replace(CRM, name="without", scopes=frozenset(Scope) - {Scope.TEMPLATES})


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    other: Api


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("api")
    async with running_relay(folder, CRM, OTHER, WITHOUT) as (relay, cloud), api_of(relay) as api, api_of(relay, "other") as o:
        yield Scene(relay, cloud, api, o)


async def added(api: Api, **changes: Any) -> int:
    reply = await api.post("/Templates", {**WELCOME, **changes})
    assert (reply.status, reply.code) == (201, "ok"), reply
    assert isinstance(reply.result, int)
    return reply.result


async def test_a_template_is_shown_as_it_was_said_in_both_shapes(scene: Scene) -> None:
    id = await added(scene.api, UserTemplateId="welcome")
    reply = await scene.api.get(f"/Templates/{id}")
    assert reply.status == 200
    assert reply.result == {
        "TemplateId": id,
        "Name": "Welcome",
        "Sender": {"Address": "shop@example.com", "Name": "The Shop"},
        "Subject": "Hello [FirstName]",
        "Text": WELCOME["Text"],
        "Body": {"Html": WELCOME["Text"], "PlainText": ""},
        "UserTemplateId": "welcome",
        "MergeFields": ["Code 2", "FirstName"],
    }
    assert (await scene.api.get("/Templates/welcome")).result == reply.result
    body = {"Html": f"<p>{LINKS}</p>", "PlainText": "[Unsubscribe] [WebVersion] [Total]"}
    both = await added(scene.api, Text="", Body=body, Sender=None, Subject="")
    shown = (await scene.api.get(f"/Templates/{both}")).result
    assert (shown["Text"], shown["Body"], shown["MergeFields"]) == (body["Html"], body, ["Total"])
    assert shown["Sender"] is None


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"Name": " "}, "empty_value", "Name"),
        ({"Text": ""}, "empty_value", "Text"),
        ({"Text": "<p>[WebVersion]</p>"}, "missing_macros", "[Unsubscribe]"),
        ({"Text": "<p>[Unsubscribe]</p>"}, "missing_macros", "[WebVersion]"),
        ({"Body": {"PlainText": "hello"}}, "missing_macros", "[Unsubscribe]"),
        ({"Text": LINKS + "x" * (10 * 1024 * 1024)}, "size_exceeded", "octets"),
        ({"Sender": {"Address": "shop@example.org"}}, "invalid_value", "shop@example.org"),
        ({"Sender": {"Address": "shop@"}}, "invalid_email", "Sender.Address"),
        ({"Name": "x" * 201}, "invalid_value", "Name"),
    ],
)
async def test_what_cannot_be_used_is_refused(scene: Scene, changes: dict[str, Any], code: str, words: str) -> None:
    before = (await scene.api.get("/Templates")).headers["Content-Range"]
    id = await added(scene.other)
    for api, method, path in ((scene.api, "POST", "/Templates"), (scene.other, "PUT", f"/Templates/{id}")):
        reply = await api.call(method, path, {**WELCOME, **changes})
        assert (reply.status, reply.code) == (400, code)
        assert words in reply.document["Description"]
    assert (await scene.api.get("/Templates")).headers["Content-Range"] == before
    assert (await scene.other.get(f"/Templates/{id}")).result["Name"] == "Welcome"


async def test_a_name_of_its_owners_means_one_template(scene: Scene) -> None:
    first = await added(scene.api, UserTemplateId="order")
    second = await added(scene.api, UserTemplateId="order-2")
    taken = await scene.api.post("/Templates", {**WELCOME, "UserTemplateId": "order"})
    assert (taken.status, taken.code) == (400, "invalid_value")
    assert "UserTemplateId" in taken.document["Description"]
    moved = await scene.api.put(f"/Templates/{second}", {**WELCOME, "UserTemplateId": "order"})
    assert (moved.status, moved.code) == (400, "invalid_value")
    assert (await scene.api.get("/Templates/order")).result["TemplateId"] == first
    assert await added(scene.other, UserTemplateId="order") not in (first, second)


async def test_a_template_is_replaced_and_keeps_its_name_where_none_is_said(scene: Scene) -> None:
    id = await added(scene.api, UserTemplateId="replaced")
    said = {"Name": "Changed", "Text": f"[New] {LINKS}"}
    reply = await scene.api.put("/Templates/replaced", said)
    assert (reply.status, reply.code) == (200, "ok")
    assert reply.result == (await scene.api.get(f"/Templates/{id}")).result
    assert (reply.result["Name"], reply.result["Sender"], reply.result["Subject"]) == ("Changed", None, "")
    assert (reply.result["UserTemplateId"], reply.result["MergeFields"]) == ("replaced", ["New"])
    renamed = await scene.api.put(f"/Templates/{id}", {**said, "UserTemplateId": ""})
    assert renamed.result["UserTemplateId"] == ""
    assert (await scene.api.get("/Templates/replaced")).status == 404


async def test_a_deleted_template_is_gone(scene: Scene) -> None:
    id = await added(scene.api)
    assert (await scene.api.delete(f"/Templates/{id}")).code == "ok"
    for reply in (await scene.api.get(f"/Templates/{id}"), await scene.api.delete(f"/Templates/{id}")):
        assert (reply.status, reply.code) == (404, "not_found")


async def test_each_login_sees_its_own(scene: Scene) -> None:
    id = await added(scene.api)
    for method, body in (("GET", None), ("PUT", WELCOME), ("DELETE", None)):
        assert (await scene.other.call(method, f"/Templates/{id}", body)).status == 404
    assert (await scene.api.get(f"/Templates/{id}")).status == 200
    assert id not in [each["TemplateId"] for each in (await scene.other.get("/Templates")).result]


async def test_a_list_is_given_in_ranges(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _), api_of(relay) as api:
        assert (await api.get("/Templates")).result == []
        for number in range(5):
            await added(api, Name=f"number {number}")
        reply = await api.get("/Templates", Range="items=2-3")
        assert (reply.status, reply.headers["Content-Range"]) == (206, "items 2-3/5")
        assert [each["Name"] for each in reply.result] == ["number 1", "number 2"]
        assert "MergeFields" not in reply.result[0]
        assert (await api.get("/Templates", Range="items=6-7")).status == 416


async def test_messages_are_made_of_it(scene: Scene) -> None:
    await added(scene.api, UserTemplateId="used")
    before = len(scene.cloud.calls)
    said = {
        "Recipient": {"Address": "reader@example.net"},
        "TemplateId": "used",
        "MergeFields": {"FirstName": "Ann", "Code 2": "4711"},
    }
    assert (await scene.api.post("/Messages", said)).status == 201
    raw = await arrived(scene.relay, scene.cloud, before + 1)
    assert b"Subject: Hello Ann\r\n" in raw
    assert b"Ann, your code is 4711" in raw.replace(b"=\r\n", b"")


async def test_it_is_written_in_xml_as_well(scene: Scene) -> None:
    body = (
        "<Template><Name>In XML</Name><Body><Html>[Unsubscribe] [WebVersion]</Html></Body>"
        "<UserTemplateId>in-xml</UserTemplateId></Template>"
    )
    reply = await scene.api.call(
        "POST", "/Templates?format=xml", data=body.encode(), headers={"Content-Type": "application/xml"}
    )
    assert reply.status == 201
    shown = (await scene.api.get("/Templates/in-xml?format=xml")).xml
    assert shown.findtext("Result/TemplateId") == reply.xml.findtext("Result")
    assert shown.findtext("Result/Body/Html") == "[Unsubscribe] [WebVersion]"


async def test_who_has_no_right_to_them_is_told_so(scene: Scene) -> None:
    async with api_of(scene.relay, "without") as api:
        reply = await api.get("/Templates")
        assert (reply.status, reply.code) == (403, "invalid_permission")
