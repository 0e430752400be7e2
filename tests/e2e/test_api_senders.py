"""/UserSettings/SourceAddresses: whom a login may send as, with SES's word on each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.assembly import database
from relay.credential import Scope
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.e2e.api import Api, Reply, api_of
from tests.harness import CRM, Relay, mail, running_relay, submit

SENDERS = ("@example.com", "@*.example.com", "anna@example.net", "@example.org", "bert@example.net", "@elsewhere.example")
PATH = "/UserSettings/SourceAddresses"
WITHOUT = replace(CRM, name="without", scopes=frozenset(Scope) - {Scope.SENDERS})
MAIL = {"Recipient": {"Address": "reader@example.net"}, "Subject": "Hello", "Text": "<p>Hello</p>"}


def far_side(**states: tuple[str, bool]) -> Callable[[], Cloud]:
    def made() -> Cloud:
        cloud = Cloud()
        cloud.identities.states |= {name.replace("_at_", "@").replace("_", "."): state for name, state in states.items()}
        return cloud

    return made


STATES = far_side(anna_at_example_net=("SUCCESS", True), example_org=("PENDING", False), bert_at_example_net=("FAILED", False))


async def shown(api: Api, path: str = PATH) -> dict[str, tuple[str, bool]]:
    reply = await api.get(path)
    assert (reply.status, reply.code) == (200, "ok")
    return {each["SourceAddress"]: (each["State"], each["IsDefault"]) for each in reply.result}


async def sends(api: Api, sender: str) -> Reply:
    return await api.post("/Messages", {**MAIL, "Sender": {"Address": sender}})


async def test_they_are_shown_with_what_ses_says_of_them(tmp_path: Path) -> None:
    async with running_relay(tmp_path, replace(CRM, senders=SENDERS), far_side=STATES) as (relay, _), api_of(relay) as api:
        await relay.told("identities_synced")
        states = {
            "@example.com": ("Approve", True),
            "@*.example.com": ("Approve", False),
            "anna@example.net": ("Approve", False),
            "@example.org": ("Request", False),
            "bert@example.net": ("Reject", False),
            "@elsewhere.example": ("Request", False),
        }
        assert await shown(api) == states
        assert await shown(api, "/UserSettings/SenderAddresses") == states


async def test_where_ses_is_not_asked_all_may_be_used(tmp_path: Path) -> None:
    settings = {"RELAY_SES__IDENTITIES_SECONDS": "0"}
    asking = running_relay(tmp_path, replace(CRM, senders=SENDERS), far_side=STATES, settings=settings)
    async with asking as (relay, _), api_of(relay) as api:
        assert {state for state, _ in (await shown(api)).values()} == {"Approve"}


async def test_an_address_of_a_verified_domain_is_added_at_once_and_may_be_used_in_open_sessions(tmp_path: Path) -> None:
    async with running_relay(tmp_path, replace(CRM, senders=("one@example.com",))) as (relay, cloud), api_of(relay) as api:
        await relay.told("identities_synced")
        with relay.smtp(login="crm") as client:
            assert client.mail("two@example.com")[0] == 554
            reply = await api.post(PATH, {"SourceAddress": "Two@Example.com"})
            assert (reply.status, reply.document) == (
                201,
                {"Code": "ok", "Description": "source address added"},
            )
            assert await shown(api) == {"one@example.com": ("Approve", True), "two@example.com": ("Approve", False)}
            await asyncio.to_thread(submit, client, mail(sender="two@example.com"), sender="two@example.com")
        assert cloud.identities.states == {"example.com": ("SUCCESS", True)}  # nothing was asked of SES
        again = await api.post(PATH, {"SourceAddress": "two@EXAMPLE.com"})
        assert (again.status, again.code) == (200, "not_changed")
        assert list(await shown(api)) == ["one@example.com", "two@example.com"]


async def test_a_strange_address_gets_a_link_from_ses_and_nothing_is_sent_from_it_before(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, cloud), api_of(relay) as api:
        await relay.told("identities_synced")
        reply = await api.post("/UserSettings/SenderAddresses", {"SenderAddress": "carla@example.net"})
        assert (reply.status, "Result" in reply.document) == (201, False)
        assert cloud.identities.states["carla@example.net"] == ("PENDING", False)
        assert (await shown(api))["carla@example.net"] == ("Request", False)
        refused = await sends(api, "carla@example.net")
        assert (refused.status, refused.code) == (400, "invalid_value")
        await relay.cli("sender", "sync")
        assert "pending" in (await sends(api, "carla@example.net")).document["Description"]
        cloud.identities.states["carla@example.net"] = ("SUCCESS", True)  # somebody has followed the link
        await relay.cli("sender", "sync")
        assert (await shown(api))["carla@example.net"] == ("Approve", False)
        assert (await sends(api, "carla@example.net")).status == 201


async def test_one_that_ses_knows_already_is_added(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, cloud), api_of(relay) as api:
        await relay.told("identities_synced")
        cloud.identities.states["dora@example.net"] = ("SUCCESS", True)  # since the relay has looked
        assert (await api.post(PATH, {"SourceAddress": "dora@example.net"})).status == 201
        assert "dora@example.net" in await shown(api)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, "empty_value"),
        ({"SourceAddress": "example.net"}, "invalid_email"),
        ({"SourceAddress": "@example.net"}, "invalid_email"),
        ({"SourceAddress": "eva@"}, "invalid_email"),
        ({"SourceAddress": "a@b@example.net"}, "invalid_email"),
    ],
)
async def test_what_is_no_address_is_refused(shared: tuple[Relay, Cloud], said: dict[str, str], code: str) -> None:
    relay, _ = shared
    async with api_of(relay) as api:
        before = await shown(api)
        reply = await api.post(PATH, said)
        assert (reply.status, reply.code) == (400, code)
        assert await shown(api) == before


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SesError(400, "BadRequestException", "no such address"), 400, "invalid_email"),
        (SesError(503, "ServiceUnavailableException", "later"), 503, "internal_error"),
        (SesError(403, "AccessDeniedException", "not allowed"), 503, "internal_error"),
    ],
)
async def test_where_ses_does_not_do_it_nothing_is_changed(
    shared: tuple[Relay, Cloud], error: SesError, status: int, code: str
) -> None:
    relay, cloud = shared
    await relay.told("identities_synced")
    async with api_of(relay) as api:
        before = await shown(api)
        cloud.identities.faults.times, cloud.identities.faults.error = 1, error
        reply = await api.post(PATH, {"SourceAddress": "fred@example.net"})
        assert (reply.status, reply.code) == (status, code)
        assert await shown(api) == before


async def test_the_rights_of_the_relay_are_enough_for_it_and_without_the_one_it_is_not_done(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, cloud), api_of(relay) as api:
        await relay.told("identities_synced")
        _, printed = await relay.cli("aws", "policy", "--transport", "sqs")
        rights = {action for each in json.loads(printed)["Statement"] for action in each["Action"]}
        assert "ses:CreateEmailIdentity" in rights
        cloud.denied = {"ses:CreateEmailIdentity"}
        assert (await api.post(PATH, {"SourceAddress": "gina@example.net"})).status == 503
        trouble = await relay.told("trouble", level="error")
        assert "gina@example.net" in trouble["what"]
        cloud.denied = set()
        assert (await api.post(PATH, {"SourceAddress": "gina@example.net"})).status == 201


async def test_one_that_is_removed_may_be_used_no_more_and_stays_at_ses(tmp_path: Path) -> None:
    senders = ("@example.com", "anna@example.net")
    async with running_relay(tmp_path, replace(CRM, senders=senders), far_side=STATES) as (relay, cloud), api_of(relay) as api:
        await relay.told("identities_synced")
        with relay.smtp(login="crm") as client:
            assert client.mail("anna@example.net")[0] == 250
            client.rset()
            reply = await api.delete(f"{PATH}/Anna%40example.net")
            assert (reply.status, reply.code) == (200, "ok")
            assert client.mail("anna@example.net")[0] == 554
        assert list(await shown(api)) == ["@example.com"]
        assert "anna@example.net" in cloud.identities.states
        for gone in ("anna@example.net", "nobody@example.com"):
            again = await api.delete(f"{PATH}/{gone}")
            assert (again.status, again.code) == (404, "not_found")
        assert (await api.delete("/UserSettings/SenderAddresses/@example.com")).code == "ok"
        assert await shown(api) == {}


async def test_all_that_are_added_at_the_same_time_are_there_and_nothing_else_has_changed(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _), api_of(relay) as api:
        await relay.told("identities_synced")
        wanted = [f"n{number}@example.com" for number in range(12)]
        replies = await asyncio.gather(*(api.post(PATH, {"SourceAddress": each}) for each in wanted))
        assert {reply.status for reply in replies} == {201}
        assert set(await shown(api)) == {"@example.com", *wanted}
        store = await database.opened_to_read(relay.where)
        found = await store.credentials.get("crm")
        await store.close()
        assert found is not None
        assert replace(found, senders=CRM.senders) == CRM


async def test_a_login_that_was_disabled_meanwhile_stays_so(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _), api_of(relay) as api:
        await relay.told("identities_synced")
        await relay.cli("credential", "disable", "crm")
        assert (await api.post(PATH, {"SourceAddress": "late@example.com"})).status == 401


async def test_who_has_no_right_to_it_is_told_so(tmp_path: Path) -> None:
    async with running_relay(tmp_path, WITHOUT) as (relay, _), api_of(relay, "without") as api:
        for reply in (await api.get(PATH), await api.post(PATH, {"SourceAddress": "a@example.com"})):
            assert (reply.status, reply.code) == (403, "invalid_permission")
