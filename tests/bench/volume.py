"""`python -m tests.bench.volume`: what a message leaves on PostgreSQL's disk and in its log, from 250 to its two events."""

from __future__ import annotations

import argparse
import asyncio
import platform
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay import lifecycle
from relay.event import EventType
from relay.lifecycle import Patience
from relay.model import Claimed, Delivery
from relay.outcome import Sent
from relay.queueing import Round
from relay.store.postgres.store import PostgresStore
from relay.turns import Turns
from tests import postgres
from tests.store import kit

_CONTENT = b"From: shop@example.com\r\n\r\n" + b"x" * 4000
_GROUP = 100
_TABLES = "messages", "bodies", "deliveries", "events", "notifications", "counters"
_PAYLOAD = (Path(__file__).parents[1] / "data" / "ses" / "bounce_permanent_general.json").read_text()


class Journey:
    """Groups of messages that come in together, are sent together, and whose events come together."""

    def __init__(self, store: PostgresStore, now: float) -> None:
        self._store = store
        self._now = now
        self._turns = Turns()

    async def go(self, first: int) -> None:
        await asyncio.gather(*(self._enqueue(first + number) for number in range(_GROUP)))
        this = Round(limit=_GROUP, now=self._now, lease_until=self._now + 60, lifetime=kit.LIFETIME, turns=self._turns)
        claimed = (await self._store.queue.claim(this)).claimed
        assert len(claimed) == _GROUP
        await asyncio.gather(*map(self._settle, claimed))
        for kind in (EventType.SEND, EventType.DELIVERY):
            await asyncio.gather(*(self._record(each.delivery, kind) for each in claimed))

    async def _enqueue(self, number: int) -> None:
        of = replace(kit.accepted(self._now, number, content=_CONTENT), credential=f"app{number % 10}")
        await self._store.queue.enqueue(of, _CONTENT, (kit.delivery(of, recipient=f"reader{number}@example.net", due_at=0.0),))

    async def _settle(self, claimed: Claimed) -> None:
        outcome = Sent(f"0100-{claimed.delivery.id}")
        await self._store.queue.settle(lifecycle.settle(claimed, outcome, now=self._now, chance=0.5, patience=Patience()))

    async def _record(self, of: Delivery, kind: EventType) -> None:
        event = replace(kit.event(kind, of=of, at=self._now), ses_message_id=f"0100-{of.id}", recipient=of.recipient)
        await self._store.feedback.record(
            notification_id=f"{of.id}-{kind}", topic="t", payload=_PAYLOAD, received_at=self._now, events=(event,)
        )


async def main() -> None:
    """Prints one table."""
    options = _options()
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running_server(is_durable=True))
        url = stack.enter_context(postgres.database(server, postgres.template(server)))
        store = await PostgresStore.open(url)
        try:
            await _measure(store, options.messages)
        finally:
            await store.close()


async def _measure(store: PostgresStore, messages: int) -> None:
    journey, now = Journey(store, time.time()), time.monotonic()
    before = await _log(store)
    for first in range(0, messages, _GROUP):
        await journey.go(first)
    seconds, log = time.monotonic() - now, await _log(store) - before
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {messages} messages of 4 KB, groups of {_GROUP}")
    table.add_column("octets of a message in")
    table.add_column("")
    table.add_row("PostgreSQL's log", f"{log / messages:.0f}")
    for name in _TABLES:
        [(size,)] = await store._reader.rows("SELECT pg_total_relation_size(CAST(? AS TEXT)::regclass)", (name,))
        table.add_row(f"{name}, with its indexes", f"{size / messages:.0f}")
    table.add_row("messages a second, one connection", f"{messages / seconds:.0f}")
    Console(width=100).print(table)


async def _log(store: PostgresStore) -> int:
    [(written,)] = await store._reader.rows("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS BIGINT)")
    return int(written)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.volume")
    parser.add_argument("--messages", type=int, default=20_000)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
