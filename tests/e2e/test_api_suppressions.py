"""/Suppressions: looked up, added, removed, listed; never another login's."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.credential import MessageClass, Scope
from relay.sandbox.cloud import Cloud
from relay.sandbox.suppressed import Entry
from tests.e2e.api import Api, api_of
from tests.harness import CRM, Relay, running_relay

PATH = "/Suppressions"
OTHER = replace(CRM, name="other")
ORDERS = replace(CRM, name="orders", message_class=MessageClass.TRANSACTIONAL)
WITHOUT = replace(CRM, name="without", scopes=frozenset(Scope) - {Scope.SUPPRESSIONS})


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    other: Api


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    running = running_relay(tmp_path, CRM, OTHER, ORDERS, WITHOUT)
    async with running as (relay, cloud), api_of(relay) as api, api_of(relay, "other") as other:
        yield Scene(relay, cloud, api, other)


async def add(api: Api, address: str, **said: Any) -> None:
    reply = await api.post(PATH, {"Address": address, **said})
    assert (reply.status, reply.code) == (201, "ok"), reply


async def checked(api: Api, *addresses: str) -> list[dict[str, Any]]:
    reply = await api.post(f"{PATH}/Check", {"Addresses": addresses})
    assert (reply.status, reply.code) == (200, "ok"), reply
    assert isinstance(reply.result, list)
    return reply.result


async def listed(api: Api, query: str = "", **headers: str) -> list[str]:
    """The addresses."""
    reply = await api.get(f"{PATH}{query}", **headers)
    assert reply.status == 206, reply
    return [each["Address"] for each in reply.result]


def at(shown: str) -> float:
    match = re.fullmatch(r"/Date\((\d+)-0000\)/", shown)
    assert match
    return int(match[1]) / 1000


async def test_one_is_suppressed_looked_up_and_let_go(scene: Scene) -> None:
    began = time.time()
    await add(scene.api, "Reader@Example.net", Note="asked us on the phone")
    found, unknown = await checked(scene.api, "reader@example.net", "other@example.net")
    assert began - 1 <= at(found.pop("Since")) <= time.time() + 1
    assert found == {
        "Address": "reader@example.net",
        "Suppressed": True,
        "Reason": "manual",
        "Scope": "everywhere",
        "Source": "login crm",
        "Note": "asked us on the phone",
    }
    assert (unknown["Address"], unknown["Suppressed"], unknown["Reason"]) == ("other@example.net", False, None)
    again = await scene.api.post(PATH, {"Address": "READER@example.net"})
    assert (again.status, again.code) == (200, "not_changed")
    reply = await scene.api.delete(f"{PATH}/READER%40example.net")
    assert (reply.status, reply.code) == (200, "ok")
    assert [each["Suppressed"] for each in await checked(scene.api, "reader@example.net")] == [False]
    gone = await scene.api.delete(f"{PATH}/reader@example.net")
    assert (gone.status, gone.code) == (404, "not_found")


async def test_mail_to_it_is_not_sent(scene: Scene) -> None:
    await add(scene.api, "reader@example.net", Reason="unsubscribed")
    said = {"Sender": {"Address": "shop@example.com"}, "Recipient": {"Address": "reader@example.net"}}
    reply = await scene.api.post("/Messages", {**said, "Subject": "Hello", "Text": "Hello"})
    assert await scene.relay.status(reply.result, "suppressed") == ["suppressed"]


async def test_what_is_removed_is_deleted_at_ses_as_well_also_where_only_ses_has_it(scene: Scene) -> None:
    scene.cloud.suppressed |= {"reader@example.net": Entry("BOUNCE"), "Only@example.net": Entry("COMPLAINT")}
    await add(scene.api, "reader@example.net", Reason="hard_bounce")
    assert (await scene.api.delete(f"{PATH}/reader@example.net")).code == "ok"
    assert (await scene.api.delete(f"{PATH}/Only@example.net")).code == "not_found"
    for _ in range(100):
        if not scene.cloud.suppressed:
            break
        await asyncio.sleep(0.1)
    assert scene.cloud.suppressed == {}


async def test_what_is_of_one_login_alone_others_neither_see_nor_remove(scene: Scene) -> None:
    await add(scene.api, "reader@example.net", Scope="login", Reason="unsubscribed")
    [found] = await checked(scene.api, "reader@example.net")
    assert (found["Suppressed"], found["Scope"], found["Reason"]) == (True, "login", "unsubscribed")
    assert [each["Suppressed"] for each in await checked(scene.other, "reader@example.net")] == [False]
    assert await listed(scene.api) == ["reader@example.net"]
    for query in ("", "?Address=reader@example.net", "?After=", "?Scope=login"):
        assert await listed(scene.other, query) == []
    for query in ("", "?Scope=login"):
        assert (await scene.other.delete(f"{PATH}/reader@example.net{query}")).status == 404
    assert (await scene.api.delete(f"{PATH}/reader@example.net")).status == 404  # it is not everywhere
    assert (await scene.api.delete(f"{PATH}/reader@example.net?Scope=login")).code == "ok"
    assert await listed(scene.api) == []


async def test_who_writes_what_is_transactional_is_told_so_of_who_has_unsubscribed(scene: Scene) -> None:
    async with api_of(scene.relay, "orders") as api:
        await add(api, "reader@example.net", Scope="login", Reason="unsubscribed")
        assert [each["Suppressed"] for each in await checked(api, "reader@example.net")] == [False]
        await add(api, "reader@example.net", Reason="complaint")
        assert [each["Reason"] for each in await checked(api, "reader@example.net")] == ["complaint"]


async def test_the_gravest_is_told_and_all_are_listed(scene: Scene) -> None:
    await add(scene.api, "reader@example.net")
    await add(scene.api, "reader@example.net", Reason="HardBounce")
    await add(scene.api, "reader@example.net", Scope="Login")
    assert [each["Reason"] for each in await checked(scene.api, "reader@example.net")] == ["hard_bounce"]
    found = (await scene.api.get(f"{PATH}?Address=READER@example.net")).result
    assert [(each["Reason"], each["Scope"]) for each in found] == [
        ("manual", "login"),
        ("hard_bounce", "everywhere"),
        ("manual", "everywhere"),
    ]
    assert await listed(scene.api, "?Address=reader@example.net&Scope=everywhere&Reason=manual") == ["reader@example.net"]
    assert await listed(scene.api, "?Address=nobody@example.net") == []


async def test_an_entry_ends_by_itself(scene: Scene) -> None:
    soon = time.time() + 2
    await add(scene.api, "reader@example.net", ExpiresAt=f"/Date({int(soon * 1000)}-0000)/")
    [shown] = (await scene.api.get(PATH)).result
    assert abs(at(shown["ExpiresAt"]) - soon) < 0.01
    assert [each["Suppressed"] for each in await checked(scene.api, "reader@example.net")] == [True]
    await asyncio.sleep(soon - time.time() + 0.2)
    assert [each["Suppressed"] for each in await checked(scene.api, "reader@example.net")] == [False]
    assert await listed(scene.api, "?Address=reader@example.net") == await listed(scene.api, "?After=") == []


async def test_the_newest_come_first_in_ranges(scene: Scene) -> None:
    for number in range(5):
        await add(scene.api, f"r{number}@example.net", Scope="login" if number % 2 else "everywhere")
        await add(scene.other, f"hidden{number}@example.net", Scope="login")
    reply = await scene.api.get(PATH, Range="items=2-4")
    assert [each["Address"] for each in reply.result] == ["r3@example.net", "r2@example.net", "r1@example.net"]
    assert reply.headers["Content-Range"] == "items 2-4/*"
    assert await listed(scene.api, "?Scope=login") == ["r3@example.net", "r1@example.net"]
    assert await listed(scene.api, "?Reason=complaint") == []
    assert (await scene.api.get(PATH, Range="items=10000-10001")).status == 416


async def test_all_are_read_one_after_the_other_by_address(scene: Scene) -> None:
    addresses = [f"{letter}{number}@example.net" for letter in "ab" for number in range(10)]
    (scene.relay.folder / "list.txt").write_text("\n".join(addresses))
    await scene.relay.cli("suppression", "import", str(scene.relay.folder / "list.txt"))
    await add(scene.api, "a5@example.net", Scope="login")
    await add(scene.api, "a5@example.net", Reason="complaint")
    await add(scene.other, "a6@example.net", Scope="login")
    seen: list[str] = []
    while found := await listed(scene.api, f"?After={seen[-1] if seen else ''}", Range="items=1-6"):
        seen += found
    assert seen == sorted([*addresses, "a5@example.net", "a5@example.net"])
    assert await listed(scene.api, "?After=b7@example.net") == ["b8@example.net", "b9@example.net"]
    assert await listed(scene.api, "?After=&Reason=complaint") == ["a5@example.net"]


@pytest.mark.parametrize(
    ("path", "said", "code"),
    [
        ("", {}, "empty_value"),
        ("", {"Address": "nobody"}, "invalid_email"),
        ("", {"Address": "a@example.net", "Reason": "soft_bounces"}, "invalid_value"),
        ("", {"Address": "a@example.net", "Reason": "because"}, "invalid_value"),
        ("", {"Address": "a@example.net", "Scope": "list:news"}, "invalid_value"),
        ("", {"Address": "a@example.net", "ExpiresAt": "2020-01-01"}, "invalid_value"),
        ("", {"Address": "a@example.net", "Note": "x" * 501}, "invalid_value"),
        ("/Check", {}, "empty_value"),
        ("/Check", {"Addresses": []}, "empty_value"),
        ("/Check", {"Addresses": ["a@example.net", "nobody"]}, "invalid_email"),
        ("/Check", {"Addresses": [f"{number}@example.net" for number in range(1001)]}, "invalid_value"),
    ],
)
async def test_what_cannot_be_used_is_refused(shared: tuple[Relay, Cloud], path: str, said: dict[str, Any], code: str) -> None:
    async with api_of(shared[0]) as api:
        reply = await api.post(f"{PATH}{path}", said)
        assert (reply.status, reply.code) == (400, code)
        assert await listed(api) == []
        assert (await api.delete(f"{PATH}/nobody")).code == "invalid_email"


async def test_a_thousand_are_looked_up_at_once(scene: Scene) -> None:
    await add(scene.api, "r500@example.net")
    found = await checked(scene.api, *(f"r{number}@example.net" for number in range(1000)))
    assert [each["Address"] for each in found if each["Suppressed"]] == ["r500@example.net"]
    assert len(found) == 1000


async def test_who_has_no_right_to_them_is_told_so(scene: Scene) -> None:
    async with api_of(scene.relay, "without") as api:
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/Check"), ("DELETE", "/a@example.net")):
            assert (await api.call(method, f"{PATH}{path}")).code == "invalid_permission"
