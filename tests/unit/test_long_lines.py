"""Lines that SES would refuse: the part that holds one is encoded anew, and read back here by Python's `email`; or refused."""

from __future__ import annotations

import base64
import email
import re
import string
from binascii import a2b_base64, a2b_qp
from email.message import Message
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.model import Edit, Encoding
from relay.reading import mime
from relay.writing import edits, recoding
from tests.unit.test_edits import mapped, needed, sent

HEAD = b"From: shop@example.com\r\nTo: anna@example.net\r\nDate: x\r\nMessage-ID: <1@example.com>\r\n"
LONG = b"A line of 5,000 octets. " * 208 + b"All of it."
ADDED = re.compile(rb"\AReceived: [^\r\n]+\r\n\t[^\r\n]+\r\n")


def message(body: bytes, *fields: bytes) -> bytes:
    """A message with all headers that the relay would add."""
    return HEAD + b"".join(field + b"\r\n" for field in (b"MIME-Version: 1.0", *fields)) + b"\r\n" + body


def multipart(subtype: bytes, *sections: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + section + b"\r\n" for section in sections) + b"--b--\r\n"
    return message(body, b"Content-Type: multipart/" + subtype + b"; boundary=b")


def part(body: bytes, *fields: bytes) -> bytes:
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def without_received(content: bytes) -> bytes:
    """What goes out for the content, without the line that the relay always adds."""
    return ADDED.sub(b"", sent(content))


def longest(content: bytes) -> int:
    return max(map(len, content.split(b"\r\n")))


def leaves(content: bytes) -> list[Message]:
    return [leaf for leaf in email.message_from_bytes(content).walk() if not leaf.is_multipart()]


def read_by_others(content: bytes) -> list[tuple[str, str | None, object]]:
    """Type, file name and decoded octets of each leaf."""
    return [(leaf.get_content_type(), leaf.get_filename(), leaf.get_payload(decode=True)) for leaf in leaves(content)]


# What counts as too long.


@pytest.mark.parametrize("end", [b"\r\n", b"", b"\r\nmore\r\n", b"\r\n" + b"x" * 998 + b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("before", [b"", b"short\r\n", b"y" * 998 + b"\r\n", b"\r\n" * 998])
def test_998_octets_are_a_line_and_999_are_too_many(before: bytes, end: bytes) -> None:
    for content in (before + b"x" * 998 + end, mapped(before + b"x" * 998 + end)):
        assert recoding.long_line(content, 0) == -1
    for content in (before + b"x" * 999 + end, mapped(before + b"x" * 999 + end)):
        assert recoding.long_line(content, 0) == len(before)


@given(st.lists(st.integers(0, 1100), max_size=12), st.booleans())
def test_the_first_line_that_is_too_long_is_found(lengths: list[int], ends: bool) -> None:
    content = b"\r\n".join(b"x" * length for length in lengths) + (b"\r\n" if ends else b"")
    position, expected = 0, -1
    for line in content.split(b"\r\n"):
        if len(line) > 998 and expected < 0:
            expected = position
        position += len(line) + 2
    assert recoding.long_line(content, 0) == expected


@pytest.mark.parametrize("body", [b"x" * 998 + b"\r\n", (b"x" * 997 + b"\r\n") * 2000, b"\r\n", b"", b"x" * 998])
def test_a_body_whose_lines_are_short_enough_goes_out_as_it_came(body: bytes) -> None:
    assert without_received(message(body)) == message(body)


# Which encoding, and how it is told.


@pytest.mark.parametrize("declared", [(), (b"Content-Transfer-Encoding: 7bit",), (b"content-transfer-encoding:\r\n 8BIT (x)",)])
@pytest.mark.parametrize("content_type", [(), (b"Content-Type: text/plain; charset=utf-8",), (b"Content-Type: TEXT/HTML",)])
def test_text_becomes_quoted_printable(content_type: tuple[bytes, ...], declared: tuple[bytes, ...]) -> None:
    result = without_received(message(LONG + b"\r\nsecond line \r\n", *content_type, *declared))
    head, _, body = result.partition(b"\r\n\r\n")
    lines = [b"MIME-Version: 1.0", *content_type, b"Content-Transfer-Encoding: quoted-printable"]
    assert head == HEAD + b"\r\n".join(lines)
    assert body.startswith(b"A line of 5,000 octets. A line")
    assert body.endswith(b"\r\nsecond line=20\r\n")
    assert a2b_qp(body) == LONG + b"\r\nsecond line \r\n"


@pytest.mark.parametrize("content_type", [b"application/pdf", b"image/svg+xml", b"application/json", b"text"])
def test_all_else_becomes_base64(content_type: bytes) -> None:
    fields = b"Content-Type: " + content_type, b"Content-Transfer-Encoding: binary", b"X-Last: 1"
    head, _, body = without_received(message(LONG + b"\r\n", *fields)).partition(b"\r\n\r\n")
    lines = b"MIME-Version: 1.0", fields[0], b"Content-Transfer-Encoding: base64", fields[2]
    assert head == HEAD + b"\r\n".join(lines)
    assert body == base64.encodebytes(LONG + b"\r\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize(("quoted", "expected"), [(1000, b"quoted-printable"), (1001, b"base64")])
def test_text_of_which_more_than_a_sixth_must_be_quoted_becomes_base64(quoted: int, expected: bytes) -> None:
    body = b"\xe4" * quoted + b"x" * (6000 - quoted)
    result = sent(message(body))
    assert b"\r\nContent-Transfer-Encoding: " + expected + b"\r\n" in result
    assert leaves(result)[0].get_payload(decode=True) == body
    assert len(result) < len(body) * 1.5 + 500


def test_a_message_without_mime_version_gets_one_with_the_encoding() -> None:
    result = without_received(HEAD + b"\r\n" + LONG + b"\r\n")
    assert result.startswith(HEAD + b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nA line")
    inside = multipart(b"mixed", part(HEAD + b"\r\n" + LONG, b"Content-Type: message/rfc822"), part(LONG))
    assert sent(inside).count(b"MIME-Version: 1.0\r\n") == 2


def test_base64_in_one_line_is_wrapped_and_its_header_kept() -> None:
    octets = bytes(range(256)) * 40
    fields = b"content-type: image/png", b"content-transfer-encoding: BASE64"
    result = without_received(message(base64.b64encode(octets) + b"\r\n", *fields))
    assert result == message(base64.encodebytes(octets).replace(b"\n", b"\r\n"), *fields)


def test_quoted_printable_without_soft_breaks_gets_them_and_its_header_is_kept() -> None:
    fields = b"Content-Type: text/html", b"content-transfer-encoding: Quoted-Printable"
    result = without_received(message(b"<p>Ein Gru=C3=9F an alle</p> " * 100 + b"\r\nend\r\n", *fields))
    head, _, body = result.partition(b"\r\n\r\n")
    assert head + b"\r\n\r\n" == message(b"", *fields)
    assert a2b_qp(body) == "<p>Ein Gruß an alle</p> ".encode() * 100 + b"\r\nend\r\n"
    assert longest(body) <= 76


def test_quoted_printable_that_is_no_text_becomes_base64() -> None:
    result = sent(message(b"=00=0D=0A" * 200, b"Content-Type: image/png", b"Content-Transfer-Encoding: quoted-printable"))
    assert b"\r\nContent-Transfer-Encoding: base64\r\n" in result
    assert read_by_others(result) == [("image/png", None, b"\0\r\n" * 200)]


def test_only_the_part_with_the_long_line_changes() -> None:
    plain = part(b"plain " + b"x" * 990, b"Content-Type: text/plain", b"X-A: 1")
    html = part(LONG, b"Content-Type: text/html", b"Content-Transfer-Encoding: 8bit", b"X-B: 2")
    file = part(base64.b64encode(LONG), b"Content-Type: image/png; name=a.png", b"Content-Transfer-Encoding: base64")
    content = multipart(b"mixed", plain, html, file)
    result = without_received(content)
    start, found = content.index(html), b"\r\nContent-Transfer-Encoding: quoted-printable\r\nX-B: 2\r\n\r\n"
    assert result[:start] == content[:start]
    assert result[start:].startswith(b"Content-Type: text/html" + found)
    assert read_by_others(result) == read_by_others(content)
    assert longest(result) == 996


def test_a_part_without_a_header_gets_one() -> None:
    result = without_received(multipart(b"mixed", b"\r\n" + LONG))
    assert b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nA line" in result


def test_a_part_inside_of_a_nested_message_changes_there() -> None:
    nested = multipart(b"alternative", part(b"short"), part(LONG, b"Content-Type: text/html")).replace(b"=b\r\n", b"=c\r\n")
    nested = nested.replace(b"--b", b"--c")
    content = multipart(b"mixed", part(nested, b"Content-Type: message/rfc822"))
    result = without_received(content)
    assert read_by_others(result) == read_by_others(content)
    assert result.startswith(content[: content.index(b"text/html") + 9])
    assert result.count(b"Content-Transfer-Encoding") == 1


def test_a_part_of_a_digest_is_a_message_without_saying_so() -> None:
    content = multipart(b"digest", part(HEAD + b"\r\n" + LONG))
    result = without_received(content)
    assert read_by_others(result) == read_by_others(content) == [("text/plain", None, LONG)]


def test_what_is_removed_may_have_any_length() -> None:
    hidden = b"Bcc: " + b"a@example.net, " * 100 + b"\r\n " + b"b@example.net, " * 100
    assert without_received(message(b"x\r\n", hidden, b"X-SES-Y: " + LONG)) == message(b"x\r\n")


def test_edits_are_in_order_wherever_the_headers_stand() -> None:
    fields = b"Bcc: a@example.net", b"Content-Transfer-Encoding: 8bit", b"Bcc: b@example.net", b"X-Last: 1"
    head, _, body = without_received(message(LONG + b"\r\n", *fields)).partition(b"\r\n\r\n")
    assert head == HEAD + b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nX-Last: 1"
    assert a2b_qp(body) == LONG + b"\r\n"


# What cannot be helped.

SEALED = "line too long in a signed part"
OUTSIDE = "line too long outside of any part"
FIXED = "line too long in a part that cannot be encoded"
HEADER = "header line too long"


def inside(content_type: bytes, body: bytes = LONG) -> bytes:
    return part(body, b"Content-Type: " + content_type)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (multipart(b"signed", part(LONG), inside(b"application/pkcs7-signature", b"x")), SEALED),
        (multipart(b"signed", part(b"x"), inside(b"application/pkcs7-signature")), SEALED),
        (multipart(b"encrypted", inside(b"application/pgp-encrypted", b"x"), inside(b"application/octet-stream")), SEALED),
        (
            multipart(b"Signed", inside(b"multipart/mixed; boundary=c", b"--c\r\n\r\n" + LONG + b"\r\n--c--"), part(b"x")),
            SEALED,
        ),
        (multipart(b"signed", inside(b"message/rfc822", HEAD + b"\r\n" + LONG), part(b"x")), SEALED),
        (message(LONG, b"Content-Type: application/pkcs7-mime; smime-type=signed-data"), SEALED),
        (multipart(b"mixed", inside(b"Application/X-PKCS7-Mime; name=smime.p7m")), SEALED),
        (message(b"x", b"Subject: " + b"x" * 998), HEADER),
        (message(b"x", b"Subject: x\r\n " + b"x" * 998), HEADER),
        (message(b"x", b"Subject:" + b"x" * 991), HEADER),
        (message(b"x", b"Subject: x" + b" " * 990), HEADER),
        (message(b"x", b"Subject:" + b" " * 998 + b"x"), HEADER),
        (multipart(b"mixed", part(b"x", b"X-A: " + b"x" * 998)), HEADER),
        (multipart(b"signed", part(b"x", b"X-A: " + LONG)), HEADER),
        (message(LONG + b"\r\n--b\r\n\r\nx\r\n--b--\r\n", b"Content-Type: multipart/mixed; boundary=b"), OUTSIDE),
        (multipart(b"mixed", part(b"x")) + LONG + b"\r\n", OUTSIDE),
        (message(LONG, b"Content-Transfer-Encoding: x-uuencode"), FIXED),
        (message(LONG, b"Content-Type: message/delivery-status"), FIXED),
        (message(LONG, b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64"), FIXED),
    ],
)
def test_a_long_line_that_cannot_be_helped_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        needed(content)


def test_a_long_line_beside_what_is_signed_is_helped() -> None:
    signed = inside(b"multipart/signed; boundary=c", b"--c\r\n\r\nsigned\r\n--c\r\n\r\nsignature\r\n--c--")
    content = multipart(b"mixed", part(LONG), signed)
    result = without_received(content)
    assert result.endswith(content[content.index(signed) :])
    assert read_by_others(result) == read_by_others(content)


# The encodings themselves.


def quoted(octets: bytes) -> bytes:
    edit = Edit(0, len(octets), encode=Encoding.QUOTED_PRINTABLE)
    return b"".join(edits.edited(octets, (edit,)))


LINES = st.sampled_from([b"x", b"-", b"--b", b" ", b"\t", b"\r\n", b"=", b"=3D", b".", b"From ", b"\xfc", b"\n", b"\r", b"\0"])


@given(st.lists(st.tuples(LINES, st.integers(1, 160))).map(lambda runs: b"".join(unit * times for unit, times in runs)))
@example(b"x" * 76 + b"\r\n" + b"x" * 75 + b" \r\n" + b"x" * 74 + b"\t")
@example(b"x" * 72 + b"--b\r\n" + b"x" * 73 + b"--b\r\n" + b"x" * 74 + b"--b\r\n" + b"x" * 75 + b"--b\r\n")
def test_quoted_printable_is_as_rfc_2045_has_it(octets: bytes) -> None:
    result = quoted(octets)
    assert a2b_qp(result) == octets
    assert longest(result) <= 76
    for line in result.split(b"\r\n"):
        assert re.fullmatch(rb"(?:[\t -<>-~]|=[0-9A-F]{2})*=?", line)
        assert not line.endswith((b" ", b"\t"))
        assert not line.startswith(b"--")
    assert [a2b_qp(line) for line in result.replace(b"=\r\n", b"").split(b"\r\n")] == octets.split(b"\r\n")


def test_soft_breaks_stand_where_a_line_is_full() -> None:
    assert quoted(b"x" * 146 + b"\r\n" + b"x" * 73) == b"x" * 73 + b"=\r\n" + b"x" * 73 + b"\r\n" + b"x" * 73
    assert quoted(b"x" * 72 + b"\xfc") == b"x" * 72 + b"=\r\n=FC"


@given(st.binary(max_size=300) | st.text(string.ascii_letters + "0123+/==\r\n -", max_size=300).map(str.encode))
def test_wrapped_base64_means_what_it_meant(octets: bytes) -> None:
    edit = Edit(0, len(octets), decode=Encoding.BASE64, encode=Encoding.BASE64)
    result = b"".join(edits.edited(octets, (edit,)))
    assert longest(result) <= 76
    assert not set(result) - set(b"+/=\r\n" + string.ascii_letters.encode() + string.digits.encode())
    try:
        meaning = a2b_base64(octets)
    except ValueError:
        return
    assert a2b_base64(result) == meaning


# Any message.


class Leaf(NamedTuple):
    """A leaf to be written: `declared` is its encoding, empty for none."""

    content_type: str
    name: str
    declared: str
    octets: bytes


class Nested(NamedTuple):
    """A message in a message."""

    inner: Tree


Tree = Leaf | Nested | list["Tree"]

UNITS = st.sampled_from(
    [b"--part=0", b"-", b" ", b"word ", b"=", b"=3D", b".", "Grüße, ".encode(), b"\xff", b"From x", b"QUJD"]
)
# The x keeps a line from being a delimiter of the message as it was accepted.
BODIES = st.lists(st.builds(lambda unit, size: b"x" + (unit * size)[:size], UNITS, st.integers(0, 2500)), max_size=4).map(
    b"\r\n".join
)
LEAVES = st.builds(
    Leaf,
    st.sampled_from(["text/plain", "text/html", "image/png", "application/pdf"]),
    st.sampled_from(["", "a.pdf", "Grüße.png"]),
    st.sampled_from(["", "7bit", "8BIT", "binary", "base64", "Quoted-Printable"]),
    BODIES,
)
TREES: st.SearchStrategy[Tree] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.builds(Nested, inner), max_leaves=6
)


def entity(tree: Tree, path: str = "0") -> bytes:
    """The tree as an entity."""
    if isinstance(tree, Nested):
        return b"Content-Type: message/rfc822\r\n\r\nSubject: nested\r\n" + entity(tree.inner, path)
    if isinstance(tree, list):
        mark = f"--part={path}=".encode()
        sections = [mark + b"\r\n" + entity(inner, f"{path}.{number}") + b"\r\n" for number, inner in enumerate(tree)]
        head = f'Content-Type: multipart/mixed; boundary="part={path}="\r\n\r\n'.encode()
        return head + b"".join(sections) + mark + b"--"
    name = f"; name*=utf-8''{tree.name}" if tree.name.isascii() else "; name*=utf-8''Gr%C3%BC%C3%9Fe.png"
    declared = f"Content-Transfer-Encoding: {tree.declared}\r\n" if tree.declared else ""
    head = f"Content-Type: {tree.content_type}{name if tree.name else ''}\r\n{declared}\r\n".encode()
    return head + in_long_lines(tree.declared.lower(), tree.octets)


def in_long_lines(encoding: str, octets: bytes) -> bytes:
    """Encoded, but with no regard to the length of lines."""
    if encoding == "base64":
        return base64.b64encode(octets)
    if encoding == "quoted-printable":
        return re.sub(rb"[^!-<>-~\r\n]", lambda match: b"=%02X" % ord(match[0]), octets).replace(b"--", b"-=2D")
    return octets


def skeleton(content: bytes) -> bytes:
    """All that is neither the body of a leaf nor tells of its encoding."""
    position, kept = 0, b""
    for leaf in sorted((part.start, part.end) for part in mime.read(content).parts if part.is_leaf):
        kept += content[position : leaf[0]]
        position = leaf[1]
    return re.sub(rb"(?:Content-Transfer-Encoding|MIME-Version): [^\r\n]*\r\n", b"", kept + content[position:])


def written(tree: Tree) -> list[Leaf]:
    """The leaves, in the order in which they are read."""
    if isinstance(tree, Leaf):
        return [tree]
    return written(tree.inner) if isinstance(tree, Nested) else [leaf for inner in tree for leaf in written(inner)]


@given(TREES)
def test_any_message_goes_out_in_short_lines_with_the_same_meaning(tree: Tree) -> None:
    content = message(b"")[:-2] + entity(tree)
    result = without_received(content)
    assert longest(result) <= 998
    assert result.isascii()
    assert [octets for _, _, octets in read_by_others(result)] == [leaf.octets for leaf in written(tree)]
    assert read_by_others(result) == read_by_others(content)
    assert [(p.content_type, p.filenames, p.within) for p in mime.read(result).parts] == [
        (p.content_type, p.filenames, p.within) for p in mime.read(content).parts
    ]
    assert skeleton(result) == skeleton(content)
    if longest(content) <= 998 and content.isascii():
        assert result == content
    assert needed(mapped(content)) == needed(content)
