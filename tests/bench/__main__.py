"""`make bench`: whole programs side by side, in interleaved rounds of one run, so that a noisy machine troubles both alike."""

from __future__ import annotations

import asyncio
import platform
import socket
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from relay.sandbox.cloud import Cloud
from tests.bench.load import Target, accepts_per_second
from tests.harness import APPLICATION, PASSWORD, running_relay

ROUNDS = 5
SECONDS = 4.0
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is measured on both sides, and the ratio that is wanted."""

    name: str
    size: int
    connections: int
    goal: float


SCENARIOS = (
    Scenario(name="durable accepts/s, 4 KB, 10 kept TLS connections", size=4096, connections=10, goal=1.5),
    Scenario(name="durable accepts/s, 1 MB, 10 kept TLS connections", size=MEGABYTE, connections=10, goal=8.0),
)


async def main() -> None:
    """Runs all scenarios and prints one table."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            # The account's rate is 1/s: what is measured is accepting, not sending.
            relay, _ = await stack.enter_async_context(running_relay(folder, APPLICATION, far_side=lambda: Cloud(rate=1.0)))
            await asyncio.sleep(2)
            idle = _resident_megabytes(relay.process_id)
            peer_port = _free_port()
            peer = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.bench.plain_aiosmtpd",
                str(folder / "smtp.pem"),
                str(folder / "smtp.key"),
                str(peer_port),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert peer.stdout
            await peer.stdout.readline()
            ours = Target(port=relay.ports["submissions"], login=("app", PASSWORD))
            theirs = Target(port=peer_port, login=None)
            table = _table()
            for scenario in SCENARIOS:
                table.add_row(scenario.name, *await _compare(scenario, ours, theirs), f">= {scenario.goal}")
            table.add_row("resident memory, idle", f"{idle:.0f} MB", "", "", "< 120 MB")
            table.add_row(
                "resident memory, after all of the above", f"{_resident_megabytes(relay.process_id):.0f} MB", "", "", ""
            )
            peer.terminate()
            await peer.wait()
    Console(width=150).print(table)


async def _compare(scenario: Scenario, ours: Target, theirs: Target) -> tuple[str, str, str]:
    """Medians of both sides, with their spread, and the ratio of the medians."""
    rates: dict[Target, list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for target, seen in rates.items():
            rate = await asyncio.to_thread(
                accepts_per_second, target, connections=scenario.connections, size=scenario.size, seconds=SECONDS
            )
            seen.append(rate)
    a, b = (statistics.median(seen) for seen in rates.values())
    return _spread(rates[ours]), _spread(rates[theirs]), f"{a / b:.2f}"


def _spread(seen: list[float]) -> str:
    return f"{statistics.median(seen):.0f}  ({min(seen):.0f} to {max(seen):.0f})"


def _table() -> Table:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    title = f"{time.strftime('%Y-%m-%d')}, {machine}, {ROUNDS} rounds of {SECONDS:.0f} s"
    table = Table(title=title)
    for column in ("what", "relay", "plain aiosmtpd, discarding", "ratio", "goal"):
        table.add_column(column)
    return table


def _resident_megabytes(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    asyncio.run(main())
