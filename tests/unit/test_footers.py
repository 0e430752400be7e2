"""The line with the link for mail that has none: in every text that readers see, in its charset, and nothing else changes."""

from __future__ import annotations

import base64
import email
import email.policy
import quopri
from dataclasses import replace

import pytest

from relay.writing.footers import Footer
from tests.unit.test_macros import LINKS, OUT, WISHED, message, received, sent, text

RUSSIAN = Footer(text="Отписаться: [Unsubscribe]", html='<a href="[Unsubscribe]">Отписаться</a>', plain="Leave: [Unsubscribe]")
FOOTED = replace(WISHED, footer=RUSSIAN)
ENGLISH = replace(
    WISHED, footer=Footer(text="Leave: [Unsubscribe]", html='<a href="[Unsubscribe]">x</a>', plain="[Unsubscribe]")
)
HTML = f'\n<a href="{OUT}">Отписаться</a>\n'


def test_plain_text_gets_it_at_its_end() -> None:
    assert text(sent(message("Привет\r\n".encode(), kind="text/plain; charset=utf-8", encoding="8bit"), FOOTED)) == (
        f"Привет\n\nОтписаться: {OUT}"
    )


def test_a_text_that_is_not_encoded_stays_so() -> None:
    content = message(b"Hello\r\n", kind="text/plain; charset=us-ascii")
    assert received(sent(content, ENGLISH)) == content + f"\r\nLeave: {OUT}\r\n".encode()


def test_a_text_that_is_not_encoded_gets_no_nul_with_a_footer_of_two_octets_a_character() -> None:
    changed = sent(message(b"", kind="text/plain; charset=utf-16be"), ENGLISH)
    assert b"\0" not in changed
    assert text(changed).endswith(f"Leave: {OUT}")


CHARSETS = {
    "utf-8": "utf-8",
    "koi8-r": "koi8-r",
    "windows-1251": "cp1251",
    "utf-16": "utf-16",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
}


@pytest.mark.parametrize(("charset", "codec"), CHARSETS.items())
def test_it_is_in_the_charset_of_its_text(charset: str, codec: str) -> None:
    raw = base64.encodebytes("Привет\r\n".encode(codec)).replace(b"\n", b"\r\n")
    content = sent(message(raw, kind=f"text/plain; charset={charset}", encoding="base64"), FOOTED)
    assert text(content) == f"Привет\n\nОтписаться: {OUT}"


def test_what_is_quoted_printable_stays_so() -> None:
    raw = quopri.encodestring(b"Gr\xfc\xdfe" + b" again" * 10) + b"\r\n"
    content = sent(message(raw, kind="text/plain; charset=iso-8859-1", encoding="quoted-printable"), FOOTED)
    assert b"Content-Transfer-Encoding: quoted-printable" in content
    assert text(content) == f"Grüße{' again' * 10}\n\nLeave: {OUT}"


@pytest.mark.parametrize(
    "said",
    ["x-charset=utf-16; charset=koi8-r", "charset=koi8-r; old-charset=utf-16", "(charset=utf-16) charset=koi8-r"],
)
def test_the_charset_is_that_which_readers_see(said: str) -> None:
    content = message("Привет\r\n".encode("koi8-r"), kind=f"text/plain; {said}", encoding="8bit")
    assert text(sent(content, FOOTED)) == f"Привет\n\nОтписаться: {OUT}"


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_what_is_no_charset_to_write_a_text_in_is_none(kind: str) -> None:
    found = email.message_from_bytes(sent(message(b"Hello\r\n", kind=f"{kind}; charset=idna"), FOOTED))
    assert OUT.encode() in found.get_payload(decode=True)


@pytest.mark.parametrize("charset", ["us-ascii", "iso-8859-1", "windows-1252"])
def test_a_charset_without_its_letters_gets_the_plain_one(charset: str) -> None:
    assert text(sent(message(b"Hello\r\n", kind=f"text/plain; charset={charset}"), FOOTED)) == f"Hello\n\nLeave: {OUT}"


PLACES = {
    "<html><body><p>Hi</p></body></html>": f"<html><body><p>Hi</p>{HTML}</body></html>",
    "<HTML><BODY>Hi</BODY ></HTML>": f"<HTML><BODY>Hi{HTML}</BODY ></HTML>",
    "<p>Hi</p></html>": f"<p>Hi</p>{HTML}</html>",
    "<p>Hi": f"<p>Hi{HTML}".rstrip("\n"),
    "<!-- </body> --><body>Hi</body>": f"<!-- </body> --><body>Hi{HTML}</body>",
    "<body>Hi</body><!-- </body> -->": f"<body>Hi{HTML}</body><!-- </body> -->",
    "<p>Hi<!-- </body> -->": f"<p>Hi<!-- </body> -->{HTML}".rstrip("\n"),
    "<p>Hi</p><!-- a --></html><!-- </html> -->": f"<p>Hi</p><!-- a -->{HTML}</html><!-- </html> -->",
}


@pytest.mark.parametrize(("html", "expected"), PLACES.items())
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_html_gets_it_before_its_end(html: str, expected: str, codec: str) -> None:
    raw = base64.encodebytes(html.encode(codec)).replace(b"\n", b"\r\n")
    found = text(sent(message(raw, kind=f"text/html; charset={codec}", encoding="base64"), FOOTED))
    assert found.replace("&#1054;&#1090;&#1087;&#1080;&#1089;&#1072;&#1090;&#1100;&#1089;&#1103;", "Отписаться") == expected


def test_where_it_stands_is_right_in_a_text_of_many_pieces() -> None:
    html = "<body>" + "<p>Привет</p>\r\n" * 40_000 + "</body>"
    raw = base64.encodebytes(html.encode()).replace(b"\n", b"\r\n")
    found = text(sent(message(raw, encoding="base64"), FOOTED))
    assert found.endswith(
        f'\n<a href="{OUT}">' + "&#1054;&#1090;&#1087;&#1080;&#1089;&#1072;&#1090;&#1100;&#1089;&#1103;</a>\n</body>"
    )
    assert found.startswith("<body>" + "<p>Привет</p>\n" * 40_000)


MIXED = b"""--b\r
Content-Type: multipart/alternative; boundary=a\r
\r
--a\r
Content-Type: text/plain\r
\r
Hello\r
--a\r
Content-Type: text/html\r
\r
<p>Hello</p>\r
--a--\r
--b\r
Content-Type: text/plain; name=notes.txt\r
\r
An attachment\r
--b--\r
"""


@pytest.mark.parametrize("attached", [b"; name=notes.txt", b"\r\nContent-Disposition: Attachment (a log)"])
def test_each_alternative_gets_it_and_no_attachment(attached: bytes) -> None:
    content = message(MIXED.replace(b"; name=notes.txt", attached), kind="multipart/mixed; boundary=b")
    parsed = email.message_from_bytes(sent(content, ENGLISH), policy=email.policy.default)
    plain, html, notes = (part.get_content().replace("\r\n", "\n") for part in parsed.walk() if not part.is_multipart())
    assert (plain, html) == (f"Hello\n\nLeave: {OUT}", f'<p>Hello</p>\n<a href="{OUT}">x</a>\n')
    assert notes == "An attachment"


def test_a_message_with_the_macro_in_any_text_gets_none() -> None:
    content = message(MIXED.replace(b"Hello\r\n", b"[Unsubscribe]\r\n", 1), kind="multipart/mixed; boundary=b")
    assert received(sent(content, ENGLISH)) == content.replace(b"[Unsubscribe]", OUT.encode())


TWICE = b"--b\r\n\r\nFirst\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\n\r\nLast\r\n--b--\r\n"


def test_it_stands_under_the_last_of_several_texts() -> None:
    content = message(TWICE, kind="multipart/mixed; boundary=b")
    assert received(sent(content, ENGLISH)) == content.replace(b"Last", b"Last\r\n\r\nLeave: " + OUT.encode())


SIGNED = MIXED.replace(b"multipart/alternative", b"multipart/signed; protocol=x")


def test_what_is_signed_gets_none() -> None:
    content = message(SIGNED.replace(b"; name=notes.txt", b""), kind="multipart/mixed; boundary=b")
    found = received(sent(content, ENGLISH))
    assert found == content.replace(b"An attachment", b"An attachment\r\n\r\nLeave: " + OUT.encode())


def test_the_other_macro_is_no_substitute() -> None:
    content = message(b"[WebVersion]\r\n", kind="text/plain")
    assert text(sent(content, ENGLISH)) == f"{LINKS['WebVersion']}\n\nLeave: {OUT}"


@pytest.mark.parametrize("encoding", ["7bit", "base64"])
def test_a_part_that_is_a_header_alone_stays_as_it_is(encoding: str) -> None:
    alone = f"--b\r\nContent-Transfer-Encoding: {encoding}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n--b--\r\n"
    content = message(alone.encode(), kind="multipart/mixed; boundary=b")
    assert received(sent(content, FOOTED)) == content


def test_a_text_that_is_empty_gets_it() -> None:
    assert text(sent(message(b"", kind="text/plain; charset=utf-8"), FOOTED)).strip() == f"Отписаться: {OUT}"


def test_a_message_without_any_text_stays_as_it_is() -> None:
    content = message(b"JVBERi0=\r\n", kind="application/pdf", encoding="base64")
    assert received(sent(content, ENGLISH)) == content
