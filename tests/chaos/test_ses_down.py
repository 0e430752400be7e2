"""SES is away for a while with a queue before it: all of it is sent at the account's rate once it is back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.clients import SMALL, Clients
from tests.chaos.scene import FULL, scene, twice

QUEUED = 10_000 if FULL else 300
AWAY_SECONDS = 60.0 if FULL else 3.0
RATE = 200 if FULL else 60
CLIENTS = 10
LIMIT = 20

pytestmark = pytest.mark.timeout(600 if FULL else 120)


async def test_what_queued_up_is_sent_within_twice_the_time_it_takes_at_the_rate(tmp_path: Path) -> None:
    async with scene(tmp_path, rate=RATE) as found:
        port = found.cloud.port
        await found.cloud.close_door()
        ends = time.monotonic() + AWAY_SECONDS
        clients = Clients(found.relay, CLIENTS, body=SMALL)
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(clients.send(QUEUED // CLIENTS))
        assert len(found.stored()) == len(clients.acked) == QUEUED
        await asyncio.sleep(ends - time.monotonic())
        assert not found.delivered()
        await found.cloud.start(port)
        began = time.monotonic()
        await found.until(lambda: found.cloud.accepted >= QUEUED, 4 * QUEUED / RATE)
        took = time.monotonic() - began
        await found.settled(30)
        delivered = found.delivered()
        print(f"{QUEUED} queued, all delivered {took:.1f} s after SES was back; at the rate it takes {QUEUED / RATE:.1f} s")
        assert took <= 2 * QUEUED / RATE
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}


async def test_at_the_limit_of_the_queue_mail_is_put_off_until_there_is_room(tmp_path: Path) -> None:
    async with scene(tmp_path, settings={"RELAY_QUEUE__MAX_MESSAGES": str(LIMIT)}) as found:
        port = found.cloud.port
        await found.cloud.close_door()
        clients = Clients(found.relay, 1, body=SMALL)
        await clients.send(LIMIT + 5)
        assert len(found.stored()) == len(clients.acked) == LIMIT
        assert clients.refused == {b"452 4.3.1 Insufficient system storage, try again later": 5}
        await found.cloud.start(port)
        await found.settled(30)
        async with asyncio.timeout(15):
            while len(clients.acked) == LIMIT:
                await asyncio.sleep(0.5)
                await clients.send(1)
        await found.settled(30)
        delivered = found.delivered()
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}
