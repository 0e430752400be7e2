"""Every move of a delivery between its states, with its cause, and the times between tries.

The store writes what is decided here, and asks here which states a cause may leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay import statistics
from relay.model import Claimed, Settlement, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown

MINUTE = 60.0
DAY = 86400.0
NEVER = 1e18  # due at no time: until somebody says otherwise
RESTORED = "it was open in a backup, and may have been sent since"  # why it is due at no time


class Cause(StrEnum):
    """Why a delivery moves."""

    CLAIMED = "claimed"  # due, not held, and the account may send
    FOUND_SUPPRESSED = "found suppressed"  # when it was claimed
    TAKEN = "taken"  # SES gave an identifier
    LET_GO = "let go"  # nobody heard of its claim, so no call was begun
    POSTPONED = "postponed"  # the call failed, and will be made again
    GAVE_UP = "gave up"  # the call failed, and the next would come too late
    REFUSED = "refused"  # SES will not send it
    UNANSWERED = "unanswered"  # SES may have it
    INTERRUPTED = "interrupted"  # the lease ran out, or the process died in the call
    PROVEN = "proven"  # an event of SES is about it, or an answer came late
    UNPROVEN = "unproven"  # no event came in the time for it
    OUT_OF_TIME = "out of time"  # nobody wants it any more, or it was held too long
    RETRIED = "retried"  # by the operator: at once
    HELD_BACK = "held back"  # by the operator: until it is retried
    CANCELLED = "cancelled"  # by the operator


OPEN = (State.QUEUED, State.SENDING, State.IN_DOUBT)
ENDED_UNSENT = (State.SUPPRESSED, State.IGNORED, State.EXPIRED, State.CANCELLED)

MOVES: Mapping[Cause, Mapping[State, State]] = {
    Cause.CLAIMED: {State.QUEUED: State.SENDING},
    Cause.FOUND_SUPPRESSED: {State.QUEUED: State.SUPPRESSED},
    Cause.TAKEN: {State.SENDING: State.SENT},
    Cause.LET_GO: {State.SENDING: State.QUEUED},
    Cause.POSTPONED: {State.SENDING: State.QUEUED},
    Cause.GAVE_UP: {State.SENDING: State.EXPIRED},
    Cause.REFUSED: {State.SENDING: State.FAILED},
    Cause.UNANSWERED: {State.SENDING: State.IN_DOUBT},
    Cause.INTERRUPTED: {State.SENDING: State.IN_DOUBT},
    Cause.PROVEN: {state: State.SENT for state in State if state is not State.SENT},
    Cause.UNPROVEN: {State.IN_DOUBT: State.QUEUED},
    Cause.OUT_OF_TIME: {State.QUEUED: State.EXPIRED, State.IN_DOUBT: State.EXPIRED},
    Cause.RETRIED: {State.QUEUED: State.QUEUED, State.IN_DOUBT: State.QUEUED},
    Cause.HELD_BACK: {State.QUEUED: State.QUEUED, State.IN_DOUBT: State.QUEUED},
    Cause.CANCELLED: {State.QUEUED: State.CANCELLED, State.IN_DOUBT: State.CANCELLED},
}


def sources(cause: Cause) -> tuple[State, ...]:
    """The states that a cause may leave; from all others it moves nothing."""
    return tuple(MOVES[cause])


def target(cause: Cause) -> State:
    """The one state that a cause leads to."""
    (state,) = set(MOVES[cause].values())
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often we try. All in seconds; the last of `delays` repeats."""

    delays: tuple[float, ...] = (60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
    jitter: float = 0.2
    lifetime: float = 3 * DAY
    in_doubt: float = 15 * MINUTE
    slow_down: float = 1.0


# Outcome -> its cause, and whether the call counts as a failure.
_AFTER: dict[type[Outcome], tuple[Cause, bool]] = {
    Sent: (Cause.TAKEN, False),
    Later: (Cause.POSTPONED, True),
    SlowDown: (Cause.POSTPONED, False),
    Hold: (Cause.POSTPONED, False),
    Never: (Cause.REFUSED, True),
    Unknown: (Cause.UNANSWERED, True),
}


def settle(claimed: Claimed, outcome: Outcome, *, now: float, chance: float, patience: Patience) -> Settlement:
    """What an outcome makes of a claimed delivery. `chance` is in [0, 1) and spreads the retries."""
    delivery, message = claimed.delivery, claimed.message
    cause, failed = _AFTER[type(outcome)]
    failures = delivery.failures + failed
    due_at = now + _wait(outcome, failures, chance, patience)
    if isinstance(outcome, Later) and 0 < outcome.at_most <= failures:
        cause = Cause.REFUSED
    elif _is_too_late(claimed, outcome, now, due_at):
        cause = Cause.GAVE_UP
    return Settlement(
        delivery=delivery,
        flow=claimed.flow,
        size=message.load,
        origin=statistics.origin(message.credential, message.sender, message.labels.campaign, message.task),
        state=target(cause),
        due_at=due_at,
        failures=failures,
        at=now,
        reason="" if isinstance(outcome, Sent) else outcome.reason,
        ses_message_id=outcome.ses_message_id if isinstance(outcome, Sent) else "",
        hold=outcome if isinstance(outcome, Hold) and outcome.scope is not HoldScope.DELIVERY else None,
    )


def _is_too_late(claimed: Claimed, outcome: Outcome, now: float, due_at: float) -> bool:
    """What was held has its time and as much again as it was held; under a bounded hold only its own."""
    expires_at = claimed.delivery.expires_at
    if isinstance(outcome, Later):
        return due_at >= expires_at + claimed.held
    return isinstance(outcome, Hold) and outcome.bounded and now >= expires_at


def _wait(outcome: Outcome, failures: int, chance: float, patience: Patience) -> float:
    if isinstance(outcome, Unknown):
        return max(patience.in_doubt, backoff(failures, chance=chance, patience=patience))
    if isinstance(outcome, SlowDown):
        return patience.slow_down * (0.5 + chance)
    if isinstance(outcome, Later):
        return backoff(failures, chance=chance, patience=patience)
    if isinstance(outcome, Hold) and outcome.scope is HoldScope.DELIVERY:
        return outcome.seconds
    return 0.0


def backoff(failures: int, *, chance: float, patience: Patience) -> float:
    """Seconds until the try after so many failures, spread by +-`jitter`."""
    delay = patience.delays[min(failures, len(patience.delays)) - 1]
    return delay * (1 - patience.jitter + 2 * patience.jitter * chance)
