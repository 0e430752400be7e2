"""Three nodes on one PostgreSQL, a balancer before them, and the countings of scene.py."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from relay.sandbox.cloud import Cloud
from tests.chaos.clients import Clients
from tests.chaos.scene import FULL, QUICK, Scene, Stored, twice
from tests.cluster import Balancer, Health, cluster
from tests.harness import Relay, Settings

# The lease of a call is 2 * (1 + 2) + 30 seconds.
LEASE = 36.0
SHORT = {
    **QUICK,
    "RELAY_RETRY__IN_DOUBT_SECONDS": "15" if FULL else "8",
    "RELAY_SES__CONNECT_TIMEOUT_SECONDS": "1",
    "RELAY_SES__READ_TIMEOUT_SECONDS": "2",
}
_STORED = "SELECT message_id || '-' || number, recipient, state, attempt, failures, reason FROM deliveries"


class ManyScene(Scene):
    """The same of several nodes. Clients that are given it come through the balancer. `url` is past whatever stands between."""

    def __init__(self, relays: list[Relay], cloud: Cloud, log: Path, url: str, port: int) -> None:
        assert cloud.topic
        super().__init__(relays[0], cloud, cloud.topic, log)
        self.relays = relays
        self.url = url
        self.ports = {"submissions": port}

    def rows(self, query: str, *values: object) -> list[Any]:
        """By a connection of its own."""
        with psycopg.connect(self.url, autocommit=True) as database:
            return database.execute(query.encode(), values).fetchall()

    def stored(self, *states: str) -> dict[str, Stored]:
        where = " WHERE state = ANY(%s)" if states else ""
        rows = self.rows(_STORED + where, *([list(states)] if states else []))
        return {row[1]: Stored(*row) for row in rows}

    def journaled(self, *events: str) -> set[str]:
        lines = (line for relay in self.relays for line in relay.journal())
        return {line["id"] for line in lines if line["event"] in events}

    def errors(self) -> list[dict[str, Any]]:
        """Of all nodes, but for trouble with what is outside."""
        return [line for relay in self.relays for line in relay.faults() if line.get("event") != "trouble"]

    async def verdict(self, *crowds: Clients, within: float) -> str:
        """All that was acked is stored and was delivered once. What was seen, for the report."""
        began = time.monotonic()
        await self.settled(within)
        took = time.monotonic() - began
        stored, delivered = self.stored(), self.delivered()
        acked = {recipient for clients in crowds for recipient in clients.acked}
        unsure = {recipient for clients in crowds for recipient in clients.unsure}
        refused = sum((clients.refused for clients in crowds), Counter[bytes]())
        repeated = twice(delivered)
        lost = acked - delivered.keys()
        states = Counter(delivery.state for delivery in stored.values())
        seen = f"{len(acked)} acked, {len(unsure)} unsure, refused {codes(refused)}, {len(lost)} lost, {len(repeated)} twice"
        print(f"{seen}, {dict(states)}, settled after {took:.1f} s")
        assert acked <= stored.keys() == delivered.keys()
        assert set(states) == {"sent"}
        assert repeated == {}
        assert self.topic.dropped == 0
        assert self.errors() == []
        return seen


def codes(refused: Counter[bytes]) -> dict[str, int]:
    """How often each reply code came."""
    found: Counter[str] = Counter()
    for reply, times in refused.items():
        found[reply[:3].decode()] += times
    return dict(found)


def halt(relay: Relay) -> None:
    """SIGSTOP."""
    relay.send(signal.SIGSTOP)


def resume(relay: Relay) -> None:
    relay.send(signal.SIGCONT)


@asynccontextmanager
async def many(
    folder: Path, url: str, *settings: Settings, rate: float = 100_000.0, nodes: int = 3, keep_bodies: bool = False
) -> AsyncIterator[ManyScene]:
    """`settings` are those of the nodes, one by one; who has none has those of all."""
    deliveries = folder / "delivered.jsonl"
    with deliveries.open("w", encoding="utf-8") as log:
        cloud = Cloud(rate=rate, quota=-1.0, log=log, keep_bodies=keep_bodies)
        each = [{**SHORT, **(settings[number] if number < len(settings) else {})} for number in range(nodes)]
        async with cluster(folder, url, *each, far_side=lambda: cloud) as (relays, _):
            assert cloud.topic
            cloud.topic.shuffle, cloud.topic.repeats, cloud.topic.longest_pause = True, 0.05, 0.5
            health = Health(relays)
            watch = asyncio.create_task(health.watch())
            balancer = Balancer(lambda: health.doors("submissions"))
            try:
                yield ManyScene(relays, cloud, deliveries, url, await balancer.start())
            finally:
                watch.cancel()
                await balancer.stop()


@asynccontextmanager
async def at_work(*crowds: Clients) -> AsyncIterator[None]:
    """They send meanwhile; who waits for a reply in the end may wait for it a while."""
    async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
        for clients in crowds:
            group.create_task(clients.run())
        yield
        for clients in crowds:
            clients.stop()
        limit.reschedule(asyncio.get_running_loop().time() + 60)
