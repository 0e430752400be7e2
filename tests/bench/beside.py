"""`python -m tests.bench.beside`: how long small messages wait for their reply while somebody sends very large ones."""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.counts import Counts
from tests.bench.delivered import relaying
from tests.bench.load import Load, Share, Target, run

_SMALL = Load(size=4096, connections=10, pause=0.05)
_LARGE = Load(size=40_000_000, connections=1)
_TAKES = "RELAY_SMTP__MAX_SIZE", "41000000"


async def main() -> None:
    """Prints one table: alone and beside, in turn."""
    options = _options()
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    large = 0
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        counts = Path(folder) / "counts"
        Counts.make(counts)
        async with relaying(Path(folder), counts, 0.0, **dict([_TAKES])) as server:
            door = server.doors["plain"]
            for _ in range(options.rounds):
                alone.append(_latencies(await asyncio.to_thread(run, door, _SMALL, options.seconds)))
                small, sent = await asyncio.to_thread(_both, door, options.seconds)
                beside.append(_latencies(small))
                large += sum(len(share.latencies) for share in sent)
    _show(alone, beside, large, options)


def _both(door: Target, seconds: float) -> tuple[list[Share], list[Share]]:
    with ThreadPoolExecutor(2) as pool:
        small, large = pool.submit(run, door, _SMALL, seconds), pool.submit(run, door, _LARGE, seconds)
        return small.result(), large.result()


def _latencies(shares: list[Share]) -> list[float]:
    """Milliseconds, in order."""
    return sorted(1000 * latency for share in shares for latency in share.latencies)


def _show(alone: list[list[float]], beside: list[list[float]], large: int, options: argparse.Namespace) -> None:
    rounds = f"{options.rounds} rounds of {options.seconds:g} s"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {rounds}, {large} messages of 40 MB beside")
    for column in ("ms to the reply to 4 KB, 10 connections", "p50", "p99", "longest"):
        table.add_column(column)
    for name, found in (("alone", alone), ("beside messages of 40 MB, one after the other", beside)):
        figures = [[each[int(len(each) * share)] for each in found] for share in (0.5, 0.99, 0.999999)]
        table.add_row(name, *(f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})" for each in figures))
    Console(width=140).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.beside")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
