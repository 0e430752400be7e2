"""One scenario: its servers started anew, measured in rounds, stopped."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from relay.security.certificates import make_server_pair
from tests.bench.load import run
from tests.bench.processes import NotHereError, Running, resident_megabytes
from tests.bench.scenarios import RELAY, SERVERS, Row, Scenario

_SETTLING = 2.0


@dataclass(slots=True)
class Outcome:
    """What each row's figure was on each server, once per round; why a server has none; the relay's memory in MB."""

    figures: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[str, str] = field(default_factory=dict)
    idle: float = 0.0
    loaded: float = 0.0

    def forget_first_round(self) -> None:
        for seen in self.figures.values():
            del seen[0]

    def of(self, row: Row, server: str) -> list[float]:
        return self.figures[row.name, server]


async def compare(scenario: Scenario, folder: Path, rounds: int, seconds: float) -> Outcome:
    """Every server once per round, after a round to warm up. A peer that is not here, or fails, is left out from then on."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        servers = {name: server for name in scenario.servers if (server := await _start(stack, name, folder, outcome))}
        await asyncio.sleep(_SETTLING)
        outcome.idle = resident_megabytes(servers[RELAY].process_id)
        for _ in range(rounds + 1):
            for name in [name for name in servers if name not in outcome.missing]:
                await _measure(outcome, scenario, name, servers[name], seconds)
        outcome.forget_first_round()
        outcome.loaded = resident_megabytes(servers[RELAY].process_id)
    return outcome


async def _start(stack: AsyncExitStack, name: str, folder: Path, outcome: Outcome) -> Running | None:
    """In a folder of its own, with a certificate that is of the same kind for all."""
    own = folder / name.split()[0]
    own.mkdir(mode=0o711)
    make_server_pair(key_file=own / "smtp.key", certificate_file=own / "smtp.pem", name="localhost", now=time.time())
    try:
        return await stack.enter_async_context(SERVERS[name](own))
    except NotHereError as error:
        outcome.missing[name] = f"not here: {error}"
        return None


async def _measure(outcome: Outcome, scenario: Scenario, name: str, server: Running, seconds: float) -> None:
    try:
        shares = await asyncio.to_thread(run, server.doors[scenario.door], scenario.load, seconds)
    except Exception as error:  # whatever a client met, the other servers are still to be measured
        outcome.missing[name] = f"failed: {error!r}"
        return
    for row in scenario.rows:
        outcome.of(row, name).append(row.figure(shares))
