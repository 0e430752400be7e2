"""kill -9 at random moments under load: what was acknowledged is delivered, and once where SES's events come in time."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos.clients import Clients
from tests.chaos.scene import FULL, Scene, scene, twice

CLIENTS = 20 if FULL else 10
KILLS = int(os.environ.get("RELAY_CHAOS_KILLS", "200" if FULL else "4"))
ACKED = KILLS * (250 if FULL else 25)
LONGEST_RUN = 4.0 if FULL else 1.5

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


async def killed_under_load(found: Scene, kills: int, acked: int) -> tuple[Clients, set[str]]:
    """The clients, and the recipients whose call may have been open at a kill."""
    clients = Clients(found.relay, CLIENTS)
    running = asyncio.create_task(clients.run())
    open_calls: set[str] = set()
    killed = 0
    while killed < kills or len(clients.acked) < acked:
        await asyncio.sleep(random.uniform(0.3, LONGEST_RUN))
        await found.relay.kill()
        open_calls |= found.stored("sending").keys()
        killed += 1
        await found.relay.start()
    clients.stop()
    await running
    await found.settled(600 if FULL else 60)
    repeated = sum(twice(found.delivered()).values())
    print(f"{killed} kills, {len(clients.acked)} acked, {len(open_calls)} calls open at a kill, {repeated} sent twice")
    return clients, open_calls


async def test_kill_9_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, settings={"RELAY_RETRY__IN_DOUBT_SECONDS": "15" if FULL else "4"}) as found:
        clients, _ = await killed_under_load(found, KILLS, ACKED)
        stored, delivered = found.stored(), found.delivered()
        assert clients.acked <= stored.keys() <= clients.acked | clients.unsure
        assert delivered.keys() == stored.keys()
        assert twice(delivered) == {}
        assert found.topic.dropped == 0


async def test_where_no_event_comes_in_time_only_open_calls_are_repeated_and_journaled(tmp_path: Path) -> None:
    async with scene(tmp_path, settings={"RELAY_RETRY__IN_DOUBT_SECONDS": "1"}) as found:
        found.topic.delay = 3600.0
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 3600, 0.1
        clients, open_calls = await killed_under_load(found, KILLS // 5 or 1, ACKED // 5)
        stored, delivered = found.stored(), found.delivered()
        repeated = twice(delivered)
        assert clients.acked <= stored.keys() == delivered.keys()
        assert repeated
        assert sum(repeated.values()) <= len(open_calls)
        assert repeated.keys() <= open_calls
        assert {stored[recipient].id for recipient in repeated} <= found.journaled("possible_duplicate")
