from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import errors
from relay.errors import Refused
from relay.replies import Reply, printable, reply_to

# The exact lines that were decided on. Clients match on them: the misspelling stays.
LINES: list[tuple[Refused, str, str]] = [
    (errors.NotAuthenticated(), "554 5.7.0 Must authenticate before sending mail", "554 Must authenticate before sending mail"),
    (
        errors.AttachmentNotAllowed("exe"),
        "554 5.7.1 Not allowed attachement type exe",
        "554 Not allowed attachement type exe",
    ),
    (errors.MessageTooLarge(), "554 5.3.4 Message exceeds fixed size limit", "554 Message exceeds fixed size limit"),
    (
        errors.InvalidRecipient("nobody@nowhere"),
        "554 5.1.3 Invalid recipient address: nobody@nowhere",
        "554 Invalid recipient address: nobody@nowhere",
    ),
    (
        errors.SenderNotAllowed("boss@example.org"),
        "554 5.7.1 Disallowed source address: boss@example.org",
        "554 Disallowed source address: boss@example.org",
    ),
    (
        errors.Malformed("no From header"),
        "554 5.6.0 Malformed message: no From header",
        "554 Malformed message: no From header",
    ),
    (
        errors.SenderNotVerified("shop@example.org", "not verified at SES"),
        "554 5.7.1 Disallowed source address: shop@example.org (not verified at SES)",
        "554 Disallowed source address: shop@example.org (not verified at SES)",
    ),
    (errors.InternalFault(), "451 4.3.0 Internal server error", "451 Internal server error"),
    (errors.StoreUnavailable(), "451 4.3.0 Internal server error", "451 Internal server error"),
    (errors.TooManyRecipients(), "554 5.5.3 Only one recipient per message", "554 Only one recipient per message"),
]

# Where only the codes were decided on.
CODES: list[tuple[Refused, str]] = [
    (errors.WrongLogin(), "535 5.7.8 "),
    (errors.EncryptionRequiredForLogin(), "538 5.7.11 "),
    (errors.EncryptionRequired(), "530 5.7.0 "),
    (errors.RecipientSuppressed("hard_bounce since 2026-11-21"), "550 5.1.1 "),
    (errors.NoRoom(), "452 4.3.1 "),
    (errors.DoorClosed(), "452 4.3.1 "),
    (errors.DiskFull(), "452 4.3.1 "),
    (errors.StoreLocked(), "451 4.3.0 "),
    (errors.NotAscii("jörg@example.net"), "553 5.6.7 "),
    (errors.MailLoop(), "554 5.4.6 "),
]

WITH_SUBJECT: list[type[Refused]] = [
    errors.AttachmentNotAllowed,
    errors.InvalidRecipient,
    errors.Malformed,
    errors.RecipientSuppressed,
    errors.SenderNotAllowed,
    errors.SenderNotVerified,
]


def all_below(kind: type[Refused]) -> Iterator[type[Refused]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from all_below(sub)


@pytest.mark.parametrize(("refusal", "line", "bare"), LINES)
def test_a_refusal_is_told_in_exactly_these_words(refusal: Refused, line: str, bare: str) -> None:
    assert reply_to(refusal).line() == f"{line}\r\n".encode("ascii")


@pytest.mark.parametrize(("refusal", "line", "bare"), LINES)
def test_without_enhanced_codes_the_text_stands_right_behind_the_code(refusal: Refused, line: str, bare: str) -> None:
    assert reply_to(refusal).line(enhanced=False) == f"{bare}\r\n".encode("ascii")


@pytest.mark.parametrize(("refusal", "codes"), CODES)
def test_a_refusal_has_exactly_these_codes(refusal: Refused, codes: str) -> None:
    assert reply_to(refusal).line().decode("ascii").startswith(codes)
    assert reply_to(refusal).line(enhanced=False).decode("ascii").startswith(codes[:4])
    assert codes[4:] not in reply_to(refusal).line(enhanced=False).decode("ascii")


def test_a_suppressed_recipient_is_told_why_and_since_when() -> None:
    line = reply_to(errors.RecipientSuppressed("hard_bounce since 2026-11-21")).line()
    assert line.endswith(b"hard_bounce since 2026-11-21\r\n")


@pytest.mark.parametrize("kind", list(all_below(errors.RefusedForGood)))
def test_what_is_refused_for_good_is_5xx_twice(kind: type[Refused]) -> None:
    reply = reply_to(kind("x"))
    assert 500 <= reply.code <= 599
    assert reply.enhanced.startswith("5.")


@pytest.mark.parametrize("kind", list(all_below(errors.RefusedForNow)))
def test_what_is_refused_for_now_is_4xx_twice(kind: type[Refused]) -> None:
    reply = reply_to(kind("x"))
    assert 400 <= reply.code <= 499
    assert reply.enhanced.startswith("4.")


def test_a_refusal_in_no_table_is_our_own_fault() -> None:
    class New(errors.RefusedForGood):
        pass

    assert reply_to(New("x")).line() == b"451 4.3.0 Internal server error\r\n"


@pytest.mark.parametrize("kind", WITH_SUBJECT)
@pytest.mark.parametrize("subject", ["a\r\n250 Ok", "a\nb", "a\rb", "a\0b", "a\x1b[2Jb", "a\x85b", "a\u2028b", "a\x7fb"])
def test_control_characters_cannot_write_lines_of_ours(kind: type[Refused], subject: str) -> None:
    line = reply_to(kind(subject)).line()
    assert line.endswith(b"\r\n")
    assert all(0x20 <= octet < 0x7F for octet in line[:-2])


@given(st.sampled_from(WITH_SUBJECT), st.text(), st.booleans())
def test_whatever_the_subject_a_reply_is_one_printable_line(kind: type[Refused], subject: str, enhanced: bool) -> None:
    line = reply_to(kind(subject)).line(enhanced=enhanced)
    assert line.endswith(b"\r\n")
    assert all(0x20 <= octet < 0x7F for octet in line[:-2])


@pytest.mark.parametrize("kind", WITH_SUBJECT)
@pytest.mark.parametrize("subject", ["a" * 10_000, "ä" * 10_000, "\U0001f600" * 10_000])
def test_a_reply_is_no_longer_than_512_octets(kind: type[Refused], subject: str) -> None:
    # RFC 5321 4.5.3.1.5: code, text and CRLF together.
    assert len(reply_to(kind(subject)).line()) <= 512


@pytest.mark.parametrize("subject", ["{subject}", "{0}", "{", "}", "%s", "{subject.__class__}"])
def test_braces_in_a_subject_are_only_braces(subject: str) -> None:
    assert reply_to(errors.InvalidRecipient(subject)).text == f"Invalid recipient address: {subject}"


def test_an_address_of_the_longest_kind_is_told_whole() -> None:
    found = f"{'a' * 64}@{'.'.join(['b' * 62] * 4)}.net"
    assert reply_to(errors.SenderNotAllowed(found)).text.endswith(found)


def test_a_reply_without_an_enhanced_code_has_no_gap() -> None:
    assert Reply(354, "", "Go on").line() == b"354 Go on\r\n"


def test_printable_keeps_what_people_can_read() -> None:
    assert printable("Grüße, Ωmega <a@example.com>!") == "Grüße, Ωmega <a@example.com>!"


def test_a_control_character_leaves_a_question_mark() -> None:
    assert printable("a\r\nb\0\x1bc") == "a??b??c"


def test_a_text_without_end_is_cut() -> None:
    assert 320 <= len(printable("a" * 10_000)) <= 500


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    assert all(c.isprintable() for c in printable(text))
