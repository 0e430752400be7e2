"""Holds: what they stop, whose call may probe them, and for how long mail stood still under them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.lifecycle import NEVER, RESTORED
from relay.model import Delivery, Flow, Lane
from relay.outcome import HoldScope


class Holder(StrEnum):
    """Who put a hold there. SES's end by themselves, a login's by its own word or the operator's, the others only by his."""

    SES = "ses"
    OPERATOR = "operator"
    RELAY = "relay"  # which does not like what its own counters say
    LOGIN = "login"  # whose mail it is


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRecord:
    """A row. While it stands (`ended_at` is None) nothing of its scope is claimed until `until`; after that one call at a
    time probes it.
    """

    id: int
    scope: HoldScope
    subject: str
    holder: Holder
    reason: str
    since: float
    until: float
    ended_at: float | None = None

    def covers(self, flow: Flow) -> bool:
        """Whether it stops the flow."""
        return self.scope is HoldScope.ACCOUNT or self.subject == _SUBJECT[self.scope](flow)

    def concerns(self, credential: str, flows: Iterable[Flow]) -> bool:
        """Whether it stops all or some mail of a login that has these flows."""
        is_on_login = self.scope in (HoldScope.CREDENTIAL, HoldScope.CREDENTIAL_BULK) and self.subject == credential
        return self.scope is HoldScope.ACCOUNT or is_on_login or any(map(self.covers, flows))


_SUBJECT: dict[HoldScope, Callable[[Flow], str | None]] = {
    HoldScope.IDENTITY: lambda flow: flow.identity,
    HoldScope.CONFIGURATION_SET: lambda flow: flow.configuration_set,
    HoldScope.CREDENTIAL: lambda flow: flow.credential,
    HoldScope.CREDENTIAL_BULK: lambda flow: flow.credential if flow.lane is Lane.BULK else None,
    HoldScope.TASK: lambda flow: str(flow.task) if flow.task else None,
}


_PLACE = {
    HoldScope.ACCOUNT: "the account",
    HoldScope.IDENTITY: "sender domain",
    HoldScope.CONFIGURATION_SET: "configuration set",
    HoldScope.CREDENTIAL: "credential",
    HoldScope.CREDENTIAL_BULK: "bulk mail of credential",
    HoldScope.TASK: "task",
}
_BY = {
    Holder.SES: "by SES",
    Holder.OPERATOR: "by the operator",
    Holder.RELAY: "by the relay",
    Holder.LOGIN: "by its own login",
}


def place(scope: HoldScope, subject: str) -> str:
    """What a hold stops, for people."""
    if scope is HoldScope.CONFIGURATION_SET and not subject:
        return "the relay's own configuration set"
    return f"{_PLACE[scope]} {subject}".rstrip()


def why_held(delivery: Delivery, flow: Flow, records: Iterable[HoldRecord]) -> str:
    """What keeps a delivery that is queued from being sent when it is due, for people; empty if nothing does."""
    by = "since the restore" if delivery.reason == RESTORED else "by the operator"
    by_itself = [f"{by}, until it is retried"] if delivery.due_at >= NEVER else []
    over = (hold for hold in records if hold.ended_at is None and hold.covers(flow))
    return "; ".join([*by_itself, *(f"{place(hold.scope, hold.subject)} {_BY[hold.holder]}: {hold.reason}" for hold in over)])


@dataclass(frozen=True, slots=True)
class Sorted:
    """Flows that may send as they like, and of the others those one of which may probe, by the holds that it would probe."""

    free: tuple[Flow, ...]
    probing: tuple[tuple[Flow, tuple[HoldRecord, ...]], ...]


_Held = tuple[Flow, tuple[HoldRecord, ...]]


def sort(flows: Iterable[Flow], records: Collection[HoldRecord], now: float) -> Sorted:
    """What the holds leave of the flows. A flow under several probes when the last of them is over, and each is probed once:
    by whichever flow, as chance has it, for what one of them sends may be at fault itself.
    """
    standing = [hold for hold in records if hold.ended_at is None]
    if not standing:
        return Sorted(tuple(flows), ())
    free, held, probing = [], [], []
    for flow in flows:
        over = tuple(hold for hold in standing if hold.covers(flow))
        if over:
            held.append((flow, over))
        else:
            free.append(flow)
    probed: set[int] = set()
    for flow, over in _turned(held, by=int(1000 * now)):
        if all(hold.until <= now and hold.id not in probed for hold in over):
            probed.update(hold.id for hold in over)
            probing.append((flow, over))
    return Sorted(tuple(free), tuple(probing))


def _turned(flows: Sequence[_Held], *, by: int) -> Iterable[_Held]:
    """Beginning with the one that so many stand before, counted round and round. Milliseconds are as good as chance; seconds
    are not, for probes are whole minutes apart.
    """
    first = by % len(flows) if flows else 0
    return (*flows[first:], *flows[:first])


def stood_still(flow: Flow, records: Iterable[HoldRecord], since: float, now: float) -> float:
    """For how many seconds between `since` and `now` any hold stopped the flow; they may overlap."""
    still, reached = 0.0, since
    for hold in sorted(records, key=lambda hold: hold.since):
        if hold.covers(flow):
            begin, end = max(hold.since, reached), min(now if hold.ended_at is None else hold.ended_at, now)
            still += max(0.0, end - begin)
            reached = max(reached, end)
    return still
