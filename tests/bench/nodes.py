"""`python -m tests.bench.nodes`: the whole way of a message on PostgreSQL, with one, two and three workers, beside SQLite."""

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

from tests import postgres
from tests.bench.end_to_end import Stand, standing
from tests.bench.load import Load
from tests.bench.processes import free_port
from tests.bench.report import Figures
from tests.harness import Settings

_LOAD = Load(size=4096, connections=30)
_NO_HTTP = {"RELAY_CALLBACKS__LISTEN": "", "RELAY_PRIVATE__LISTEN": "", "RELAY_SMTP__SUBMISSIONS": ""}


async def _stand(stack: AsyncExitStack, folder: Path, url: str, workers: int) -> Stand:
    folder.mkdir()
    settings: Settings = {**_NO_HTTP, "RELAY_STORE__URL": url, "RELAY_SMTP__SUBMISSION": f"127.0.0.1:{free_port()}"}
    arguments = ("serve", "--workers", str(workers))
    return await stack.enter_async_context(
        standing(folder, with_events=False, with_stages=False, settings=settings, arguments=arguments)
    )


async def main() -> None:
    """Rounds of all in turn, each on relays that stay for all rounds; then one table."""
    options = _options()
    found: dict[str, list[Figures]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relay-bench-")))
        server = stack.enter_context(postgres.running_server(is_durable=True))
        template = postgres.template(server)
        stands = {"SQLite": await _stand(stack, folder / "sqlite", "", 1)}
        for workers in (1, 2, 3):
            url = stack.enter_context(postgres.database(server, template))
            stands[f"PostgreSQL, workers: {workers}"] = await _stand(stack, folder / f"workers{workers}", url, workers)
        for _ in range(options.rounds):
            for name, stand in stands.items():
                found.setdefault(name, []).append(await stand.measure(_LOAD, options.seconds))
    _show(found, options)


def _show(found: dict[str, list[Figures]], options: argparse.Namespace) -> None:
    what = f"{_LOAD.size} octets, {_LOAD.connections} kept connections, {options.rounds} rounds of {options.seconds} s, medians"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}, {what}")
    for column in ("store", "accepted a second", "delivered a second", "DATA p50, p99, ms", "at SES after p50, p99, ms"):
        table.add_column(column)
    for name, rounds in found.items():
        rates = [statistics.median(getattr(each, which) for each in rounds) for which in ("accepted", "delivered")]
        waits = [
            ", ".join(f"{statistics.median(getattr(each, which)[n] for each in rounds):.0f}" for n in (0, 1))
            for which in ("data", "to_ses")
        ]
        table.add_row(name, *(f"{rate:.0f}" for rate in rates), *waits)
    Console(width=140).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.nodes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
