from __future__ import annotations

import mmap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.reading import mime
from relay.reading.mime import Parsed

SIMPLE = b"From: shop@example.com\r\nTo: anna@example.net\r\nSubject: Order 42\r\n\r\nHello\r\n"

NESTED = (
    b"From: shop@example.com\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n'
    b"\r\n"
    b"This is the preamble.\r\n"
    b"--outer\r\n"
    b"Content-Type: multipart/alternative; boundary=inner\r\n"
    b"\r\n"
    b"--inner\r\n"
    b"\r\n"
    b"plain\r\n"
    b"--inner\r\n"
    b"Content-Type: text/html\r\n"
    b"\r\n"
    b"<p>rich\r\n"
    b"--inner--\r\n"
    b"--outer\r\n"
    b'Content-Type: application/pdf; name="offer.pdf"\r\n'
    b"\r\n"
    b"%PDF\r\n"
    b"--outer--\r\n"
    b"This is the epilogue.\r\n"
)


def mapped(content: bytes) -> mmap.mmap:
    """The content as a mapped file is seen, without a file."""
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


def types(parsed: Parsed) -> list[str]:
    return [part.content_type for part in sorted(parsed.parts, key=lambda part: (part.start, -part.end))]


def bodies(content: bytes, parsed: Parsed) -> list[bytes]:
    found = [p for p in parsed.parts if not p.content_type.startswith(("multipart/", "message/"))]
    return [content[part.start : part.end] for part in sorted(found, key=lambda part: part.start)]


def multipart(boundary: bytes, *sections: bytes, close: bytes = b"--") -> bytes:
    mark = b"--" + boundary
    return b"".join(mark + b"\r\n" + section + b"\r\n" for section in sections) + mark + close + b"\r\n"


def message(content_type: bytes, body: bytes) -> bytes:
    return b"From: shop@example.com\r\nContent-Type: " + content_type + b"\r\n\r\n" + body


# Headers.


def test_headers_are_read_in_order_with_lower_case_names() -> None:
    parsed = mime.read(b"From: a@example.com\r\nX-Two:  2 \r\nX-TWO:3\r\nSubject:\r\n\r\nbody\r\n")
    assert [(h.name, h.value) for h in parsed.headers] == [
        ("from", b" a@example.com"),
        ("x-two", b"  2 "),
        ("x-two", b"3"),
        ("subject", b""),
    ]
    assert parsed.all("x-two") == [b"2", b"3"]
    assert parsed.first("x-two") == b"2"
    assert parsed.all("to") == []
    assert parsed.first("to") == b""


@pytest.mark.parametrize("content", [SIMPLE, NESTED, b"A:1\r\nB: 2\r\n\t3\r\n\r\nx", b"A: 1\r\n\r\n"])
def test_offsets_cut_out_exactly_the_lines_of_a_header(content: bytes) -> None:
    headers = mime.read(content).headers
    assert headers
    assert b"".join(content[h.start : h.end] for h in headers) == content[: content.index(b"\r\n\r\n") + 2]
    for header in headers:
        line = content[header.start : header.end]
        assert line.lower().startswith(header.name.encode() + b":")
        assert line.endswith(header.value + b"\r\n")


def test_a_folded_header_is_one_header_and_reads_as_one_line() -> None:
    content = b"From: a@example.com\r\nSubject: one\r\n two\r\n\tthree\r\nTo: b@example.com\r\n\r\nx\r\n"
    parsed = mime.read(content)
    assert [h.name for h in parsed.headers] == ["from", "subject", "to"]
    assert parsed.first("subject") == b"one two\tthree"
    subject = parsed.headers[1]
    assert content[subject.start : subject.end] == b"Subject: one\r\n two\r\n\tthree\r\n"


@pytest.mark.parametrize(
    ("value", "line"),
    [(b" a\r\n b", b"a b"), (b"\r\n a", b"a"), (b"a\t\r\n\tb ", b"a\t\tb"), (b"", b""), (b" \t", b""), (b"a", b"a")],
)
def test_unfolding_takes_out_line_ends_and_nothing_else(value: bytes, line: bytes) -> None:
    assert mime.unfold(value) == line


def test_a_message_of_headers_alone_has_an_empty_body() -> None:
    for content in (b"From: a@example.com\r\nSubject: x\r\n", b"From: a@example.com\r\nSubject: x\r\n\r\n"):
        parsed = mime.read(content)
        assert [h.name for h in parsed.headers] == ["from", "subject"]
        assert [(p.start, p.end) for p in parsed.parts] == [(len(content), len(content))]


def test_a_message_may_have_a_body_alone() -> None:
    parsed = mime.read(b"\r\nFrom: this is text\r\n")
    assert parsed.headers == ()
    assert [(p.content_type, p.start, p.end) for p in parsed.parts] == [("", 2, 22)]


def test_what_follows_the_blank_line_is_no_header() -> None:
    assert [h.name for h in mime.read(b"A: 1\r\n\r\nBcc: 2\r\n\r\nC: 3\r\n").headers] == ["a"]


@pytest.mark.parametrize(
    "head",
    [
        b"no colon\r\n",
        b"From a@example.com Thu Jan  1 00:00:00 1970\r\n",
        b": no name\r\n",
        b" starts with a fold\r\n",
        b"\tstarts with a fold\r\n",
        b"From : space before the colon\r\n",
        b"From\t: tab before the colon\r\n",
        b"Fr om: space in the name\r\n",
        b"Fr\0om: x\r\n",
        b"Fr\x7fom: x\r\n",
        b"Fr\xc3\xb6m: x\r\n",
        b"A: 1\r\nno colon\r\nB: 2\r\n",
        b"A: bare\nB: line feed\r\n",
        b"A: bare\rB: return\r\n",
        b"A: 1\n\r\n",
        b"X-SES\r\n -CONFIGURATION-SET: x\r\n",
    ],
)
def test_a_line_that_is_no_header_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        mime.read(head + b"\r\nbody\r\n")


def test_a_malformed_header_in_a_part_is_malformed() -> None:
    with pytest.raises(Malformed):
        mime.read(message(b"multipart/mixed; boundary=b", multipart(b"b", b"no colon\r\n\r\ntext")))


@pytest.mark.timeout(4)
def test_a_long_line_without_a_colon_does_not_hang_the_reader() -> None:
    # No measurement: minutes where the search for a colon starts over at every octet, milliseconds where it does not.
    with pytest.raises(Malformed):
        mime.read(b"A" * (mime.MAX_HEADER_BLOCK - 100) + b"\r\n\r\nbody\r\n")


@pytest.mark.timeout(4)
def test_half_an_encoded_word_written_often_does_not_hang_the_reader() -> None:
    assert mime.text(b"=?a?q?x" * (mime.MAX_HEADER_BLOCK // 7))


@pytest.mark.parametrize("lines", [b"Subject: x\r\n \r\n", b"Subject:\r\n\t \r\n x\r\n"])
def test_a_header_line_of_blanks_is_malformed(lines: bytes) -> None:
    """Some take it for the end of the header."""
    with pytest.raises(Malformed, match="a header line of blanks"):
        mime.read(b"From: a@example.com\r\n" + lines + b"To: b@example.com\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    "name", [b"Content-Type: text/plain", b"Content-Transfer-Encoding: 7bit", b"Content-Disposition: inline"]
)
def test_what_says_how_a_part_is_read_may_stand_once(name: bytes) -> None:
    with pytest.raises(Malformed, match="more than one Content-"):
        mime.read(name + b"\r\n" + name.upper() + b"\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    "value",
    [
        b"multipart /mixed; boundary=b",
        b"text/plain, multipart/mixed; boundary=b",
        b'"multipart/mixed"; boundary=b',
        b"multipart/mixed boundary=b",
        b"multipart; boundary=b",
        b"message/rfc822, text/plain",
        b"message/partial; number=1; total=2; id=x",
        b"message/external-body; access-type=local-file",
    ],
)
def test_a_type_that_some_take_for_a_container_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        mime.read(message(value, b"--b\r\n\r\nx\r\n--b--\r\n"))


@pytest.mark.parametrize(
    "value", [b"text", b"text/html charset=utf-8", b"text/plain, text/html", b"", b";", b"html; charset=x"]
)
def test_a_type_that_is_none_is_text_to_all(value: bytes) -> None:
    assert mime.read(message(value, b"x\r\n")).parts[0].is_leaf


# Structure.


def test_a_simple_message_is_one_part() -> None:
    (part,) = mime.read(SIMPLE).parts
    assert (part.content_type, part.filenames) == ("", ())
    assert SIMPLE[part.start : part.end] == b"Hello\r\n"


def test_all_parts_at_every_depth_are_found() -> None:
    parsed = mime.read(NESTED)
    assert types(parsed) == ["multipart/mixed", "multipart/alternative", "", "text/html", "application/pdf"]
    assert bodies(NESTED, parsed) == [b"plain", b"<p>rich", b"%PDF"]
    assert parsed.parts[0].content_type == "multipart/mixed"
    assert [name for part in parsed.parts for name in part.filenames] == ["offer.pdf"]


def test_parts_come_in_the_order_of_the_content() -> None:
    found = [part.content_type for part in mime.read(NESTED).parts]
    assert found == ["multipart/mixed", "multipart/alternative", "", "text/html", "application/pdf"]


def test_the_headers_of_a_message_are_not_those_of_its_parts() -> None:
    assert [h.name for h in mime.read(NESTED).headers] == ["from", "content-type"]


@pytest.mark.parametrize("content_type", [b"TEXT/Plain", b" text/plain ; charset=utf-8", b"text/plain;", b"\r\n text/plain"])
def test_a_content_type_is_read_in_lower_case_without_its_parameters(content_type: bytes) -> None:
    assert mime.read(message(content_type, b"x\r\n")).parts[0].content_type == "text/plain"


@pytest.mark.parametrize(
    "parameters",
    [
        b"; boundary=b",
        b';boundary="b"',
        b"; BOUNDARY=b",
        b"; boundary = b",
        b";\r\n\tboundary=b",
        b"; charset=utf-8; boundary=b",
        b"; boundary=b;",
        b"; boundary=b (a comment)",
    ],
)
def test_a_boundary_is_found_however_it_is_written(parameters: bytes) -> None:
    content = message(b"multipart/mixed" + parameters, multipart(b"b", b"\r\none", b"\r\ntwo"))
    assert bodies(content, mime.read(content)) == [b"one", b"two"]


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        b";",
        b"; boundary",
        b"; boundary=",
        b'; boundary=""',
        b"; boundary=a; boundary=b",
        b"; boundary=b; boundary=b",
        b"; boundary*=b",
        b"; boundary*=us-ascii'en'b; boundary=b",
        b"; boundary*0=b",
        b"; boundary*0*=b",
        b'; boundary="b',
        b"; boundary='b'",
        b"; boundary=<b>",
        b'; boundary="b "',
        b"; boundary=b c",
        b'; boundary="b"c',
        b'; boundary=b"c"',
        rb'; boundary="\b"',
        b'; type="a;boundary=x"; boundary=b',
        b"; (boundary=x) boundary=b; x=(boundary=y",
        b'; boundary="\xfc"',
        b"; boundary=" + b"b" * 201,
    ],
)
def test_a_multipart_without_one_boundary_is_malformed(parameters: bytes) -> None:
    with pytest.raises(Malformed):
        mime.read(message(b"multipart/mixed" + parameters, multipart(b"b", b"\r\none")))


@pytest.mark.parametrize(("outer", "inner"), [(b"b", b"b1"), (b"b1", b"b"), (b"b", b"b-"), (b"b", b"bb"), (b"=_", b"=_=_")])
def test_a_boundary_that_begins_like_the_one_around_it_is_malformed(outer: bytes, inner: bytes) -> None:
    """RFC 2046 5.1.2 lets readers compare the beginning of a line, and many compare the whole."""
    section = b"Content-Type: multipart/alternative; boundary=" + inner + b"\r\n\r\n" + multipart(inner, b"\r\none", b"\r\ntwo")
    content = message(b"multipart/mixed; boundary=" + outer, multipart(outer, section, b"\r\nthree"))
    with pytest.raises(Malformed, match="begins like"):
        mime.read(content)


@pytest.mark.parametrize("line", [b"-- b", b"-b", b" --b", b"x--b", b"--B", b"--"])
def test_a_line_a_little_like_a_boundary_is_text(line: bytes) -> None:
    content = message(b"multipart/mixed; boundary=b", multipart(b"b", b"\r\none\r\n" + line + b"\r\ntwo"))
    assert bodies(content, mime.read(content)) == [b"one\r\n" + line + b"\r\ntwo"]


@pytest.mark.parametrize("line", [b"--bb", b"--b-", b"--b x", b"--b--x", b"--b" + b" " * 100, b"--b---"])
def test_a_line_that_begins_like_a_boundary_and_is_none_is_malformed(line: bytes) -> None:
    with pytest.raises(Malformed, match="begins like a boundary"):
        mime.read(message(b"multipart/mixed; boundary=b", multipart(b"b", b"\r\none\r\n" + line + b"\r\ntwo")))


def test_a_boundary_outside_of_its_multipart_is_malformed() -> None:
    section = b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\none\r\n--i--"
    for first, second in ((section, b"\r\n--i\r\n\r\ntwo"), (b"\r\n--i\r\n\r\ntwo", section)):
        with pytest.raises(Malformed, match="outside of its multipart"):
            mime.read(message(b"multipart/mixed; boundary=o", multipart(b"o", first, second)))


def test_a_boundary_may_be_a_word_of_the_preamble() -> None:
    content = message(b"multipart/mixed; boundary=b", b"a bad preamble\r\n" + multipart(b"b", b"\r\none") + b"b\r\n")
    assert bodies(content, mime.read(content)) == [b"one"]


def test_two_messages_of_one_program_may_have_one_boundary() -> None:
    """One that writes the same each time: its mail may be forwarded twice in one."""
    section = b"Content-Type: message/rfc822\r\n\r\n" + message(b"multipart/mixed; boundary=i", multipart(b"i", b"\r\none"))
    content = message(b"multipart/mixed; boundary=o", multipart(b"o", section, section))
    assert bodies(content, mime.read(content)) == [b"one", b"one"]


@pytest.mark.parametrize("space", [b"", b" ", b"\t", b" \t  "])
def test_white_space_behind_a_boundary_is_transport_padding(space: bytes) -> None:
    content = message(b"multipart/mixed; boundary=b", b"--b%s\r\n\r\none\r\n--b--%s\r\nepilogue\r\n" % (space, space))
    assert bodies(content, mime.read(content)) == [b"one"]


def test_without_a_closing_boundary_the_last_part_runs_to_the_end() -> None:
    content = message(b"multipart/mixed; boundary=b", b"--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n")
    parsed = mime.read(content)
    assert bodies(content, parsed) == [b"one", b"two\r\n"]
    assert types(parsed)[-1] == "text/html"


def test_an_inner_multipart_that_is_not_closed_ends_where_the_outer_one_goes_on() -> None:
    section = b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\none"
    content = message(b"multipart/mixed; boundary=o", multipart(b"o", section, b"\r\ntwo"))
    assert bodies(content, mime.read(content)) == [b"one", b"two"]


@pytest.mark.parametrize("before", [b"", b"\r\n" * 100_000])
def test_a_multipart_with_text_and_no_boundary_line_is_malformed(before: bytes) -> None:
    with pytest.raises(Malformed, match="without a boundary line"):
        mime.read(message(b"multipart/mixed; boundary=b", before + b"only text\r\n"))


@pytest.mark.parametrize("body", [b"", b"\r\n", b" \r\n\r\n", b"\r\n" * 100_000])
def test_a_multipart_of_which_only_the_header_was_returned_has_no_parts(body: bytes) -> None:
    assert types(mime.read(message(b"multipart/mixed; boundary=b", body))) == ["multipart/mixed"]


def test_preamble_and_epilogue_are_no_parts() -> None:
    body = b"preamble\r\n" + multipart(b"bound", b"\r\none") + b"epilogue\r\n-- \r\nafter the end\r\n"
    content = message(b"multipart/mixed; boundary=bound", body)
    assert bodies(content, mime.read(content)) == [b"one"]


@pytest.mark.parametrize(
    "outside", [b"--b--", b" --b", b"--B", b"-- b", b"x --b", b"Content-Type: text/html", b"\r\n content-x : 1"]
)
def test_what_looks_like_a_part_outside_of_the_parts_is_malformed(outside: bytes) -> None:
    for body in (outside + b"\r\n--b \r\n\r\nx\r\n--b--\r\n", b"--b\r\n\r\nx\r\n--b--\r\n" + outside + b"\r\n"):
        with pytest.raises(Malformed):
            mime.read(message(b"multipart/mixed; boundary=b", b"hello\r\n" + body + b"y\r\n"))


@pytest.mark.parametrize(
    ("section", "body"),
    [
        (b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n"),
        (b"Content-Type: text/plain\r\n\r\n", b""),
        (b"Content-Type: text/plain\r\n", b""),
    ],
)
def test_a_part_may_be_empty(section: bytes, body: bytes) -> None:
    content = message(b"multipart/mixed; boundary=b", multipart(b"b", section))
    parsed = mime.read(content)
    assert bodies(content, parsed) == [body]
    assert all(0 <= part.start <= part.end <= len(content) for part in parsed.parts)


@pytest.mark.parametrize("section", [b"", b"Content-Type: text/html", b"A: 1\r\nContent-Type: text/html", b"A: 1\r\n  2"])
def test_a_header_that_a_boundary_ends_is_malformed(section: bytes) -> None:
    """Some read on, to the next empty line."""
    body = b"--bound\r\n" + section + (b"\r\n" if section else b"") + b"--bound\r\n\r\none\r\n--bound--\r\n"
    with pytest.raises(Malformed, match="a header that a boundary ends"):
        mime.read(message(b"multipart/mixed; boundary=bound", body))


def test_the_header_of_the_last_part_may_be_cut() -> None:
    content = message(b"multipart/mixed; boundary=bound", b"--bound\r\n\r\none\r\n--bound\r\nContent-Type: text/ht")
    assert types(mime.read(content)) == ["multipart/mixed", "", "text/ht"]


@pytest.mark.parametrize("value", [b"text/plain; boundary=b", b"multpart/mixed; boundary=b", b"x; boundary*=b"])
def test_a_boundary_that_occurs_without_a_multipart_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        mime.read(message(value, b"--b\r\n\r\nx\r\n--b--\r\n"))


def test_a_boundary_that_does_not_occur_is_ordinary() -> None:
    assert types(mime.read(message(b"text/html; charset=utf-8; boundary=b", b"<p>x\r\n"))) == ["text/html"]


def test_a_message_in_a_message_is_read_too() -> None:
    content = message(b"message/rfc822", NESTED)
    parsed = mime.read(content)
    assert types(parsed) == [
        "message/rfc822",
        "multipart/mixed",
        "multipart/alternative",
        "",
        "text/html",
        "application/pdf",
    ]
    assert [h.name for h in parsed.headers] == ["from", "content-type"]


def test_what_names_no_type_in_a_digest_is_a_message() -> None:
    """RFC 2046 5.1.5. Mail programs show what is attached to it."""
    content = message(b"multipart/digest; boundary=b", multipart(b"b", b"\r\n" + NESTED, b"Content-Type: text/plain\r\n\r\nx"))
    parsed = mime.read(content)
    assert types(parsed)[:3] == ["multipart/digest", "message/rfc822", "multipart/mixed"]
    assert types(parsed)[-1] == "text/plain"
    assert ("offer.pdf",) in [part.filenames for part in parsed.parts]


@pytest.mark.parametrize("encoding", [b"7bit", b"8BIT", b"binary", b" 7bit ", b"7bit (as ever)", b"", b"(none)"])
def test_an_unencoded_message_in_a_message_is_read(encoding: bytes) -> None:
    content = message(b"message/rfc822\r\nContent-Transfer-Encoding: " + encoding, NESTED)
    assert "application/pdf" in types(mime.read(content))


def test_an_encoded_message_in_a_message_is_one_leaf() -> None:
    content = message(b"message/rfc822\r\nContent-Transfer-Encoding: base64", b"RnJvbTogYQ==\r\n")
    assert types(mime.read(content)) == ["message/rfc822"]


def test_an_empty_message_in_a_message_is_empty() -> None:
    assert types(mime.read(message(b"message/rfc822", b""))) == ["message/rfc822", ""]


PIECES = b"".join(b"; filename*%d=%c" % item for item in enumerate(b"a-rather-long-name.txt"))


@pytest.mark.parametrize(
    ("content_type", "disposition", "expected"),
    [
        (b"text/plain", b"attachment", ()),
        (b"text/plain; name=a.txt", b"attachment", ("a.txt",)),
        (b"text/plain", b"attachment; filename=b.txt", ("b.txt",)),
        (b"text/plain; name=a.txt", b"attachment; filename=b.txt", ("a.txt", "b.txt")),
        (b"text/plain; name=a.txt", b'attachment; FileName="a.txt"', ("a.txt",)),
        (b"text/plain; filename=a.txt", b"attachment; name=b.txt; filenames=c.txt", ("a.txt", "b.txt")),
        (b"text/plain", b"attachment; filename=iso-8859-1'de'a.txt", ("iso-8859-1'de'a.txt",)),
        (b"text/plain", b"attachment; filename*=iso-8859-1'de'%FCbel.txt", ("übel.txt",)),
        (b"text/plain", b"attachment; filename*=utf-8''%C3%BCbel.txt", ("übel.txt",)),
        (b"text/plain", b"attachment; filename*=no-such-charset''%C3%BCbel.txt", ("übel.txt",)),
        (b"text/plain", b"attachment; filename*=%C3%BCbel.txt", ("übel.txt",)),
        (b"text/plain", b"attachment; filename=a.txt; filename*=utf-8''b.txt", ("a.txt", "b.txt")),
        (b"text/plain", b"attachment" + PIECES, ("a-rather-long-name.txt",)),
        (b"text/plain", b'attachment; filename="a\\"b\\\\c.txt"', ('a"b\\c.txt',)),
    ],
)
def test_every_name_a_part_has_is_found(content_type: bytes, disposition: bytes, expected: tuple[str, ...]) -> None:
    content = message(content_type + b"\r\nContent-Disposition: " + disposition, b"x\r\n")
    found = mime.read(content).parts[0].filenames
    assert set(expected) <= set(found)
    assert bool(found) == bool(expected)


# Limits.


def nested(depth: int) -> bytes:
    body = b"\r\nthe bottom"
    for level in range(depth):
        boundary = b"b%d=" % level
        body = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n" + multipart(boundary, body)
    return b"From: shop@example.com\r\n" + body


def flat(parts: int) -> bytes:
    return message(b"multipart/mixed; boundary=b", multipart(b"b", *[b"\r\nx"] * (parts - 1)))


def test_the_limits_are_those_decided_on() -> None:
    assert (mime.MAX_DEPTH, mime.MAX_PARTS, mime.MAX_HEADERS, mime.MAX_HEADER_BLOCK) == (20, 500, 1000, 102_400)


def test_a_message_at_its_limits_is_read() -> None:
    assert len(mime.read(nested(20)).parts) == 21
    assert (
        len(mime.read(message(b"message/rfc822", b"Content-Type: message/rfc822\r\n\r\n" * 19 + b"A: 1\r\n\r\nx")).parts) == 21
    )
    assert len(mime.read(flat(500)).parts) == 500
    assert len(mime.read(b"A: 1\r\n" * 1000 + b"\r\nx").headers) == 1000
    block = b"A: " + b"x" * (102_400 - 5) + b"\r\n"
    assert len(mime.read(block + b"\r\nx").headers[0].value) == 102_396


@pytest.mark.parametrize(
    "content",
    [
        nested(21),
        nested(2000),
        flat(501),
        flat(20_000),
        b"A: 1\r\n" * 1001 + b"\r\nx",
        b"A: " + b"x" * (102_400 - 4) + b"\r\n\r\nx",
        b"A: " + b"x" * 200_000,
        b"A: 1\r\n" * 100_000,
        message(b"multipart/mixed; boundary=b", multipart(b"b", b"A: " + b"x" * 102_400 + b"\r\n\r\ntext")),
        message(b"message/rfc822", b"Content-Type: message/rfc822\r\n\r\n" * 21 + b"A: 1\r\n\r\nx"),
    ],
)
def test_a_message_beyond_its_limits_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        mime.read(content)


# Text of headers.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Order 42", "Order 42"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Gr\ufffd\ufffde"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=", "Grüße an alle"),
        (b"=?utf-8?q?one?= =?utf-8?q?_two?=", "one two"),
        (b"Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= 42", "Re: Grüße 42"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"=?no-such-charset?q?x?=", "x"),
        (b"", ""),
    ],
)
def test_a_header_is_shown_as_people_read_it(value: bytes, expected: str) -> None:
    assert mime.text(value) == expected


@pytest.mark.parametrize(
    "value",
    [b"=?utf-7?q?+2AA-?=", b"=?unicode_escape?q?=5Cud800?=", b"=?raw_unicode_escape?q?=5Cud800?=", b"\xed\xa0\x80", b"\xff"],
)
def test_the_text_of_a_header_can_always_be_stored(value: bytes) -> None:
    # A lone surrogate goes into no database and through no encoder.
    text = mime.text(value)
    assert text.encode("utf-8", "surrogatepass") == text.encode("utf-8", "replace")


@given(st.binary(max_size=60) | st.from_regex(rb"=\?[a-z0-9_-]{0,12}\?[qQbB]\?[ -~]{0,20}\?=", fullmatch=True))
def test_any_header_can_be_shown(value: bytes) -> None:
    assert isinstance(mime.text(value), str)


# Any message, from bytes and from a mapped file.

WORDS = st.text("abcXYZ 0129-=?;:\"'", max_size=30).map(str.encode)
NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: not name.lower().startswith(b"content-")
)
VALUES = st.lists(WORDS.map(lambda words: words + b"x"), min_size=1, max_size=3).map(b"\r\n ".join)
LEAVES = st.tuples(st.sampled_from([b"text/plain", b"text/html", b"image/png"]), st.lists(WORDS, max_size=4).map(b"\r\n".join))

# A leaf is (type, body), a container a list of what it holds.
Tree = tuple[bytes, bytes] | list["Tree"]
TREES: st.SearchStrategy[Tree] = st.recursive(LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12)


def written(tree: Tree, path: str = "0") -> tuple[bytes, list[bytes], int]:
    """The entity, the bodies of its leaves in order, and how many parts it has."""
    if isinstance(tree, tuple):
        return b"Content-Type: " + tree[0] + b"\r\n\r\n" + tree[1], [tree[1]], 1
    boundary = f"part={path}="
    sections, leaves, count = [], [], 1
    for number, inner in enumerate(tree):
        section, found, parts = written(inner, f"{path}.{number}")
        sections.append(section)
        leaves += found
        count += parts
    head = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode()
    return head + multipart(boundary.encode(), *sections).removesuffix(b"\r\n"), leaves, count


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), TREES)
def test_any_message_is_read_as_it_was_written(headers: list[tuple[bytes, bytes]], tree: Tree) -> None:
    entity, leaves, count = written(tree)
    lines = [name + b":" + value + b"\r\n" for name, value in headers]
    content = b"".join(lines) + entity
    parsed = mime.read(content)
    assert [content[h.start : h.end] for h in parsed.headers[:-1]] == lines
    assert [h.name for h in parsed.headers] == [*(name.decode().lower() for name, _ in headers), "content-type"]
    assert bodies(content, parsed) == leaves
    assert len(parsed.parts) == count
    assert mime.read(mapped(content)) == parsed


@given(
    st.lists(st.sampled_from([b"\r\n", b"--b", b"--b--", b"Content-Type: ", b"multipart/mixed; boundary=b", b"x", b":", b" "]))
)
def test_any_play_of_lines_and_boundaries_is_read_or_malformed(pieces: list[bytes]) -> None:
    content = message(b"multipart/mixed; boundary=b", b"".join(pieces))
    try:
        parsed = mime.read(content)
    except Malformed:
        with pytest.raises(Malformed):
            mime.read(mapped(content))
        return
    assert mime.read(mapped(content)) == parsed
    assert all(0 <= part.start <= part.end <= len(content) for part in parsed.parts)


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_malformed(content: bytes) -> None:
    try:
        parsed = mime.read(content)
    except Malformed:
        return
    assert parsed.parts


@pytest.mark.parametrize("digits", [1, 10, 5000])
def test_the_number_of_a_piece_of_a_file_name_may_have_any_length(digits: int) -> None:
    content = message(b"text/plain; name*" + b"9" * digits + b"=evil.exe; name*0=x", b"x\r\n")
    with suppress(Malformed):
        assert any("evil.exe" in name for name in mime.read(content).parts[0].filenames)
