"""The one word for people on a delivery, by rank and never by order of arrival."""

from __future__ import annotations

from collections.abc import Collection

from relay.bounces import BounceClass
from relay.model import EventType, State

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
    """`facts` holds types of events and, for bounces, our classes. Without any of them it is the state."""
    is_delivered = any(kind == EventType.DELIVERY for kind, _ in facts)
    for kind, classes, word in _SHOWN:
        for fact, found in facts:
            if fact != kind or (classes and found not in classes):
                continue
            if is_delivered and kind == EventType.BOUNCE and found == BounceClass.SOFT:
                continue  # a delivered message that bounces softly was answered by an out-of-office reply
            return word
    return state.value.replace("_", " ")
