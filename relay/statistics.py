"""What is counted of mail, under which names, and what the sums say. A count is of recipients, and of each fact once."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf

from relay import address
from relay.bounces import BOT, BounceClass, ComplaintClass
from relay.errors import Refused
from relay.event import Event, EventType
from relay.model import Origin, State

HOUR, DAY = 3600.0, 86400.0
HOURS_KEPT = 3 * DAY  # of days that were over before that only the sum is known, as of their first hour

ACCEPTED, SENT, DELIVERED, COMPLAINED, UNSUBSCRIBED = "accepted", "sent", "delivered", "complained", "unsubscribed"
HARD_BOUNCE, SOFT_BOUNCE, AUTO_REPLY = (
    f"bounced.{found}" for found in (BounceClass.HARD, BounceClass.SOFT, BounceClass.AUTO_REPLY)
)
# The first of its kind for a delivery is counted once more, under a name of its own.
UNIQUE = {EventType.OPEN: "opened_unique", EventType.CLICK: "clicked_unique"}
# Seconds; what took longer is in the last bucket.
BOUNDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 43200, 86400, 259200)
_BUCKETS = tuple(f"latency.{bound}" for bound in (*BOUNDS, "longer"))

# (type of event, our class of it, None for all of the others) -> its name.
_EVENTS: dict[tuple[EventType, str | None], str] = {
    (EventType.DELIVERY, None): DELIVERED,
    (EventType.DELIVERY_DELAY, None): "delayed",
    (EventType.COMPLAINT, ComplaintClass.COMPLAINT): COMPLAINED,
    (EventType.COMPLAINT, ComplaintClass.CANDIDATE): COMPLAINED,
    (EventType.COMPLAINT, ComplaintClass.ALREADY_SUPPRESSED): f"bounced.{BounceClass.ALREADY_SUPPRESSED}",
    (EventType.REJECT, None): "rejected",
    (EventType.RENDERING_FAILURE, None): "rejected",
    (EventType.OPEN, BOT): "opened_bot",
    (EventType.OPEN, None): "opened",
    (EventType.CLICK, BOT): "clicked_bot",
    (EventType.CLICK, None): "clicked",
    **{(EventType.BOUNCE, found): f"bounced.{found}" for found in BounceClass},
}
# What rings, under names of its own where SES counts it nowhere: sums have it, and rates that ring do not.
_SIMULATED = {name: f"{name}.simulated" for name in (HARD_BOUNCE, COMPLAINED)}
NOT_COUNTED = tuple(_SIMULATED.values())
_SIMULATOR = "@simulator.amazonses.com"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def origin(credential: str, sender: str, campaign: str, task: int = 0) -> Origin:
    """Whose mail it is."""
    return Origin(credential, address.domain(sender), campaign, task)


def is_simulated(recipient: str) -> bool:
    """Whether SES counts no mail to it (SES developer guide, "Using the mailbox simulator")."""
    return recipient.lower().endswith(_SIMULATOR)


def of_event(event: Event, found: str) -> str:
    """What an event of our class `found` counts as; empty for those that are not counted."""
    if event.type is EventType.SUBSCRIPTION:
        return UNSUBSCRIBED if event.opted_out else ""
    name = _EVENTS.get((event.type, found)) or _EVENTS.get((event.type, None), "")
    return _SIMULATED.get(name, name) if is_simulated(event.recipient) else name


def of_end(state: State, reason: str) -> str:
    """What a delivery counts as that ended in this state. The reason of what was suppressed begins with the word for it."""
    return f"{state}.{reason.partition(' ')[0]}" if state is State.SUPPRESSED else state.value


def of_refusal(kind: type[Refused]) -> str:
    """`refused.message_too_large`: by the refusal's own name."""
    return f"refused.{_CAPITAL.sub('_', kind.__name__).lower()}"


def of_latency(seconds: float) -> str:
    """The bucket of so many seconds from when a message might be sent to its delivery."""
    return _BUCKETS[bisect_left(BOUNDS, seconds)]


def first_hour(since: float, until: float) -> int:
    """With which a sum begins that is asked for `since`: for a longer time than hours are kept it is of whole days."""
    whole = DAY if until - since > HOURS_KEPT else HOUR
    return int(since // whole * whole)


class By(StrEnum):
    """What sums are told apart by."""

    HOUR = "hour"
    DAY = "day"
    CREDENTIAL = "credential"
    DOMAIN = "domain"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which counts are summed: those of all hours that `since` to `until` touch, seconds since the epoch; None for all, and so
    no names.
    """

    since: float
    until: float
    by: By | None = None
    credential: str | None = None
    campaign: str | None = None
    sender_domain: str | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums by name, and what they say. Rates are of what was sent, and None where nothing was."""

    counts: Mapping[str, int]

    def __add__(self, other: Figures) -> Figures:
        return Figures({name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in {**self.counts, **other.counts}})

    def of(self, name: str) -> int:
        """Of one name, or of all under it: `bounced` is the sum of `bounced.hard` and the others."""
        return sum(count for each, count in self.counts.items() if each == name or each.startswith(f"{name}."))

    @property
    def bounced(self) -> int:
        """Out-of-office answers are none."""
        return self.of("bounced") - self.of(AUTO_REPLY)

    @property
    def delivery_rate(self) -> float | None:
        return self._rate(DELIVERED)

    @property
    def bounce_rate(self) -> float | None:
        """Of hard bounces."""
        return self._rate(HARD_BOUNCE)

    @property
    def complaint_rate(self) -> float | None:
        return self._rate(COMPLAINED)

    def _rate(self, name: str) -> float | None:
        sent = self.of(SENT)
        return self.of(name) / sent if sent else None

    def latency(self, share: float) -> float | None:
        """Seconds within which this share of what was delivered was delivered, infinite beyond all bounds; None without any."""
        wanted = share * self.of("latency")
        if not wanted:
            return None
        below = 0
        for name, (lower, upper) in zip(_BUCKETS, pairwise((0.0, *BOUNDS)), strict=False):
            count = self.of(name)
            if count and below + count >= wanted:
                return lower + (upper - lower) * (wanted - below) / count
            below += count
        return inf
