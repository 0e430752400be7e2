"""Headers that may be there once, empty ones, and signatures that SES would break."""

from __future__ import annotations

import pytest

from relay.errors import Malformed
from tests.unit.test_edits import COMPLETE, names_after, needed, sent

# The headers that SES takes once only, as its developer guide lists them under "Email header fields".
ONCE_AT_SES = """Accept-Language acceptLanguage Archived-At Auto-Submitted Bounces-to Comments Content-Alternative
    Content-Base Content-Class Content-Description Content-Disposition Content-Duration Content-ID Content-Language
    Content-Length Content-Location Content-MD5 Content-Transfer-Encoding Content-Type Date Delivered-To
    Disposition-Notification-Options Disposition-Notification-To DKIM-Signature DomainKey-Signature Errors-To From
    Importance In-Reply-To Keywords List-Archive List-Help List-Id List-Owner List-Post List-Subscribe List-Unsubscribe
    List-Unsubscribe-Post Message-Context Message-ID MIME-Version Organization Original-From Original-Message-ID
    Original-Recipient Original-Subject Precedence Priority References Reply-To Return-Path Return-Receipt-To Sender
    Solicitation Sensitivity Subject Thread-Index Thread-Topic To User-Agent VBR-Info""".split()

REFUSED = [name for name in ONCE_AT_SES if name in ("From", "Sender", "To", "Subject", "Reply-To") or name[:8] == "Content-"]
ALL_DROPPED = ["DKIM-Signature", "DomainKey-Signature", "Return-Path"]
FIRST_KEPT = [name for name in ONCE_AT_SES if name not in (*REFUSED, *ALL_DROPPED)]


def once(name: str) -> bytes:
    """A complete message without a header."""
    return b"".join(line for line in COMPLETE.splitlines(True) if not line.lower().startswith(name.lower().encode() + b":"))


def twice(name: str) -> bytes:
    value = b"text/plain" if name == "Content-Type" else b"7bit" if name == "Content-Transfer-Encoding" else b"one"
    line = name.encode() + b": " + value + b"\r\n"
    return (
        line + name.upper().encode() + b": " + value + b",\r\n two\r\n" + once(name) if value == b"one" else line * 2 + COMPLETE
    )


@pytest.mark.parametrize("name", FIRST_KEPT)
def test_of_a_header_that_ses_takes_once_the_first_is_kept(name: str) -> None:
    assert sent(twice(name)).endswith(f";\r\n\tWed, 15 Jan 2025 10:20:30 -0000\r\n{name}: one\r\n".encode() + once(name))


@pytest.mark.parametrize("name", REFUSED)
def test_a_second_header_that_readers_may_show_in_place_of_the_first_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match=f"(?i)^more than one {name} header$"):
        needed(twice(name))


def test_any_content_header_is_taken_once() -> None:
    with pytest.raises(Malformed, match="more than one Content-Features header"):
        needed(b"Content-Features: a\r\nContent-features: a\r\n" + COMPLETE)


@pytest.mark.parametrize("name", ["Received", "X-Mailer", "Cc", "Resent-From", "ARC-Seal", "X-Original-To"])
def test_other_headers_may_be_there_any_number_of_times(name: str) -> None:
    content = f"{name}: one\r\n{name}: two\r\n{name}: one\r\n".encode() + COMPLETE
    assert sent(content).endswith(content)


def test_of_three_the_first_is_kept_wherever_it_stands() -> None:
    content = b"Delivered-To: a\r\nX: 1\r\nDelivered-To: b\r\n" + COMPLETE.replace(
        b"\r\n\r\n", b"\r\nDelivered-To: c\r\n\r\n", 1
    )
    assert sent(content).endswith(b"\r\nDelivered-To: a\r\nX: 1\r\n" + COMPLETE)


def test_a_repeated_header_inside_of_a_part_is_none_of_ours() -> None:
    repeated = b"Keywords: a\r\nKeywords: b\r\nSubject: a\r\nSubject: b\r\n"
    nested = b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + repeated + b"\r\nx\r\n--b--\r\n"
    content = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n" + COMPLETE + nested
    assert sent(content).endswith(content)


@pytest.mark.parametrize("empty", [b"To:\r\n", b"To: \r\n", b"TO: \t\r\n", b"Cc:\r\n", b"CC:  \r\n"])
def test_an_empty_recipient_header_is_removed(empty: bytes) -> None:
    rest = COMPLETE.replace(b"To: anna@example.net\r\n", b"")
    assert sent(rest.replace(b"Date:", empty + b"Date:")) == sent(rest)
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in sent(empty + rest)


def test_an_empty_to_beside_a_cc_is_removed_and_nothing_is_put_in_its_place() -> None:
    content = COMPLETE.replace(b"To: anna@example.net", b"To:\r\nCc: anna@example.net")
    assert sent(content).endswith(content.replace(b"To:\r\n", b""))
    assert names_after(content).count("to") == 0


# What SES writes anew is the Date and the Message-ID.
WHOLE = b"v=1; a=rsa-sha256; d=example.com; s=a;\r\n\th=%s; bh=aGFzaD0=; b=c2lnbmF0dXJl"


@pytest.mark.parametrize("name", [b"DKIM-Signature", b"dkim-signature", b"DomainKey-Signature"])
@pytest.mark.parametrize(
    "covered",
    [b"from:date", b"From : Subject :\r\n\t Date", b"message-id", b"from:MESSAGE-ID:to", b"\r\n from:to:\r\n Message-Id"],
)
def test_a_signature_that_ses_would_break_is_dropped(name: bytes, covered: bytes) -> None:
    assert sent(name + b": " + WHOLE % covered + b"\r\n" + COMPLETE) == sent(COMPLETE)


@pytest.mark.parametrize("name", [b"DKIM-Signature", b"DomainKey-Signature"])
@pytest.mark.parametrize("covered", [b"from", b"from:to:subject", b"from:x-date:date-x:resent-date:resent-message-id", b""])
def test_a_signature_that_holds_is_kept(name: bytes, covered: bytes) -> None:
    content = name + b": " + WHOLE % covered + b"\r\n" + COMPLETE
    assert sent(content).endswith(content)


@pytest.mark.parametrize("name", [b"DKIM-Signature", b"DomainKey-Signature"])
def test_of_several_signatures_none_is_kept(name: bytes) -> None:
    line = name + b": " + WHOLE % b"from:to" + b"\r\n"
    assert sent(line + line + COMPLETE) == sent(COMPLETE)


def test_a_signature_that_names_no_headers_covers_all_or_none() -> None:
    assert sent(b"DomainKey-Signature: a=rsa-sha1; bh=date; d=example.com\r\n" + COMPLETE) == sent(COMPLETE)
    content = b"DKIM-Signature: v=1; bh=date; d=example.com\r\n" + COMPLETE
    assert sent(content).endswith(content)


def test_signatures_of_both_kinds_are_judged_each_by_itself() -> None:
    kept = b"DKIM-Signature: " + WHOLE % b"from:to" + b"\r\n"
    dropped = b"DomainKey-Signature: " + WHOLE % b"from:date" + b"\r\n"
    assert sent(kept + dropped + COMPLETE) == sent(kept + COMPLETE)
