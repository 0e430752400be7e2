"""What changes of the header, and that nothing else does. Lines that are too long: test_long_lines.py."""

from __future__ import annotations

import mmap
import string
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.model import Edit
from relay.reading import mime
from relay.writing import edits

NOW = datetime(2025, 1, 15, 10, 20, 30, tzinfo=UTC).timestamp()
ID = "01JHN5Q8Z40000000000000000"


def mapped(content: bytes) -> mmap.mmap:
    """The content as a mapped file is seen, without a file."""
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


def needed(content: bytes | mmap.mmap) -> tuple[Edit, ...]:
    parsed = mime.read(content)
    return edits.needed(content, parsed, message_id=ID, hostname="relay.example.com", protocol="ESMTPSA", now=NOW)


def sent(content: bytes) -> bytes:
    return b"".join(edits.edited(content, needed(content)))


def names_after(content: bytes) -> list[str]:
    return [h.name for h in mime.read(sent(content)).headers]


COMPLETE = (
    b"From: shop@example.com\r\nTo: anna@example.net\r\nDate: Wed, 15 Jan 2025 10:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\nSubject: Order 42\r\n\r\nBcc: in the body stays\r\n"
)


def test_a_complete_message_only_gets_a_received_line() -> None:
    result = sent(COMPLETE)
    assert result.endswith(COMPLETE)
    assert [h.name for h in mime.read(result).headers][:2] == ["received", "from"]


def test_the_received_line_says_who_how_and_when_but_not_from_where() -> None:
    received = mime.read(sent(COMPLETE)).first("received").decode()
    words, _, date = received.partition(";")
    assert words == f"by relay.example.com with ESMTPSA id {ID}"
    assert parsedate_to_datetime(date.strip()).replace(tzinfo=UTC).timestamp() == NOW


@pytest.mark.parametrize("name", ["Date", "Message-ID", "To"])
def test_what_is_missing_is_added_once(name: str) -> None:
    lines = [line for line in COMPLETE.split(b"\r\n") if not line.startswith(name.encode())]
    after = names_after(b"\r\n".join(lines))
    assert sorted(after) == sorted(["received", *names_after(COMPLETE)[1:]])


def test_what_is_added_has_a_meaning() -> None:
    parsed = mime.read(sent(b"From: shop@example.com\r\n\r\nx\r\n"))
    assert parsed.first("message-id") == f"<{ID}@relay.example.com>".encode()
    assert parsed.first("to") == b"undisclosed-recipients:;"
    assert parsedate_to_datetime(parsed.first("date").decode()).replace(tzinfo=UTC).timestamp() == NOW


@pytest.mark.parametrize("name", [b"date", b"DATE", b"Date"])
def test_what_is_there_in_any_case_is_not_added(name: bytes) -> None:
    assert names_after(COMPLETE.replace(b"Date:", name + b":")).count("date") == 1


@pytest.mark.parametrize(
    ("recipients", "added"),
    [
        (b"To: a@example.net\r\n", False),
        (b"Cc: a@example.net\r\n", False),
        (b"To: a@example.net\r\nCc: b@example.net\r\nBcc: c@example.net\r\n", False),
        (b"Bcc: a@example.net\r\n", True),
        (b"", True),
    ],
)
def test_undisclosed_recipients_stand_in_only_where_neither_to_nor_cc_remains(recipients: bytes, added: bool) -> None:
    result = sent(b"From: shop@example.com\r\n" + recipients + b"\r\nx\r\n")
    assert (b"\r\nTo: undisclosed-recipients:;\r\n" in result) is added
    assert b"Bcc" not in result


@pytest.mark.parametrize(
    "line",
    [
        b"Bcc: secret@example.net\r\n",
        b"BCC: secret@example.net\r\n",
        b"bcc:secret@example.net\r\n",
        b"Resent-Bcc: secret@example.net\r\n",
        b"Bcc: one@example.net,\r\n secret@example.net,\r\n\tthree@example.net\r\n",
        b"Bcc:\r\n secret@example.net\r\n",
        b"Bcc: secret@example.net\r\nBcc: another@example.net\r\n",
        b"Return-Path: <secret@example.net>\r\n",
        b"RETURN-PATH: <secret@example.net>\r\n",
        b"X-SES-CONFIGURATION-SET: secret\r\n",
        b"x-ses-message-tags: secret=1\r\n",
        b"X-Ses-Tenant:\r\n secret\r\n",
        b"X-SES-LIST-MANAGEMENT-OPTIONS: secret; topic=x\r\n",
        b"X-SES-SOURCE-ARN: secret\r\nX-SES-FROM-ARN: secret\r\nX-SES-RETURN-PATH-ARN: secret\r\n",
        b"X-SES-: secret\r\n",
        b"X-Relay-Id: secret\r\n",
        b"X-RELAY-CAMPAIGN: secret\r\n",
        b"x-relay-tag: one\r\n secret\r\n",
        b"X-Playpen-Recipients: secret@example.net\r\n",
    ],
)
@pytest.mark.parametrize("before", range(5))
def test_what_must_not_go_out_is_taken_out_whole(line: bytes, before: int) -> None:
    where = mime.read(COMPLETE).headers[before].start
    assert sent(COMPLETE[:where] + line + COMPLETE[where:]) == sent(COMPLETE)


@pytest.mark.parametrize(
    "line",
    [
        b"X-Bcc: stays\r\n",
        b"Bcc-X: stays\r\n",
        b"X-Return-Path: stays\r\n",
        b"X-SESSION: stays\r\n",
        b"X-SES: stays\r\n",
        b"SES-X: stays\r\n",
        b"X-Relayed: stays\r\n",
        b"X-Mailer: stays\r\n",
        b"X-CiviMail-Bounce: stays\r\n",
        b"Received: stays\r\n",
        b"DKIM-Signature: stays\r\n",
        b"Comments: X-SES-TENANT: stays\r\n",
        b"Comments: a fold\r\n Bcc: stays\r\n",
    ],
)
def test_everything_else_goes_out_to_the_octet(line: bytes) -> None:
    content = line + COMPLETE
    assert sent(content).endswith(content)


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20)), max_size=8),
    st.binary(max_size=20),
)
def test_everything_outside_of_the_edits_is_kept_to_the_octet(pieces: list[tuple[bytes, bytes, bytes]], rest: bytes) -> None:
    content, expected, changes = b"", b"", []
    for kept, replaced, text in pieces:
        start = len(content) + len(kept)
        changes.append(Edit(start, start + len(replaced), text))
        content += kept + replaced
        expected += kept + text
    assert b"".join(edits.edited(content + rest, changes)) == expected + rest
    if content + rest:
        assert b"".join(edits.edited(mapped(content + rest), changes)) == expected + rest


def test_without_edits_the_content_is_what_it_was() -> None:
    assert b"".join(edits.edited(COMPLETE, ())) == COMPLETE
    assert b"".join(edits.edited(b"", ())) == b""


def test_a_mapped_file_is_edited_like_bytes() -> None:
    content = b"Bcc: x@example.net\r\n" + COMPLETE
    memory = mapped(content)
    assert needed(memory) == needed(content)
    assert b"".join(edits.edited(memory, needed(memory))) == sent(content)


# Any ordinary message.

NAMES = st.sampled_from(
    ["X-Mailer", "Received", "Comments", "List-Id", "X-Odd", "Cc", "Reply-To", "References", "X-CiviMail-Bounce", "Priority"]
)
REMOVED = st.sampled_from(["Bcc", "RETURN-PATH", "x-ses-tenant", "X-Relay-Anything", "X-SES-"])
VALUES = st.lists(st.text(string.ascii_letters + "<>@.,;:=?_'", min_size=1, max_size=30), min_size=1, max_size=12).flatmap(
    lambda words: st.sampled_from([" ", "\t ", "\r\n ", "\r\n\t"]).map(lambda space: " " + space.join(words))
)
LINES = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=120)
BODIES = st.lists(LINES, max_size=8).map("\r\n".join)


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES | REMOVED, VALUES), max_size=8, unique_by=lambda field: field[0].lower()), BODIES)
def test_of_an_ordinary_message_all_is_kept_but_what_is_removed(fields: list[tuple[str, str]], body: str) -> None:
    head = "From: shop@example.com\r\nTo: anna@example.net\r\nDate: x\r\nMessage-ID: <1@example.com>\r\nSubject: x\r\n"
    lines = [f"{name}:{value}\r\n" for name, value in fields]
    kept = [line for line in lines if not line.lower().startswith(("bcc:", "return-path:", "x-ses-", "x-relay-"))]
    content = "".join((head, *lines, "\r\n", body)).encode()
    received, _, rest = sent(content).partition(b" -0000\r\n")
    assert received.startswith(b"Received: by relay.example.com with ESMTPSA id ")
    assert rest == "".join((head, *kept, "\r\n", body)).encode()


ODD_FIELDS = st.sampled_from(
    [
        "Bcc: x@example.net",
        "X-SES-A: ü",
        "Cc:",
        "Cc: Süden <a@example.net>",
        "Keywords: a\r\nKeywords: b",
        "DKIM-Signature: h=from:date; b=x",
        "Subject: Grüße aus dem\r\n Süden " + "und Norden " * 20,
        "Comments: " + "word " * 250,
        "References: " + "<1@example.com>\t" * 90,
        "Content-Type: text/plain; charset=utf-8; name=Süden.txt",
        "Content-Disposition: inline; filename=" + "Süden" * 20,
        "Content-Transfer-Encoding: 8bit",
        "MIME-Version: 1.0",
        "X-Odd: " + "ü" * 200,
    ]
)
ODD_BODIES = st.sampled_from(["x", "Grüße\r\n", "x" * 2000, "Привет " * 300 + "\r\n--x\r\n"])


@settings(deadline=None)
@given(st.lists(ODD_FIELDS, unique=True), ODD_BODIES)
def test_what_goes_out_would_go_out_again_as_it_is(fields: list[str], body: str) -> None:
    content = "".join(f"{field}\r\n" for field in ("From: shop@example.com", *fields, "")).encode() + body.encode()
    result = sent(content)
    assert result.isascii()
    assert max(map(len, result.split(b"\r\n"))) <= 998
    (received,) = needed(result)
    assert (received.start, received.end) == (0, 0)
    assert received.text.count(b"\r\n") == 2
    assert needed(mapped(content)) == needed(content)
