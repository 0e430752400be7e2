"""What bounces and complaints mean for our standing with SES: rates over sliding windows, and the levels at which it acts.

SES puts an account under review from 5 % of hard bounces or 0.1 % of complaints on, and may pause it from 10 % or 0.5 % on,
over a volume that it calls representative (SES developer guide, "Reputation monitoring").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from relay.statistics import COMPLAINED, HARD_BOUNCE, SENT, Figures

WINDOWS = (86400.0, 7 * 86400.0)  # seconds
DOCTOR = "relay-doctor"  # the login of `relay doctor --send`: it writes to SES's simulator, which SES does not count
NAMES = (SENT, HARD_BOUNCE, COMPLAINED)
_LEAST = 3  # fewer bounces or complaints are chance, whatever their share
_OVER = 0.9  # of what it was reached at: a rate that sways about a threshold is one alarm
_OF = 10_000


class Level(IntEnum):
    """How bad it is."""

    FINE = 0
    REVIEW = 1
    PAUSE = 2


class Measure(StrEnum):
    """What is counted against us, by its name in the counters."""

    BOUNCES = HARD_BOUNCE
    COMPLAINTS = COMPLAINED


class Thresholds(NamedTuple):
    """Of 10,000 that were sent; 0 is never reached."""

    review: int
    pause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationRules:
    """What an operator decides. In a window with less than `volume` sent nothing is reached. `pauses` bulk mail at PAUSE."""

    volume: int
    bounces: Thresholds
    complaints: Thresholds
    pauses: bool

    def thresholds(self, measure: Measure) -> Thresholds:
        return self.bounces if measure is Measure.BOUNCES else self.complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The worst that any window shows; `window` are its seconds."""

    level: Level
    window: float
    count: int
    sent: int

    @property
    def rate(self) -> float:
        return self.count / self.sent if self.sent else 0.0


def judge(measure: Measure, windows: Iterable[tuple[float, Figures]], rules: ReputationRules, was: Level) -> Finding:
    """How it stands, where it stood at `was` before: the level first, then the rate."""
    found = (_in_window(measure, window, figures, rules, was) for window, figures in windows)
    return max(found, key=lambda finding: (finding.level, finding.rate))


def _in_window(measure: Measure, window: float, figures: Figures, rules: ReputationRules, was: Level) -> Finding:
    sent, count = figures.of(SENT), figures.of(measure)
    review, pause = rules.thresholds(measure)
    level = Level.FINE
    for reached, threshold in ((Level.REVIEW, review), (Level.PAUSE, pause)):
        slack = _OVER if reached <= was else 1.0
        if threshold and sent >= rules.volume * slack and count >= _LEAST and count * _OF >= threshold * sent * slack:
            level = reached
    return Finding(level=level, window=window, count=count, sent=sent)
