"""`python -m tests.bench.behind`: what is delivered with a year of mail and a long suppression list behind it, and without."""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay.lifecycle import Cause
from relay.queueing import Selection
from relay.store.sqlite.store import SqliteStore
from tests.bench import filling
from tests.bench.counts import Counts
from tests.bench.delivered import Seen, Stand, relaying
from tests.bench.load import Load
from tests.bench.year import Year

EMPTY, BEHIND = "nothing behind it", "a year behind it"


async def main() -> None:
    """Prints one table."""
    options = _options()
    load = Load(size=4096, readers=options.messages)  # each look-up is at another place of the list
    found: dict[str, list[Seen]] = {EMPTY: [], BEHIND: []}
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        async with AsyncExitStack() as stack:
            stands = {}
            for name in found:
                own = Path(folder) / name.split()[0]
                own.mkdir()
                if name == BEHIND:
                    await _fill(own / "relay.db", options.messages)
                Counts.make(own / "counts")
                stands[name] = Stand(await stack.enter_async_context(relaying(own, own / "counts", 0.0)), own / "counts")
            for _ in range(options.rounds):
                for name, stand in stands.items():
                    found[name].append(await stand.measure(load, options.seconds))
            size = (Path(folder) / BEHIND.split()[0] / "relay.db").stat().st_size
    _show(found, size, options)


async def _fill(path: Path, messages: int) -> None:
    """Nothing of it waits."""
    await (await SqliteStore.open(path)).close()
    year, began = Year(total=messages, now=time.time(), listed=messages), time.monotonic()
    with filling.sqlite(path) as db:
        for said in year.fill(db):
            print(f"{time.monotonic() - began:.0f} s: {said}", flush=True)
    store = await SqliteStore.open(path)
    async for _ in store.desk.move(Cause.CANCELLED, Selection(accepted_before=year.now + 1), now=year.now):
        pass
    await store.close()
    print(f"{time.monotonic() - began:.0f} s: filled", flush=True)


def _show(found: dict[str, list[Seen]], size: int, options: argparse.Namespace) -> None:
    """Medians with their spread, and of the ratios of each round."""
    rows = f"{options.messages:,} messages and as many suppressed addresses, {size >> 20:,} MB"
    rounds = f"{options.rounds} rounds of {options.seconds:g} s"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, SQLite, {rounds}: {rows}")
    for column in ("4 KB, 10 kept connections", "delivered/s", "ms of a core each", "ms to the reply, p50", "p99"):
        table.add_column(column)
    for name, seen in found.items():
        delivered, processor, p50, p99 = zip(*seen, strict=True)
        rate = f"{statistics.median(delivered):.0f} ({min(delivered):.0f} to {max(delivered):.0f})"
        table.add_row(name, rate, *(f"{statistics.median(column):.2f}" for column in (processor, p50, p99)))
    ratios = [behind.delivered / empty.delivered for empty, behind in zip(found[EMPTY], found[BEHIND], strict=True)]
    table.add_row("ratio of each round", f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    Console(width=140).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.behind")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
