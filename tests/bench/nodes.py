"""`python -m tests.bench.nodes`: the whole way of a message on PostgreSQL, with one, two and three workers, beside SQLite."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from tests import postgres
from tests.bench.end_to_end import Stand, standing
from tests.bench.load import Load
from tests.bench.processes import free_port
from tests.bench.report import Figures
from tests.harness import Settings

_LOAD = Load(size=4096, connections=30)
_PROCESSOR = "processor of a message, ms: relay, PostgreSQL"
_TICKS = os.sysconf("SC_CLK_TCK")
_NO_HTTP = {"RELAY_CALLBACKS__LISTEN": "", "RELAY_API__LISTEN": "", "RELAY_PRIVATE__LISTEN": "", "RELAY_SMTP__SUBMISSIONS": ""}


async def _stand(stack: AsyncExitStack, folder: Path, url: str, workers: int) -> Stand:
    folder.mkdir()
    settings: Settings = {**_NO_HTTP, "RELAY_STORE__URL": url, "RELAY_SMTP__SUBMISSION": f"127.0.0.1:{free_port()}"}
    arguments = ("serve", "--workers", str(workers))
    return await stack.enter_async_context(
        standing(folder, with_events=False, with_stages=False, settings=settings, arguments=arguments)
    )


def _processor_of(*roots: int) -> float:
    """Seconds of these processes and of all that they have started, by proc(5)'s stat."""
    parents, seconds = dict[int, int](), dict[int, float]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            process = int(stat.parent.name)
            parents[process], seconds[process] = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
    family = set(roots)
    for _ in range(3):
        family |= {process for process, parent in parents.items() if parent in family}
    return sum(seconds.get(process, 0.0) for process in family)


@dataclass(slots=True)
class Seen:
    """Rounds, and milliseconds of the processor for a message: the relay's, and PostgreSQL's."""

    rounds: list[Figures] = field(default_factory=list)
    relay: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


async def _measure(stand: Stand, server: int, seconds: float, seen: Seen) -> None:
    before = _processor_of(stand.relay.process_id), _processor_of(server), stand.delivered
    seen.rounds.append(await stand.measure(_LOAD, seconds))
    messages = stand.delivered - before[2]
    seen.relay.append(1000 * (_processor_of(stand.relay.process_id) - before[0]) / messages)
    seen.server.append(1000 * (_processor_of(server) - before[1]) / messages)


async def main() -> None:
    """Rounds of all in turn, each on relays that stay for all rounds; then one table."""
    options = _options()
    found: dict[str, Seen] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-bench-")))
        server = stack.enter_context(postgres.running_server(is_durable=True))
        template = postgres.template(server)
        with psycopg.connect(server) as connection:
            [folder_of] = connection.execute("SHOW data_directory").fetchone() or [""]
        process = int((Path(folder_of) / "postmaster.pid").read_text().split()[0])
        stands = {"SQLite": await _stand(stack, folder / "sqlite", "", 1)}
        for workers in (1, 2, 3):
            url = stack.enter_context(postgres.database(server, template))
            stands[f"PostgreSQL, workers: {workers}"] = await _stand(stack, folder / f"workers{workers}", url, workers)
        for _ in range(options.rounds):
            for name, stand in stands.items():
                await _measure(stand, process, options.seconds, found.setdefault(name, Seen()))
    _show(found, options)


def _show(found: dict[str, Seen], options: argparse.Namespace) -> None:
    what = f"{_LOAD.size} octets, {_LOAD.connections} kept connections, {options.rounds} rounds of {options.seconds} s, medians"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}, {what}")
    for column in (
        "store",
        "accepted a second",
        "delivered a second",
        "DATA p50, p99, ms",
        "at SES after p50, p99, ms",
        "processor, ms: relay, PostgreSQL",
    ):
        table.add_column(column)
    for name, seen in found.items():
        rounds = seen.rounds
        rates = [statistics.median(getattr(each, which) for each in rounds) for which in ("accepted", "delivered")]
        waits = [
            ", ".join(f"{statistics.median(getattr(each, which)[n] for each in rounds):.0f}" for n in (0, 1))
            for which in ("data", "to_ses")
        ]
        processor = f"{statistics.median(seen.relay):.2f}, {statistics.median(seen.server):.2f}"
        table.add_row(name, *(f"{rate:.0f}" for rate in rates), *waits, processor)
    Console(width=140).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.nodes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
