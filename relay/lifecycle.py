"""Every move of a delivery between its states, and the times between tries. The store writes what is decided here.

queued -> sending -> sent | queued | failed | in_doubt | suppressed
in_doubt -> sent | queued | expired
any state that is not sent -> sent, when an event of SES proves it
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from relay.bounces import BounceClass
from relay.model import (
    Claimed,
    Delivery,
    EventType,
    Hold,
    HoldScope,
    Later,
    Never,
    Outcome,
    Sent,
    Settlement,
    SlowDown,
    State,
    Unknown,
)

MINUTE = 60.0
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often we try. All in seconds; the last of `delays` repeats."""

    delays: tuple[float, ...] = (60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
    jitter: float = 0.2
    lifetime: float = 3 * DAY
    in_doubt: float = 15 * MINUTE
    slow_down: float = 1.0


# Outcome -> the state that follows and whether the call counts as a failure.
_AFTER: dict[type[Outcome], tuple[State, bool]] = {
    Sent: (State.SENT, False),
    Later: (State.QUEUED, True),
    SlowDown: (State.QUEUED, False),
    Hold: (State.QUEUED, False),
    Never: (State.FAILED, True),
    Unknown: (State.IN_DOUBT, True),
}


def settle(claimed: Claimed, outcome: Outcome, *, now: float, chance: float, patience: Patience) -> Settlement:
    """What an outcome makes of a claimed delivery. `chance` is in [0, 1) and spreads the retries."""
    delivery = claimed.delivery
    state, failed = _AFTER[type(outcome)]
    failures = delivery.failures + failed
    due_at = now + _wait(outcome, failures, chance, patience)
    if state is State.QUEUED and failed and due_at >= delivery.expires_at:
        state = State.EXPIRED
    return Settlement(
        delivery=delivery,
        lease_until=claimed.lease_until,
        state=state,
        due_at=due_at,
        failures=failures,
        at=now,
        reason="" if isinstance(outcome, Sent) else outcome.reason,
        ses_message_id=outcome.ses_message_id if isinstance(outcome, Sent) else "",
        hold=outcome if isinstance(outcome, Hold) else None,
    )


def _wait(outcome: Outcome, failures: int, chance: float, patience: Patience) -> float:
    if isinstance(outcome, Unknown):
        return patience.in_doubt
    if isinstance(outcome, SlowDown):
        return patience.slow_down * (0.5 + chance)
    if isinstance(outcome, Later):
        return backoff(failures, chance=chance, patience=patience)
    if isinstance(outcome, Hold) and outcome.scope is HoldScope.MESSAGE:
        return outcome.seconds
    return 0.0


def backoff(failures: int, *, chance: float, patience: Patience) -> float:
    """Seconds until the try after so many failures, spread by +-`jitter`."""
    delay = patience.delays[min(failures, len(patience.delays)) - 1]
    return delay * (1 - patience.jitter + 2 * patience.jitter * chance)


def interrupted(*, now: float, patience: Patience) -> tuple[State, float]:
    """A lease ran out or the process died in the call: whether SES has it is not known. State, and when to decide."""
    return State.IN_DOUBT, now + patience.in_doubt


def undecided(delivery: Delivery, *, now: float) -> State:
    """No event settled the doubt in time: try again, unless it is too late for that."""
    return State.EXPIRED if now >= delivery.expires_at else State.QUEUED


def proven_sent(state: State) -> bool:
    """Whether an event of SES about a delivery moves it to `sent`: from every other state, for SES has it."""
    return state is not State.SENT


ENDED_UNSENT = (State.SUPPRESSED, State.IGNORED, State.EXPIRED, State.CANCELLED)

# (type of event, our class of bounce or "") -> the word shown; the first that applies, from the top, is shown.
_SHOWN: tuple[tuple[EventType, tuple[BounceClass, ...], str], ...] = (
    (EventType.COMPLAINT, (), "complained"),
    (EventType.BOUNCE, (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED), "bounced hard"),
    (EventType.SUBSCRIPTION, (), "unsubscribed"),
    (EventType.BOUNCE, (BounceClass.OPT_OUT,), "unsubscribed"),
    (EventType.REJECT, (), "rejected"),
    (EventType.RENDERING_FAILURE, (), "rejected"),
    (EventType.BOUNCE, (), "bounced soft"),
    (EventType.CLICK, (), "clicked"),
    (EventType.OPEN, (), "opened"),
    (EventType.DELIVERY, (), "delivered"),
    (EventType.DELIVERY_DELAY, (), "delayed"),
)


def shown_status(state: State, facts: Collection[tuple[str, str]]) -> str:
    """The one word for people, by rank and never by order of arrival. `facts` holds event types and bounce classes."""
    is_delivered = any(kind == EventType.DELIVERY for kind, _ in facts)
    for kind, classes, word in _SHOWN:
        for fact, found in facts:
            if fact != kind or (classes and found not in classes):
                continue
            if is_delivered and kind == EventType.BOUNCE and found == BounceClass.SOFT:
                continue  # a delivered message that bounces softly was answered by an out-of-office reply
            return word
    return state.value.replace("_", " ")
