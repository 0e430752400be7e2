from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import bounces
from relay.bounces import BounceClass, BounceRules, Fact, Threshold
from relay.event import Event, EventType
from relay.suppression import Reason

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
    ("Transient", "MailboxFull", BounceClass.MAILBOX_FULL, False),
    ("Transient", "MessageTooLarge", BounceClass.TOO_LARGE, False),
    ("Transient", "CustomTimeoutExceeded", BounceClass.TIMED_OUT, False),
    ("Transient", "ContentRejected", BounceClass.CONTENT, False),
    ("Transient", "AttachmentRejected", BounceClass.CONTENT, False),
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
    words = "hard already_suppressed opt_out predicted_bad undetermined"
    soft = "soft mailbox_full too_large timed_out content auto_reply"
    assert list(BounceClass) == [*words.split(), *soft.split(), "unknown"]


def bounce(bounce_type: str, bounce_subtype: str, *, exact: bool = True, status: str = "4.0.0") -> Event:
    return Event(
        type=EventType.BOUNCE,
        at=1.0,
        recipient="anna@example.net",
        ses_message_id="0100018f",
        bounce_type=bounce_type,
        bounce_subtype=bounce_subtype,
        status=status,
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
    assert bounces.bounce_class(bounce(bounce_type, bounce_subtype)) is expected


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


def test_an_answer_of_the_reader_s_own_is_no_bounce_for_no_server_has_said_anything() -> None:
    assert bounces.bounce_class(bounce("Transient", "General", status="")) is BounceClass.AUTO_REPLY
    told = replace(bounce("Transient", "General", status=""), diagnostic="451 try later")
    assert bounces.bounce_class(told) is BounceClass.SOFT


TRUSTING = BounceRules(trusts_diagnostics=True, trusts_predictions=True)


@pytest.mark.parametrize(
    ("subtype", "status", "expected"),
    [
        ("General", "5.1.1", BounceClass.HARD),
        ("General", "4.4.1", BounceClass.SOFT),
        ("MailboxFull", "5.2.2", BounceClass.MAILBOX_FULL),
    ],
)
def test_a_server_that_refused_for_good_is_believed_where_that_is_set(subtype: str, status: str, expected: BounceClass) -> None:
    told = bounce("Transient", subtype, status=status)
    assert bounces.bounce_class(told, TRUSTING) is expected
    assert bounces.suppresses(told, TRUSTING) is (Reason.HARD_BOUNCE if expected is BounceClass.HARD else None)
    assert bounces.suppresses(told) is None


def test_what_ses_predicts_is_believed_where_that_is_set() -> None:
    told = bounce("Permanent", "EmailValidationSuppressed")
    assert (bounces.suppresses(told), bounces.suppresses(told, TRUSTING)) == (None, Reason.HARD_BOUNCE)


# What CiviCRM calls each; it has no word for what says nothing of the address.
@pytest.mark.parametrize(
    ("bounce_type", "bounce_subtype", "status", "category"),
    [
        ("Permanent", "General", "5.1.1", "Invalid"),
        ("Permanent", "OnAccountSuppressionList", "5.1.1", "Invalid"),
        ("Permanent", "UnsubscribedRecipient", "", ""),
        ("Permanent", "Undetermined", "", "Syntax"),
        ("Undetermined", "Undetermined", "", "Syntax"),
        ("Transient", "General", "4.4.7", "Syntax"),
        ("Transient", "General", "", "Away"),
        ("Transient", "MailboxFull", "4.2.2", "Quota"),
        ("Transient", "MessageTooLarge", "5.3.4", "Quota"),
        ("Transient", "CustomTimeoutExceeded", "4.4.7", "Host"),
        ("Transient", "ContentRejected", "5.7.1", "Spam"),
        ("Transient", "AttachmentRejected", "5.7.1", "Spam"),
        ("Transient", "SomethingNew", "4.0.0", ""),
    ],
)
def test_a_bounce_has_the_category_of_a_crm(bounce_type: str, bounce_subtype: str, status: str, category: str) -> None:
    assert bounces.crm_category(bounce(bounce_type, bounce_subtype, status=status)) == category


DAY = 86400.0
RULES = BounceRules(thresholds={BounceClass.SOFT: Threshold(3, 10.0), BounceClass.MAILBOX_FULL: Threshold(2, 2.0)})


def soft(day: float) -> Fact:
    return Fact(day * DAY, BounceClass.SOFT)


def full(day: float) -> Fact:
    return Fact(day * DAY, BounceClass.MAILBOX_FULL)


def delivered(day: float) -> Fact:
    return Fact(day * DAY, None)


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        ([], None),
        ([soft(1), soft(2)], None),
        ([soft(1), soft(2), soft(3)], 3),
        ([soft(1), soft(2), soft(3), soft(4)], 3),
        ([soft(1), soft(2), soft(12)], None),
        ([soft(1), soft(2), soft(11)], 11),
        ([soft(1), soft(2), delivered(2.5), soft(3)], None),
        ([soft(1), soft(2), soft(3), delivered(4)], None),
        ([soft(1), soft(2), soft(3), delivered(4), soft(5), soft(6), soft(7)], 7),
        ([full(1), full(2)], 2),
        ([full(1), full(4)], None),
        ([soft(1), full(1), soft(2)], None),
        ([Fact(DAY, BounceClass.CONTENT)] * 9, None),
    ],
)
def test_soft_bounces_add_up_until_mail_is_delivered(facts: list[Fact], day: float | None) -> None:
    assert bounces.worn_out_at(facts, RULES) == (day * DAY if day else None)


some_facts = st.builds(lambda kind, day: Fact(day * DAY, kind), st.sampled_from([None, *RULES.thresholds]), st.integers(1, 9))


@given(st.lists(some_facts), st.randoms())
def test_it_does_not_matter_in_which_order_facts_come(facts: list[Fact], random: Random) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert bounces.worn_out_at(facts, RULES) == bounces.worn_out_at(shuffled, RULES)


def test_a_threshold_of_nothing_is_never_reached() -> None:
    assert bounces.worn_out_at([soft(1)] * 9, BounceRules(thresholds={BounceClass.SOFT: Threshold(0, 10.0)})) is None
