from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import bounces, ses_event
from relay.event import OWN, Event, EventType
from relay.suppression import Reason

DATA = Path(__file__).parents[1] / "data" / "ses"
ANNA = "anna@example.net"
SES_ID = "0100019469f0a1b2-3c4d5e6f-7081-4293-a4b5-c6d7e8f90123-000000"
OUR_ID = "01JHN5Q8Z4"
CLIENT_ID = "<01JHN5Q8Z4@relay.example.com>"
RECEIVED = 1_800_000_000.0


def payload(name: str) -> str:
    return (DATA / f"{name}.json").read_text("utf-8")


def read(name: str) -> tuple[Event, ...]:
    return ses_event.parse(payload(name), received_at=RECEIVED)


def parse(data: object) -> tuple[Event, ...]:
    return ses_event.parse(json.dumps(data), received_at=RECEIVED)


def only(events: tuple[Event, ...]) -> Event:
    (event,) = events
    return event


def at(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


NOT_SENT = "Amazon SES did not send the message to this address because it is on the suppression list for your account."
TAGS = (
    ("ses:caller-identity", "relay"),
    ("ses:configuration-set", "relay-prod"),
    ("ses:from-domain", "example.com"),
    ("ses:operation", "SendEmail"),
    ("ses:source-ip", "198.51.100.7"),
)


def event(**fields: Any) -> Event:
    """As nearly all files have it."""
    usual: dict[str, Any] = {
        "recipient": ANNA,
        "sent_at": at("2025-01-15 10:20:30.123"),
        "ses_message_id": SES_ID,
        "relay_id": OUR_ID,
        "client_message_id": CLIENT_ID,
        "tags": TAGS,
    }
    return Event(**(usual | fields))


# What each file of tests/data/ses says, in our words.
FILES: dict[str, tuple[Event, ...]] = {
    "send": (event(type=EventType.SEND, at=at("2025-01-15 10:20:30.123"), detail="Send"),),
    "delivery": (
        event(
            type=EventType.DELIVERY,
            at=at("2025-01-15 10:20:31.900"),
            tags=(*TAGS[:4], ("ses:outgoing-ip", "198.51.100.23"), *TAGS[4:]),
            detail="250 2.0.0 OK queued as 5F3A",
        ),
    ),
    "bounce_permanent_general": (
        event(
            type=EventType.BOUNCE,
            at=at("2025-01-15 10:20:33.456"),
            recipient="Anna@Example.net",
            feedback_id="0102019469f0c3d4-1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d-000000",
            bounce_type="Permanent",
            bounce_subtype="General",
            status="5.1.1",
            diagnostic="smtp; 550 5.1.1 user unknown",
            detail="Permanent General 5.1.1 smtp; 550 5.1.1 user unknown",
        ),
    ),
    "bounce_transient_general_autoreply": (
        event(
            type=EventType.BOUNCE,
            at=at("2025-01-15 10:21:00.000"),
            feedback_id="0102019469f0c3d4-00000002-000000",
            bounce_type="Transient",
            bounce_subtype="General",
            detail="Transient General",
        ),
    ),
    "bounce_on_account_suppression_list": (
        event(
            type=EventType.BOUNCE,
            at=at("2025-01-15 10:20:31.000"),
            feedback_id="0102019469f0c3d4-00000003-000000",
            bounce_type="Permanent",
            bounce_subtype="OnAccountSuppressionList",
            status="5.1.1",
            diagnostic=NOT_SENT,
            detail=f"Permanent OnAccountSuppressionList 5.1.1 {NOT_SENT}",
        ),
    ),
    "complaint_abuse": (
        event(
            type=EventType.COMPLAINT,
            at=at("2025-01-15 11:00:00.000"),
            feedback_id="0102019469f0c3d4-00000005-000000",
            complaint_type="abuse",
            user_agent="ExampleFBL/1.0",
            detail="abuse ExampleFBL/1.0",
        ),
    ),
    "complaint_not_spam": (
        event(
            type=EventType.COMPLAINT,
            at=at("2025-01-15 11:00:00.000"),
            feedback_id="0102019469f0c3d4-00000006-000000",
            complaint_type="not-spam",
            detail="not-spam",
        ),
    ),
    "reject": (event(type=EventType.REJECT, at=at("2025-01-15 10:20:30.123"), detail="Bad content"),),
    "open": (event(type=EventType.OPEN, at=at("2025-01-15 12:00:00.000"), user_agent="Mozilla/5.0", detail="Mozilla/5.0"),),
    "click": (
        event(
            type=EventType.CLICK,
            at=at("2025-01-15 12:00:09.000"),
            link="https://example.com/order/42?x=1",
            user_agent="Mozilla/5.0",
            detail="https://example.com/order/42?x=1",
        ),
    ),
    "rendering_failure": (
        event(
            type=EventType.RENDERING_FAILURE,
            at=at("2025-01-15 10:20:30.123"),
            relay_id="",
            client_message_id="",
            tags=(("ses:configuration-set", "relay-prod"),),
            detail="welcome Attribute 'name' is not present in the rendering data.",
        ),
    ),
    "delivery_delay": (
        event(
            type=EventType.DELIVERY_DELAY,
            at=at("2025-01-15 10:35:30.000"),
            relay_id="",
            client_message_id="",
            tags=(("ses:configuration-set", "relay-prod"),),
            status="4.2.2",
            diagnostic="smtp; 452 4.2.2 mailbox full",
            detail="MailboxFull 4.2.2 smtp; 452 4.2.2 mailbox full",
        ),
    ),
    "subscription": (
        event(
            type=EventType.SUBSCRIPTION,
            at=at("2025-01-15 13:00:00.000"),
            opted_out=("main", "news"),
            detail="main UnsubscribeHeader",
        ),
    ),
    "classic_bounce_notification": (
        event(
            type=EventType.BOUNCE,
            at=at("2025-01-15 10:20:33.456"),
            recipient="Anna@Example.net",
            relay_id="",
            tags=(),
            feedback_id="0102019469f0c3d4-1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d-000000",
            bounce_type="Permanent",
            bounce_subtype="General",
            status="5.1.1",
            diagnostic="smtp; 550 5.1.1 user unknown",
            detail="Permanent General 5.1.1 smtp; 550 5.1.1 user unknown",
        ),
    ),
    "classic_setup_notification": (),
}

# Files whose events stand in tests of their own, or that are envelopes of SNS and SQS.
ELSEWHERE = {
    "bounce_two_recipients_mixed",
    "sns_subscription_confirmation",
    "sns_notification",
    "sns_event_destination_validation",
    "sns_unsubscribe_confirmation",
    "sqs_receive_message_response",
}


def test_every_file_has_its_expected_events() -> None:
    assert {path.stem for path in DATA.glob("*.json")} == FILES.keys() | ELSEWHERE


@pytest.mark.parametrize("name", list(FILES))
def test_a_notification_is_read_as_documented(name: str) -> None:
    assert read(name) == FILES[name]


@pytest.mark.parametrize("name", list(FILES))
def test_the_line_end_behind_a_real_notification_changes_nothing(name: str) -> None:
    assert ses_event.parse(payload(name) + "\n", received_at=RECEIVED) == FILES[name]


def test_every_type_of_event_is_in_a_file_but_the_unknown_one() -> None:
    read_types = {found.type for events in FILES.values() for found in events}
    assert read_types == set(EventType) - OWN - {EventType.OTHER}


def test_a_bounce_of_two_recipients_is_two_events_and_none_for_the_third() -> None:
    first, second = read("bounce_two_recipients_mixed")
    assert (first.recipient, first.detail) == (ANNA, "Permanent General 5.1.1 smtp; 550 5.1.1 user unknown")
    assert (second.recipient, second.detail) == ("bert@example.net", "Permanent General 4.4.7")


def test_the_type_of_a_bounce_decides_and_not_the_status_of_a_recipient() -> None:
    found = [bounces.suppresses(event) for event in read("bounce_two_recipients_mixed")]
    assert found == [Reason.HARD_BOUNCE, Reason.HARD_BOUNCE]


def test_a_complaint_with_several_candidates_is_exact_for_none() -> None:
    data = json.loads(payload("complaint_abuse"))
    data["complaint"]["complainedRecipients"].append({"emailAddress": "bert@example.net"})
    assert [(found.recipient, found.exact) for found in parse(data)] == [(ANNA, False), ("bert@example.net", False)]


@pytest.mark.parametrize("subtype", ["OnAccountSuppressionList", "OnTenantSuppressionList"])
def test_a_complaint_says_when_ses_did_not_send_at_all(subtype: str) -> None:
    data = json.loads(payload("complaint_abuse"))
    data["complaint"]["complaintSubType"] = subtype
    found = only(parse(data))
    assert (found.complaint_type, found.complaint_subtype) == ("abuse", subtype)
    assert found.detail == f"abuse {subtype} ExampleFBL/1.0"


@pytest.mark.parametrize("name", ["delivery", "send", "open", "click", "reject", "subscription"])
def test_an_event_without_recipients_of_its_own_is_about_all_destinations(name: str) -> None:
    data = json.loads(payload(name))
    data["mail"]["destination"] = [ANNA, "bert@example.net"]
    if name == "delivery":
        data["delivery"]["recipients"] = [ANNA, "bert@example.net"]
    assert [found.recipient for found in parse(data)] == [ANNA, "bert@example.net"]


def test_a_delivery_is_only_about_those_delivered_to() -> None:
    data = json.loads(payload("delivery"))
    data["mail"]["destination"] = [ANNA, "bert@example.net"]
    assert only(parse(data)).recipient == ANNA


@pytest.mark.parametrize(
    ("name", "key", "recipients"),
    [("bounce_permanent_general", "bounce", "bouncedRecipients"), ("complaint_abuse", "complaint", "complainedRecipients")],
)
@pytest.mark.parametrize("named", [[], None, "anna@example.net", [{}], [None], [{"emailAddress": ""}]])
def test_a_bounce_or_complaint_that_names_nobody_suppresses_nobody(name: str, key: str, recipients: str, named: object) -> None:
    # Only the recipients named, and never one taken from mail.destination.
    data = json.loads(payload(name))
    data[key][recipients] = named
    assert [found.recipient for found in parse(data) if bounces.suppresses(found) and found.recipient] == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("anna@example.net", ANNA),
        ("Anna Berg <anna@example.net>", ANNA),
        ('"Berg, Anna" <anna@example.net>', ANNA),
        ("<anna@example.net>", ANNA),
        (" anna@example.net ", ANNA),
        ("Jörg <anna@example.net>", ANNA),
        ("Anna@Example.NET", "Anna@Example.NET"),
        ("rfc822;anna@example.net", ANNA),
        ("rfc822; anna@example.net.", ANNA),
        ("Berg, Anna <anna@example.net>", ANNA),
        ("'anna@example.net'", ANNA),
        ("MAILER-DAEMON", "MAILER-DAEMON"),
    ],
)
def test_the_bare_address_of_a_recipient_is_taken(written: str, expected: str) -> None:
    data = json.loads(payload("bounce_permanent_general"))
    data["bounce"]["bouncedRecipients"][0]["emailAddress"] = written
    assert only(parse(data)).recipient == expected


@pytest.mark.parametrize("written", ["jörg@example.net", "anna@münchen.example", "Jörg <jörg@example.net>"])
def test_an_address_beyond_ascii_never_becomes_another_address(written: str) -> None:
    data = json.loads(payload("bounce_permanent_general"))
    data["bounce"]["bouncedRecipients"][0]["emailAddress"] = written
    found = only(parse(data)).recipient
    assert found
    assert found in written


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-01-15T10:20:30.123Z", at("2025-01-15 10:20:30.123")),
        ("2025-01-15T10:20:30Z", at("2025-01-15 10:20:30.0")),
        ("2025-01-15T10:20:30.123456Z", at("2025-01-15 10:20:30.123456")),
        ("2018-10-08T14:05:45 +0000", at("2018-10-08 14:05:45.0")),
        ("2025-01-15T06:00:00.000-05:00", at("2025-01-15 11:00:00.0")),
        ("2025-01-15T12:00:00+0100", at("2025-01-15 11:00:00.0")),
        ("2025-01-15T10:20:30", at("2025-01-15 10:20:30.0")),
    ],
)
def test_a_timestamp_is_read_in_every_form_ses_writes(written: str, expected: float) -> None:
    data = json.loads(payload("open"))
    data["open"]["timestamp"] = written
    assert only(parse(data)).at == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("written", [None, "", "yesterday", 1736936430, [], {}, "2025-13-45T99:99:99Z"])
def test_an_unreadable_timestamp_falls_back_to_that_of_the_message_and_then_to_ours(written: object) -> None:
    data = json.loads(payload("open"))
    data["open"]["timestamp"] = written
    assert only(parse(data)).at == at("2025-01-15 10:20:30.123")
    data["mail"]["timestamp"] = written
    assert only(parse(data)).at == RECEIVED


@pytest.mark.parametrize("value", [["01JHN5Q8Z4"], ["01JHN5Q8Z4", "another"], "01JHN5Q8Z4"])
def test_our_tag_is_found_in_a_list_or_alone(value: object) -> None:
    data = json.loads(payload("send"))
    data["mail"]["tags"]["relay_id"] = value
    assert only(parse(data)).relay_id == OUR_ID


@pytest.mark.parametrize("tags", [None, {}, [], "relay_id", {"relay_id": []}, {"relay_id": None}, {"relay_id": [7]}])
def test_an_event_without_our_tag_has_no_identifier_of_ours(tags: object) -> None:
    data = json.loads(payload("send"))
    data["mail"]["tags"] = tags
    found = only(parse(data))
    assert (found.relay_id, found.ses_message_id) == ("", SES_ID)


@pytest.mark.parametrize("name", ["Message-ID", "message-id", "MESSAGE-ID", "Message-Id"])
def test_the_message_id_of_the_client_is_found_in_any_case(name: str) -> None:
    data = json.loads(payload("send"))
    data["mail"]["headers"] = [{"name": "To", "value": "x"}, {"name": name, "value": " <1@example.com> "}]
    assert only(parse(data)).client_message_id == "<1@example.com>"


@pytest.mark.parametrize(
    "headers", [None, {}, "Message-ID", [None], ["Message-ID"], [{}], [{"name": "Message-ID"}], [{"name": 1}]]
)
def test_without_original_headers_there_is_no_message_id_of_the_client(headers: object) -> None:
    data = json.loads(payload("send"))
    data["mail"]["headers"] = headers
    assert only(parse(data)).client_message_id == ""


@pytest.mark.parametrize("truncated", [True, False, "true", "false", None])
def test_whether_headers_were_truncated_changes_nothing(truncated: object) -> None:
    data = json.loads(payload("send"))
    data["mail"]["headersTruncated"] = truncated
    assert parse(data) == FILES["send"]


def test_unknown_fields_change_nothing() -> None:
    data = json.loads(payload("delivery"))
    for place in (data, data["mail"], data["delivery"]):
        place["somethingNew"] = {"a": [1, None, {}]}
    assert parse(data) == FILES["delivery"]


def test_an_unknown_type_is_kept_as_a_fact_and_suppresses_nobody() -> None:
    data = json.loads(payload("bounce_permanent_general"))
    data["eventType"] = "Foo"
    found = only(parse(data))
    assert (found.type, found.recipient, found.relay_id, found.detail) == (EventType.OTHER, ANNA, OUR_ID, "Foo")
    assert bounces.suppresses(found) is None


def test_an_unknown_subtype_of_a_bounce_is_kept_as_it_is() -> None:
    data = json.loads(payload("bounce_permanent_general"))
    data["bounce"]["bounceSubType"] = "SomethingNew"
    found = only(parse(data))
    assert found.bounce_subtype == "SomethingNew"
    assert bounces.suppresses(found) is None


@pytest.mark.parametrize("link_tags", [None, {}, {"a": ["b"]}])
def test_a_click_is_read_with_and_without_link_tags(link_tags: object) -> None:
    data = json.loads(payload("click"))
    data["click"]["linkTags"] = link_tags
    assert parse(data) == FILES["click"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "null",
        "[]",
        "42",
        '"Bounce"',
        "{}",
        '{"eventType": "Bounce"}',
        '{"eventType": "Bounce", "mail": null}',
        '{"eventType": "Bounce", "mail": []}',
        '{"mail": {"messageId": "0100018f", "destination": ["anna@example.net"]}}',
        '{"eventType": "", "mail": {}}',
        '{"notificationType": "Received", "mail": {"destination": ["anna@example.com"]}, "receipt": {}}',
        '{"eventType": "Bounce", "mail": {',
        "[" * 10_000,
        '{"mail":' * 10_000,
        '{"mail": {}, "eventType": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"mail": {}, "eventType": ' + "9" * 10_000 + "}",
    ],
)
def test_what_is_no_event_yields_none(text: str) -> None:
    assert ses_event.parse(text, received_at=RECEIVED) == ()


@pytest.mark.parametrize("name", ["send", "bounce_permanent_general", "click", "delivery_delay"])
def test_no_text_of_an_event_holds_what_a_database_would_refuse(name: str) -> None:
    data = json.loads(payload(name), object_hook=lambda found: {key: _spoilt(value) for key, value in found.items()})
    data["eventType"] = json.loads(payload(name))["eventType"]
    found = only(parse(data))
    for text in (found.recipient, found.detail, found.relay_id, found.ses_message_id, found.client_message_id):
        assert "\0" not in text
        assert text.encode("utf-8", "surrogatepass") == text.encode("utf-8", "replace")
    assert found.ses_message_id.startswith(SES_ID)


def _spoilt(value: object) -> object:
    return f"{value}\0\ud800" if isinstance(value, str) else value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "Send",
    "Bounce",
    "Complaint",
    "Delivery",
    "Click",
    "Open",
    "DeliveryDelay",
    "Subscription",
    "Rendering Failure",
    "Foo",
]
FIELDS = "timestamp feedbackId bounceType bouncedRecipients complainedRecipients delayedRecipients recipients link".split()
MAIL = "timestamp messageId destination headers tags source commonHeaders".split()


@given(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(MAIL), json_values),
    st.dictionaries(st.sampled_from(FIELDS), json_values) | json_values,
)
def test_an_event_of_any_shape_is_read_without_an_error(name: str, mail: dict[str, object], about: object) -> None:
    events = parse({"eventType": name, "mail": mail, name.lower(): about, "deliveryDelay": about, "failure": about})
    assert events
    for found in events:
        assert ses_event.fingerprint(found).encode("utf-8")


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(isinstance(found, Event) for found in ses_event.parse(text, received_at=RECEIVED))


def test_the_same_bounce_in_both_shapes_is_one_fact() -> None:
    published, classic = only(read("bounce_permanent_general")), only(read("classic_bounce_notification"))
    assert published != classic
    assert ses_event.fingerprint(published) == ses_event.fingerprint(classic)


@pytest.mark.parametrize("name", [name for name, events in FILES.items() if events])
def test_the_same_fact_told_twice_has_one_fingerprint(name: str) -> None:
    first = only(ses_event.parse(payload(name), received_at=RECEIVED))
    again = only(ses_event.parse(payload(name), received_at=RECEIVED + 3600))
    assert ses_event.fingerprint(first) == ses_event.fingerprint(again)


def test_the_case_of_the_recipient_does_not_make_another_fact() -> None:
    data = json.loads(payload("bounce_permanent_general"))
    data["bounce"]["bouncedRecipients"][0]["emailAddress"] = ANNA
    assert ses_event.fingerprint(only(parse(data))) == ses_event.fingerprint(only(read("bounce_permanent_general")))


def test_different_facts_have_different_fingerprints() -> None:
    names = [*(name for name, events in FILES.items() if events and name != "classic_bounce_notification")]
    events = [found for name in [*names, "bounce_two_recipients_mixed"] for found in read(name)]
    assert len({ses_event.fingerprint(found) for found in events}) == len(events) == 15


@pytest.mark.parametrize(
    ("name", "key", "field", "value"),
    [
        ("open", "open", "timestamp", "2025-01-15T12:00:00.001Z"),
        ("click", "click", "timestamp", "2025-01-15T12:00:09.001Z"),
        ("click", "click", "link", "https://example.com/another"),
        ("delivery_delay", "deliveryDelay", "timestamp", "2025-01-15T11:35:30.000Z"),
        ("complaint_abuse", "complaint", "feedbackId", "0102019469f0c3d4-00000099-000000"),
        ("send", "mail", "messageId", "0100019469f0a1b2-another"),
        ("send", "mail", "destination", ["bert@example.net"]),
    ],
)
def test_another_time_link_feedback_message_or_recipient_is_another_fact(
    name: str, key: str, field: str, value: object
) -> None:
    data = json.loads(payload(name))
    data[key][field] = value
    assert ses_event.fingerprint(only(parse(data))) != ses_event.fingerprint(only(read(name)))


def test_two_unknown_types_are_two_facts() -> None:
    data = json.loads(payload("send"))
    one, other = only(parse(data | {"eventType": "Foo"})), only(parse(data | {"eventType": "Bar"}))
    assert ses_event.fingerprint(one) != ses_event.fingerprint(other)
