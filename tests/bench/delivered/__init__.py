"""`python -m tests.bench.delivered`: from a client's socket to the far side, without TLS, beside others that do less.

All on one machine, in interleaved rounds. What is accepted and not yet at the far side is bounded, so that accepting cannot run
ahead of sending; who answers only once it has sent needs no bound. The relay judges each message, stores it, and settles it.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.bench import haraka, postfix, sink
from tests.bench.counts import Counts
from tests.bench.load import Brake, Load, Share, Target, run
from tests.bench.options import options as read_options
from tests.bench.processes import NotHereError, Running, end, free_port, process, processor_seconds
from tests.harness import APPLICATION, Relay

RELAY, POSTFIX, HARAKA, DRAFT, FORWARDER = "relay", "Postfix", "Haraka", "first draft", "synchronous"
_MOST_ON_THE_WAY = 200
_WARM = 1.0
_CONNECTIONS = 50  # to SES, for all who call it
_SETTINGS = {
    "RELAY_LOGINS__MESSAGES_PER_MINUTE": "100000000",
    "RELAY_LOGINS__MESSAGES_PER_DAY": "100000000",
    "RELAY_SES__IDENTITIES_SECONDS": "0",
    "RELAY_SMTP__SUBMISSIONS": "",
    "RELAY_SMTP__TRUSTED": "127.0.0.1:0",
    "RELAY_SMTP__TRUSTED_NETWORKS": "127.0.0.0/8",
    "RELAY_SMTP__TRUSTED_CREDENTIAL": APPLICATION.name,
    "RELAY_API__LISTEN": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`seconds` that SES takes for an answer; far sides of SMTP answer at once."""

    name: str
    load: Load
    answer_seconds: float = 0.0
    servers: tuple[str, ...] = (RELAY, POSTFIX, HARAKA, DRAFT, FORWARDER)


SCENARIOS = {
    "kept-10": Scenario(name="4 KB, 10 kept connections", load=Load(size=4096)),
    "kept-100": Scenario(name="4 KB, 100 kept connections", load=Load(size=4096, connections=100)),
    "fresh": Scenario(name="4 KB, 10 clients, a new connection each", load=Load(size=4096, kept=False)),
    "large": Scenario(name="1 MB, 10 kept connections", load=Load(size=1 << 20)),
    "slow": Scenario(
        name="4 KB, 10 kept connections, SES takes 50 ms",
        load=Load(size=4096),
        answer_seconds=0.05,
        servers=(RELAY, FORWARDER),
    ),
}


class Seen(NamedTuple):
    """Of one round: messages a second at the far side, ms of a core for each, and ms to the reply to DATA, p50 and p99."""

    delivered: float
    processor: float
    p50: float
    p99: float


@asynccontextmanager
async def _ses(folder: Path, counts: Path, seconds: float) -> AsyncIterator[str]:
    """Its URL."""
    (folder / "seconds").touch()
    words = ("far_side", str(folder), str(counts), "", "--plain", "--answer-seconds", str(seconds))
    started = await asyncio.create_subprocess_exec(sys.executable, "-m", f"tests.bench.{words[0]}", *words[1:], stdout=PIPE)
    assert started.stdout
    try:
        yield f"http://127.0.0.1:{int(await started.stdout.readline())}"
    finally:
        await end(started)


@asynccontextmanager
async def relaying(folder: Path, counts: Path, seconds: float, **settings: str) -> AsyncIterator[Running]:
    """The relay, before a far side of its own that takes so many seconds for an answer."""
    async with _ses(folder, counts, seconds) as endpoint:
        settings = {"RELAY_SES__ENDPOINT": endpoint, "RELAY_SES__CONNECTIONS": str(_CONNECTIONS), **_SETTINGS, **settings}
        relay = Relay(folder, 1, **settings)
        await relay.start(APPLICATION)
        while not any(line["event"] == "account" for line in relay.journal()):  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.05)
        try:
            yield Running(process_id=relay.process_id, doors={"plain": _plain(relay.ports["trusted"])})
        finally:
            await relay.stop()


@asynccontextmanager
async def _postfix(folder: Path, counts: Path, seconds: float) -> AsyncIterator[Running]:
    async with sink.running(counts) as port, postfix.relaying(folder, port) as server:
        yield server


@asynccontextmanager
async def _haraka(folder: Path, counts: Path, seconds: float) -> AsyncIterator[Running]:
    async with sink.running(counts) as port, haraka.relaying(folder, port) as server:
        yield server


@asynccontextmanager
async def _of_ours(module: str, folder: Path, counts: Path, seconds: float, *words: object) -> AsyncIterator[Running]:
    port = free_port()
    async with _ses(folder, counts, seconds) as endpoint:
        given = [str(word) for word in (port, endpoint, *words)]
        command = (sys.executable, "-m", f"tests.bench.{module}", *given)
        async with process(*command, port=port, log=folder / "log") as started:
            yield Running(process_id=started.pid, doors={"plain": _plain(port)})


def _draft(folder: Path, counts: Path, seconds: float) -> AbstractAsyncContextManager[Running]:
    return _of_ours("first_draft", folder, counts, seconds, folder)


def _forwarder(folder: Path, counts: Path, seconds: float) -> AbstractAsyncContextManager[Running]:
    return _of_ours("forwarder", folder, counts, seconds, _CONNECTIONS)


def _plain(port: int) -> Target:
    return Target(port=port, starttls=False, login=None, tls=False)


_SERVERS: dict[str, Callable[[Path, Path, float], AbstractAsyncContextManager[Running]]] = {
    RELAY: relaying,
    POSTFIX: _postfix,
    HARAKA: _haraka,
    DRAFT: _draft,
    FORWARDER: _forwarder,
}


class Stand:
    """A server with its far side."""

    def __init__(self, server: Running, counts: Path) -> None:
        self._server = server
        self._file = counts
        self._counts = Counts(counts)

    async def measure(self, load: Load, seconds: float) -> Seen:
        """While the clients are at it, then until all of theirs is at the far side. Raises TimeoutError if that takes long."""
        load = replace(load, brake=Brake(counts=self._file, most=_MOST_ON_THE_WAY, with_events=False))
        before = self._counts.accepted
        clients = asyncio.create_task(asyncio.to_thread(run, self._server.doors["plain"], load, seconds + 2 * _WARM))
        while self._counts.accepted < before + 2 * load.connections and not clients.done():  # noqa: ASYNC110 - nobody would tell
            await asyncio.sleep(0.01)
        await asyncio.sleep(_WARM)
        began = self._look()
        await asyncio.sleep(seconds)
        ended = self._look()
        shares = await clients
        async with asyncio.timeout(60):
            while self._counts.delivered < self._counts.accepted:  # noqa: ASYNC110 - nobody would tell
                await asyncio.sleep(0.1)
        return _seen(began, ended, shares)

    def _look(self) -> tuple[float, int, float]:
        return time.monotonic(), self._counts.delivered, processor_seconds(self._server.process_id)


def _seen(began: tuple[float, int, float], ended: tuple[float, int, float], shares: list[Share]) -> Seen:
    seconds, messages, processor = (after - before for before, after in zip(began, ended, strict=True))
    latencies = sorted(latency for share in shares for latency in share.latencies)
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    return Seen(messages / seconds, 1000 * processor / messages, p50, p99)


async def compare(
    scenario: Scenario, folder: Path, rounds: int, seconds: float
) -> tuple[dict[str, list[Seen]], dict[str, str]]:
    """What was seen of each server, and why of others nothing."""
    found: defaultdict[str, list[Seen]] = defaultdict(list)
    missing: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        stands = {}
        for name in scenario.servers:
            own = folder / name.split()[0]
            own.mkdir(mode=0o711)
            Counts.make(own / "counts")
            try:
                server = await stack.enter_async_context(_SERVERS[name](own, own / "counts", scenario.answer_seconds))
                stands[name] = Stand(server, own / "counts")
            except NotHereError as error:
                missing[name] = f"not here: {error}"
        for _ in range(rounds):
            for name, stand in stands.items():
                found[name].append(await stand.measure(scenario.load, seconds))
    return found, missing


async def main() -> None:
    """One table for each scenario."""
    options = read_options("tests.bench.delivered", SCENARIOS, seconds=4.0)
    for name in options.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
            Path(folder).chmod(0o711)  # Postfix's own user has to get through
            found, missing = await compare(SCENARIOS[name], Path(folder), options.rounds, options.seconds)
        _show(SCENARIOS[name].name, found, missing, f"{options.rounds} rounds of {options.seconds:g} s")


def _show(name: str, found: dict[str, list[Seen]], missing: dict[str, str], rounds: str) -> None:
    """Medians with their spread, and ours as so many times theirs."""
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {rounds}: {name}")
    for column in ("", "delivered/s", "relay to it", "ms of a core each", "relay to it ", "ms to the reply, p50", "p99"):
        table.add_column(column)
    ours = [statistics.median(column) for column in zip(*found[RELAY], strict=True)]
    for server, seen in found.items():
        columns = list(zip(*seen, strict=True))
        middle = [statistics.median(column) for column in columns]
        table.add_row(
            server,
            f"{middle[0]:.0f} ({min(columns[0]):.0f} to {max(columns[0]):.0f})",
            f"{ours[0] / middle[0]:.2f}",
            f"{middle[1]:.2f}",
            f"1/{middle[1] / ours[1]:.1f}",
            f"{middle[2]:.1f}",
            f"{middle[3]:.1f}",
        )
    for server, why in missing.items():
        table.add_row(server, why)
    Console(width=140).print(table)
