"""What becomes of a message: one fact about one recipient, which SES reports, or the relay knows itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """What SES reports, OTHER being whatever AWS may add; and then what the relay knows itself."""

    SEND = "send"
    DELIVERY = "delivery"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    REJECT = "reject"
    OPEN = "open"
    CLICK = "click"
    RENDERING_FAILURE = "rendering_failure"
    DELIVERY_DELAY = "delivery_delay"
    SUBSCRIPTION = "subscription"
    OTHER = "other"

    FAILED = "failed"  # these four as the states of a delivery
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    UNSUBSCRIBED = "unsubscribed"  # by a link of ours, or by mail
    RESUBSCRIBED = "resubscribed"


OWN = frozenset(
    (
        EventType.FAILED,
        EventType.EXPIRED,
        EventType.SUPPRESSED,
        EventType.CANCELLED,
        EventType.UNSUBSCRIBED,
        EventType.RESUBSCRIBED,
    )
)
"""What SES knows nothing of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact about one recipient, in SES's words; empty where it said nothing.

    `at` are seconds since the epoch, and `sent_at`, when SES took the message, 0.0 where that is not said. `detail` is the
    short text a person reads; the raw notification is kept beside it.
    `is_bot` is SES's guess about an open or a click. `tags` are those of the call but for our own, SES's automatic ones among
    them. `opted_out` and `opted_in` are lists and topics of SES's list management.
    """

    type: EventType
    at: float
    recipient: str
    ses_message_id: str
    sent_at: float = 0.0
    relay_id: str = ""
    client_message_id: str = ""
    feedback_id: str = ""
    bounce_type: str = ""
    bounce_subtype: str = ""
    status: str = ""  # RFC 3463
    diagnostic: str = ""
    complaint_type: str = ""
    complaint_subtype: str = ""
    exact: bool = True  # False when several recipients are only candidates
    link: str = ""
    user_agent: str = ""
    is_bot: bool = False
    opted_out: tuple[str, ...] = ()
    opted_in: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event of our class `found`, the delivery it is about, whose that is, and what was said of its message. `cursor` is its
    place among all facts, `sender` of the envelope.
    """

    cursor: int
    delivery_id: str
    event: Event
    found: str
    label_id: str
    campaign: str
    task: int
    credential: str
    sender: str
    list: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of going over facts once more: new ones, those with another class, and addresses."""

    added: int = 0
    changed: int = 0
    suppressed: int = 0
    released: int = 0

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(
            added=self.added + other.added,
            changed=self.changed + other.changed,
            suppressed=self.suppressed + other.suppressed,
            released=self.released + other.released,
        )
