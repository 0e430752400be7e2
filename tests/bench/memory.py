"""`python -m tests.bench.memory`: resident memory of the relay, idle, with idle connections, and with a long queue."""

from __future__ import annotations

import argparse
import asyncio
import platform
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.bench.processes import resident_megabytes
from tests.bench.queue import fill
from tests.harness import APPLICATION, Relay, running_relay
from tests.wire import logged_in

_SETTLING = 5.0  # seconds; a claim, looks at the queue and at the account lie in them
_SETTINGS = {"RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "2500"}


async def main() -> None:
    """Prints one table."""
    options = _options()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        async with running_relay(Path(folder), APPLICATION, far_side=lambda: Cloud(rate=1.0), settings=_SETTINGS) as (relay, _):
            found["idle"] = await _settled(relay)
            found["idle connections"] = await _connected(relay, options.connections)
            await relay.stop()
            store = await SqliteStore.open(relay.path)
            await fill(store, options.rows, time.time())
            await store.close()
            await relay.start()
            found["a long queue"] = await _settled(relay)
    _show(found, options)


async def _settled(relay: Relay) -> float:
    await asyncio.sleep(_SETTLING)
    return resident_megabytes(relay.process_id)


async def _connected(relay: Relay, connections: int) -> float:
    """With TLS and a login."""
    async with AsyncExitStack() as stack:
        for _ in range(connections):
            await stack.enter_async_context(logged_in(relay.ports["submissions"]))
        return await _settled(relay)


def _show(found: dict[str, float], options: argparse.Namespace) -> None:
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}, SQLite")
    for column in ("", "resident, MB", "more than idle, KB for each"):
        table.add_column(column)
    counts = {"idle": 0, "idle connections": options.connections, "a long queue": options.rows}
    for name, megabytes in found.items():
        each = f"{1024 * (megabytes - found['idle']) / counts[name]:.2f}" if counts[name] else ""
        table.add_row(f"{name}: {counts[name]:,}" if counts[name] else name, f"{megabytes:.1f}", each)
    Console(width=100).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
