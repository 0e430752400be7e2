from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import bounces
from relay.bounces import BounceClass
from relay.model import Event, EventType, Reason

# bounceType, bounceSubType -> our class, and whether the address is suppressed here.
ROWS: list[tuple[str, str, BounceClass, bool]] = [
    ("Permanent", "General", BounceClass.HARD, True),
    ("Permanent", "NoEmail", BounceClass.HARD, True),
    ("Permanent", "Suppressed", BounceClass.HARD, True),
    ("Permanent", "OnAccountSuppressionList", BounceClass.ALREADY_SUPPRESSED, True),
    ("Permanent", "OnTenantSuppressionList", BounceClass.ALREADY_SUPPRESSED, True),
    ("Permanent", "UnsubscribedRecipient", BounceClass.OPT_OUT, False),
    ("Permanent", "EmailValidationSuppressed", BounceClass.PREDICTED_BAD, False),
    ("Permanent", "Undetermined", BounceClass.UNDETERMINED, False),
    ("Undetermined", "Undetermined", BounceClass.UNDETERMINED, False),
    ("Transient", "General", BounceClass.SOFT, False),
    ("Transient", "MailboxFull", BounceClass.SOFT, False),
    ("Transient", "MessageTooLarge", BounceClass.SOFT, False),
    ("Transient", "CustomTimeoutExceeded", BounceClass.SOFT, False),
    ("Transient", "ContentRejected", BounceClass.SOFT, False),
    ("Transient", "AttachmentRejected", BounceClass.SOFT, False),
    # Anything not listed.
    ("Permanent", "SomethingNew", BounceClass.UNKNOWN, False),
    ("Transient", "SomethingNew", BounceClass.UNKNOWN, False),
    ("SomethingNew", "General", BounceClass.UNKNOWN, False),
    ("Permanent", "", BounceClass.UNKNOWN, False),
    ("permanent", "general", BounceClass.UNKNOWN, False),
    ("Undetermined", "General", BounceClass.UNKNOWN, False),
    ("", "", BounceClass.UNKNOWN, False),
]


def test_the_words_for_the_classes_stay_as_they_are_since_they_are_stored() -> None:
    words = ["hard", "already_suppressed", "opt_out", "predicted_bad", "undetermined", "soft", "unknown"]
    assert list(BounceClass) == words


def bounce(bounce_type: str, bounce_subtype: str, *, exact: bool = True) -> Event:
    return Event(
        type=EventType.BOUNCE,
        at=1.0,
        recipient="anna@example.net",
        ses_message_id="0100018f",
        bounce_type=bounce_type,
        bounce_subtype=bounce_subtype,
        exact=exact,
    )


def complaint(kind: str = "", subtype: str = "", *, exact: bool = True) -> Event:
    return Event(
        type=EventType.COMPLAINT,
        at=1.0,
        recipient="anna@example.net",
        ses_message_id="0100018f",
        complaint_type=kind,
        complaint_subtype=subtype,
        exact=exact,
    )


@pytest.mark.parametrize(("bounce_type", "bounce_subtype", "expected", "suppressed"), ROWS)
def test_a_bounce_has_the_class_of_the_table(
    bounce_type: str, bounce_subtype: str, expected: BounceClass, suppressed: bool
) -> None:
    assert bounces.bounce_class(bounce_type, bounce_subtype) is expected


@pytest.mark.parametrize(("bounce_type", "bounce_subtype", "expected", "suppressed"), ROWS)
def test_a_bounce_suppresses_as_the_table_says(
    bounce_type: str, bounce_subtype: str, expected: BounceClass, suppressed: bool
) -> None:
    reason = bounces.suppresses(bounce(bounce_type, bounce_subtype))
    assert reason is (Reason.HARD_BOUNCE if suppressed else None)


def test_a_bounced_recipient_is_named_and_no_candidate_even_among_several() -> None:
    assert bounces.suppresses(bounce("Permanent", "General", exact=False)) is Reason.HARD_BOUNCE


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_bounce_nobody_has_heard_of_suppresses_nobody(bounce_type: str, bounce_subtype: str) -> None:
    listed = {row[:2] for row in ROWS if row[3]}
    assert (bounce_type, bounce_subtype) in listed or bounces.suppresses(bounce(bounce_type, bounce_subtype)) is None


@pytest.mark.parametrize("kind", ["abuse", "auth-failure", "fraud", "other", "virus", ""])
def test_a_complaint_suppresses_the_one_who_complained(kind: str) -> None:
    assert bounces.suppresses(complaint(kind)) is Reason.COMPLAINT


@pytest.mark.parametrize("kind", ["abuse", "auth-failure", "fraud", "not-spam", "other", "virus", ""])
def test_a_complaint_with_several_candidates_suppresses_nobody(kind: str) -> None:
    assert bounces.suppresses(complaint(kind, exact=False)) is None


@pytest.mark.parametrize("subtype", ["", "OnAccountSuppressionList", "OnTenantSuppressionList", "SomethingNew"])
def test_a_not_spam_report_suppresses_nobody(subtype: str) -> None:
    assert bounces.suppresses(complaint("not-spam", subtype)) is None


@pytest.mark.parametrize("subtype", ["OnAccountSuppressionList", "OnTenantSuppressionList"])
def test_what_ses_did_not_send_because_of_an_earlier_complaint_is_mirrored(subtype: str) -> None:
    assert bounces.suppresses(complaint("", subtype)) is Reason.COMPLAINT


def test_a_complaint_of_a_kind_nobody_has_heard_of_suppresses_nobody() -> None:
    assert bounces.suppresses(complaint("abuse", "SomethingNew")) is None


@pytest.mark.parametrize("kind", [kind for kind in EventType if kind not in (EventType.BOUNCE, EventType.COMPLAINT)])
def test_no_other_event_suppresses_anybody(kind: EventType) -> None:
    event = Event(
        type=kind,
        at=1.0,
        recipient="anna@example.net",
        ses_message_id="0100018f",
        bounce_type="Permanent",
        bounce_subtype="General",
        complaint_type="abuse",
    )
    assert bounces.suppresses(event) is None
