"""What a browser is shown of a mail."""

from __future__ import annotations

import base64

import pytest

from relay import web_version
from relay.web_version import Image, WebVersion
from tests.unit.test_macros import message

AT = "https://relay.example.com/w/TOKEN"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def related(html: str, *, content_id: str = "<logo@example.com>", kind: str = "image/png") -> bytes:
    encoded = base64.encodebytes(PNG).replace(b"\n", b"\r\n")
    body = (
        b"--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode() + b"\r\n--a--\r\n"
        b"--b\r\nContent-Type: "
        + kind.encode()
        + b"\r\nContent-ID: "
        + content_id.encode()
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + encoded
        + b"--b--\r\n"
    )
    return message(body, kind="multipart/related; boundary=b")


def test_the_html_is_shown_where_there_is_any() -> None:
    assert web_version.read(related("<p>Grüße</p>"), images=AT) == WebVersion(html="<p>Grüße</p>")


def test_both_texts_are_there_with_the_images_in_them() -> None:
    found = web_version.whole(related("<img src='cid:logo@example.com'><img src='cid:other'>"))
    image = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert found == WebVersion(html=f"<img src='{image}'><img src=''>", text="plain")


def test_an_image_that_is_shown_very_often_does_not_fill_the_memory() -> None:
    found = web_version.whole(related("<img src='cid:logo@example.com'>" * 200_000))
    assert 20_000_000 < len(found.html) < 40_000_000
    assert found.html.endswith("<img src=''>")


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        ("text/plain; charset=koi8-r", "Привет".encode("koi8-r")),
        ("text/plain; charset=utf-16", "Привет".encode("utf-16")),
        ("text/plain", "Привет".encode()),
        ("text/plain; charset=unheard-of", "Привет".encode()),
        ("text/plain; charset=rot13", "Привет".encode()),
    ],
)
def test_plain_text_is_read_in_its_charset(kind: str, octets: bytes) -> None:
    content = message(base64.encodebytes(octets).replace(b"\n", b"\r\n"), kind=kind, encoding="base64")
    assert web_version.read(content, images=AT) == WebVersion(text="Привет")


def test_octets_that_are_no_text_are_shown_as_far_as_they_are() -> None:
    assert web_version.read(message(b"Gr\xfc\xdfe\r\n", kind="text/plain", encoding="8bit"), images=AT).text == "Grüße\r\n"


IMAGES = {
    '<img src="cid:logo@example.com">': f'<img src="{AT}/logo%40example.com">',
    "<img src='CID:logo@example.com'>": f"<img src='{AT}/logo%40example.com'>",
    "<td style='background: url(cid:logo@example.com)'>": f"<td style='background: url({AT}/logo%40example.com)'>",
    '<img src="cid:a%25b&amp;c">': f'<img src="{AT}/a%25b%26c">',
    "<p>acid:rain and cid:7</p>": "<p>acid:rain and cid:7</p>",
}


@pytest.mark.parametrize(("html", "expected"), IMAGES.items())
def test_images_inside_of_the_mail_are_asked_for_below_it(html: str, expected: str) -> None:
    assert web_version.read(related(html), images=AT).html == expected


def test_a_charset_that_is_none_is_no_trouble() -> None:
    assert web_version.read(message(b"<p>x\xff</p>", kind="text/html; charset=idna"), images=AT).html == "<p>x\ufffd</p>"


def test_an_image_is_found_by_its_identifier() -> None:
    assert web_version.image(related(""), "logo@example.com") == Image("image/png", PNG)
    assert web_version.image(related(""), "other@example.com") is None
    assert web_version.image(related("", content_id="logo@example.com"), "logo@example.com")


@pytest.mark.parametrize(
    ("kind", "known"), [("image/jpg", "image/jpeg"), ("image/pjpeg", "image/jpeg"), ("image/x-png", "image/png")]
)
def test_an_image_of_a_type_that_older_programs_say_is_shown_too(kind: str, known: str) -> None:
    assert web_version.image(related("", kind=kind), "logo@example.com") == Image(known, PNG)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/pdf", "application/octet-stream"])
def test_nothing_but_images_is_given_out(kind: str) -> None:
    assert web_version.image(related("", kind=kind), "logo@example.com") is None


def test_several_texts_are_shown_in_their_order() -> None:
    body = b"--b\r\n\r\nFirst\r\n--b\r\n\r\nLast\r\n--b--\r\n"
    assert web_version.read(message(body, kind="multipart/mixed; boundary=b"), images=AT) == WebVersion(text="First\nLast")


def test_a_mail_without_texts_shows_nothing() -> None:
    assert web_version.read(message(b"JVBERi0=\r\n", kind="application/pdf", encoding="base64"), images=AT) == WebVersion()


def test_a_letter_of_thousands_of_digits_is_no_fault_of_ours() -> None:
    link = "cid:&#" + "1" * 5000 + ";"
    message = f"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<img src='{link}'>\r\n".encode()
    assert web_version.whole(message).html.strip() == "<img src=''>"
    assert "https://x/" in web_version.read(message, images="https://x").html


@pytest.mark.parametrize(("charset", "octets"), [("utf-7", b"a+2AA-b"), ("unicode_escape", b"a\\ud800b")])
def test_a_text_that_no_page_can_hold_is_shown_without_that(charset: str, octets: bytes) -> None:
    content = message(octets + b"\r\n", kind=f"text/plain; charset={charset}")
    for text in (web_version.whole(content).text, web_version.read(content, images=AT).text):
        assert text.encode().startswith(b"a")
