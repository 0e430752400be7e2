"""What facts are called outside: the words of the HTTP API and of webhooks, and Devino's reasons of a bounce."""

from __future__ import annotations

from relay.bounces import LEFT, BounceClass, ComplaintClass
from relay.event import EventType

BOUNCED = "BOUNCED"

# (type of event, our class of it, None for all of the others) -> its word. What has none is not shown.
_WORDS: dict[tuple[EventType, str | None], str] = {
    (EventType.SEND, None): "SENT",
    (EventType.DELIVERY, None): "DELIVERED",
    (EventType.DELIVERY_DELAY, None): "DELAYED",
    (EventType.OPEN, None): "OPENED",
    (EventType.CLICK, None): "CLICKED",
    (EventType.BOUNCE, None): BOUNCED,
    (EventType.REJECT, None): "REJECTED",
    (EventType.RENDERING_FAILURE, None): "REJECTED",
    (EventType.COMPLAINT, ComplaintClass.COMPLAINT): "COMPLAINED",
    (EventType.COMPLAINT, ComplaintClass.CANDIDATE): "COMPLAINED",
    (EventType.COMPLAINT, ComplaintClass.ALREADY_SUPPRESSED): BOUNCED,
    (EventType.SUBSCRIPTION, LEFT): "UNSUBSCRIBED",
    (EventType.SUBSCRIPTION, None): "SUBSCRIBED",
    (EventType.FAILED, None): "FAILED",
    (EventType.EXPIRED, None): "EXPIRED",
    (EventType.SUPPRESSED, None): "SUPPRESSED",
    (EventType.CANCELLED, None): "CANCELLED",
    (EventType.UNSUBSCRIBED, None): "UNSUBSCRIBED",
    (EventType.RESUBSCRIBED, None): "SUBSCRIBED",
}
# Our class of what bounced -> Devino's reason; `other` for the rest.
_REASONS = {
    BounceClass.HARD.value: "bad-mailbox",
    BounceClass.ALREADY_SUPPRESSED.value: "bad-mailbox",
    BounceClass.OPT_OUT.value: "already_unsubscribed",
    BounceClass.MAILBOX_FULL.value: "quota-issues",
    BounceClass.TOO_LARGE.value: "policy-related",
    BounceClass.TIMED_OUT.value: "message-expired",
    BounceClass.CONTENT.value: "content-related",
}
_FOR_GOOD = (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED)

EVENT_WORDS = tuple(dict.fromkeys(_WORDS.values()))


def word_for(kind: EventType, found: str) -> str:
    """Of an event of our class `found`; empty for what has none."""
    return _WORDS.get((kind, found)) or _WORDS.get((kind, None), "")


def reason_for(found: str) -> str:
    """Why something of this class bounced."""
    return _REASONS.get(found, "other")


def is_for_good(found: str) -> bool:
    """Whether what bounced so would bounce again."""
    return found in _FOR_GOOD
