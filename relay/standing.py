"""What stands, by what is known, and when whom it is told. Nothing here looks at anything by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from relay.alarm import Alarm, Kind, Level, Stands
from relay.backlog import Backlog
from relay.holds import Holder, HoldRecord
from relay.ports.notices import Standing
from relay.rate import Account
from relay.reputation import Finding, Measure
from relay.reputation import Level as Reached

_DAY = 86400.0
_FAILING = 3600.0  # seconds for which a webhook may
_JUMP_STANDS = 3600.0
_CERTIFICATE_LAST_DAYS = 3
_MEGABYTE = 1_000_000
_OF_MEASURE = {Measure.BOUNCES: Kind.BOUNCES, Measure.COMPLAINTS: Kind.COMPLAINTS}
_OF_REACHED = {Reached.REVIEW: Level.WARNING, Reached.PAUSE: Level.CRITICAL}
_NEAR = 5.0  # seconds that a clock may differ


class Seen(NamedTuple):
    """What stands now, and of which kinds that is not known: what stood of those stands on."""

    alarms: tuple[Alarm, ...]
    unknown: frozenset[Kind] = frozenset()


class Certificate(NamedTuple):
    """That a door shows, until a second since the epoch."""

    section: str
    name: str
    ends: float


def of_door(closed: str) -> Iterator[Alarm]:
    """Why it is closed, or nothing."""
    if closed:
        yield Alarm(kind=Kind.DOOR_CLOSED, level=Level.CRITICAL, words={"why": closed})


def of_age(counted: Backlog, *, most: float, now: float) -> Iterator[Alarm]:
    """Seconds that the oldest may wait; 0 for however long."""
    waited = now - counted.oldest_at if counted.oldest_at is not None else 0.0
    if 0 < most <= waited:
        yield Alarm(kind=Kind.QUEUE_AGE, level=Level.CRITICAL, words={"minutes": str(int(waited / 60))})


def of_disk(counted: Backlog, *, least: int) -> Iterator[Alarm]:
    """Below `least` octets the door is closed; an alarm rings at twice that."""
    if counted.free_octets < 2 * least:
        words = {"free": str(counted.free_octets // _MEGABYTE), "least": str(least // _MEGABYTE)}
        yield Alarm(kind=Kind.DISK_LOW, level=Level.WARNING, words=words)


def of_certificates(shown: Iterable[Certificate], *, days: int, now: float) -> Iterator[Alarm]:
    """Those that end within so many days."""
    for section, name, ends in shown:
        if ends - now < days * _DAY:
            level = Level.CRITICAL if ends - now < _CERTIFICATE_LAST_DAYS * _DAY else Level.WARNING
            subject = f"{name} ({section})"
            yield Alarm(kind=Kind.CERTIFICATE_ENDS, level=level, subject=subject, words={"name": subject})


def of_refused_certificates(refused: Mapping[str, str]) -> Iterator[Alarm]:
    """By section: why its new files cannot be used."""
    for section, why in refused.items():
        yield Alarm(kind=Kind.CERTIFICATE_REFUSED, level=Level.CRITICAL, subject=section, words={"why": why})


def of_clock(ahead: float) -> Iterator[Alarm]:
    """Seconds by which AWS's is ahead of ours, as far as we know."""
    if abs(ahead) > _NEAR:
        yield Alarm(kind=Kind.CLOCK_DIFFERS, level=Level.WARNING, words={"seconds": str(round(ahead))})


def of_jump(seconds: float, at: float, *, now: float) -> Iterator[Alarm]:
    """The last jump of the clock; what is long over stands no more."""
    if seconds and 0 <= now - at < _JUMP_STANDS:
        yield Alarm(kind=Kind.CLOCK_JUMPED, level=Level.WARNING, words={"seconds": str(round(seconds))})


def of_unreadable(queues: Mapping[str, str]) -> Iterator[Alarm]:
    """By URL: why they cannot be read."""
    for url, why in queues.items():
        yield Alarm(kind=Kind.QUEUE_UNREADABLE, level=Level.CRITICAL, subject=url, words={"why": why})


def of_dead_letters(queues: Mapping[str, int]) -> Iterator[Alarm]:
    """By URL: how many they gave up."""
    for url, count in queues.items():
        if count:
            yield Alarm(kind=Kind.DEAD_LETTERS, level=Level.WARNING, subject=url, words={"count": str(count)})


def of_logins(used_up: Iterable[str]) -> Iterator[Alarm]:
    """Logins that have sent what they may today."""
    for name in used_up:
        yield Alarm(kind=Kind.LOGIN_QUOTA, level=Level.WARNING, subject=name, words={"name": name})


def of_holds(holds: Iterable[HoldRecord]) -> Iterator[Alarm]:
    """What people put there themselves is a note."""
    for hold in holds:
        level = Level.CRITICAL if hold.holder in (Holder.SES, Holder.RELAY) else Level.NOTE
        words = {"what": hold.subject or hold.scope, "why": hold.reason}
        yield Alarm(kind=Kind.HELD, level=level, subject=f"{hold.scope} {hold.subject}".rstrip(), words=words)


def of_quota(account: Account | None, *, now: float) -> Iterator[Alarm]:
    """A quota below 0 is none, and one that SES told long ago holds nothing back."""
    if account and account.is_recent(now) and 0 <= account.quota <= account.sent:
        yield Alarm(kind=Kind.QUOTA_USED_UP, level=Level.CRITICAL, words={})


def of_known(account: Account | None, *, now: float) -> Iterator[Alarm]:
    """That SES has said something once, and has not for long."""
    if account and not account.is_recent(now):
        yield alarm(Kind.ACCOUNT_UNKNOWN, Level.WARNING)


def of_account(enforcement: str, *, sends: bool, is_well: bool) -> Iterator[Alarm]:
    """What SES thinks of it."""
    if not is_well:
        standing = enforcement if sends else f"{enforcement}, SendingEnabled = false"
        yield Alarm(kind=Kind.ACCOUNT_STANDING, level=Level.CRITICAL, words={"standing": standing})


def of_rate(measure: Measure, finding: Finding, *, subject: str) -> Iterator[Alarm]:
    """A rate that has reached a level; the subject of the account's own is empty."""
    if finding.level:
        level, words = _OF_REACHED[finding.level], {"percent": f"{100 * finding.rate:.2f}"}
        yield Alarm(kind=_OF_MEASURE[measure], level=level, subject=subject, words=words)


def of_webhooks(standings: Iterable[Standing], *, now: float) -> Iterator[Alarm]:
    """Those that are told nothing, and nobody wished it."""
    for each in standings:
        name = each.webhook.name
        if each.disabled:
            words = {"name": name, "why": each.disabled}
            yield Alarm(kind=Kind.WEBHOOK_DISABLED, level=Level.WARNING, subject=name, words=words)
        elif not each.is_paused and 0 < each.failing_since < now - _FAILING:
            yield Alarm(kind=Kind.WEBHOOK_FAILS, level=Level.WARNING, subject=name, words={"name": name})


def alarm(kind: Kind, level: Level) -> Alarm:
    """One with nothing more to say."""
    return Alarm(kind=kind, level=level, words={})


# When it is told.


class Way(StrEnum):
    """By what."""

    JOURNAL = "journal"
    WEBHOOK = "webhook"
    MAIL = "mail"


class State(StrEnum):
    """What is told of an alarm."""

    BEGINS = "begins"
    STANDS = "stands"  # still
    OVER = "over"


class News(NamedTuple):
    """To be told."""

    stands: Stands
    state: State


class Pace(NamedTuple):
    """Seconds for which an alarm stands before it is told, and is gone before it is over; and between two times that it is told
    while it stands, inf for once.
    """

    after: float
    repeat: float = math.inf


def told_at(stands: Stands, way: Way) -> float:
    """When it was told last; 0.0 for never."""
    return {Way.JOURNAL: stands.journal_at, Way.WEBHOOK: stands.webhook_at, Way.MAIL: stands.mail_at}[way]


def news(all_known: Iterable[Stands], way: Way, pace: Pace, *, now: float) -> list[News]:
    """What is to be told by that way, the worst first. A clock that was set back makes nothing wait."""
    found = [News(each, state) for each in all_known if (state := _state(each, told_at(each, way), way, pace, now))]
    return sorted(found, key=lambda each: (each.state is State.OVER, -each.stands.alarm.level, each.stands.began_at))


def _state(stands: Stands, told: float, way: Way, pace: Pace, now: float) -> State | None:
    is_test = stands.alarm.kind is Kind.TEST
    if stands.over_at:
        return State.OVER if told and not is_test else None
    if not told:
        return State.BEGINS if is_test or not 0 <= stands.seen_at - stands.began_at < pace.after else None
    return State.STANDS if way is not Way.JOURNAL and not is_test and now - told >= pace.repeat else None
