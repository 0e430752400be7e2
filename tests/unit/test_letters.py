"""What the console shows of the inside of a message."""

from __future__ import annotations

from base64 import b64encode

import pytest

from relay.errors import Malformed
from relay.web.console import letters

PNG = b"\x89PNG" + bytes(60_000)


def message(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    head = b"From: a@example.com\r\nsubject: =?utf-8?b?0JfQsNC60LDQtw==?=\r\nContent-Type: multipart/" + kind
    return head + b"; boundary=x\r\n\r\n" + b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


def html(page: bytes) -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\n\r\n" + page


def image(name: bytes = b"logo", octets: bytes = PNG) -> bytes:
    head = b"Content-Type: image/png\r\nContent-ID: <" + name + b">\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + b64encode(octets)


def named(disposition: str) -> bytes:
    return f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {disposition}\r\n\r\nx".encode()


def test_images_of_the_message_stand_in_its_page_and_others_stay_elsewhere() -> None:
    page = letters.page(message(html(b'<img src="cid:logo"><img src="cid:other"><img src="http://x.example/y">'), image()))
    assert page == f'<img src="data:image/png;base64,{b64encode(PNG).decode()}"><img src=""><img src="http://x.example/y">'


def test_an_image_that_is_shown_very_often_does_not_fill_the_memory() -> None:
    page = letters.page(message(html(b'<img src="cid:logo">' * 20_000), image()))
    assert 20_000_000 < len(page) < 40_000_000
    assert page.endswith('<img src="">')


def test_an_image_that_is_no_image_is_not_shown() -> None:
    svg = b"Content-Type: image/svg+xml\r\nContent-ID: <logo>\r\n\r\n<svg/>"
    assert letters.page(message(html(b'<img src="cid:logo">'), svg)) == '<img src="">'


def test_plain_text_is_shown_as_it_stands() -> None:
    sent = b"From: a@example.com\r\n\r\n<b>1 < 2</b>\r\n"
    assert "<pre>&lt;b&gt;1 &lt; 2&lt;/b&gt;" in letters.page(sent)
    assert letters.text(sent) == "<b>1 < 2</b>\r\n"
    assert letters.text(message(html(b"<p>"))) == ""


def test_fields_have_their_names_as_they_were_written() -> None:
    found = letters.fields(message(html(b"")))
    assert found[:2] == (letters.Field("From", "a@example.com"), letters.Field("subject", "Заказ"))


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="a.pdf"', "a.pdf"),
        ("filename*=utf-8''%D0%A1%D1%87%D1%91%D1%82.pdf", "Счёт.pdf"),
        ('filename="=?utf-8?b?0KHRh9GR0YI=?="', "Счёт"),
        ('filename*0="very "; filename*1="long.pdf"', "very long.pdf"),
        ("x=y", "part-1"),
        ("filename*=idna''a.pdf", "idna''a.pdf"),
        ("filename*=punycode''%FF.pdf", "punycode''%FF.pdf"),
        ("filename*=a%00''a.pdf", "a%00''a.pdf"),
    ],
)
def test_a_file_has_the_name_that_readers_see(disposition: str, name: str) -> None:
    [found] = letters.attachments(message(named(disposition)))
    assert found == (1, name, "application/pdf", 1)


def test_files_are_saved_as_they_were_before_they_were_encoded() -> None:
    strange = b"Content-Type: application/x-y\r\nContent-Transfer-Encoding: x-rot13\r\n\r\nnopq"
    forwarded = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nInner text"
    sent = message(html(b"<p>"), image(octets=PNG), strange, forwarded)
    assert [(each.number, each.size) for each in letters.attachments(sent)] == [(2, len(PNG)), (3, 4), (5, 10)]
    assert letters.attachment(sent, 2) == ("part-2", PNG)
    assert letters.attachment(sent, 3) == ("part-3", b"nopq")
    assert letters.attachment(sent, 5) == ("part-5", b"Inner text")
    for number in (0, 1, 4, 6, 2**31):
        assert letters.attachment(sent, number) is None


def test_what_cannot_be_taken_apart_says_so() -> None:
    for reading in (letters.page, letters.text, letters.fields, letters.attachments):
        with pytest.raises(Malformed):
            reading(b"no header\r\n\r\n")
