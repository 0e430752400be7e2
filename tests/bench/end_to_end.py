"""`python -m tests.bench.end_to_end`: the whole way of a message, from a client's STARTTLS to the settled call.

Clients, relay and far side are processes of this machine. What is accepted and not yet at SES, or back, is bounded, so that
accepting cannot run ahead of sending, and the rate is one that lasts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from array import array
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from relay.security.certificates import make_server_pair
from tests.bench import stages, topic
from tests.bench.counts import Counts
from tests.bench.load import Brake, Load, Share, Target, run
from tests.bench.processes import end
from tests.bench.report import MODES, Figures, show
from tests.bench.stages import Totals
from tests.harness import APPLICATION, PASSWORD, Relay, Settings

_MOST_ON_THE_WAY = 200
_WARM = 1.0  # seconds under load before the first look
_PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTINGS = {
    "RELAY_LOGINS__MESSAGES_PER_MINUTE": "100000000",
    "RELAY_LOGINS__MESSAGES_PER_DAY": "100000000",
    "RELAY_SES__IDENTITIES_SECONDS": "0",
}


@dataclass(frozen=True, slots=True)
class _Look:
    """What was counted up to a moment, and the seconds of processor that each process had taken."""

    at: float
    accepted: int
    delivered: int
    posted: int
    processor: dict[str, float]


class Stand:
    """A relay with its far side."""

    def __init__(self, folder: Path, relay: Relay, processes: dict[str, int], stages: Totals | None) -> None:
        self.folder = folder
        self.relay = relay
        self._processes = processes
        self._stages = stages
        self._counts = Counts(folder / "counts")

    async def measure(self, load: Load, seconds: float) -> Figures:
        """While the clients are at it, then until all of theirs is settled. Raises TimeoutError where that does not happen."""
        target = Target(port=self.relay.ports["submission"], starttls=True, login=(APPLICATION.name, PASSWORD))
        brake = Brake(counts=self.folder / "counts", most=_MOST_ON_THE_WAY, with_events="SNS" in self._processes)
        load = replace(load, brake=brake)
        before = self._counts.accepted
        clients = asyncio.create_task(asyncio.to_thread(run, target, load, seconds + 2 * _WARM))
        while self._counts.accepted < before + 2 * load.connections:
            await asyncio.sleep(0.01)
            if clients.done():
                clients.result()
        await asyncio.sleep(_WARM)
        began = self._look()
        await asyncio.sleep(seconds)
        ended = self._look()
        shares = await clients
        await self._settled()
        return _figures(began, ended, shares, self._seconds_to_ses(began, ended))

    @property
    def delivered(self) -> int:
        """How many messages SES has got."""
        return self._counts.delivered

    def _look(self) -> _Look:
        counts = self._counts
        processor = {name: _processor_seconds(number) for name, number in self._processes.items()}
        if self._stages:
            processor |= self._stages.seconds()
        return _Look(time.time(), counts.accepted, counts.delivered, counts.posted, processor)

    def _seconds_to_ses(self, began: _Look, ended: _Look) -> list[float]:
        pairs = array("d")
        pairs.frombytes((self.folder / "seconds").read_bytes())
        return [took for at, took in zip(pairs[::2], pairs[1::2], strict=True) if began.at <= at < ended.at]

    async def _settled(self) -> None:
        """All that was accepted was delivered once, and the relay has written that down."""
        counts = self._counts
        async with asyncio.timeout(_PATIENCE):
            while counts.delivered < counts.accepted or self._sent() < counts.accepted:  # noqa: ASYNC110 - nobody would tell
                await asyncio.sleep(0.2)
        assert counts.delivered == counts.accepted

    def _sent(self) -> int:
        return self.relay.log.read_bytes().count(b'"event": "sent"')


def _processor_seconds(process: int) -> float:
    """User and system time, by proc(5)'s stat."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _figures(began: _Look, ended: _Look, shares: list[Share], to_ses: list[float]) -> Figures:
    seconds, messages = ended.at - began.at, ended.delivered - began.delivered
    accepted = sum(len(share.latencies) for share in shares)
    each = {name: 1000 * (ended.processor[name] - began.processor[name]) / messages for name in began.processor}
    return Figures(
        accepted=(ended.accepted - began.accepted) / seconds,
        delivered=messages / seconds,
        events=(ended.posted - began.posted) / seconds,
        processor={**each, "clients": 1000 * sum(share.processor for share in shares) / accepted},
        data=_p50_p99([latency for share in shares for latency in share.latencies]),
        to_ses=_p50_p99(to_ses),
    )


def _p50_p99(seconds: list[float]) -> tuple[float, float]:
    hundredths = statistics.quantiles(seconds, n=100)
    return 1000 * hundredths[49], 1000 * hundredths[98]


@asynccontextmanager
async def standing(
    folder: Path,
    *,
    with_events: bool,
    with_stages: bool,
    settings: Settings | None = None,
    arguments: tuple[str, ...] = Relay.arguments,
) -> AsyncIterator[Stand]:
    """From when the relay knows its rate. Events come over kept connections, as many as the webhook takes."""
    Counts.make(folder / "counts")
    Totals.make(folder / "stages")
    (folder / "seconds").touch()
    pipe = folder / "pipe" if with_events else None
    if pipe:
        os.mkfifo(pipe)
    make_server_pair(key_file=folder / "ses.key", certificate_file=folder / "ses.pem", name="localhost", now=time.time())
    topic.make_signing_pair(folder)
    async with AsyncExitStack() as stack:
        ses = await stack.enter_async_context(_process("far_side", folder, folder / "counts", pipe or ""))
        assert ses.stdout
        relay = _relay(folder, int(await ses.stdout.readline()), settings or {})
        relay.arguments = arguments
        if with_stages:
            relay.module = stages.__name__
        await relay.start(APPLICATION)
        stack.push_async_callback(relay.stop)
        processes = {"relay": relay.process_id, "SES": ses.pid}
        if pipe:
            command = ("topic", folder, folder / "counts", pipe, relay.ports["callbacks"])
            processes["SNS"] = (await stack.enter_async_context(_process(*command))).pid
        while not any(line["event"] == "account" for line in relay.journal()):  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.05)
        yield Stand(folder, relay, processes, Totals(folder / "stages") if with_stages else None)


def _relay(folder: Path, ses_port: int, settings: Settings) -> Relay:
    endpoint, certificate = f"https://localhost:{ses_port}", str(folder / "ses.pem")
    others = {"SSL_CERT_FILE": certificate, "AWS_CA_BUNDLE": certificate, stages.FILE: str(folder / "stages")}
    return Relay(folder, ses_port, RELAY_SES__ENDPOINT=endpoint, **_SETTINGS, **others, **settings)


@asynccontextmanager
async def _process(module: str, *words: object) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", f"tests.bench.{module}", *map(str, words))
    started = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        yield started
    finally:
        await end(started)


async def main() -> None:
    """Rounds of all modes in turn, each on a relay that stays for all rounds; then one table."""
    options = _options()
    found: dict[str, list[Figures]] = {mode: [] for mode in options.modes}
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        async with AsyncExitStack() as stack:
            stands = {}
            for mode in options.modes:
                own = Path(folder) / mode
                own.mkdir()
                built = standing(own, with_events=MODES[mode].with_events, with_stages=options.stages)
                stands[mode] = await stack.enter_async_context(built)
            for _ in range(options.rounds):
                for mode, stand in stands.items():
                    found[mode].append(await stand.measure(MODES[mode].load, options.seconds))
    show(found, options.rounds, options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.end_to_end")
    parser.add_argument("modes", nargs="*", metavar="mode", help=", ".join(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--stages", action="store_true", help="what the relay needs the processor for")
    options = parser.parse_args()
    if unknown := set(options.modes) - MODES.keys():
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(MODES)}")
    options.modes = options.modes or [*MODES]
    return options


if __name__ == "__main__":
    asyncio.run(main())
