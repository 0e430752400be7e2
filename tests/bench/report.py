"""What is measured end to end, and its figures as one table."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.load import Load
from tests.bench.stages import STAGES

_WIDTH = 150
_KB4 = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A load, and whether SNS posts Send and Delivery for each message."""

    load: Load
    with_events: bool


MODES = {
    "sustained": Mode(load=Load(size=_KB4, connections=30), with_events=False),
    "sustained-events": Mode(load=Load(size=_KB4, connections=30), with_events=True),
    "paced": Mode(load=Load(size=_KB4, connections=50, pause=0.25), with_events=False),
    "paced-events": Mode(load=Load(size=_KB4, connections=50, pause=0.25), with_events=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one round. Rates are a second; `processor` is ms for a message, by process; latencies are ms, p50 and p99."""

    accepted: float
    delivered: float
    events: float
    processor: dict[str, float]
    data: tuple[float, float]
    to_ses: tuple[float, float]


_ROWS: dict[str, tuple[Callable[[Figures], float], int]] = {
    "accepted/s": (lambda figures: figures.accepted, 0),
    "delivered/s": (lambda figures: figures.delivered, 0),
    "events recorded/s": (lambda figures: figures.events, 0),
    "processor, ms a message: relay": (lambda figures: figures.processor["relay"], 3),
    "clients": (lambda figures: figures.processor["clients"], 3),
    "far side, SES": (lambda figures: figures.processor["SES"], 3),
    "far side, SNS": (lambda figures: figures.processor.get("SNS", 0.0), 3),
    "ms to the reply to DATA, p50": (lambda figures: figures.data[0], 1),
    "p99": (lambda figures: figures.data[1], 1),
    "ms from DATA until SES has it, p50": (lambda figures: figures.to_ses[0], 1),
    "p99 ": (lambda figures: figures.to_ses[1], 1),
}


def show(found: dict[str, list[Figures]], rounds: int, seconds: float) -> None:
    """Medians with their spread."""
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    table = Table(title=f"{time.strftime('%Y-%m-%d')}, {machine}, {rounds} rounds of {seconds:g} s, 4 KB")
    for column in ("what", *found):
        table.add_column(column)
    for name, (figure, digits) in _ROWS.items():
        table.add_row(name, *(_cell([figure(round) for round in mode], digits) for mode in found.values()))
    if all(set(STAGES) <= round.processor.keys() for mode in found.values() for round in mode):
        _add_stages(table, found)
    Console(width=_WIDTH).print(table)


def _add_stages(table: Table, found: dict[str, list[Figures]]) -> None:
    """Of the relay's own milliseconds."""
    table.add_section()
    for stage in STAGES:
        table.add_row(stage, *(_cell([round.processor[stage] for round in mode], 3) for mode in found.values()))
    left = ([_besides_stages(round.processor) for round in mode] for mode in found.values())
    table.add_row("event loop, what TLS of HTTP reads", *(_cell(mode, 3) for mode in left))


def _besides_stages(processor: dict[str, float]) -> float:
    return processor["relay"] - sum(processor[stage] for stage in STAGES)


def _cell(seen: list[float], digits: int) -> str:
    median, least, most = (f"{value:.{digits}f}" for value in (statistics.median(seen), min(seen), max(seen)))
    return f"{median}  ({least} to {most})"
