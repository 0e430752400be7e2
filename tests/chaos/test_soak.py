"""A steady load for long: all of it delivered, replies stay quick, and nothing grows. `make soak MINUTES=60`."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import pytest

from tests.chaos.clients import Clients
from tests.chaos.scene import Scene, scene, twice

MINUTES = float(os.environ.get("RELAY_SOAK_MINUTES", "0.05"))
PER_SECOND = 100
CLIENTS = 30
BODY = ("x" * 70 + "\r\n") * 142  # 10 KB
MEGABYTE = 1 << 20
LOOKS = 60
CONNECTION_USED_UP = b"421 4.7.0 Too many messages in one connection"  # after 10,000; the client connects anew

pytestmark = pytest.mark.timeout(MINUTES * 60 * 2 + 120)


class Size(NamedTuple):
    """Octets."""

    memory: int
    log: int
    database: int


async def watched(found: Scene, seconds: float) -> list[Size]:
    """The relay's sizes at each of so many moments."""
    sizes, began = [], time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        path = found.relay.path
        log = path.with_name(path.name + "-wal")
        sizes.append(Size(found.relay.memory(), log.stat().st_size if log.exists() else 0, path.stat().st_size))
        await asyncio.sleep(min(seconds / LOOKS, seconds - passed))
    return sizes


def growth(sizes: list[int]) -> int:
    """From the second quarter to the last, as medians: the first is for caches to fill."""
    quarter = len(sizes) // 4
    return int(median(sizes[-quarter:]) - median(sizes[quarter : 2 * quarter]))


async def test_a_steady_load_is_delivered_quickly_and_nothing_grows(tmp_path: Path) -> None:
    async with scene(tmp_path, rate=2.0 * PER_SECOND) as found:
        clients = Clients(found.relay, CLIENTS, pace=CLIENTS / PER_SECOND, body=BODY)
        running = asyncio.create_task(clients.run())
        sizes = await watched(found, MINUTES * 60)
        clients.stop()
        await running
        await found.settled(60)
        delivered, p99 = found.delivered(), quantiles(clients.seconds, n=100)[98]
        memory, log, database = (list(column) for column in zip(*sizes, strict=True))
        print(
            f"{MINUTES:g} minutes, {len(delivered)} of {len(clients.acked)} delivered, p99 {p99 * 1000:.0f} ms; "
            f"memory {max(memory) // MEGABYTE} MB, {growth(memory) / MEGABYTE:+.1f} MB; log at most {max(log) // MEGABYTE} MB; "
            f"database {database[-1] // MEGABYTE} MB, {growth(database) / MEGABYTE:+.1f} MB"
        )
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}
        assert clients.refused.keys() <= {CONNECTION_USED_UP}
        assert max(log) < 32 * MEGABYTE
        if MINUTES >= 1:  # a few seconds beside other tests would measure the machine
            assert len(clients.acked) >= 0.95 * PER_SECOND * MINUTES * 60
            assert p99 < 0.25
            assert growth(memory) < 20 * MEGABYTE
