"""What a sender may say about a message by header, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay import labels
from relay.credential import Credential, Kind, MessageClass
from relay.errors import Malformed
from relay.model import Labels
from relay.reading import mime

NOW = datetime(2025, 11, 21, 10, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0
MOMENTS = ["X-Relay-Send-At", "X-Relay-Expires-At"]


def read(*fields: str, with_ses: bool = False) -> Labels:
    content = "".join(f"{field}\r\n" for field in ("From: shop@example.com", *fields, "")).encode()
    credential = Credential(name="a", kind=Kind.APPLICATION, password_hashes=(), ses_headers=with_ses)
    return labels.read(mime.read(content), now=NOW, credential=credential)


def test_all_that_can_be_said_is_read() -> None:
    assert read(
        "X-Relay-Id: order 42",
        "x-relay-campaign: spring-2025",
        "X-RELAY-LIST: news",
        "X-Relay-Class: Marketing",
        "X-Relay-Send-At: Fri, 21 Nov 2025 11:00:00 +0000",
        "X-Relay-Expires-At: Fri, 21 Nov 2025 13:00:00 +0100",
        "X-Relay-Tag: shop=north",
        "X-Relay-Tag: kind = reminder, the second",
    ) == Labels(
        id="order 42",
        campaign="spring-2025",
        list="news",
        message_class=MessageClass.MARKETING,
        send_at=NOW + HOUR,
        expires_at=NOW + 2 * HOUR,
        tags=(("shop", "north"), ("kind", "reminder, the second")),
    )


@pytest.mark.parametrize("fields", [(), ("X-Relay-Other: x", "X-Relay-: y"), ("X-Relayed: x",), ("Subject: X-Relay-Id: x",)])
def test_where_nothing_is_said_nothing_is_read(fields: tuple[str, ...]) -> None:
    assert read(*fields) == Labels()


@pytest.mark.parametrize("name", ["X-Relay-Id", "X-Relay-Campaign", "X-Relay-List"])
def test_a_word_has_200_printable_characters_at_most(name: str) -> None:
    field = {"X-Relay-Id": "id", "X-Relay-Campaign": "campaign", "X-Relay-List": "list"}[name]
    for good in ("x", "x" * 200, "a b!~", "x\r\n y"):
        assert getattr(read(f"{name}: {good}"), field) == good.replace("\r\n", "")
    for bad in ("", " ", "x" * 201, "a\tb", "a\x01", "a\x7f", "ü", "=?utf-8?q?=C3=BC?= ü"):
        with pytest.raises(Malformed, match=f"^{name} is empty, too long or not printable ASCII$"):
            read(f"{name}: {bad}")


@pytest.mark.parametrize("name", ["X-Relay-Id", "X-Relay-Campaign", "X-Relay-List", "X-Relay-Class", *MOMENTS])
def test_a_thing_that_is_said_twice_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match=f"^more than one {name} header$"):
        read(f"{name}: marketing", f"{name.upper()}: marketing")


@pytest.mark.parametrize("bad", ["bulk", "transactional, marketing", "transactionally"])
def test_a_class_is_one_of_two(bad: str) -> None:
    assert read("X-Relay-Class: TRANSACTIONAL").message_class is MessageClass.TRANSACTIONAL
    with pytest.raises(Malformed, match=r"^X-Relay-Class is neither"):
        read(f"X-Relay-Class: {bad}")


def moment(name: str, text: str) -> float:
    found = read(f"{name}: {text}")
    return {"X-Relay-Send-At": found.send_at, "X-Relay-Expires-At": found.expires_at}[name]


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "text",
    [
        "Fri, 21 Nov 2025 12:00:00 +0100",
        "21 Nov 2025 11:00 GMT",
        "21 Nov 2025 11:00:00 UTC",
        "Fri, 21 Nov 2025 11:00:00 -0000",
        "2025-11-21T11:00:00Z",
        "2025-11-21T12:00:00+01:00",
        "2025-11-21 06:00:00-0500",
        "20251121T110000Z",
        "2025-11-21T11:00:00.000+00:00",
    ],
)
def test_a_time_may_be_that_of_a_mail_or_of_iso_8601(name: str, text: str) -> None:
    assert moment(name, text) == NOW + HOUR


OVER = ["Fri, 21 Nov 2025 10:00:00 +0000", "2025-11-21T09:59:59Z", "2001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]


@pytest.mark.parametrize("text", OVER)
def test_a_time_to_send_at_that_is_over_is_now(text: str) -> None:
    assert moment("X-Relay-Send-At", text) == 0.0


@pytest.mark.parametrize("text", OVER)
def test_a_time_to_expire_at_that_is_over_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"^X-Relay-Expires-At is over already$"):
        moment("X-Relay-Expires-At", text)


def test_a_message_may_not_expire_before_it_may_be_sent() -> None:
    send_at, late = "X-Relay-Send-At: 2025-11-21T12:00:00Z", "X-Relay-Expires-At: 2025-11-21T12:00:01Z"
    assert read(send_at, late) == Labels(send_at=NOW + 2 * HOUR, expires_at=NOW + 2 * HOUR + 1)
    for early in ("X-Relay-Expires-At: 2025-11-21T12:00:00Z", "X-Relay-Expires-At: 2025-11-21T11:00:00Z"):
        with pytest.raises(Malformed, match=r"^X-Relay-Expires-At is not after X-Relay-Send-At$"):
            read(early, send_at)


def test_a_message_that_was_to_be_sent_in_the_past_may_expire_soon() -> None:
    soon = "X-Relay-Expires-At: 2025-11-21T10:00:01Z"
    assert read("X-Relay-Send-At: 2025-11-21T09:00:00Z", soon) == Labels(expires_at=NOW + 1)


@pytest.mark.parametrize("name", MOMENTS)
def test_a_time_may_be_30_days_ahead_and_no_more(name: str) -> None:
    assert moment(name, "2025-12-21T10:00:00Z") == NOW + 30 * 24 * HOUR
    for text in ("2025-12-21T10:00:01Z", "9999-12-31T23:59:59-12:00", "31 Dec 2999 10:00:00 +0000"):
        with pytest.raises(Malformed, match=f"^{name} is more than 30 days ahead$"):
            moment(name, text)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-11-21T11:00:00", "has no time zone"),
        ("2025-11-21", "has no time zone"),
        ("tomorrow", "is no date"),
        ("1763719200", "is no date"),
        ("31 Nov 2025 11:00:00 +0000", "is no date"),
        ("21 Xyz 2025 11:00:00 +0000", "is no date"),
        ("21 Nov 2025 11:00:00 +9999", "is no date"),
        ("21 Nov 25 11:00:00 +0000", "is no date"),
        ("21 Nov 2025 11:00:00", "is no date"),
        ("2025-11-21T25:00:00Z", "is no date"),
        ("", "is empty"),
    ],
)
def test_a_time_that_is_none_is_refused(name: str, text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=f"^{name} {reason}"):
        moment(name, text)


@pytest.mark.parametrize(
    "fields",
    [
        ["x"],
        ["=x"],
        ["x="],
        [""],
        ["a b=c"],
        ["a=ü"],
        ["a=" + "x" * 201],
        ["x" * 65 + "=a"],
        ["a=1", "a=2"],
        ["good=1", "bad"],
        [f"n{number}=x" for number in range(21)],
    ],
)
def test_a_tag_is_a_name_and_a_value_and_there_are_20_at_most(fields: list[str]) -> None:
    assert len(read(*(f"X-Relay-Tag: n{number}={'x' * 200}" for number in range(20))).tags) == 20
    with pytest.raises(Malformed, match=r"^X-Relay-Tag is not name=value, or there are more than 20 or two of one name$"):
        read(*(f"X-Relay-Tag: {field}" for field in fields))


SES_TAGS = "x-ses-message-tags"


def test_what_is_said_to_ses_is_read_only_where_it_is_obeyed() -> None:
    fields = ("X-SES-MESSAGE-TAGS: campaign=spring,\r\n  kind = first-mail", "x-ses-configuration-set: other_2")
    assert read(*fields) == Labels()
    found = read(*fields, with_ses=True)
    assert (found.ses_tags, found.configuration_set) == ((("campaign", "spring"), ("kind", "first-mail")), "other_2")
    assert read("X-SES-Source-ARN: x", with_ses=True) == Labels()


@pytest.mark.parametrize(
    "value", ["", "a", "a=", "=a", "a=b,", "a=b c", "a=b@c", "a=b,a=c", "relay_id=x", "a=b,relay_try=2", "ü=a"]
)
def test_tags_that_ses_would_not_take_or_that_are_ours_are_refused(value: str) -> None:
    with pytest.raises(Malformed, match=r"^X-SES-MESSAGE-TAGS is not name=value"):
        read(f"{SES_TAGS}: {value}", with_ses=True)


@pytest.mark.parametrize("value", ["a b", "ü", "x" * 65, "a.b"])
def test_a_configuration_set_that_can_be_none_is_refused(value: str) -> None:
    with pytest.raises(Malformed, match=r"^X-SES-CONFIGURATION-SET is"):
        read(f"X-SES-CONFIGURATION-SET: {value}", with_ses=True)
