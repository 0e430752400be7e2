"""The whole relay with its store on PostgreSQL: a message's journey, its facts, the command line, a second relay."""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from relay.sandbox.cloud import Cloud
from tests.harness import Relay, mail, running_relay, submit

QUICK = {
    "RELAY_RETRY__IN_DOUBT_SECONDS": "2",
    "RELAY_SES__CONNECT_TIMEOUT_SECONDS": "1",
    "RELAY_SES__READ_TIMEOUT_SECONDS": "2",
}


@pytest.fixture
async def running(tmp_path: Path, url: str, unused_tcp_port: int) -> AsyncIterator[tuple[Relay, Cloud]]:
    settings = {"RELAY_STORE__URL": url, "RELAY_CALLBACKS__LISTEN": f"127.0.0.1:{unused_tcp_port}", **QUICK}
    async with running_relay(tmp_path, settings=settings) as (relay, cloud):
        yield relay, cloud


async def test_a_message_arrives_and_what_becomes_of_it_comes_back(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    with relay.smtp() as client:
        sent = await asyncio.to_thread(submit, client, mail())
        bounced = await asyncio.to_thread(submit, client, mail(), to="bounce@simulator.amazonses.com")
    assert await relay.status(sent, "delivered") == ["delivered"]
    assert await relay.status(bounced, "bounced hard") == ["bounced hard"]
    assert "hard_bounce" in (await relay.cli("suppression", "list"))[1]
    with relay.smtp() as client:
        again = await asyncio.to_thread(submit, client, mail(), to="bounce@simulator.amazonses.com")
    assert await relay.status(again, "suppressed") == ["suppressed"]
    assert relay.faults() == []


async def test_the_command_line_works_with_and_without_a_relay(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    for verbs_with_a_relay in (True, False):
        if not verbs_with_a_relay:
            assert await relay.stop() == 0
        address = f"reader-{verbs_with_a_relay}@example.net"
        await relay.cli("suppression", "add", address)
        assert "manual since" in (await relay.cli("suppression", "check", address, check=False))[1]
        assert "app" in (await relay.cli("credential", "list"))[1]
        await relay.cli("queue", "status")
        await relay.cli("stats")
        (seen,) = (each["seen"] for each in await findings(relay) if each["check"] == "ports")
        assert seen.startswith("a relay runs" if verbs_with_a_relay else "no relay runs")


async def findings(relay: Relay) -> list[dict[str, str]]:
    """Of the doctor, whatever it thinks of the rest."""
    found: list[dict[str, str]] = json.loads((await relay.cli("doctor", "--json", check=False))[1])["findings"]
    return found


async def test_a_large_message_arrives_as_well(running: tuple[Relay, Cloud]) -> None:
    relay, cloud = running
    content = mail(body="x" * 70 + "\r\n" + "y" * 70 + "\r\n" * 3000 + "z\r\n")
    with relay.smtp() as client:
        sent = await asyncio.to_thread(submit, client, content)
    assert await relay.status(sent, "delivered") == ["delivered"]
    assert cloud.calls[-1].raw.endswith(content[-7000:])


async def test_kill_9_loses_nothing_that_was_acknowledged(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    acked = []
    for number in range(3):
        with relay.smtp() as client:
            acked += [await asyncio.to_thread(submit, client, mail(subject=f"{number} {n}")) for n in range(20)]
        await relay.kill()
        await relay.start()
    for each in acked:  # calls that were open wait until their lease is over, and then for an event
        for _ in range(6):
            if (found := await relay.status(each, "delivered")) == ["delivered"]:
                break
        assert found == ["delivered"]


async def test_a_database_that_goes_away_for_a_while_costs_nothing(running: tuple[Relay, Cloud], url: str) -> None:
    """Its connections are cut while mail comes in: 451, and then as before."""
    relay, _ = running
    acked, refused = [], 0
    with psycopg.connect(url, autocommit=True) as other, relay.smtp() as client:
        for number in range(60):
            if number % 10 == 5:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            try:
                acked.append(await asyncio.to_thread(submit, client, mail(subject=str(number))))
            except (AssertionError, smtplib.SMTPException):
                refused += 1
                client.rset()
    assert refused <= 12  # twice for each cut: what waited for an answer, and who came before the new connection
    for each in acked:
        assert await relay.status(each, "delivered") == ["delivered"]


@pytest.mark.parametrize("given", ["postgresql://127.0.0.1:1/relay", "postgresql://nobody:secret@127.0.0.1:1/relay"])
async def test_a_database_that_cannot_be_reached_is_said_at_the_start(tmp_path: Path, given: str) -> None:
    relay = Relay(tmp_path, 1, RELAY_STORE__URL=given)
    with pytest.raises(RuntimeError, match="the database cannot be") as refused:
        await relay.start()
    assert "secret" not in str(refused.value)
