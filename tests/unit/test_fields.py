"""Header fields as we write them: no octet of anybody else ends a line, and two readers read back what was written."""

from __future__ import annotations

import email
import re
from contextlib import suppress
from email.policy import default
from time import thread_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.reading import mime
from relay.writing import fields

# Everything that may be written: no control characters, no halves of surrogate pairs.
PRINTABLE = st.characters(exclude_categories=["Cc", "Cs"])
TEXTS = st.text(PRINTABLE, max_size=200) | st.text("=?utf-8qQbB_Aäя😀 ", max_size=60)
NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,30}\Z")


def read_by_mime(field: bytes) -> str:
    parsed = mime.read(b"X-Before: 1\r\n" + field + b"X-Behind: 2\r\n\r\nbody\r\n")
    assert [header.name for header in parsed.headers][::2] == ["x-before", "x-behind"]
    return mime.text(mime.unfold(parsed.headers[1].value))


def read_by_python(field: bytes) -> str:
    message = email.message_from_bytes(b"X-Before: 1\r\n" + field + b"X-Behind: 2\r\n\r\nbody\r\n", policy=default)
    names, values = message.keys(), message.values()
    assert (names[0], names[2], message.get_payload()) == ("X-Before", "X-Behind", "body\r\n")
    return str(values[1])


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(NAMES.map("X-T-".__add__), TEXTS)
@example("X-T-A", "")
@example("X-T-A", " leading and trailing ")
@example("X-T-A", "two  blanks   and three")
@example("X-T-A", "=?utf-8?q?not_encoded_by_us?=")
@example("X-T-A", "x" * 300)
@example("X-T-A", "line\u2028separator\u2029and\xa0space")
@example("X-T-" + "A" * 36, "😀" * 40)
def test_what_is_written_is_read_back_by_two_readers(name: str, text: str) -> None:
    field = fields.written(name, text)
    assert field.startswith(name.encode() + b":")
    assert re.fullmatch(rb"(?:[ -~]*[!-~][ -~]*\r\n(?: (?=.)|\Z))+", field)
    assert read_by_mime(field) == text
    assert read_by_python(field) == text


@given(st.text(PRINTABLE, min_size=1, max_size=400))
def test_lines_have_76_octets_at_most_where_there_is_a_space_to_break_them(text: str) -> None:
    for line in fields.written("Subject", text).split(b"\r\n"):
        assert len(line) <= 76 or b" " not in line[9:].strip()


@given(st.text(max_size=20), st.sampled_from([*map(chr, range(32)), "\x7f", "\x85", "\x9b"]), st.text(max_size=20))
def test_a_control_character_is_never_written(before: str, control: str, behind: str) -> None:
    with pytest.raises(ValueError, match="not to be written"):
        fields.written("Subject", before + control + behind)
    with pytest.raises(ValueError, match="not to be written"):
        fields.written(f"X-{control}A", "text")


@pytest.mark.parametrize("name", ["", "Sub ject", "Subject:", "Sübject", "Subject\r\nBcc", "X" * 41, "a\tb"])
def test_a_name_that_is_none_is_never_written(name: str) -> None:
    with pytest.raises(ValueError, match="not to be written"):
        fields.written(name, "text")


@pytest.mark.parametrize("text", ["\r\nBcc: x@example.net", "a\nBcc: x", "a\rBcc: x", "a\0b", "\ud800", "ä\r\n\r\nbody"])
def test_no_header_can_be_put_in_through_a_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"not to be written|surrogates not allowed"):
        fields.written("Subject", text)


OCTETS = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\xff", b" ", b":", b"A", b"Bcc: x", b"\x01", b"\t"]), max_size=4
)


@given(OCTETS.map(b"".join), st.lists(st.tuples(OCTETS.map(b"".join), OCTETS.map(b"".join)), max_size=3))
def test_a_field_of_any_octets_is_one_field_or_none(name: bytes, words: list[tuple[bytes, bytes]]) -> None:
    """Folded at most: the lower floor gets its words, and their folds, out of a field that was read."""
    try:
        field = fields.field(b"X-" + name, [fields.Word(*word) for word in words])
    except ValueError:
        return
    assert field.isascii()
    assert b"\0" not in field
    assert re.fullmatch(rb"X-[!-9;-~]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n", field)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Order 42", b"Order 42"),
        ("Grüße", b"=?utf-8?b?R3LDvMOfZQ==?="),
        ("Wir sind im Süden", b"=?utf-8?q?Wir_sind_im_S=C3=BCden?="),
        ("Привет", b"=?utf-8?b?0J/RgNC40LLQtdGC?="),
        ("a=?b", b"=?utf-8?q?a=3D=3Fb?="),
    ],
)
def test_the_shorter_encoding_is_taken(text: str, written: bytes) -> None:
    assert fields.written("Subject", text) == b"Subject: " + written + b"\r\n"


# Fields that are only folded.

LONG_FIELDS = st.lists(st.tuples(st.sampled_from([b" ", b"\t", b"  ", b" \t", b"\r\n "]), st.integers(1, 400)), min_size=1)


@given(LONG_FIELDS, st.sampled_from([b"", b" ", b"\t \t"]))
def test_a_folded_field_differs_in_folds_alone(words: list[tuple[bytes, int]], trailing: bytes) -> None:
    field = b"References:" + b"".join(white + b"<" + b"x" * length for white, length in words) + trailing + b"\r\n"
    folded = fields.folded(field)
    assert folded.replace(b"\r\n", b"") == field.replace(b"\r\n", b"")
    assert folded.endswith(b"\r\n")
    for line in folded.split(b"\r\n"):
        assert len(line) <= 998
    for line in folded.split(b"\r\n")[1:-1]:
        assert line.strip()
        assert line.startswith((b" ", b"\t"))


@pytest.mark.parametrize(
    "value", [b" " + b"x" * 998, b"x" * 990, b" x" + b" " * 990, b" " * 990 + b"x" * 9, b" x " + b"y" * 999]
)
def test_what_white_space_cannot_break_is_not_written(value: bytes) -> None:
    with pytest.raises(ValueError, match="header line too long"):
        fields.folded(b"X-Longest:" + value + b"\r\n")


@pytest.mark.parametrize("value", [b" " * 99_000, b" " * 99_000 + b"x", b"x" + b"\r\n " * 30_000, b"x " * 45_000])
def test_the_longest_header_there_may_be_is_folded_in_a_moment(value: bytes) -> None:
    began = thread_time()
    with suppress(ValueError):
        fields.folded(b"X:" + value + b"\r\n")
    assert thread_time() - began < 3  # the square of its length would take minutes


def test_a_name_is_left_alone_on_its_line_only_where_it_must_be() -> None:
    assert fields.folded(b"X: " + b"x" * 500 + b" y\r\n") == b"X: " + b"x" * 500 + b"\r\n y\r\n"
    assert fields.folded(b"Subject: " + b"x" * 990 + b"\r\n") == b"Subject:\r\n " + b"x" * 990 + b"\r\n"
