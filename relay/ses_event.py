"""Reads what SES publishes about a message: event publishing (`eventType`) and classic notifications (`notificationType`).

Sources: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" and "Amazon SNS
notification contents for Amazon SES". Fields come and go in practice: nothing optional is assumed to be there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from relay import address
from relay.event import Event, EventType

# eventType / notificationType -> our type, and the key of the object that describes it.
_TYPES: dict[str, tuple[EventType, str]] = {
    "Send": (EventType.SEND, "send"),
    "Delivery": (EventType.DELIVERY, "delivery"),
    "Bounce": (EventType.BOUNCE, "bounce"),
    "Complaint": (EventType.COMPLAINT, "complaint"),
    "Reject": (EventType.REJECT, "reject"),
    "Open": (EventType.OPEN, "open"),
    "Click": (EventType.CLICK, "click"),
    "Rendering Failure": (EventType.RENDERING_FAILURE, "failure"),
    "DeliveryDelay": (EventType.DELIVERY_DELAY, "deliveryDelay"),
    "Subscription": (EventType.SUBSCRIPTION, "subscription"),
}

# Where an object names its own recipients; every other type is about all of mail.destination.
_RECIPIENTS = {
    EventType.DELIVERY: "recipients",
    EventType.BOUNCE: "bouncedRecipients",
    EventType.COMPLAINT: "complainedRecipients",
    EventType.DELIVERY_DELAY: "delayedRecipients",
}
_NO_EVENTS = ("Received", "AMAZON_SES_SETUP_NOTIFICATION")  # inbound mail, and that it is set up
_BRACKETED = re.compile(r"<([^<>]*)>[^<>]*\Z")
_OURS = ("relay_id", "relay_try")
_LONGEST = 500  # characters of what stands in an index: one of PostgreSQL holds 2,704 octets


def parse(payload: str, *, received_at: float) -> tuple[Event, ...]:
    """The events in one notification, one per recipient.

    Empty for what is no event at all: the texts SES and SNS send on set-up, inbound mail, JSON of another shape.
    """
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(data, dict) or not isinstance(data.get("mail"), dict):
        return ()
    name = str(data.get("eventType") or data.get("notificationType") or "")
    if not name or name in _NO_EVENTS:
        return ()
    kind, key = _TYPES.get(name, (EventType.OTHER, name))
    return tuple(_events(kind, name, _mapping(data.get(key)), data["mail"], received_at))


def _events(
    kind: EventType, name: str, about: Mapping[str, Any], mail: Mapping[str, Any], received_at: float
) -> Iterator[Event]:
    # Where the object itself names recipients, nobody else is meant, even if it names none.
    named = about.get(_RECIPIENTS[kind]) if kind in _RECIPIENTS else mail.get("destination")
    recipients = [_recipient(item) for item in _list(named)]
    count = len({address.key(found) for found, _ in recipients})
    tags = _mapping(mail.get("tags"))
    at = _time(about.get("timestamp")) or _time(mail.get("timestamp")) or received_at
    for found, extra in recipients or [("", {})]:
        yield Event(
            type=kind,
            at=at,
            sent_at=_time(mail.get("timestamp")),
            recipient=found,
            ses_message_id=_text(mail.get("messageId"))[:_LONGEST],
            relay_id=_first(tags.get("relay_id")),
            client_message_id=_client_message_id(mail),
            feedback_id=_text(about.get("feedbackId")),
            bounce_type=_text(about.get("bounceType")),
            bounce_subtype=_text(about.get("bounceSubType")),
            status=_text(extra.get("status")),
            diagnostic=_text(extra.get("diagnosticCode")),
            complaint_type=_text(about.get("complaintFeedbackType")),
            complaint_subtype=_text(about.get("complaintSubType")),
            exact=count == 1,
            link=_text(about.get("link")),
            user_agent=_text(about.get("userAgent")),
            is_bot=about.get("isBotEvent") == "Likely",
            opted_out=_opted(about, "OptOut"),
            opted_in=_opted(about, "OptIn"),
            tags=_others(tags),
            detail=_detail(kind, name, about, extra),
        )


# A second link may be clicked, and a second unknown thing reported, in the same millisecond.
_TOLD_APART_BY_DETAIL = (EventType.CLICK, EventType.OTHER)


def fingerprint(event: Event) -> str:
    """The same for the same fact, however often and in whichever shape it is reported.

    Bounces and complaints carry a feedbackId that event publishing and classic notifications share.
    """
    moment = event.feedback_id or f"{event.at:.3f} {event.detail if event.type in _TOLD_APART_BY_DETAIL else ''}"
    whole = " ".join((event.ses_message_id, event.type, address.key(event.recipient), moment))
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[:_LONGEST]} {blake2b(whole.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _recipient(item: object) -> tuple[str, Mapping[str, Any]]:
    """The bare address. Bounces quote what other servers wrote: `Name <addr>`, even with a comma in the name, `rfc822;addr`,
    `addr.`; where none is to be found, what is there.
    """
    extra = item if isinstance(item, dict) else {}
    text = (_text(extra.get("emailAddress")) if extra else _text(item)).strip()
    bracketed = _BRACKETED.search(text)
    bare = (bracketed[1] if bracketed else text).rpartition(";")[2].strip(" '\"").removesuffix(".")
    for found in (text, bare):
        with suppress(ValueError):
            return address.mailbox(found.encode("utf-8")), extra
    return text[:_LONGEST], extra


def _detail(kind: EventType, name: str, about: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    """What a person wants to read of it, in one line."""
    match kind:
        case EventType.BOUNCE:
            words = [about.get("bounceType"), about.get("bounceSubType"), extra.get("status"), extra.get("diagnosticCode")]
        case EventType.COMPLAINT:
            words = [about.get("complaintFeedbackType"), about.get("complaintSubType"), about.get("userAgent")]
        case EventType.DELIVERY:
            words = [about.get("smtpResponse")]
        case EventType.DELIVERY_DELAY:
            words = [about.get("delayType"), extra.get("status"), extra.get("diagnosticCode")]
        case EventType.REJECT:
            words = [about.get("reason")]
        case EventType.CLICK:
            words = [about.get("link")]
        case EventType.OPEN:
            words = [about.get("userAgent")]
        case EventType.RENDERING_FAILURE:
            words = [about.get("templateName"), about.get("errorMessage")]
        case EventType.SUBSCRIPTION:
            words = [about.get("contactList"), about.get("source")]
        case _:
            words = [name]
    return " ".join(_text(word) for word in words if word)


def _opted(about: Mapping[str, Any], status: str) -> tuple[str, ...]:
    """The list, where all of it was left or entered again, and topics."""
    preferences = _mapping(about.get("newTopicPreferences"))
    has_left = preferences.get("unsubscribeAll")
    all_of_it = has_left is (status == "OptOut") and isinstance(has_left, bool) and about.get("contactList")
    topics = filter(None, map(_mapping, _list(preferences.get("topicSubscriptionStatus"))))
    names = [topic.get("topicName") for topic in topics if topic.get("subscriptionStatus") == status]
    return tuple(_text(name) for name in ([about.get("contactList")] if all_of_it else []) + names)


def _others(tags: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """All tags but our own: the sender's, and those SES adds."""
    return tuple(sorted((_text(name), _first(value)) for name, value in tags.items() if name not in _OURS))


def _client_message_id(mail: Mapping[str, Any]) -> str:
    """The Message-ID the message had before SES wrote its own; only where original headers are included."""
    for header in _list(mail.get("headers")):
        if isinstance(header, dict) and _text(header.get("name")).lower() == "message-id":
            return _text(header.get("value")).strip()
    return ""


def _time(value: object) -> float:
    """ISO 8601 as SES writes it: with `Z`, with an offset, and `2018-10-08T14:05:45 +0000`. 0.0 for none."""
    try:
        moment = datetime.fromisoformat(_text(value).replace(" ", ""))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: object) -> str:
    return _text(value[0]) if isinstance(value, list) and value else _text(value)


def _text(value: object) -> str:
    """Text without what a database would not take: PostgreSQL refuses NUL, no encoder takes lone surrogates."""
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
