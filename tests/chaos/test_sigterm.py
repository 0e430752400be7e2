"""SIGTERM under load: it ends in time, in good order, and what was under way is neither lost nor sent twice."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.chaos.clients import Clients, Session
from tests.chaos.scene import FULL, Scene, scene, twice
from tests.harness import Relay

STOPS = 50 if FULL else 3
CLIENTS = 20 if FULL else 10
LIMIT_SECONDS = 35.0

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


async def stopped(relay: Relay) -> float:
    """Seconds from SIGTERM to the end, which must be in good order."""
    began = time.monotonic()
    assert await relay.stop() == 0
    return time.monotonic() - began


async def stopped_under_load(found: Scene) -> tuple[Clients, list[float]]:
    clients = Clients(found.relay, CLIENTS)
    running = asyncio.create_task(clients.run())
    seconds = []
    for _ in range(STOPS):
        await asyncio.sleep(random.uniform(0.5, 1.5))
        idle = await Session.open(found.relay)
        seconds.append(await stopped(found.relay))
        assert (await idle.hear()).startswith(b"421 4.3.2 ")
        idle.close()
        await found.relay.start()
    clients.stop()
    await running
    return clients, seconds


async def test_sigterm_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.2
        clients, seconds = await stopped_under_load(found)
        await found.settled(120)
        stored, delivered = found.stored(), found.delivered()
        print(f"{STOPS} stops, the longest {max(seconds):.1f} s; {len(clients.acked)} acked, {len(clients.unsure)} unsure")
        assert max(seconds) < LIMIT_SECONDS
        assert clients.acked <= stored.keys() == delivered.keys()
        assert twice(delivered) == {}
        assert {delivery.attempt for delivery in stored.values()} == {1}
        assert found.journaled("in_doubt") == set()


async def test_a_second_sigterm_ends_it_at_once_and_loses_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        found.cloud.faults.times, found.cloud.faults.hang = 10, 3600.0
        clients = Clients(found.relay, 1)
        await clients.send(10)
        await found.until(lambda: found.cloud.faults.struck == 10, 10)
        found.relay.terminate()
        await asyncio.sleep(1)
        began = time.monotonic()
        found.relay.terminate()
        assert await asyncio.wait_for(found.relay.ended(), 10) == 1
        assert time.monotonic() - began < 5  # of the 18 that it would wait for calls
        await found.relay.start()
        await found.settled(30)
        delivered = found.delivered()
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}


async def test_calls_that_hang_at_sigterm_are_left_in_doubt(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        found.cloud.faults.times, found.cloud.faults.hang = 10, 3600.0
        clients = Clients(found.relay, 1)
        await clients.send(10)
        await found.until(lambda: found.cloud.faults.struck == 10, 10)
        took = await stopped(found.relay)
        print(f"{took:.1f} s with ten calls that hang")
        assert took < LIMIT_SECONDS
        assert found.stored("sending").keys() | found.stored("in_doubt").keys() == clients.acked
        await found.relay.start()
        await found.settled(60)
        delivered = found.delivered()
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}
