"""`python -m tests.bench.webhook`: signed notifications a second through POST /sns, each verified, recorded and committed.

The relay has the mail they are about, and nothing to send. They come from a process of its own over ten kept connections: Send
and Delivery of each message.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay.outcome import Sent
from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.bench import topic
from tests.bench.counts import Counts
from tests.bench.processes import end
from tests.harness import APPLICATION, Relay, running_relay
from tests.store import kit

_AT_ONCE = 200
_TICKS = os.sysconf("SC_CLK_TCK")


async def _sent(folder: Path, count: int) -> list[str]:
    """So many messages that SES has: a line for each, as the topic reads it."""
    store, now = await SqliteStore.open(kit.database(folder)), time.time()
    try:
        for first in range(0, count, _AT_ONCE):
            made = [kit.accepted(now, number) for number in range(first, first + _AT_ONCE)]
            rows = [(of, kit.delivery(of, due_at=now, recipient=f"{of.id}@example.net")) for of in made]
            await asyncio.gather(*(store.queue.enqueue(of, kit.CONTENT, (to,)) for of, to in rows))
        lines = []
        while claimed := await kit.claim(store, now=now, limit=_AT_ONCE):
            await asyncio.gather(*(kit.settle(store, each, Sent(f"ses-{each.delivery.id}"), now=now) for each in claimed))
            lines += [f"{each.delivery.id} 1 ses-{each.delivery.id}" for each in claimed]
        return lines
    finally:
        await store.close()


@asynccontextmanager
async def _topic(folder: Path, relay: Relay) -> AsyncIterator[Process]:
    words = (
        "-m",
        "tests.bench.topic",
        str(folder),
        str(folder / "counts"),
        str(folder / "pipe"),
        str(relay.ports["callbacks"]),
    )
    started = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        yield started
    finally:
        await end(started)


async def _round(messages: int) -> tuple[float, float, float]:
    """Notifications a second, and ms of a core for each: the relay, and the topic."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        topic.make_signing_pair(folder)
        Counts.make(folder / "counts")
        os.mkfifo(folder / "pipe")
        lines, counts = await _sent(folder, messages), Counts(folder / "counts")
        async with running_relay(folder, APPLICATION, far_side=Cloud) as (relay, _), _topic(folder, relay) as posting:
            await asyncio.sleep(1)
            processes = (relay.process_id, posting.pid)
            before, began = [_processor_seconds(process) for process in processes], time.perf_counter()
            feeding = asyncio.create_task(asyncio.to_thread(_feed, folder / "pipe", lines))
            while counts.posted < 2 * len(lines):
                await asyncio.sleep(0.02)
                assert posting.returncode is None
            took = time.perf_counter() - began
            await feeding
            used = [_processor_seconds(process) - earlier for process, earlier in zip(processes, before, strict=True)]
    return 2 * len(lines) / took, 1000 * used[0] / (2 * len(lines)), 1000 * used[1] / (2 * len(lines))


def _feed(pipe: Path, lines: list[str]) -> None:
    with pipe.open("w") as opened:
        opened.writelines(f"{line}\n" for line in lines)


def _processor_seconds(process: int) -> float:
    """User and system time, by proc(5)'s stat."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def main() -> None:
    """Medians with their spread."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.webhook")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=4000)
    options = parser.parse_args()
    rounds = [await _round(options.messages) for _ in range(options.rounds)]
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    table = Table("what", "median", "spread", title=f"{time.strftime('%Y-%m-%d')}, {machine}, {options.rounds} rounds")
    names = ("notifications recorded/s", "processor, ms for one: relay", "SNS")
    for name, digits, seen in zip(names, (0, 3, 3), zip(*rounds, strict=True), strict=True):
        median, least, most = (f"{value:.{digits}f}" for value in (statistics.median(seen), min(seen), max(seen)))
        table.add_row(name, median, f"{least} to {most}")
    Console(width=100).print(table)


if __name__ == "__main__":
    asyncio.run(main())
