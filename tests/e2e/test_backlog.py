"""So much may wait and no more: 452 before the content comes, once in the journal, and open again by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relay.sandbox.cloud import Cloud
from tests.e2e.test_metrics import metrics
from tests.harness import APPLICATION, PERSON, Relay, Settings, mail, running_relay
from tests.wire import Wire, logged_in

NO_ROOM = "452 4.3.1 Insufficient system storage, try again later"
MAIL = "MAIL FROM:<shop@example.com>"


@asynccontextmanager
async def waiting(folder: Path, settings: Settings, *, rate: float = 1.0) -> AsyncIterator[tuple[Relay, Cloud, Wire]]:
    """A relay whose mail waits, for its account may send once a second, and a client."""
    async with (
        running_relay(folder, APPLICATION, PERSON, far_side=lambda: Cloud(rate=rate), settings=settings) as (relay, cloud),
        logged_in(relay.ports["submissions"]) as wire,
    ):
        yield relay, cloud, wire


async def test_when_too_many_wait_the_next_one_is_put_off_and_taken_later(tmp_path: Path) -> None:
    async with waiting(tmp_path, {"RELAY_QUEUE__MAX_MESSAGES": "10"}) as (relay, _, wire):
        accepted = 0
        while (reply := await wire.ask(MAIL)) != NO_ROOM:
            assert reply == "250 2.1.0 Ok"
            await wire.ask("RSET")
            await wire.submit()
            accepted += 1
        assert 10 <= accepted <= 12  # some were sent meanwhile
        assert "too many messages wait" in (await relay.told("door_closed"))["why"]
        async with asyncio.timeout(10):
            while not (shown := await metrics(relay))["relay_queue_messages"]:  # noqa: ASYNC110 - a gauge tells nobody
                await asyncio.sleep(0.2)
        assert shown["relay_queue_refusals_total"] >= 1
        assert shown["relay_queue_messages"] <= 10
        assert shown["relay_queue_octets"] == shown["relay_queue_messages"] * (len(mail()))
        assert shown["relay_disk_free_octets"] > 0
        assert 0 < shown["relay_queue_oldest_seconds"] < 60
        await relay.told("door_opened")
        await wire.submit()
        assert [line for line in relay.journal() if line["event"] == "refused"] == []
        assert len([line for line in relay.journal() if line["event"] == "door_closed"]) == 1


async def test_a_message_of_more_octets_than_there_is_room_for_is_put_off_by_its_declared_size(tmp_path: Path) -> None:
    settings = {"RELAY_QUEUE__MAX_OCTETS": "30000", "RELAY_SMTP__MAX_SIZE": "20000"}
    async with waiting(tmp_path, settings) as (relay, _, wire):
        await wire.submit(mail(body=("x" * 70 + "\r\n") * 200))
        await wire.submit(mail(body="y\r\n"))
        assert await wire.ask(f"{MAIL} SIZE=19000") == NO_ROOM
        assert await wire.ask(f"{MAIL} SIZE=1000") == "250 2.1.0 Ok"
        await wire.ask("RSET")
        await wire.start_message()
        assert await wire.ask(mail(body=("x" * 70 + "\r\n") * 260).decode() + ".") == NO_ROOM
        await wire.submit(mail(body="y\r\n"))
        assert "door_closed" not in {line["event"] for line in relay.journal()}


async def test_with_all_recipients_beyond_the_limit_none_is_taken(tmp_path: Path) -> None:
    async with (
        waiting(tmp_path, {"RELAY_QUEUE__MAX_MESSAGES": "5"}) as (relay, _, _),
        logged_in(relay.ports["submissions"], name="person") as wire,
    ):
        assert await wire.ask("MAIL FROM:<anna@example.com>") == "250 2.1.0 Ok"
        for number in range(6):
            assert await wire.ask(f"RCPT TO:<reader{number}@example.net>") == "250 2.1.5 Ok"
        await wire.ask("DATA")
        assert await wire.ask(mail(sender="anna@example.com").decode() + ".") == NO_ROOM
        assert (await metrics(relay))["relay_queue_messages"] == 0


async def test_when_the_oldest_waits_for_too_long_the_door_is_closed_until_it_was_tried(tmp_path: Path) -> None:
    async with waiting(tmp_path, {"RELAY_QUEUE__MAX_AGE_SECONDS": "3"}) as (relay, cloud, wire):
        began = time.monotonic()
        for _ in range(8):
            await wire.submit()
        assert "the oldest message waits for too long" in (await relay.told("door_closed"))["why"]
        assert time.monotonic() - began > 2
        assert await wire.ask(MAIL) == NO_ROOM
        await relay.told("door_opened")
        assert len(cloud.calls) >= 4
        await wire.submit()


async def test_less_free_disk_than_wanted_closes_the_door_from_the_start(tmp_path: Path) -> None:
    async with waiting(tmp_path, {"RELAY_QUEUE__MIN_FREE_OCTETS": str(1 << 60)}) as (relay, _, wire):
        assert await wire.ask(MAIL) == NO_ROOM
        assert "too little of the disk is free" in (await relay.told("door_closed"))["why"]
