"""Links in place of macros: wherever a reader would find one, and nothing else changes."""

from __future__ import annotations

import base64
import email
import email.policy
import quopri
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Edit
from relay.reading import mime
from relay.writing import edits, macros
from relay.writing.edits import LinkEdits
from relay.writing.footers import Footer

LINKS = {"Unsubscribe": "https://relay.example.com/u/abc_-1", "WebVersion": "https://relay.example.com/w/abc_-1"}
OUT, WEB = LINKS.values()
WISHED = LinkEdits(
    longest={name: "https://relay.example.com/".ljust(150, "x") for name in LINKS}, adds_pair=False, replaces=False
)


def changes(content: bytes, wished: LinkEdits = WISHED) -> tuple[Edit, ...]:
    return edits.needed(
        content,
        mime.read(content),
        message_id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        hostname="relay.example.com",
        protocol="ESMTPSA",
        now=1_763_720_000.0,
        links=wished,
    )


def sent(content: bytes, wished: LinkEdits = WISHED) -> bytes:
    return b"".join(edits.edited(content, changes(content, wished), LINKS))


def message(body: bytes, *, kind: str = "text/html; charset=utf-8", encoding: str = "7bit", extra: bytes = b"") -> bytes:
    head = "From: shop@example.com\r\nTo: a@example.net\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
    head += (
        f"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    )
    return head.encode() + extra + b"\r\n" + body


def text(content: bytes) -> str:
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    found = parsed.get_content()
    assert isinstance(found, str)
    return found.replace("\r\n", "\n").rstrip("\n")


def received(content: bytes) -> bytes:
    """Without the line that is put before each message."""
    return content.partition(b"\r\n\t")[2].partition(b"\r\n")[2]


WRITTEN = {
    "[Unsubscribe]": OUT,
    '<a href="[Unsubscribe]">': f'<a href="{OUT}">',
    "<a href='[WebVersion]'>": f"<a href='{WEB}'>",
    '<a href="%5BUnsubscribe%5D">': f'<a href="{OUT}">',
    '<a href="http://%5bUnsubscribe%5d/">': f'<a href="{OUT}">',
    '<a href="http://[Unsubscribe]/">': f'<a href="{OUT}">',
    '<a href="https://[WebVersion]">': f'<a href="{WEB}">',
    "&#91;Unsubscribe&#93;": OUT,
    "&#x5B;Unsubscribe&#x5d;": OUT,
    "&#091;Unsubscribe&#093;": OUT,
    "&#x005b;Unsubscribe&#x005D;": OUT,
    "&lbrack;WebVersion&rbrack;": WEB,
    "&lsqb;WebVersion&rsqb;": WEB,
    "Leave <http://[Unsubscribe]>": f"Leave <{OUT}>",
    "[Unsubscribe][Unsubscribe]": OUT + OUT,
}
ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "7bit": lambda octets: octets,
    "quoted-printable": lambda octets: quopri.encodestring(octets, quotetabs=True).replace(b"\n", b"\r\n"),
    "base64": lambda octets: base64.encodebytes(octets).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("written", WRITTEN)
def test_a_macro_becomes_the_link_however_it_is_written(written: str, encoding: str) -> None:
    content = message(ENCODED[encoding](f"<p>x = 1 {written} end</p>".encode()), encoding=encoding)
    assert text(sent(content)) == f"<p>x = 1 {WRITTEN[written]} end</p>"


def test_a_word_that_is_no_macro_costs_little() -> None:
    began = time.process_time()
    content = message(b"Unsubscribe the Unsubscribed\r\n" * 40_000)
    assert received(sent(content)) == content
    assert time.process_time() - began < 1


def test_a_macro_is_whole_however_near_to_its_word_it_stands() -> None:
    for distance in range(200):
        before, behind = b"Unsubscribe" + b" " * distance, b" " * 300
        filled = b"".join(macros.filled([before + b"http://[Unsubscribe]/" + behind], LINKS))
        assert filled == before + OUT.encode() + behind


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_macro_that_quoted_printable_cuts_is_found(cut: int) -> None:
    macro = "[Unsubscribe]"
    content = message(f"go {macro[:cut]}=\r\n{macro[cut:]} now\r\n".encode(), encoding="quoted-printable")
    assert text(sent(content)) == f"go {OUT} now"


@pytest.mark.parametrize("shift", range(3))
def test_a_line_of_quoted_printable_may_be_longer_than_a_piece(shift: int) -> None:
    raw = b"x" * shift + b"=C3=A9" * 60_000 + b" [Unsubscribe]\r\n"
    content = message(raw, kind="text/plain; charset=utf-8", encoding="quoted-printable")
    assert text(sent(content)) == "x" * shift + "é" * 60_000 + f" {OUT}"


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "koi8-r", "windows-1251", "iso-2022-jp", "shift_jis", "gb18030"]
)
def test_a_macro_is_found_in_any_charset(charset: str) -> None:
    word = "漢字" if charset in ("iso-2022-jp", "shift_jis", "gb18030") else "Привет"
    body = f"{word} [Unsubscribe] {word}"
    content = message(
        base64.encodebytes(body.encode(charset)).replace(b"\n", b"\r\n"),
        kind=f"text/plain; charset={charset}",
        encoding="base64",
    )
    assert text(sent(content)) == f"{word} {OUT} {word}"


@pytest.mark.parametrize(
    "body",
    [
        "[unsubscribe]",
        "[Unsubscribe",
        "Unsubscribe]",
        "[ Unsubscribe ]",
        "[Unsubscribed]",
        "[[Web]]",
        "&amp;#91;Unsubscribe&amp;#93;",
    ],
)
def test_what_is_no_macro_stays(body: str) -> None:
    content = message(f"{body}\r\n".encode())
    assert received(sent(content)) == content


def test_a_message_that_gets_no_link_says_so() -> None:
    assert [edit.links for edit in changes(message(b"x\r\n"))] == [()]
    assert [edit.links for edit in changes(message(b"x\r\n"), replace(WISHED, adds_pair=True))] == [
        ("Unsubscribe", "UnsubscribeToken")
    ]


def test_a_text_that_is_not_encoded_stays_so_and_only_the_macro_changes() -> None:
    content = message(b'<p>one</p>\r\n<a href="[Unsubscribe]">\t</a>\r\n.dots \r\n')
    assert received(sent(content)) == content.replace(b"[Unsubscribe]", OUT.encode())


def test_a_line_that_would_become_too_long_is_encoded() -> None:
    content = message(b"x" * 900 + b"[Unsubscribe]\r\n")
    arrived = sent(content)
    assert max(map(len, arrived.split(b"\r\n"))) <= 998
    assert b"Content-Transfer-Encoding: quoted-printable" in arrived
    assert text(arrived) == "x" * 900 + OUT


def test_a_text_in_raw_8_bit_is_encoded_and_has_its_link() -> None:
    content = message("Grüße [Unsubscribe]\r\n".encode(), encoding="8bit")
    arrived = sent(content)
    assert arrived.isascii()
    assert text(arrived) == f"Grüße {OUT}"


MULTIPART = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nGo [Unsubscribe]\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nW1Vuc3Vic2NyaWJlXQ==\r\n"
    b"--b\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n[Unsubscribe]\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nW1Vuc3Vic2NyaWJlXQ==\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: an older one\r\n\r\n[Unsubscribe]\r\n--b--\r\n"
)


def test_texts_that_are_shown_change_and_no_other_part() -> None:
    content = message(MULTIPART, kind="multipart/mixed; boundary=b")
    expected = content.replace(b"Go [Unsubscribe]", b"Go " + OUT.encode())
    expected = expected.replace(b"W1Vuc3Vic2NyaWJlXQ==", base64.b64encode(OUT.encode()) + b"\r\n", 1)
    assert received(sent(content)) == expected


@pytest.mark.parametrize("kind", ["multipart/signed", "multipart/encrypted"])
def test_what_is_signed_or_encrypted_stays(kind: str) -> None:
    body = (
        b"--b\r\nContent-Type: text/plain\r\n\r\n[Unsubscribe]\r\n--b\r\nContent-Type: application/x-any\r\n\r\nx\r\n--b--\r\n"
    )
    content = message(body, kind=f"{kind}; boundary=b; protocol=x; micalg=y")
    assert received(sent(content)) == content


@given(before=st.binary(max_size=600), after=st.binary(max_size=600), cuts=st.lists(st.integers(0, 1400), max_size=8))
def test_pieces_may_be_cut_anywhere(before: bytes, after: bytes, cuts: list[int]) -> None:
    whole = before + b"[Unsubscribe]" + after + b"http://[WebVersion]/"
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    assert b"".join(macros.filled(pieces, LINKS)) == b"".join(macros.filled([whole], LINKS))


def test_a_macro_without_a_link_stays() -> None:
    assert b"".join(macros.filled([b"[Unsubscribe] [WebVersion]"], {"WebVersion": WEB})) == b"[Unsubscribe] " + WEB.encode()


FOOTER = Footer(text="[Unsubscribe]", html="[Unsubscribe]", plain="[Unsubscribe]")
PGP = b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\n[Unsubscribe]\r\n-----BEGIN PGP SIGNATURE-----\r\n"
PADDED = b"\r\n".join(base64.b64encode(line) for line in (b"Hello there\r\n", b"[Unsubscribe]\r\n", b"bye\r\n")) + b"\r\n"


@pytest.mark.parametrize(("body", "encoding"), [(PGP, "7bit"), (PADDED, "base64")], ids=["signed in its own words", "padded"])
def test_a_text_that_would_not_be_the_same_is_left_alone(body: bytes, encoding: str) -> None:
    content = message(body, kind="text/plain", encoding=encoding)
    assert received(sent(content)) == content
    assert received(sent(content, replace(WISHED, footer=FOOTER))) == content


def test_what_was_signed_in_its_own_words_is_told_of() -> None:
    content = message(PGP, kind="text/plain")
    assert edits.left_alone(content, mime.read(content), WISHED) == "its own encoding or signature"


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "written", ["[Unsubscribe]", "http://[Unsubscribe]/", "https://%5BUnsubscribe%5D", "&#91;Unsubscribe&#93;"]
)
def test_wide_charsets_have_all_ways_to_write_one(charset: str, written: str) -> None:
    html = f'<a href="{written}">[WebVersion]</a>'
    raw = base64.encodebytes(html.encode(charset)).replace(b"\n", b"\r\n")
    assert text(sent(message(raw, kind=f"text/html; charset={charset}", encoding="base64"))) == f'<a href="{OUT}">{WEB}</a>'
