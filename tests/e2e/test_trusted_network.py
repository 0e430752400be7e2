"""Devices that know neither login nor TLS: their network is let in as one credential, with all its rules, and nobody else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.credential import Recipients
from relay.sandbox.cloud import Cloud
from tests.harness import CREDENTIALS, PERSON, Relay, mail, running_relay
from tests.wire import Wire, connected

DEVICES = replace(PERSON, name="devices", senders=("@example.com",), recipients=Recipients.ONE)
SETTINGS = {
    "RELAY_SMTP__TRUSTED": "127.0.0.1:0",
    "RELAY_SMTP__TRUSTED_NETWORKS": "127.0.0.1/32,192.0.2.0/24",
    "RELAY_SMTP__TRUSTED_CREDENTIAL": "devices",
    "RELAY_SMTP__PROXIES": "127.0.0.3/32",
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "3",
    "RELAY_SMTP__LOGIN_SECONDS": "1",
}
WELCOME = "220 localhost ESMTP relay"

Pair = tuple[Relay, Cloud]


@pytest_asyncio.fixture(scope="module")
async def trusting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with running_relay(tmp_path_factory.mktemp("trusting"), *CREDENTIALS, DEVICES, settings=SETTINGS) as pair:
        yield pair
        assert not [line for line in pair[0].journal() if line["level"] == "error"]


async def _greeted(relay: Relay, stack: AsyncExitStack, *, source: str = "127.0.0.1", tls: bool = False) -> Wire:
    wire = await stack.enter_async_context(connected(relay.ports["trusted"], source=source))
    assert await wire.reply() == WELCOME
    if tls:
        assert await wire.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
        await wire.shake_hands()
    assert (await wire.ask("EHLO printer.example")).startswith("250 ")
    return wire


def _accepted(relay: Relay, message_id: str) -> dict[str, Any]:
    return next(line for line in relay.journal() if line["event"] == "accepted" and line["id"] == message_id)


async def _received(pair: Pair, message_id: str) -> str:
    """The protocol that the message's Received header names (RFC 3848)."""
    assert await pair[0].status(message_id, "delivered") == ["delivered"]
    raw = next(call.raw for call in pair[1].calls if message_id.encode() in call.raw)
    found = re.search(rb"^Received: [^:]*? with (\S+)", raw, re.MULTILINE | re.DOTALL)
    assert found, raw
    return found[1].decode()


@pytest.mark.parametrize(("tls", "protocol"), [(False, "ESMTP"), (True, "ESMTPS")])
async def test_who_is_trusted_submits_without_login(trusting: Pair, tls: bool, protocol: str) -> None:
    async with AsyncExitStack() as stack:
        message_id = await (await _greeted(trusting[0], stack, tls=tls)).submit()
    accepted = _accepted(trusting[0], message_id)
    assert (accepted["credential"], accepted["peer"]) == ("devices", "127.0.0.1")
    assert await _received(trusting, message_id) == protocol


async def test_who_is_trusted_may_still_log_in_under_tls_and_is_then_himself(trusting: Pair) -> None:
    async with AsyncExitStack() as stack:
        wire = await _greeted(trusting[0], stack, tls=True)
        await wire.log_in("app")
        message_id = await wire.submit()
    assert _accepted(trusting[0], message_id)["credential"] == "app"
    assert await _received(trusting, message_id) == "ESMTPSA"


async def test_no_login_is_offered_or_taken_without_tls(trusting: Pair) -> None:
    async with AsyncExitStack() as stack:
        wire = await _greeted(trusting[0], stack)
        reply = await wire.ask("AUTH PLAIN AGFwcABhIHBhc3N3b3Jk")
        assert reply == "538 5.7.11 Encryption required for requested authentication mechanism"


async def test_nobody_waits_for_the_login_of_who_needs_none(trusting: Pair) -> None:
    """`smtp.login_seconds` is 1."""
    async with AsyncExitStack() as stack:
        wire = await _greeted(trusting[0], stack)
        await asyncio.sleep(2.5)
        await wire.submit()


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<boss@example.org>"], "554 5.7.1 Disallowed source address: boss@example.org"),
        (["MAIL FROM:<>"], "554 5.7.1 Disallowed source address: <>"),
        (
            ["MAIL FROM:<shop@example.com>", "RCPT TO:<reader@example.net>", "RCPT TO:<other@example.net>"],
            "554 5.5.3 Only one recipient per message",
        ),
        (
            [
                "MAIL FROM:<shop@example.com>",
                "RCPT TO:<reader@example.net>",
                "DATA",
                mail(sender="boss@example.org").decode() + ".",
            ],
            "554 5.7.1 Disallowed source address: boss@example.org",
        ),
    ],
    ids=["sender", "null-sender", "recipients", "from"],
)
async def test_the_rules_of_the_credential_hold(trusting: Pair, commands: list[str], reply: str) -> None:
    async with AsyncExitStack() as stack:
        wire = await _greeted(trusting[0], stack)
        assert [await wire.ask(command) for command in commands][-1] == reply


async def test_nobody_else_is_served(trusting: Pair) -> None:
    async with connected(trusting[0].ports["trusted"], source="127.0.0.2") as wire:
        assert await wire.rest() == ["554 5.7.1 No service for your address"]


@pytest.mark.parametrize(("client", "reply"), [("192.0.2.1", WELCOME), ("127.0.0.3", "554 5.7.1 No service for your address")])
async def test_behind_a_proxy_the_client_must_be_trusted_and_the_proxy_is_not(trusting: Pair, client: str, reply: str) -> None:
    async with connected(trusting[0].ports["trusted"], source="127.0.0.3") as wire:
        wire.send(f"PROXY TCP4 {client} 192.0.2.250 40000 25\r\n".encode())
        assert await wire.reply() == reply


async def test_trust_does_not_reach_the_other_doors(trusting: Pair) -> None:
    async with connected(trusting[0].ports["submission"]) as wire:
        assert await wire.reply() == WELCOME
        assert (await wire.ask("EHLO x")).startswith("250 ")
        assert await wire.ask("MAIL FROM:<shop@example.com>") == "530 5.7.0 Must issue a STARTTLS command first"


async def test_who_is_trusted_may_not_have_more_connections_than_others(trusting: Pair) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await _until_greeted(trusting[0], stack)
        async with connected(trusting[0].ports["trusted"]) as fourth:
            assert await fourth.rest() == ["421 4.7.0 Too many connections from your address"]


async def _until_greeted(relay: Relay, stack: AsyncExitStack) -> Wire:
    """A connection that ended is forgotten a moment later."""
    for _ in range(200):
        wire = await stack.enter_async_context(connected(relay.ports["trusted"]))
        if await wire.reply() == WELCOME:
            return wire
        await asyncio.sleep(0.02)
    raise AssertionError("nobody is let in any more")


async def test_when_the_credential_is_disabled_nobody_is_served(trusting: Pair) -> None:
    """Not even who is there already. The last test of this relay."""
    async with AsyncExitStack() as stack:
        wire = await _until_greeted(trusting[0], stack)
        await trusting[0].cli("credential", "disable", "devices")
        assert await wire.reply() == "421 4.7.0 Your login was disabled"
    await _none_is_served(trusting[0])


async def test_without_its_credential_nobody_is_served(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=SETTINGS) as (relay, _):
        await _none_is_served(relay)


async def test_a_credential_s_own_networks_hold_here_too(tmp_path: Path) -> None:
    elsewhere = replace(DEVICES, networks=("198.51.100.0/24",))
    async with running_relay(tmp_path, elsewhere, settings=SETTINGS) as (relay, _):
        await _none_is_served(relay)


async def _none_is_served(relay: Relay) -> None:
    async with connected(relay.ports["trusted"]) as wire:
        assert await wire.rest() == ["421 4.3.0 Service not available"]
    refused = [line for line in relay.journal() if line["event"] == "login_refused"]
    assert (refused[-1]["name"], refused[-1]["peer"]) == ("devices", "127.0.0.1")
