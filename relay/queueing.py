"""What the steps and the queue say to each other: rounds and claims, results, doubts, and what an operator asks and means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from relay.holds import HoldRecord
from relay.model import Claimed, Delivery, Flow, Lane
from relay.rate import Account
from relay.turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a claim may take: up to `limit` deliveries of these lanes, shared by turns; times are seconds since the epoch.

    `lifetime` are the seconds for which a delivery is tried, where its sender has not said until when.
    """

    limit: int
    now: float
    lease_until: float
    lifetime: float
    turns: Turns
    lanes: Collection[Lane] = tuple(Lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What SES takes now of mail, and calls that are free for it, promised to somebody: so many. The lease of what is sent with
    it ends `lease_until`, or by a clock that nobody sets `lease_ends`.
    """

    calls: int
    lease_until: float
    lease_ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What may be sent now, and what ended on the way because it was suppressed or out of time."""

    claimed: tuple[Claimed, ...]
    ended: tuple[Delivery, ...]


class Settled(Enum):
    """What became of a result."""

    IN_TIME = "in time"
    LATE = "late"  # the delivery had moved on; that it was sent is recorded all the same
    TWICE = "twice"  # late, and another call had been taken as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A delivery that no event proved sent in time, as it is now, and which of its tries SES may have."""

    delivery: Delivery
    tries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Open deliveries that an operator means: those that fit all that is said."""

    ids: tuple[str, ...] = ()  # of messages, or of single deliveries
    credential: str = ""
    recipient_domain: str = ""
    accepted_before: float = 0.0  # 0.0: whenever
    task: int = 0  # a mailing


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A delivery that an operator has moved, as it is now, and which of its tries SES may have."""

    delivery: Delivery
    tries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """So many deliveries, and how many of these SES may have."""

    deliveries: int
    doubtful: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStatus:
    """How much of a flow waits, and how much of that is due."""

    flow: Flow
    open: int
    octets: int
    due: int


MOST_DUE = 100  # that are counted at a glance


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """What waits: by state, by flow, since when, and what stops it. `account` is None until SES has answered once."""

    states: Mapping[str, int]
    flows: tuple[FlowStatus, ...]
    oldest_at: float
    holds: tuple[HoldRecord, ...]
    account: Account | None
