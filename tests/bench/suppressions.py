"""`python -m tests.bench.suppressions`: a look-up in a long list, and a list that comes in while mail is accepted."""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

from relay import address
from relay.store.sql import suppressions as lookups
from relay.store.sql.entries import ENTRY, values
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase
from relay.store.sqlite.store import SqliteStore
from relay.suppression import Reason, Suppression
from tests.store import kit

_AT_ONCE = 1000
_LOOKS = 2000
_ROUNDS = 5
_SMALL = 1000
_INSERT = f"INSERT INTO suppressions (import_id, address_key, {ENTRY}) VALUES (?,?,?,?,?,?,?,?,?)"


def _address(number: int) -> str:
    """In the order of the numbers, for a list is filled in the order in which it is kept."""
    return f"reader{number:09}@example{number % 977}.net"


def _entries(rows: int, *, ordered: bool = False) -> Iterator[list[Suppression]]:
    """With dates in no order, which is what costs most, unless they are `ordered`."""
    chance = random.Random(7)
    for first in range(0, rows, _AT_ONCE):
        yield [
            Suppression(
                address=_address(number),
                reason=Reason.HARD_BOUNCE,
                source="import of list.csv",
                created_at=1.5e9 + (number if ordered else chance.randrange(200_000_000)),
                note="5.1.1 550 5.1.1 user unknown",
            )
            for number in range(first, min(first + _AT_ONCE, rows))
        ]


async def _arriving(rows: int) -> AsyncIterator[Sequence[Suppression]]:
    for batch in _entries(rows):
        yield batch


def _fill(path: Path, rows: int) -> float:
    """As a finished import has left them, without its care for others; seconds."""
    began = time.perf_counter()
    with closing(schema.open_writer(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute("INSERT INTO imports VALUES (1, 'list.csv', 1.0, 1.0)")
        for batch in _entries(rows, ordered=True):
            db.executemany(_INSERT, ((1, address.key(entry.address), *values(entry)) for entry in batch))
        db.execute("COMMIT")
    return time.perf_counter() - began


def _look_up(paths: dict[int, Path]) -> Iterator[tuple[int, float, float]]:
    """Rows, and microseconds for an address that is there and for one that is not: medians of rounds in which the lists take
    turns, so that whatever else the machine does is in all of them. The first round is not counted."""
    seen: dict[tuple[int, bool], list[float]] = {}
    with ExitStack() as stack:
        lists = {rows: stack.enter_context(closing(sqlite3.connect(path))) for rows, path in paths.items()}
        for _ in range(_ROUNDS + 1):
            for rows, db in lists.items():
                there = _names(rows)
                seen.setdefault((rows, True), []).append(_each(db, there))
                seen.setdefault((rows, False), []).append(_each(db, [f"{name}.org" for name in there]))
    for rows in lists:
        yield rows, statistics.median(seen[rows, True][1:]), statistics.median(seen[rows, False][1:])


def _names(rows: int) -> list[str]:
    chance = random.Random(3)
    return [_address(chance.randrange(rows)) for _ in range(_LOOKS)]


def _each(db: sqlite3.Connection, names: list[str]) -> float:
    """Microseconds."""
    began = time.perf_counter()
    for name in names:
        lookups.find(SqliteDatabase(db), [address.key(name)])
    return 1e6 * (time.perf_counter() - began) / len(names)


async def _import_beside_mail(path: Path, rows: int) -> tuple[float, list[float]]:
    """Seconds that the import took, and milliseconds that each message waited that was stored meanwhile."""
    store, numbers, waits = await SqliteStore.open(path), count(1), list[float]()

    async def mail() -> None:
        while True:
            of = kit.accepted(time.time(), next(numbers))
            began = time.perf_counter()
            await store.queue.enqueue(of, kit.CONTENT, (kit.delivery(of, recipient="reader@example.org"),))
            waits.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.02)

    mailing, began = asyncio.create_task(mail()), time.perf_counter()
    await store.imports.take(_arriving(rows), source="list.csv", again=False, now=kit.NOW)
    taken = time.perf_counter() - began
    mailing.cancel()
    await asyncio.gather(mailing, return_exceptions=True)
    await store.close()
    return taken, waits


def _percentile(waits: list[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(share * len(waits)))]


def main() -> None:
    """Prints what was seen; the exit status is 0 whatever that was."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.suppressions")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--imported", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        _show_import(lambda: asyncio.run(_import_beside_mail(folder / "import.db", options.imported)), options.imported)
        paths = {rows: folder / f"{rows}.db" for rows in (_SMALL, options.rows)}
        for rows, path in paths.items():
            print(f"{rows:>10} rows filled in {_fill(path, rows):.0f} s", flush=True)
        for rows, there, absent in _look_up(paths):
            print(f"{rows:>10} rows: {there:.1f} µs for an address that is there, {absent:.1f} µs for another")


def _show_import(run: Callable[[], tuple[float, list[float]]], rows: int) -> None:
    taken, waits = run()
    p50, p99 = _percentile(waits, 0.5), _percentile(waits, 0.99)
    print(f"{rows:>10} rows imported in {taken:.1f} s; {len(waits)} messages meanwhile, p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
