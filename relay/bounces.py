"""What a bounce or complaint means for the address: tables to read, and the rules of who is suppressed.

Vocabularies: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS".
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from relay.event import Event, EventType
from relay.suppression import Reason

_DAY = 86400.0


class BounceClass(StrEnum):
    """Our word for a bounce."""

    HARD = "hard"
    ALREADY_SUPPRESSED = "already_suppressed"
    OPT_OUT = "opt_out"
    PREDICTED_BAD = "predicted_bad"
    UNDETERMINED = "undetermined"
    SOFT = "soft"
    MAILBOX_FULL = "mailbox_full"
    TOO_LARGE = "too_large"
    TIMED_OUT = "timed_out"
    CONTENT = "content"
    AUTO_REPLY = "auto_reply"
    UNKNOWN = "unknown"


class _Row(NamedTuple):
    """Our class, and the type that CiviCRM has for it (empty: no fault of the address)."""

    bounce_class: BounceClass
    crm: str


# (bounceType, bounceSubType); what is not listed is UNKNOWN and suppresses nobody.
_TABLE: dict[tuple[str, str], _Row] = {
    ("Permanent", "General"): _Row(BounceClass.HARD, "Invalid"),
    ("Permanent", "NoEmail"): _Row(BounceClass.HARD, "Invalid"),
    ("Permanent", "Suppressed"): _Row(BounceClass.HARD, "Invalid"),
    ("Permanent", "OnAccountSuppressionList"): _Row(BounceClass.ALREADY_SUPPRESSED, "Invalid"),
    ("Permanent", "OnTenantSuppressionList"): _Row(BounceClass.ALREADY_SUPPRESSED, "Invalid"),
    ("Permanent", "UnsubscribedRecipient"): _Row(BounceClass.OPT_OUT, ""),
    ("Permanent", "EmailValidationSuppressed"): _Row(BounceClass.PREDICTED_BAD, "Invalid"),
    ("Permanent", "Undetermined"): _Row(BounceClass.UNDETERMINED, "Syntax"),
    ("Undetermined", "Undetermined"): _Row(BounceClass.UNDETERMINED, "Syntax"),
    ("Transient", "General"): _Row(BounceClass.SOFT, "Syntax"),
    ("Transient", "MailboxFull"): _Row(BounceClass.MAILBOX_FULL, "Quota"),
    ("Transient", "MessageTooLarge"): _Row(BounceClass.TOO_LARGE, "Quota"),
    ("Transient", "CustomTimeoutExceeded"): _Row(BounceClass.TIMED_OUT, "Host"),
    ("Transient", "ContentRejected"): _Row(BounceClass.CONTENT, "Spam"),
    ("Transient", "AttachmentRejected"): _Row(BounceClass.CONTENT, "Spam"),
}
_NOT_LISTED = _Row(BounceClass.UNKNOWN, "")
_AUTO_REPLY = _Row(BounceClass.AUTO_REPLY, "Away")
_PERMANENT = _TABLE["Permanent", "General"]

# Subtypes of a complaint that say "SES did not send", not "someone complained".
_MIRRORED = ("OnAccountSuppressionList", "OnTenantSuppressionList")


@dataclass(frozen=True, slots=True)
class Threshold:
    """So many bounces within so many days, no delivery between them. A count of 0 is never reached."""

    count: int
    days: float


_THRESHOLDS = {BounceClass.SOFT: Threshold(5, 30.0), BounceClass.MAILBOX_FULL: Threshold(5, 30.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceRules:
    """What an operator decides. `thresholds` are those of soft classes; the others never add up to anything.

    `trusts_diagnostics`: where a server has refused for good (status 5) and SES says Transient/General, the server is right.
    `trusts_predictions`: what SES's validation did not even try is suppressed.
    """

    thresholds: Mapping[BounceClass, Threshold] = field(default_factory=lambda: _THRESHOLDS)
    trusts_diagnostics: bool = False
    trusts_predictions: bool = False


DEFAULT_RULES = BounceRules()


def bounce_class(event: Event, rules: BounceRules = DEFAULT_RULES) -> BounceClass:
    """Our class of a bounce."""
    return _row(event, rules).bounce_class


def crm_category(event: Event, rules: BounceRules = DEFAULT_RULES) -> str:
    """What CiviCRM calls it: Invalid, Syntax, Quota, Spam, Host, Away; empty for what says nothing of the address."""
    return _row(event, rules).crm


# For good: an enhanced status (RFC 3463), or the reply itself after `smtp;` (RFC 3464 2.3.6).
_REFUSED = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])|(?:^|;)\s*5\d\d(?!\d)", re.ASCII)


def _row(event: Event, rules: BounceRules) -> _Row:
    """An answer from the mailbox itself (out of office) comes as Transient/General too, but no server has said anything."""
    if (event.bounce_type, event.bounce_subtype) == ("Transient", "General"):
        if not event.status and not event.diagnostic:
            return _AUTO_REPLY
        if rules.trusts_diagnostics and _REFUSED.search(event.status or event.diagnostic):
            return _PERMANENT
    return _TABLE.get((event.bounce_type, event.bounce_subtype), _NOT_LISTED)


class ComplaintClass(StrEnum):
    """Our word for a complaint. A candidate is one of several recipients of whom one complained."""

    COMPLAINT = "complaint"
    CANDIDATE = "candidate"
    NOT_SPAM = "not_spam"
    ALREADY_SUPPRESSED = "already_suppressed"


BOT = "bot"
"""The class of opens and clicks that are likely those of a program."""
LEFT, CAME_BACK = "left", "came_back"
"""The classes of what somebody did with the lists of SES's list management."""


def complaint_class(event: Event) -> ComplaintClass:
    """Our class of a complaint; one of a subtype that is not known names nobody."""
    if event.complaint_type == "not-spam":
        return ComplaintClass.NOT_SPAM
    if not event.exact or event.complaint_subtype not in ("", *_MIRRORED):
        return ComplaintClass.CANDIDATE
    return ComplaintClass.ALREADY_SUPPRESSED if event.complaint_subtype else ComplaintClass.COMPLAINT


def event_class(event: Event, rules: BounceRules) -> str:
    """Our class of any event; empty for those that have none."""
    match event.type:
        case EventType.BOUNCE:
            return bounce_class(event, rules)
        case EventType.COMPLAINT:
            return complaint_class(event)
        case EventType.OPEN | EventType.CLICK:
            return BOT if event.is_bot else ""
        case EventType.SUBSCRIPTION:
            return LEFT if event.opted_out else CAME_BACK
        case _:
            return ""


def suppresses(event: Event, rules: BounceRules = DEFAULT_RULES) -> Reason | None:
    """Why the event's recipient must not be mailed any more, by this event alone, or None.

    Only the recipient named, and only where SES is sure of it: a complaint that names several candidates, a
    `not-spam` report, an opt-out from one list and every soft bounce leave the address alone.
    """
    if event.type is EventType.BOUNCE:
        found = bounce_class(event, rules)
        is_bad = found in (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED)
        return Reason.HARD_BOUNCE if is_bad or (found is BounceClass.PREDICTED_BAD and rules.trusts_predictions) else None
    if event.type is EventType.COMPLAINT:
        is_sure = complaint_class(event) in (ComplaintClass.COMPLAINT, ComplaintClass.ALREADY_SUPPRESSED)
        return Reason.COMPLAINT if is_sure else None
    return None


def is_mirrored(event: Event) -> bool:
    """SES did not even try, for the address is on its own list."""
    return event.bounce_subtype in _MIRRORED or event.complaint_subtype in _MIRRORED


class Fact(NamedTuple):
    """Of one address: a bounce of a soft class, or a delivery (None)."""

    at: float
    bounce_class: BounceClass | None


def worn_out_at(facts: Iterable[Fact], rules: BounceRules) -> float | None:
    """When soft bounces became too many, if they still are; a delivery sets all counts back.

    In the order of their times, whatever the order in which they came: the same facts have the same end.
    """
    counted: dict[BounceClass, deque[float]] = {kind: deque() for kind in rules.thresholds}
    reached: float | None = None
    for at, found in sorted(facts, key=lambda fact: (fact.at, fact.bounce_class or "")):
        if found is None:
            reached = None
            for times in counted.values():
                times.clear()
        elif found in counted and reached is None and _is_reached(counted[found], at, rules.thresholds[found]):
            reached = at
    return reached


def _is_reached(times: deque[float], at: float, threshold: Threshold) -> bool:
    """One more."""
    times.append(at)
    while times[0] < at - threshold.days * _DAY:
        times.popleft()
    return 0 < threshold.count <= len(times)
