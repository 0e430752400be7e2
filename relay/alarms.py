"""Looks at the counters once a minute: at the rates that decide whether SES goes on, and whether anything comes back at all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from enum import StrEnum
from typing import NamedTuple

from relay import journal, metrics, reputation, statistics
from relay.errors import StoreUnavailable
from relay.holds import Holder
from relay.lifecycle import NEVER
from relay.outcome import Hold, HoldScope
from relay.ports.clock import Clock
from relay.ports.operators import Counters
from relay.ports.queue import Desk
from relay.reputation import DOCTOR, WINDOWS, Finding, Level, Measure, ReputationRules
from relay.silence import Silence
from relay.statistics import SENT, Figures


class Scope(StrEnum):
    """Whose rates are looked at."""

    ACCOUNT = "account"
    CREDENTIAL = "credential"
    SENDER_DOMAIN = "sender_domain"


class Hearing(NamedTuple):
    """Whether feedback is silent; and how many messages were sent since anything was heard last. It is not known yet whether
    it is while nothing was heard since the first look, and no silence is long enough.
    """

    is_silent: bool
    sent: int
    since: float
    is_known: bool = True


class Subject(NamedTuple):
    """`name` is empty for the account."""

    scope: Scope
    name: str


class Alarms:
    """Each alarm is told once, and once more when it is over. What stands at the start is told and pauses nothing: somebody
    may have resumed it.
    """

    def __init__(self, *, counters: Counters, desk: Desk, clock: Clock, rules: ReputationRules, silence: Silence) -> None:
        self._counters = counters
        self._desk = desk
        self._clock = clock
        self._rules = rules
        self._silence = silence
        self._is_silent = False
        self.hearing: Hearing | None = None  # at the last look, where this node looks
        self.findings: dict[tuple[Subject, Measure], Finding] | None = None  # what was not fine then
        self._first: int | None = None  # event that was seen
        self._levels: defaultdict[tuple[Subject, Measure], Level] = defaultdict(lambda: Level.FINE)
        self._has_looked = False

    async def run(self, *, every: float) -> None:
        """A look every so many seconds, until cancelled."""
        try:
            while True:
                try:
                    await self.listen()
                    await self.weigh()
                except StoreUnavailable as error:
                    journal.trouble("the counters cannot be looked at", error)
                await asyncio.sleep(every)
        finally:
            self._forget()

    def _forget(self) -> None:
        """From now on another may know better, and somebody may resume what it pauses."""
        self._levels.clear()
        self._has_looked = False
        self.hearing = self.findings = None
        metrics.feedback_silent.set(0)
        metrics.reputation_rate.clear()
        metrics.reputation_level.clear()

    async def listen(self) -> None:
        """Whether events come."""
        now = self._clock()
        newest = await self._counters.newest_event()
        self._first = newest if self._first is None else self._first
        self._silence.hear(newest, now)
        since = self._silence.since
        found = await self._counters.by_sender([SENT], since=since, until=now)
        sent = sum(figures.of(SENT) for figures in found.values())
        is_silent = self._silence.look(sent, now, first=statistics.first_hour(since, now))
        metrics.feedback_silent.set(is_silent)
        if is_silent and not self._is_silent:
            journal.feedback_silent(sent=self._silence.sent, since=self._silence.since)
        elif self._is_silent and not is_silent:
            journal.feedback_heard()
        self._is_silent = is_silent
        is_known = is_silent or newest > self._first or not self._silence.is_watched
        self.hearing = Hearing(is_silent, self._silence.sent, self._silence.since, is_known)

    async def weigh(self) -> None:
        """How everybody stands who has sent anything within the longest window, or stood badly before."""
        seen = await self._seen(self._clock())
        metrics.reputation_rate.clear()
        metrics.reputation_level.clear()
        findings = {}
        for subject in {*seen, *(subject for subject, _ in self._levels)}:
            windows = [(window, seen[subject].get(window, Figures({}))) for window in WINDOWS]
            for measure in Measure:
                was = self._levels[subject, measure]
                found = reputation.judge(measure, windows, self._rules, was)
                _show(subject, measure, found)
                if found.level:
                    findings[subject, measure] = found
                if found.level is not was:
                    await self._change(subject, measure, found, was)
        self._levels = defaultdict(lambda: Level.FINE, {key: level for key, level in self._levels.items() if level})
        self._has_looked = True
        self.findings = findings

    async def _seen(self, now: float) -> defaultdict[Subject, dict[float, Figures]]:
        seen: defaultdict[Subject, dict[float, Figures]] = defaultdict(dict)
        for window in WINDOWS:
            found = await self._counters.by_sender(reputation.NAMES, since=now - window, until=now)
            for (credential, sender_domain), figures in found.items():
                if credential == DOCTOR:
                    continue
                for name, scope in (("", Scope.ACCOUNT), (credential, Scope.CREDENTIAL), (sender_domain, Scope.SENDER_DOMAIN)):
                    subject = Subject(scope, name)
                    seen[subject][window] = seen[subject].get(window, Figures({})) + figures
        return seen

    async def _change(self, subject: Subject, measure: Measure, found: Finding, was: Level) -> None:
        if found.level is Level.PAUSE and subject.scope is Scope.CREDENTIAL and self._rules.pauses and self._has_looked:
            await self._pause(subject.name, measure, found)
        self._levels[subject, measure] = found.level
        journal.reputation(
            scope=subject.scope,
            name=subject.name,
            measure=measure,
            standing=found.level.name.lower(),
            is_worse=found.level > was,
            rate=found.rate,
            count=found.count,
            sent=found.sent,
            hours=round(found.window / 3600),
        )

    async def _pause(self, credential: str, measure: Measure, found: Finding) -> None:
        why = f"{100 * found.rate:.2f} % {measure} of {found.sent} in {found.window / 3600:.0f} hours"
        hold = Hold(HoldScope.CREDENTIAL_BULK, why, NEVER, credential)
        if await self._desk.hold(hold, now=self._clock(), holder=Holder.RELAY):
            journal.paused(scope=hold.scope, subject=credential, reason=why)


def _show(subject: Subject, measure: Measure, found: Finding) -> None:
    metrics.reputation_rate.labels(measure, *subject).set(found.rate)
    metrics.reputation_level.labels(measure, *subject).set(found.level)
