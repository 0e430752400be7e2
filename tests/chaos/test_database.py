"""PostgreSQL restarted, read-only, locked or full below three nodes: 451, and then as before without a restart of theirs."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests import disks, postgres
from tests.chaos.clients import Clients, EndedError
from tests.chaos.cluster import LEASE, ManyScene, at_work, codes, many
from tests.chaos.scene import FULL
from tests.postgres import OwnServer

CLIENTS = 20 if FULL else 6
PACE = 0.1 if FULL else 0.15
RESTARTS = 20 if FULL else 3
SETTLED = LEASE + 90
READ_ONLY_SECONDS = 20 if FULL else 4
AWAY_SECONDS = 45 if FULL else 4

pytestmark = pytest.mark.timeout(3600 if FULL else 240)


async def accepting(found: ManyScene, *, within: float = 60) -> float:
    """Seconds until each node has taken a message that came now."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        await asyncio.gather(*(taken(Clients(relay, 1, name=f"{relay.folder.name}-{began}-")) for relay in found.relays))
    return time.monotonic() - began


async def taken(single: Clients) -> None:
    while not single.acked:
        with suppress(EndedError):
            await single.send(1)
        await asyncio.sleep(0.1)


async def test_a_server_that_is_restarted_under_load(tmp_path: Path, server: OwnServer, url: str) -> None:
    async with many(tmp_path, url) as found:
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.1
        clients, seconds = Clients(found, CLIENTS, pace=PACE), []
        async with at_work(clients):
            for number in range(RESTARTS):
                await asyncio.sleep(random.uniform(0.5, 2.0))
                await asyncio.to_thread(server.restart, ("fast", "immediate")[number % 2])
                seconds.append(await accepting(found))
        await found.verdict(clients, within=SETTLED)
        print(f"{RESTARTS} restarts, accepting at all after {max(seconds):.1f} s at most")
        assert codes(clients.refused).keys() <= {"451"}
        assert starts(found) == [1, 1, 1]


async def test_a_server_that_is_away_for_longer(tmp_path: Path, server: OwnServer, url: str) -> None:
    """Who waits for it looks often, however long it takes."""
    async with many(tmp_path, url) as found:
        clients = Clients(found, CLIENTS, pace=PACE)
        async with at_work(clients, *(own := [Clients(relay, 2, pace=PACE, name=relay.folder.name) for relay in found.relays])):
            await asyncio.sleep(1)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(server.start)
            print(f"accepting at all after {(took := await accepting(found)):.1f} s,", end=" ")
        await found.verdict(clients, *own, within=SETTLED)
        assert took < 10
        for each in own:  # a new connection hears it at its login
            assert codes(each.refused)
            assert codes(each.refused).keys() <= {"451", "421", "454"}


def starts(found: ManyScene) -> list[int]:
    return [sum(line.get("what") == "smtp submissions (TLS)" for line in relay.journal()) for relay in found.relays]


async def test_a_server_that_only_lets_read_for_a_while(tmp_path: Path, server: OwnServer, url: str) -> None:
    async with many(tmp_path, url) as found:
        clients = Clients(found, CLIENTS, pace=PACE)
        async with at_work(clients):
            await asyncio.sleep(1)
            try:
                server.set(default_transaction_read_only="on")
                await asyncio.sleep(0.5)
                acked, calls = len(clients.acked), found.cloud.accepted
                await asyncio.sleep(READ_ONLY_SECONDS)
                assert len(clients.acked) == acked
                assert found.cloud.accepted == calls
            finally:
                server.set(default_transaction_read_only="off")
            print(f"accepting at all after {await accepting(found):.1f} s,", end=" ")
        await found.verdict(clients, within=SETTLED)
        assert codes(clients.refused).keys() == {"451"}


async def test_a_table_that_somebody_has_locked(tmp_path: Path, url: str) -> None:
    async with many(tmp_path, url) as found:
        clients = Clients(found, CLIENTS, pace=PACE)
        async with at_work(clients):
            await asyncio.sleep(1)
            with psycopg.connect(url) as other:
                other.execute("LOCK TABLE deliveries")
                await asyncio.sleep(8)
            print(f"accepting at all after {await accepting(found):.1f} s,", end=" ")
        await found.verdict(clients, within=SETTLED)
        print(f"longest wait {max(clients.seconds):.1f} s")
        assert codes(clients.refused).keys() == {"451"}
        assert max(clients.seconds) < 12


if FULL:  # it takes a disk of 300 MB in memory

    async def test_a_server_whose_disk_is_full(tmp_path: Path) -> None:
        with (
            disks.small_disk(tmp_path / "disk", megabytes=300) as disk,
            postgres.own_server(disk) as server,
            postgres.database(server.url, postgres.template(server.url)) as url,
        ):
            await full_for_a_while(tmp_path, disk, server, url)


async def full_for_a_while(folder: Path, disk: Path, server: OwnServer, url: str) -> None:
    async with many(folder, url) as found:
        clients = Clients(found, CLIENTS, pace=PACE)
        async with at_work(clients):
            await asyncio.sleep(2)
            filler = disks.fill(disk)
            began = time.monotonic()
            while not clients.refused:
                assert time.monotonic() < began + 60
                await asyncio.sleep(0.2)
            await asyncio.sleep(20)
            filler.unlink()
            server.start()
            print(f"accepting at all after {await accepting(found, within=60):.1f} s,", end=" ")
        await found.verdict(clients, within=SETTLED)
        assert codes(clients.refused).keys() <= {"451", "452"}
