"""A relay between clients and a far side that may do wrong, and three countings: acked, stored, delivered.

What clients heard is in Clients.acked. What is stored is read from the database. What was delivered is in the far side's own
log and nowhere else. A recipient names its message in all three.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

from relay.sandbox.cloud import Cloud
from relay.sandbox.sns import Topic
from tests.harness import APPLICATION, Relay, Settings, running_relay
from tests.ports import reserved_port

FULL = os.environ.get("RELAY_CHAOS") == "full"

# Short waits, and a doubt that is long enough for an event.
QUICK = {
    "RELAY_RETRY__DELAYS_SECONDS": "1",
    "RELAY_RETRY__IN_DOUBT_SECONDS": "4",
    "RELAY_SES__IDENTITIES_SECONDS": "0",
}
OPEN = ("queued", "sending", "in_doubt")


class Stored(NamedTuple):
    """A delivery as the database has it."""

    id: str
    recipient: str
    state: str
    attempt: int
    failures: int
    reason: str


class Scene:
    """What a test looks at. The relay and the cloud are there to be killed and to do wrong."""

    def __init__(self, relay: Relay, cloud: Cloud, topic: Topic, log: Path) -> None:
        self.relay = relay
        self.cloud = cloud
        self.topic = topic
        self._log = log

    def stored(self, *states: str) -> dict[str, Stored]:
        """Deliveries by recipient; all, or those in one of the states. Readable whether the relay runs or not."""
        with closing(sqlite3.connect(f"file:{self.relay.path}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT message_id || '-' || number, recipient, state, attempt, failures, reason FROM deliveries"
                " WHERE ? = '[]' OR state IN (SELECT value FROM json_each(?))",
                [json.dumps(states)] * 2,
            )
            return {row[1]: Stored(*row) for row in rows}

    def delivered(self) -> Counter[str]:
        """How often the far side took what is for each recipient."""
        with self._log.open("rb") as log:
            return Counter(recipient for line in log for recipient in json.loads(line)["to"])

    def journaled(self, *events: str) -> set[str]:
        """Deliveries that have a line of one of these."""
        return {line["id"] for line in self.relay.journal() if line["event"] in events}

    async def settled(self, seconds: float) -> None:
        """Until nothing is open. Raises AssertionError where that takes longer."""
        await self.until(lambda: not self.stored(*OPEN), seconds)

    async def until(self, is_reached: Callable[[], bool], seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not is_reached():
            assert time.monotonic() < ends, Counter(delivery.state for delivery in self.stored().values())
            await asyncio.sleep(0.1)


def twice(delivered: Counter[str]) -> dict[str, int]:
    """Recipients that got their message more than once, and how often too much."""
    return {recipient: times - 1 for recipient, times in delivered.items() if times > 1}


@asynccontextmanager
async def scene(folder: Path, *, rate: float = 100_000.0, settings: Settings | None = None) -> AsyncIterator[Scene]:
    """SNS posts out of order and sometimes twice, and finds the webhook again on its port after each start."""
    deliveries = folder / "delivered.jsonl"
    with reserved_port() as port, deliveries.open("w", encoding="utf-8") as log:
        chosen = {**QUICK, "RELAY_CALLBACKS__LISTEN": f"127.0.0.1:{port}", **(settings or {})}
        cloud = Cloud(rate=rate, quota=-1.0, log=log, keep_bodies=False)
        async with running_relay(folder, APPLICATION, far_side=lambda: cloud, settings=chosen) as (relay, _):
            assert cloud.topic
            cloud.topic.shuffle, cloud.topic.repeats, cloud.topic.longest_pause = True, 0.05, 0.5
            yield Scene(relay, cloud, cloud.topic, deliveries)
