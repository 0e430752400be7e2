"""What a bounce or complaint means for the address. A table to read, and the rule of who gets suppressed.

Vocabularies: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS".
"""

from __future__ import annotations

from enum import StrEnum

from relay.model import Event, EventType, Reason


class BounceClass(StrEnum):
    """Our word for a bounce."""

    HARD = "hard"
    ALREADY_SUPPRESSED = "already_suppressed"
    OPT_OUT = "opt_out"
    PREDICTED_BAD = "predicted_bad"
    UNDETERMINED = "undetermined"
    SOFT = "soft"
    UNKNOWN = "unknown"


# (bounceType, bounceSubType) -> class; what is not listed is UNKNOWN and suppresses nobody.
_CLASSES: dict[tuple[str, str], BounceClass] = {
    ("Permanent", "General"): BounceClass.HARD,
    ("Permanent", "NoEmail"): BounceClass.HARD,
    ("Permanent", "Suppressed"): BounceClass.HARD,
    ("Permanent", "OnAccountSuppressionList"): BounceClass.ALREADY_SUPPRESSED,
    ("Permanent", "OnTenantSuppressionList"): BounceClass.ALREADY_SUPPRESSED,
    ("Permanent", "UnsubscribedRecipient"): BounceClass.OPT_OUT,
    ("Permanent", "EmailValidationSuppressed"): BounceClass.PREDICTED_BAD,
    ("Permanent", "Undetermined"): BounceClass.UNDETERMINED,
    ("Undetermined", "Undetermined"): BounceClass.UNDETERMINED,
    ("Transient", "General"): BounceClass.SOFT,
    ("Transient", "MailboxFull"): BounceClass.SOFT,
    ("Transient", "MessageTooLarge"): BounceClass.SOFT,
    ("Transient", "CustomTimeoutExceeded"): BounceClass.SOFT,
    ("Transient", "ContentRejected"): BounceClass.SOFT,
    ("Transient", "AttachmentRejected"): BounceClass.SOFT,
}

# Subtypes of a complaint that say "SES did not send", not "someone complained".
_MIRRORED = ("OnAccountSuppressionList", "OnTenantSuppressionList")


def bounce_class(bounce_type: str, bounce_subtype: str) -> BounceClass:
    """Our class of an SES bounce."""
    return _CLASSES.get((bounce_type, bounce_subtype), BounceClass.UNKNOWN)


def suppresses(event: Event) -> Reason | None:
    """Why the event's recipient must not be mailed any more, or None.

    Only the recipient named, and only where SES is sure of it: a complaint that names several candidates, a
    `not-spam` report, an opt-out from one list and every soft bounce leave the address alone.
    """
    if event.type is EventType.BOUNCE:
        found = bounce_class(event.bounce_type, event.bounce_subtype)
        return Reason.HARD_BOUNCE if found in (BounceClass.HARD, BounceClass.ALREADY_SUPPRESSED) else None
    if event.type is EventType.COMPLAINT:
        if event.complaint_type == "not-spam" or not event.exact:
            return None
        return Reason.COMPLAINT if event.complaint_subtype in ("", *_MIRRORED) else None
    return None
