"""Looks at what stands: what this node sees by itself, and what is the same for all nodes."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from relay import standing
from relay.alarm import Alarm, Kind, Level, Stands
from relay.alarms import Alarms
from relay.backlog import Admission
from relay.dead_letters import DeadLetterWatch
from relay.ports.alarms import AlarmStore
from relay.ports.event_queues import Quarantine
from relay.ports.notices import Webhooks
from relay.ports.queue import Desk
from relay.quota import Quota
from relay.standing import Certificate, Seen
from relay.upkeep import Upkeep

_NEWEST = 1 << 62
OWN = frozenset(
    (
        Kind.STORE,
        Kind.DOOR_CLOSED,
        Kind.DISK_LOW,
        Kind.CERTIFICATE_ENDS,
        Kind.CERTIFICATE_REFUSED,
        Kind.CLOCK_DIFFERS,
        Kind.QUEUE_UNREADABLE,
        Kind.LOGIN_QUOTA,
    )
)
"""What each node sees by itself."""
_MEMORY = frozenset(
    (
        Kind.FEEDBACK_SILENT,
        Kind.BOUNCES,
        Kind.COMPLAINTS,
        Kind.DEAD_LETTERS,
        Kind.ACCOUNT_STANDING,
        Kind.DOUBTS_WAIT,
        Kind.CLOCK_JUMPED,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on something is an alarm: seconds that the oldest mail waits, days that a certificate still lasts, octets of
    the disk below which no mail is taken.
    """

    queue_age: float
    certificate_days: int
    free_octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this node alone knows: its certificates, those that it cannot use by section, seconds by which AWS's clock is ahead,
    and the queues of events with why they cannot be read.
    """

    certificates: Callable[[], Iterable[Certificate]]
    refused_certificates: Callable[[], dict[str, str]]
    clock_ahead: Callable[[], float]
    queues: Callable[[], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """What only who does the chores of all knows. What SES thinks of the account is None before it has said so."""

    alarms: Alarms
    queues: DeadLetterWatch
    upkeep: Upkeep
    account: Callable[[], tuple[str, bool, bool] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What the store knows."""

    alarms: AlarmStore
    desk: Desk
    webhooks: Webhooks
    quarantine: Quarantine


class Lookout:
    """Looks when it is asked, at `node`. `leads` while that does the chores of all."""

    def __init__(
        self,
        *,
        machine: Machine,
        leader: Leader,
        tables: Tables,
        admission: Admission,
        quota: Quota,
        limits: Limits,
        node: str,
    ) -> None:
        self.machine = machine
        self._leader = leader
        self._tables = tables
        self._admission = admission
        self._quota = quota
        self._limits = limits
        self._node = node
        self.leads = False

    @property
    def jumped_at(self) -> float:
        """When the clock did so last, as who leads knows; 0.0 for never."""
        return self._leader.upkeep.jump[1]

    def own(self, now: float) -> Seen:
        """What this node sees by itself."""
        return Seen(tuple(self._own(now)))

    def _own(self, now: float) -> Iterator[Alarm]:
        machine, limits = self.machine, self._limits
        yield from standing.of_door(self._admission.closed)
        if self._admission.counted:
            yield from standing.of_disk(self._admission.counted, least=limits.free_octets)
        yield from standing.of_certificates(machine.certificates(), days=limits.certificate_days, now=now)
        yield from standing.of_refused_certificates(machine.refused_certificates())
        yield from standing.of_clock(machine.clock_ahead())
        yield from standing.of_unreadable(self._unreadable())
        yield from standing.of_logins(self._quota.used_up_today)

    def _unreadable(self) -> dict[str, str]:
        """By URL: why a queue cannot be read, or not be looked at by who does it for all."""
        looked_at = ((seen.url, seen.trouble) for seen in self._leader.queues.seen) if self.leads else ()
        return {url: why for url, why in (*looked_at, *self.machine.queues()) if why}

    async def all(self, now: float, also: Iterable[Alarm] = ()) -> tuple[Alarm, ...]:
        """What stands, for people: as it is seen now, and as other nodes saw it last; the worst first. What is there `also` is
        known better than what is like it. Raises StoreUnavailable.
        """
        common = await self.common(now)
        known = [each for each in await self._tables.alarms.all() if not each.over_at]
        others = (each.alarm for each in known if self._knows_no_better(each, common))
        found: dict[tuple[Kind, str], Alarm] = {}
        for each in (*also, *self._own(now), *common.alarms, *others):
            found.setdefault((each.kind, each.subject), each)
        return tuple(sorted(found.values(), key=lambda each: -each.level))

    def _knows_no_better(self, told: Stands, common: Seen) -> bool:
        return told.alarm.kind in common.unknown or (told.alarm.kind in OWN and told.node != self._node)

    async def common(self, now: float) -> Seen:
        """What is the same for all nodes. What only the leader knows others do not. Raises StoreUnavailable."""
        tables = self._tables
        (status, _), webhooks, quarantined = await gather(
            tables.desk.glance(now=now, flows=0), tables.webhooks.all(), tables.quarantine.listed(before=_NEWEST, count=1)
        )
        found = [
            *standing.of_quota(status.account, now=now),
            *standing.of_known(status.account, now=now),
            *standing.of_holds(status.holds),
            *(standing.of_age(counted, most=self._limits.queue_age, now=now) if (counted := self._admission.counted) else ()),
            *standing.of_webhooks(webhooks, now=now),
        ]
        if quarantined:
            found.append(standing.alarm(Kind.QUARANTINED, Level.WARNING))
        if not self.leads:
            return Seen(tuple(found), _MEMORY)
        return Seen((*found, *self._remembered(now)), frozenset(self._unknown()))

    def _remembered(self, now: float) -> Iterator[Alarm]:
        leader = self._leader
        if leader.alarms.hearing and leader.alarms.hearing.is_silent:
            yield standing.alarm(Kind.FEEDBACK_SILENT, Level.CRITICAL)
        for (subject, measure), finding in (leader.alarms.findings or {}).items():
            yield from standing.of_rate(measure, finding, subject=f"{subject.scope} {subject.name}" if subject.name else "")
        yield from standing.of_dead_letters({seen.url: seen.dead_letters for seen in leader.queues.seen})
        if account := leader.account():
            enforcement, sends, is_well = account
            yield from standing.of_account(enforcement, sends=sends, is_well=is_well)
        if leader.upkeep.doubts_wait:
            yield standing.alarm(Kind.DOUBTS_WAIT, Level.WARNING)
        yield from standing.of_jump(*leader.upkeep.jump, now=now)

    def _unknown(self) -> Iterator[Kind]:
        """A relay that was started anew knows some of it only after a while."""
        leader = self._leader
        if not leader.alarms.hearing or not leader.alarms.hearing.is_known:
            yield Kind.FEEDBACK_SILENT
        if leader.alarms.findings is None:
            yield from (Kind.BOUNCES, Kind.COMPLAINTS)
        if not all(seen.at and not seen.trouble for seen in leader.queues.seen):
            yield Kind.DEAD_LETTERS
        if leader.account() is None:
            yield Kind.ACCOUNT_STANDING
        if leader.upkeep.doubts_wait is None:
            yield Kind.DOUBTS_WAIT
