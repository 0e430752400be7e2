"""The one word for people on a delivery, by rank and never by order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from relay.bounces import BOT, LEFT, BounceClass, ComplaintClass
from relay.event import EventType
from relay.model import State

_Row = tuple[EventType, tuple[str, ...], str]

_ALL = ()
_NOT_SENT = (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED)

# (type of event, our classes of it) -> the word shown; the first that applies, from the top, is shown.
_SHOWN: tuple[_Row, ...] = (
    (EventType.COMPLAINT, (ComplaintClass.COMPLAINT, ComplaintClass.CANDIDATE), "complained"),
    (EventType.BOUNCE, _NOT_SENT, "bounced hard"),
    (EventType.COMPLAINT, (ComplaintClass.ALREADY_SUPPRESSED,), "bounced hard"),
    (EventType.SUBSCRIPTION, (LEFT,), "unsubscribed"),
    (EventType.BOUNCE, (BounceClass.OPT_OUT,), "unsubscribed"),
    (EventType.REJECT, _ALL, "rejected"),
    (EventType.RENDERING_FAILURE, _ALL, "rejected"),
    (EventType.BOUNCE, tuple(set(BounceClass) - {BounceClass.AUTO_REPLY}), "bounced soft"),
    (EventType.CLICK, ("",), "clicked"),
    (EventType.OPEN, ("",), "opened"),
    (EventType.DELIVERY, _ALL, "delivered"),
    (EventType.CLICK, (BOT,), "delivered"),
    (EventType.OPEN, (BOT,), "delivered"),
    (EventType.BOUNCE, (BounceClass.AUTO_REPLY,), "auto-reply"),
    (EventType.DELIVERY_DELAY, _ALL, "delayed"),
)

# The same of how far it came: who complains of mail, or leaves its list, has it, and may have done more with it; whom SES sends
# nothing since he has left has not.
_FOR_HOW_FAR = {
    (EventType.COMPLAINT, "complained"): "delivered",
    (EventType.SUBSCRIPTION, "unsubscribed"): "delivered",
    (EventType.BOUNCE, "unsubscribed"): "bounced hard",
}

WORDS = tuple(dict.fromkeys(word for _, _, word in _SHOWN))
"""Those that events bring about."""

_REACHED = sorted(
    ((kind, classes, _FOR_HOW_FAR.get((kind, word), word)) for kind, classes, word in _SHOWN),
    key=lambda row: WORDS.index(row[2]),
)


def kinds_of(word: str) -> frozenset[tuple[str, str]]:
    """Types of the events that may bring it about, and our classes of them, "" where any does; none for a state."""
    return frozenset((kind, found) for kind, classes, each in _SHOWN if each == word for found in classes or ("",))


def shown_status(state: State, facts: Collection[tuple[str, str]]) -> str:
    """`facts` holds types of events and our classes of them. Without any of them it is the state."""
    return _first(_SHOWN, state, facts)


def reached_status(state: State, facts: Collection[tuple[str, str]]) -> str:
    """How far it came: the same, but that a complaint and a farewell hide nothing of it."""
    return _first(_REACHED, state, facts)


def _first(table: Iterable[_Row], state: State, facts: Collection[tuple[str, str]]) -> str:
    for kind, classes, word in table:
        if any(fact == kind and (not classes or found in classes) for fact, found in facts):
            return word
    return state.value.replace("_", " ")
