"""The figures as one table: medians with their spread, ratios of the medians, and what was wanted."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.compare import Outcome
from tests.bench.scenarios import ALL, RELAY, SCENARIOS, Row, accepts

_WIDTH = 190


def show(outcomes: dict[str, Outcome], rounds: int, seconds: float) -> None:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {machine}, {rounds} rounds of {seconds:g} s", show_lines=True)
    for column in ("what", *ALL, "ratio", "goal"):
        table.add_column(column)
    for name, outcome in outcomes.items():
        for row in SCENARIOS[name].rows:
            table.add_row(row.name, *(_cell(outcome, row, server) for server in ALL), *_verdict(outcome, row))
    idle = statistics.median(outcome.idle for outcome in outcomes.values())
    loaded = max(outcome.loaded for outcome in outcomes.values())
    table.add_row("resident memory, idle", f"{idle:.0f} MB", *[""] * len(ALL), "< 120 MB")
    table.add_row("resident memory, most after a scenario", f"{loaded:.0f} MB")
    Console(width=_WIDTH).print(table)


def figures(found: Mapping[str, str], title: str) -> None:
    """What was seen, line by line."""
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {title}")
    table.add_column("what")
    table.add_column("")
    for what, seen in found.items():
        table.add_row(what, seen)
    Console(width=120).print(table)


def _cell(outcome: Outcome, row: Row, server: str) -> str:
    seen = outcome.of(row, server)
    if server in outcome.missing:
        return outcome.missing[server]
    if not seen:
        return ""
    median, least, most = (f"{value:.{row.digits}f}" for value in (statistics.median(seen), min(seen), max(seen)))
    return f"{median}  ({least} to {most})"


def _verdict(outcome: Outcome, row: Row) -> tuple[str, str]:
    """How many times a peer's accepts the relay's are, or the limit of what is no rate; and the goals."""
    if row.figure is not accepts:
        return "", f"< {row.below:g}" if row.below else ""
    ratios = {peer: _ratio(outcome, row, peer) for peer in ALL[1:] if outcome.of(row, peer)}
    named = [f"{ratio:.2f} {peer.partition(',')[0]}" for peer, ratio in ratios.items()]
    wanted = [f">= {row.at_least[peer]:g}" if peer in row.at_least else "" for peer in ratios]
    return "\n".join(named), "\n".join(wanted)


def _ratio(outcome: Outcome, row: Row, peer: str) -> float:
    ours, theirs = (statistics.median(outcome.of(row, server)) for server in (RELAY, peer))
    return ours / theirs
