"""`python -m tests.bench.queue`: what the verbs of the queue cost with a million deliveries in it, and how long a start is."""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from relay import lifecycle
from relay.credential import MessageClass
from relay.lifecycle import Patience
from relay.model import Claimed, Delivery, Labels, Message
from relay.outcome import Hold, HoldScope, Sent
from relay.queueing import Round
from relay.store.postgres.store import PostgresStore
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from relay.turns import Turns
from tests import postgres
from tests.harness import APPLICATION, Relay
from tests.store import kit

_CONTENT = b"From: shop@example.com\r\n\r\n" + b"x" * 300
_AT_ONCE = 200  # the most in one transaction
_CLAIM = 50
_TIMES = 200
_LEAST = 50_000
_LEASE = 160.0
_CREDENTIALS = 20
_ENOUGH = 1e12


def _deliveries(count: int, now: float) -> Iterator[tuple[Message, Delivery]]:
    """One to each message: of twenty logins, two lanes, three senders' domains; one in ten is for later."""
    for number in range(count):
        is_bulk, domain = number % 4 > 0, f"example{number % 3}.com"
        labels = Labels(message_class=MessageClass.MARKETING if is_bulk else MessageClass.UNSAID)
        of = kit.message(number, sender=f"shop@{domain}", content=_CONTENT)
        of = replace(of, credential=f"app{number % _CREDENTIALS}", labels=labels, accepted_at=now)
        due_at = now + 3600.0 if number % 10 == 0 else now - 1 + number / count
        yield of, replace(kit.delivery(of, recipient=f"reader{number}@example.net", due_at=due_at), expires_at=_ENOUGH)


async def fill(store: SqlStore, rows: int, now: float) -> float:
    """Through the port, in groups as large as they may be; rows a second."""
    source, began = _deliveries(rows, now), time.monotonic()

    async def some() -> None:
        for of, delivery in source:
            await store.queue.enqueue(of, _CONTENT, (delivery,))

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return rows / (time.monotonic() - began)


class Verbs:
    """Times them one by one."""

    def __init__(self, store: SqlStore, rows: int, now: float) -> None:
        self._store = store
        self._now = now
        self._turns = Turns()
        self._next = _deliveries(rows + _TIMES, now)
        self._claimed: list[Claimed] = []
        for _ in range(rows):  # those are stored
            next(self._next)

    async def claim(self) -> None:
        this = Round(limit=_CLAIM, now=self._now, lease_until=self._now + _LEASE, lifetime=3 * 86400.0, turns=self._turns)
        self._claimed = list((await self._store.queue.claim(this)).claimed)
        assert len(self._claimed) == _CLAIM

    async def settle(self) -> None:
        """All of the last claim, as they come together under load."""
        settled = (
            lifecycle.settle(claimed, Sent(f"0100-{claimed.delivery.id}"), now=self._now, chance=0.5, patience=Patience())
            for claimed in self._claimed
        )
        await asyncio.gather(*(self._store.queue.settle(settlement) for settlement in settled))

    async def enqueue(self) -> None:
        of, delivery = next(self._next)
        await self._store.queue.enqueue(of, _CONTENT, (delivery,))

    async def status(self) -> None:
        await self._store.desk.status(now=self._now)

    async def waiting(self) -> None:
        await self._store.backlog.waiting(now=self._now)


@dataclass(slots=True)
class Seen:
    """Milliseconds that a step took, each time, and that the processor was at it, in all."""

    taken: list[float] = field(default_factory=list)
    processor: float = 0.0


async def _times(*steps: Callable[[], Awaitable[None]], times: int = _TIMES) -> list[Seen]:
    """Of each step; they follow each other."""
    found = [Seen() for _ in steps]
    for _ in range(times):
        for step, seen in zip(steps, found, strict=True):
            began, processor = time.perf_counter(), time.process_time()
            await step()
            seen.taken.append(1000 * (time.perf_counter() - began))
            seen.processor += 1000 * (time.process_time() - processor)
    return found


async def _started(folder: Path, url: str) -> float:
    """Seconds from the command until all doors are open, with nobody to send to."""
    relay = Relay(folder, 1, RELAY_SES__IDENTITIES_SECONDS="0", RELAY_STORE__URL=url)
    began = time.monotonic()
    await relay.start(APPLICATION)
    took = time.monotonic() - began
    await relay.stop()
    return took


async def main() -> None:
    """Prints one table."""
    options = _options()
    with ExitStack() as stack:
        folder, url = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-bench-"))), ""
        if options.postgres:
            server = stack.enter_context(postgres.running_server(is_durable=True))
            url = stack.enter_context(postgres.database(server, postgres.template(server)))
        await _all(folder, url, options.rows)


async def _all(folder: Path, url: str, rows: int) -> None:
    async def opened() -> SqlStore:
        return await (PostgresStore.open(url) if url else SqliteStore.open(folder / "relay.db"))

    now, store = time.time(), await opened()
    filled = await fill(store, rows, now)
    await store.close()
    began = time.monotonic()
    store = await opened()
    took = time.monotonic() - began
    try:
        found = await _measured(store, rows, now)
    finally:
        await store.close()
    started = await _started(folder, url)
    _show(rows, found, {"rows stored a second": filled, "store opened, s": took, "relay started, s": started})


async def _measured(store: SqlStore, rows: int, now: float) -> dict[str, Seen]:
    verbs = Verbs(store, rows, now)
    found = dict(zip(("claim", "settle"), await _times(verbs.claim, verbs.settle), strict=True))
    [found["enqueue"]] = await _times(verbs.enqueue)
    await store.desk.hold(Hold(HoldScope.IDENTITY, "bench", _ENOUGH, "example1.com"), now=now)
    [found["claim, a third of the queue held"], _] = await _times(verbs.claim, verbs.settle)
    [found["waiting"]] = await _times(verbs.waiting, times=20)
    [found["status"]] = await _times(verbs.status, times=3)
    return found


def _show(rows: int, found: dict[str, Seen], once: dict[str, float]) -> None:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {machine}, {rows} deliveries, {_CLAIM} in a claim and in a settling")
    for column in ("what", "p50", "p99", "most", "processor"):
        table.add_column(column)
    for name, seen in found.items():
        ordered, count = sorted(seen.taken), len(seen.taken)
        figures = statistics.median(ordered), ordered[min(count - 1, int(count * 0.99))], ordered[-1], seen.processor / count
        table.add_row(f"{name}, ms", *(f"{figure:.2f}" for figure in figures))
    for name, value in once.items():
        table.add_row(name, f"{value:.1f}")
    Console(width=120).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.queue")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, and not on SQLite")
    options = parser.parse_args()
    if options.rows < _LEAST:
        parser.error(f"at least {_LEAST} rows: some are held, and {_TIMES} times {_CLAIM} are taken twice")
    return options


if __name__ == "__main__":
    uvloop.run(main())
