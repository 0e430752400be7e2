"""Bodies in raw 8-bit, and the encodings piece by piece. Lines that are too long: test_long_lines.py."""

from __future__ import annotations

import tracemalloc
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.model import Edit, Encoding
from relay.writing import edits, recoding
from tests.unit.test_edits import mapped, sent
from tests.unit.test_long_lines import HEAD, leaves, longest, message, multipart, part, read_by_others, without_received

TEXT = "Grüße aus dem Süden, \r\nder Laden\r\n".encode()
CYRILLIC = "Привет, мир\r\n".encode()


SHORT = b"x" * 300_000


@pytest.mark.parametrize("content", [b"", b"x", b"\x7f", SHORT, "ü".encode(), SHORT + b"\x80", b"\xff" + SHORT])
def test_raw_8_bit_is_seen_wherever_it_stands(content: bytes) -> None:
    assert recoding.is_ascii(content) is content.isascii()
    if content:
        assert recoding.is_ascii(mapped(content)) is content.isascii()


# Which encoding, and how it is told.


@pytest.mark.parametrize("declared", ["8bit", "8BIT", "binary", "7bit", "(8bit) 8bit", "", "(none)"])
def test_text_in_8_bit_becomes_quoted_printable_in_the_place_of_what_was_declared(declared: str) -> None:
    fields = b"Content-Type: text/plain; charset=utf-8", f"content-transfer-encoding: {declared}".encode(), b"X-Last: 1"
    head, _, body = without_received(message(TEXT, *fields)).partition(b"\r\n\r\n")
    lines = b"MIME-Version: 1.0", fields[0], b"Content-Transfer-Encoding: quoted-printable", fields[2]
    assert head == HEAD + b"\r\n".join(lines)
    assert body == b"Gr=C3=BC=C3=9Fe aus dem S=C3=BCden,=20\r\nder Laden\r\n"


def test_text_in_8_bit_of_which_nothing_is_said_is_told_what_it_is_now() -> None:
    result = without_received(HEAD + b"\r\n" + TEXT)
    assert result.startswith(HEAD + b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3")


@pytest.mark.parametrize(
    ("content_type", "body", "encoding"),
    [
        (b"text/plain; charset=utf-8", TEXT, b"quoted-printable"),
        (b"text/html; charset=iso-8859-1", "<p>Grüße aus dem Süden</p>\r\n".encode("latin-1"), b"quoted-printable"),
        (b"text/plain; charset=utf-8", CYRILLIC, b"base64"),
        (b"text/plain; charset=koi8-r", "Привет, мир\r\n".encode("koi8-r"), b"base64"),
        (b"text/plain; charset=gb18030", "你好世界\r\n".encode("gb18030"), b"base64"),
        (b"text/calendar", TEXT, b"quoted-printable"),
        (b"application/pdf", b"%PDF-1.7\r\n%\xe2\xe3\xcf\xd3\r\n", b"base64"),
        (b"image/svg+xml", TEXT, b"base64"),
    ],
)
def test_a_body_in_8_bit_means_the_same_in_ascii(content_type: bytes, body: bytes, encoding: bytes) -> None:
    content = message(body, b"Content-Type: " + content_type, b"Content-Transfer-Encoding: 8bit")
    result = sent(content)
    assert result.isascii()
    assert b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n" in result
    assert leaves(result)[0].get_payload(decode=True) == body
    assert read_by_others(result) == read_by_others(content)


def test_raw_8_bit_in_a_body_that_is_declared_as_encoded_is_encoded_too() -> None:
    quoted = message(b"Viele Gr=C3=BC\xc3\x9fe aus dem Laden=\r\n!\r\n", b"Content-Transfer-Encoding: quoted-printable")
    assert without_received(quoted) == message(
        b"Viele Gr=C3=BC=C3=9Fe aus dem Laden!\r\n", b"Content-Transfer-Encoding: quoted-printable"
    )
    base64 = message(b"QU\xffJD\r\n", b"Content-Transfer-Encoding: base64")
    assert without_received(base64) == message(b"QUJD\r\n", b"Content-Transfer-Encoding: base64")


def test_only_the_parts_in_8_bit_change() -> None:
    plain = part(b"--- plain " + b"x" * 900, b"Content-Type: text/plain")
    html = part(TEXT, b"Content-Type: text/html; charset=utf-8", b"Content-Transfer-Encoding: 8bit")
    image = part(b"\x89PNG\r\n\x1a\n"[:4], b"Content-Type: image/png", b"Content-Transfer-Encoding: binary")
    last = part(b"last", b"Content-Transfer-Encoding: 8bit")
    content = multipart(b"mixed", plain, html, image, last)
    result = without_received(content)
    quoted = TEXT.replace("ü".encode(), b"=C3=BC").replace("ß".encode(), b"=C3=9F").replace(b" \r\n", b"=20\r\n")
    expected = content.replace(html, html.replace(b"8bit", b"quoted-printable").replace(TEXT, quoted))
    assert result == expected.replace(image, image.replace(b"binary", b"base64").replace(b"\x89PNG", b"iVBORw==\r\n"))


def test_a_multipart_may_go_on_saying_that_8_bit_is_inside() -> None:
    """RFC 2045 6.4 lets it say 8bit where all is 7bit."""
    content = multipart(b"mixed", part(TEXT)).replace(b"boundary=b\r\n", b"boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n")
    result = without_received(content)
    assert b"boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\nContent-Transfer-Encoding: quoted-printable" in result
    assert read_by_others(result) == read_by_others(content)


# What stays as it is.


@pytest.mark.parametrize(
    "content",
    [
        multipart(b"signed", part(TEXT, b"Content-Type: text/plain; charset=utf-8"), part(b"x")),
        multipart(b"encrypted", part(b"x"), part(TEXT)),
        multipart(b"signed", part(b"--c\r\n\r\n" + TEXT + b"--c--", b"Content-Type: multipart/mixed; boundary=c"), part(b"x")),
        multipart(b"signed", part(HEAD + b"\r\n" + TEXT, b"Content-Type: message/rfc822"), part(b"x")),
        message(b"0\x80\x06\x09", b"Content-Type: application/pkcs7-mime", b"Content-Transfer-Encoding: binary"),
        message(TEXT, b"Content-Type: message/delivery-status"),
        message(TEXT, b"Content-Transfer-Encoding: x-uuencode"),
        message(TEXT + b"--b\r\n\r\nx\r\n--b--\r\n" + TEXT, b"Content-Type: multipart/mixed; boundary=b"),
    ],
)
def test_8_bit_that_is_signed_or_cannot_be_encoded_goes_out_as_it_came(content: bytes) -> None:
    assert without_received(content) == content


def test_8_bit_beside_what_is_signed_is_encoded() -> None:
    signed = part(b"--c\r\n\r\n" + TEXT + b"\r\n--c\r\n\r\nsignature\r\n--c--", b"Content-Type: multipart/signed; boundary=c")
    content = multipart(b"mixed", part(TEXT), signed)
    result = without_received(content)
    assert result.endswith(content[content.index(signed) :])
    assert result.count(b"=C3=BC") == TEXT.count("ü".encode())


# Piece by piece.


def cut(octets: bytes, places: list[int]) -> Iterator[bytes]:
    start = 0
    for end in [*sorted(place % (len(octets) + 1) for place in places), len(octets)]:
        yield octets[start:end]
        start = end


PLACES = st.lists(st.integers(0, 5000), max_size=6)
UNITS = [b"x" * 75, b"x", b"--b", b"-", b" ", b"\t", b"\r\n", b"=", b"=3D", b"=\r\n", b"=C3=BC", b".", "ü".encode(), b"\0"]
BODIES = st.lists(st.sampled_from(UNITS), max_size=60).map(b"".join)


@given(BODIES, PLACES)
@example(b"x\r\n--b", [1, 2, 3, 4, 5])
@example(b"x \r\n y", [2, 3])
def test_quoted_printable_in_pieces_is_quoted_printable(octets: bytes, places: list[int]) -> None:
    result = b"".join(recoding.recoded(cut(octets, places), Encoding.NONE, Encoding.QUOTED_PRINTABLE))
    assert a2b_qp(result) == octets
    assert longest(result) <= 76
    assert not (b"\r\n" + result).count(b"\r\n--")
    assert not [line for line in result.split(b"\r\n") if line.endswith((b" ", b"\t"))]


@given(BODIES, PLACES)
def test_base64_in_pieces_is_the_same_as_in_one(octets: bytes, places: list[int]) -> None:
    result = b"".join(recoding.recoded(cut(octets, places), Encoding.NONE, Encoding.BASE64))
    assert result == b"".join(recoding.recoded([octets], Encoding.NONE, Encoding.BASE64))
    assert a2b_base64(result) == octets
    again = b"".join(recoding.recoded(cut(result.replace(b"\r\n", b""), places), Encoding.BASE64, Encoding.BASE64))
    assert again == result


@given(BODIES, PLACES)
@example(b"a=3Db=\r\nc", [2, 3, 7, 8])
def test_quoted_printable_is_read_in_pieces_as_in_one(octets: bytes, places: list[int]) -> None:
    for encode, decoder in ((Encoding.QUOTED_PRINTABLE, a2b_qp), (Encoding.BASE64, a2b_base64)):
        result = b"".join(recoding.recoded(cut(octets, places), Encoding.QUOTED_PRINTABLE, encode))
        assert decoder(result) == a2b_qp(octets)


LARGE = 4_000_000


@pytest.mark.parametrize("unit", [b"\xff" * 75 + b"\r\n", b"\xff", b"x", b"=FF"], ids=["lines", "one line", "plain", "quoted"])
def test_a_large_body_is_never_held_whole(unit: bytes) -> None:
    content = mapped((unit * (LARGE // len(unit) + 1))[:LARGE])
    for decode, encode in recoding._RECODED:
        tracemalloc.start()
        for _ in edits.edited(content, [Edit(0, LARGE, decode=decode, encode=encode)]):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LARGE
