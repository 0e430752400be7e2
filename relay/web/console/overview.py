"""/: what goes out and what comes back, how we stand with SES, what waits, and what wants to be looked at."""

from __future__ import annotations

import json
from asyncio import gather
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from relay import reputation, standing
from relay.alarm import MEANINGS, Alarm
from relay.bounces import BounceClass
from relay.lookout import Lookout
from relay.ports.operators import Counters
from relay.ports.queue import Desk
from relay.reputation import DOCTOR, WINDOWS, Finding, Level, Measure, ReputationRules
from relay.statistics import COMPLAINED, DAY, DELIVERED, HOUR, NOT_COUNTED, SENT, UNIQUE, By, Figures, Wanted
from relay.web.console.visits import Page, Routes, Said, Visit, look

_WEEK = 7 * DAY
_MOST_ROWS = 10
# What is shown of a time: its name, how long it is, and the length of one point. Of days that are over hours are not kept long.
_PERIODS: Mapping[str, tuple[str, float, float]] = {
    "day": ("Day, by hour", DAY, HOUR),
    "week": ("Week, by day", _WEEK, DAY),
    "month": ("Month, by day", 30 * DAY, DAY),
}
_SERIES = ("Sent", "Delivered", "Bounced", "Complained", "Opened", "Clicked")
# What these are made of.
_NAMES = (SENT, DELIVERED, COMPLAINED, *UNIQUE.values(), *(f"bounced.{found}" for found in BounceClass), *NOT_COUNTED)
_GROUPS = (By.CREDENTIAL, By.DOMAIN, By.CAMPAIGN)  # as an origin has them


class Seen(NamedTuple):
    """An alarm, what to do about it, and where."""

    seen: Said
    subject: str  # where the words do not say it
    remedy: str
    path: str


class Gauge(NamedTuple):
    """A rate and the thresholds of SES; how many `times`, and of what was sent, are of so many days."""

    name: str
    rate: float
    times: int
    sent: int
    days: int
    review: float
    pause: float
    level: str
    is_enough: bool  # sent to be judged by


class OverviewPages:
    """Its route."""

    def __init__(self, *, counters: Counters, desk: Desk, rules: ReputationRules, lookout: Lookout) -> None:
        self._counters = counters
        self._desk = desk
        self._rules = rules
        self._lookout = lookout

    def routes(self) -> Routes:
        return (look("/", self._show),)

    async def _show(self, visit: Visit) -> Page:
        period = visit.query.get("period", "")
        period = period if period in _PERIODS else "day"
        chosen = {name: visit.query.get(name) or None for name in ("credential", "sender_domain", "campaign")}
        _, length, _ = _PERIODS[period]
        since = visit.now - length
        # Beside one another: points and groups read all counters of that time, of a month 40,000 rows.
        points, groups, (status, _), heard_at, *seen = await gather(
            self._points(period, since, visit.now, chosen),
            self._groups(since, visit.now, chosen),
            self._desk.glance(now=visit.now, flows=0),
            self._counters.newest_event_at(),
            *(self._of_account(visit.now - window, visit.now) for window in WINDOWS),
        )
        total = sum((figures for _, figures in points), Figures({}))
        windows = list(zip(WINDOWS, seen, strict=True))
        findings = {measure: reputation.judge(measure, windows, self._rules, Level.FINE) for measure in Measure}
        rates = [alarm for measure, found in findings.items() for alarm in standing.of_rate(measure, found, subject="")]
        facts: dict[str, Any] = {
            "periods": [(key, name) for key, (name, *_) in _PERIODS.items()],
            "period": period,
            "chosen": chosen,
            "series": json.dumps(_series(points)),
            "names": _SERIES,
            "points": [(at, _counts(figures)) for at, figures in reversed(points)],
            "cards": list(zip(_SERIES, _counts(total), strict=True)),
            "total": total,
            "groups": groups,
            "gauges": [self._gauge(measure, found) for measure, found in findings.items()],
            "status": status,
            "waiting": sum(status.states.values()),
            "now": visit.now,
            "heard_at": heard_at,
            "certificates": sorted(self._lookout.machine.certificates()),
            "alarms": [_seen(alarm) for alarm in await self._lookout.all(visit.now, rates)],
        }
        return Page(template="overview", facts=facts)

    async def _points(
        self, period: str, since: float, until: float, chosen: Mapping[str, str | None]
    ) -> Sequence[tuple[float, Figures]]:
        """Of all points of that time, those with nothing in them as well."""
        _, _, step = _PERIODS[period]
        by = By.HOUR if step == HOUR else By.DAY
        found = await self._counters.sums(Wanted(since=since, until=until, by=by, names=_NAMES, **chosen))
        first = since // step * step
        points = {first + number * step: Figures({}) for number in range(int((until - first) // step) + 1)}
        for at, figures in found.items():
            place = max(first, float(at) // step * step)
            points[place] = points.get(place, Figures({})) + figures
        return sorted(points.items())

    async def _groups(self, since: float, until: float, chosen: Mapping[str, str | None]) -> Sequence[Mapping[str, Any]]:
        """Who sent most."""
        found = await self._counters.by_origin(Wanted(since=since, until=until, by=None, names=_NAMES, **chosen))
        counts = [(origin, _counts(figures)) for origin, figures in found.items()]
        return [_group(by, ((origin[place], row) for origin, row in counts)) for place, by in enumerate(_GROUPS)]

    def _gauge(self, measure: Measure, finding: Finding) -> Gauge:
        thresholds = self._rules.thresholds(measure)
        return Gauge(
            name=measure.name,
            rate=finding.rate,
            times=finding.count,
            sent=finding.sent,
            days=round(finding.window / DAY),
            review=thresholds.review / 10_000,
            pause=thresholds.pause / 10_000,
            level=finding.level.name.lower(),
            is_enough=finding.sent >= self._rules.volume,
        )

    async def _of_account(self, since: float, until: float) -> Figures:
        found = await self._counters.by_sender(reputation.NAMES, since=since, until=until)
        return sum((figures for (credential, _), figures in found.items() if credential != DOCTOR), Figures({}))


def _group(by: By, counts: Iterable[tuple[str, Sequence[int]]]) -> Mapping[str, Any]:
    """Each with the sum of its own."""
    of: defaultdict[str, list[Sequence[int]]] = defaultdict(list)
    for name, row in counts:
        of[name].append(row)
    rows = sorted(((name, [sum(column) for column in zip(*rows, strict=True)]) for name, rows in of.items()), key=_sent)
    return {"by": by.value, "rows": rows[:_MOST_ROWS], "more": max(0, len(rows) - _MOST_ROWS)}


def _sent(row: tuple[str, Sequence[int]]) -> int:
    """The most first."""
    return -row[1][0]


def _counts(figures: Figures) -> list[int]:
    """In the order of the series."""
    names = (SENT, DELIVERED, "", COMPLAINED, "opened_unique", "clicked_unique")
    return [figures.of(name) if name else figures.bounced for name in names]


def _series(points: Sequence[tuple[float, Figures]]) -> list[list[float]]:
    """Times, and then a list for each series: as uPlot wants it."""
    rows = [[at, *_counts(figures)] for at, figures in points]
    return [list(column) for column in zip(*rows, strict=True)]


def _seen(alarm: Alarm) -> Seen:
    meaning = MEANINGS[alarm.kind]
    subject = alarm.subject if alarm.is_unnamed else ""
    return Seen(Said(meaning.seen, alarm.words), subject, meaning.remedy, alarm.path)
