from __future__ import annotations

import pytest

from relay import attachments
from relay.errors import AttachmentNotAllowed, Malformed
from relay.extensions import FORBIDDEN_EXTENSIONS
from relay.model import Attachments
from relay.reading import mime
from relay.reading.mime import Parsed, Part

DEFAULT = Attachments()
FORBIDDEN = sorted(FORBIDDEN_EXTENSIONS)


def judge(content: bytes, policy: Attachments = DEFAULT) -> None:
    attachments.check(content, mime.read(content), policy)


def judge_names(*names: str, policy: Attachments = DEFAULT) -> None:
    parts = tuple(Part("application/octet-stream", (name,), 0, 0) for name in names)
    attachments.check(b"", Parsed((), parts), policy)


def attached(*lines: bytes) -> bytes:
    """A message with a text and one attachment that has these header lines."""
    return (
        b"From: shop@example.com\r\nContent-Type: multipart/mixed; boundary=bound\r\n\r\n"
        b"--bound\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--bound\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\nTVo=\r\n--bound--\r\n"
    )


@pytest.mark.parametrize("word", FORBIDDEN)
def test_every_forbidden_extension_is_refused_by_its_name(word: str) -> None:
    for name in (f"offer.{word}", f"offer.{word.upper()}", f"offer.pdf.{word}", f".{word}", f"offer.{word}. ."):
        with pytest.raises(AttachmentNotAllowed) as refused:
            judge_names(name)
        assert refused.value.subject == word


@pytest.mark.parametrize(
    "name",
    [
        "",
        "offer",
        "exe",
        "offer.pdf",
        "offer-shop.com.pdf",
        "report.js.txt",
        "example.com-invoice.pdf",
        "photo.jpeg",
        "archive.tar.gz",
        "table.xlsx",
        "data.json",
        "notes.exe.txt",
        "setup.exemplar",
        "offer.pdf.",
        "Angebot Frühjahr.docx",
        "報告.pdf",
        "...",
        ".",
    ],
)
def test_ordinary_names_pass(name: str) -> None:
    judge_names(name)


def test_one_forbidden_name_among_many_is_enough() -> None:
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        judge_names("a.pdf", "b.png", "c.exe", "d.txt")


def test_one_forbidden_reading_of_a_name_is_enough() -> None:
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        attachments.check(b"", Parsed((), (Part("x/y", ("a.pdf", "a.exe"), 0, 0),)), DEFAULT)


def test_another_list_may_be_given() -> None:
    judge_names("a.exe", policy=Attachments(permitted=frozenset(("exe",))))
    with pytest.raises(AttachmentNotAllowed, match="pdf"):
        judge_names("a.pdf", policy=Attachments(also_denied=frozenset(("pdf",))))


# The spellings of a name in a message.


@pytest.mark.parametrize(
    "lines",
    [
        [b'Content-Disposition: attachment; filename="evil.exe"'],
        [b"Content-Disposition: attachment; filename=evil.exe"],
        [b"Content-Disposition: inline; filename=evil.exe"],
        [b"Content-Disposition: ATTACHMENT; FILENAME=EVIL.EXE"],
        [b"content-disposition:attachment;filename=evil.exe"],
        [b'Content-Disposition: attachment;\r\n\tfilename = "evil.exe"'],
        [b"Content-Disposition: attachment; filename=\r\n evil.exe"],
        [b'Content-Disposition: attachment; filename="evil.exe'],
        [b'Content-Disposition: attachment; filename="evil.exe";'],
        [b'Content-Disposition: attachment; size=3; filename="evil.exe"; x=y'],
        [b'Content-Disposition: attachment; x="a;b"; filename="evil.exe"'],
        [rb'Content-Disposition: attachment; x="a\"; filename=ok.txt"; filename="evil.exe"'],
        [rb'Content-Disposition: attachment; filename="evil\.e\xe"'],
        [rb'Content-Disposition: attachment; filename="\"evil.exe"'],
        [b'Content-Disposition: attachment; filename="my evil file.exe"'],
        [b"Content-Disposition: attachment; filename=my evil file.exe"],
        [b'Content-Disposition: attachment; filename="evil.exe. . "'],
        [b'Content-Disposition: attachment; filename="C:\\\\temp\\\\evil.exe"'],
        [b'Content-Disposition: attachment; filename="../evil.exe"'],
        ['Content-Disposition: attachment; filename="übel.exe"'.encode()],
        ['Content-Disposition: attachment; filename="übel.exe"'.encode("latin-1")],
        ['Content-Disposition: attachment; filename="evil.ｅｘｅ"'.encode()],  # noqa: RUF001
        [b'Content-Type: application/octet-stream; name="evil.exe"'],
        [b"Content-Type: application/octet-stream; NAME=evil.exe"],
        [b'Content-Type: application/octet-stream; name="evil.exe"', b'Content-Disposition: attachment; filename="ok.txt"'],
        [b'Content-Type: application/octet-stream; name="ok.txt"', b'Content-Disposition: attachment; filename="evil.exe"'],
        # RFC 2231.
        [b"Content-Disposition: attachment; filename*=utf-8''evil.exe"],
        [b"Content-Disposition: attachment; filename*=UTF-8'en'evil%2Eexe"],
        [b"Content-Disposition: attachment; filename*=utf-8''%65%76%69%6C%2E%65%78%65"],
        [b"Content-Disposition: attachment; filename*=iso-8859-1''%FCbel.exe"],
        [b"Content-Disposition: attachment; filename*=no-such-charset''evil.exe"],
        [b"Content-Disposition: attachment; filename*=evil.exe"],
        [b"Content-Disposition: attachment; filename*=''evil.exe"],
        [b"Content-Disposition: attachment; filename=ok.txt; filename*=utf-8''evil.exe"],
        [b"Content-Disposition: attachment; filename*=utf-8''ok.txt; filename=evil.exe"],
        [b'Content-Disposition: attachment; filename*0="evil"; filename*1=".exe"'],
        [b'Content-Disposition: attachment; filename*1=".exe"; filename*0="evil"'],
        [b'Content-Disposition: attachment; filename*0="evil.";\r\n filename*1="e";\r\n filename*2="xe"'],
        [b"Content-Disposition: attachment; filename*0*=utf-8''evil; filename*1*=%2Eexe"],
        [b"Content-Disposition: attachment; filename*1*=%2Eexe; filename*0*=utf-8''evil"],
        [b"Content-Disposition: attachment; filename*0*=utf-8''evil; filename*1=.exe"],
        [b"Content-Disposition: attachment; filename*00=evil.; filename*01=exe"],
        [b"Content-Disposition: attachment; " + b"; ".join(b"filename*%d=%c" % item for item in enumerate(b"a long evil.exe"))],
        [b"Content-Type: application/octet-stream; name*=utf-8''evil%2Eexe"],
        [b'Content-Type: application/octet-stream; name*0="evil."; name*1="exe"'],
        # RFC 2047, where it must not stand and everybody reads it.
        [b'Content-Disposition: attachment; filename="=?utf-8?B?ZXZpbC5leGU=?="'],
        [b"Content-Disposition: attachment; filename==?utf-8?B?ZXZpbC5leGU=?="],
        [b'Content-Disposition: attachment; filename="=?utf-8?q?evil=2Eexe?="'],
        [b'Content-Disposition: attachment; filename="=?utf-8?q?evil=2E?=\r\n =?utf-8?q?exe?="'],
        [b'Content-Disposition: attachment; filename="evil=?utf-8?q?=2Eexe?="'],
        [b'Content-Disposition: attachment; filename*0="=?utf-8?q?evil"; filename*1="=2Eexe?="'],
        [b'Content-Type: application/octet-stream; name="=?iso-8859-1?Q?=FCbel.exe?="'],
    ],
)
def test_a_forbidden_name_is_seen_however_it_is_spelled(lines: list[bytes]) -> None:
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        judge(attached(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        # Of duplicates some readers take the first and some the last.
        [b"Content-Disposition: attachment; filename=ok.txt", b"Content-Disposition: attachment; filename=evil.exe"],
        [b"Content-Disposition: attachment; filename=evil.exe; filename=ok.txt"],
        [b"Content-Disposition: attachment; filename=ok.txt; filename=evil.exe"],
        [b"Content-Disposition: attachment; filename*=evil.exe; filename*=ok.txt"],
        [b"Content-Disposition: attachment; filename*0=evil.exe; filename*0=ok.txt"],
        [b"Content-Type: text/plain; name=ok.txt", b"Content-Type: application/octet-stream; name=evil.exe"],
        [b"Content-Type: application/octet-stream; name=evil.exe", b"Content-Type: text/plain; name=ok.txt"],
        [
            b"Content-Type: text/plain",
            b"Content-Type: multipart/mixed; boundary=i",
            b"",
            b"--i",
            b"Content-Disposition: attachment; filename=evil.exe",
            b"",
            b"TVo=",
            b"--i--",
        ],
        # Comments: RFC 822 allows them nearly everywhere.
        [b"Content-Disposition: attachment; filename=evil.exe (a comment)"],
        [b"Content-Disposition: attachment; (a comment) filename=evil.exe"],
        [
            b"Content-Type: (a comment) multipart/mixed; boundary=i",
            b"",
            b"--i",
            b"Content-Disposition: attachment; filename=evil.exe",
            b"",
            b"TVo=",
            b"--i--",
        ],
        [
            b"Content-Type: message/rfc822 (a comment)",
            b"",
            b"From: shop@example.com",
            b"Content-Disposition: attachment; filename=evil.exe",
        ],
        # Some readers show the octets of a word in an unknown character set as they are.
        [b'Content-Disposition: attachment; filename="=?no-such-charset?B?ZXZpbC5leGU=?="'],
        ['Content-Disposition: attachment; filename="evil.exe\u200b"'.encode()],
        ['Content-Disposition: attachment; filename="evil.exe\u202c"'.encode()],
    ],
)
def test_one_reader_who_would_see_a_forbidden_name_is_enough(lines: list[bytes]) -> None:
    # Either the name is seen or the message is one that readers do not agree on.
    with pytest.raises((AttachmentNotAllowed, Malformed)):
        judge(attached(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        [b'Content-Disposition: attachment; filename="offer-shop.com.pdf"'],
        [b'Content-Disposition: attachment; filename="report.js.txt"'],
        [b"Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf"],
        [b'Content-Disposition: attachment; filename*0="a very long name of a "; filename*1="file.exe.pdf"'],
        [b'Content-Disposition: attachment; filename="=?utf-8?q?Gr=C3=BC=C3=9Fe?=.pdf"'],
        [b"Content-Disposition: attachment; filename=\"it's 5'' wide.pdf\""],
        [b"Content-Type: application/pdf; x=evil.exe"],
        [b"Content-Type: text/plain; charset=utf-8"],
        [b"Content-Disposition: attachment"],
        [b"Subject: evil.exe"],
    ],
)
def test_ordinary_attachments_pass(lines: list[bytes]) -> None:
    judge(attached(*lines))


def test_a_name_in_the_text_is_no_attachment() -> None:
    judge(b"From: a@example.com\r\n\r\nContent-Disposition: attachment; filename=evil.exe\r\n")


def test_an_attachment_deep_inside_is_seen() -> None:
    content = attached(b"Content-Disposition: attachment; filename=evil.exe")
    for level in (b"x", b"y", b"z"):
        content = (
            b"From: shop@example.com\r\nContent-Type: multipart/mixed; boundary=" + level + b"\r\n\r\n--" + level + b"\r\n"
            b"Content-Type: message/rfc822\r\n\r\n" + content + b"\r\n--" + level + b"--\r\n"
        )
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        judge(content)


def test_a_message_that_is_itself_an_attachment_is_seen() -> None:
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        judge(b"From: a@example.com\r\nContent-Disposition: attachment; filename=evil.exe\r\n\r\nMZ\r\n")
