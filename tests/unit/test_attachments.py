from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import attachments
from relay.credential import Attachments
from relay.errors import AttachmentNotAllowed, Malformed
from relay.extensions import FORBIDDEN_EXTENSIONS
from relay.reading import archives, enclosed, media_types, mime, tnef
from relay.reading.mime import Parsed, Part
from tests.corpus import files, hostile

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
        ['Content-Disposition: attachment; filename="evil.ｅｘｅ"'.encode()],
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


# What a policy may say.


def refusal(content: bytes, **rules: Any) -> str | None:
    """What is refused under rules that deny nothing but what they say, or None."""
    try:
        judge(content, Attachments(**({"permitted": FORBIDDEN_EXTENSIONS} | rules)))
    except AttachmentNotAllowed as refused:
        return refused.subject
    return None


@pytest.mark.parametrize(
    ("content", "denied", "refused"),
    [
        (hostile.attached(files.PROGRAM), "exe", "exe"),
        (hostile.attached(files.PROGRAM), "magic:pe", "pe"),
        (hostile.attached(files.PROGRAM), "magic:elf", None),
        (hostile.attached(files.ELF), "magic:elf", "elf"),
        (hostile.attached(files.ELF), "exe", "exe"),
        (hostile.attached(b"%PDF-1.7"), "exe", None),
        (hostile.attached(b"%PDF-1.7"), "application/pdf", "application/pdf"),
        (hostile.attached(b"%PDF-1.7"), "application/*", "application/pdf"),
        (hostile.attached(b"%PDF-1.7"), "image/*", None),
        (hostile.attached(b"%PDF-1.7", "x/y", "a.dat"), "pdf", "pdf"),
        (hostile.attached(b"x", "application/pdf", "a.dat"), "pdf", "pdf"),
        (hostile.attached(b"x", "text/html", "a.html"), "text/html", "text/html"),
        (hostile.single(b"<p>", b"Content-Type: text/html"), "text/html", None),
        (hostile.single(b"<p>", b"Content-Type: text/html", b"Content-Disposition: attachment"), "text/html", "text/html"),
        (hostile.attached(files.zipped("a.pdf"), "x/y", "a.dat"), "zip", "zip"),
        (hostile.attached(files.zipped("[Content_Types].xml"), "x/y", "a.docx"), "zip", None),
        (hostile.attached(files.zipped("mimetype"), "x/y", "a.odt"), "zip", None),
        (hostile.attached(b"#!/bin/bash -e\n"), "sh", "sh"),
        (hostile.attached(b"FWS\x06\x40\x01\0\0" + bytes(20)), "swf", "swf"),
        (hostile.attached(b"CWS are letters"), "swf", None),
        (hostile.attached(b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(20)), "class", "class"),
        (hostile.attached(b"GIF89a"), "gif", "gif"),
    ],
)
def test_what_is_denied_is_denied_by_name_type_and_content(content: bytes, denied: str, refused: str | None) -> None:
    assert refusal(content, also_denied=frozenset((denied,))) == refused


@pytest.mark.parametrize(
    ("content", "allowed", "refused"),
    [
        (hostile.attached(b"%PDF-1.7"), "pdf", None),
        (hostile.attached(b"%PDF-1.7"), "application/pdf", None),
        (hostile.attached(b"%PDF-1.7"), "zip image/*", "pdf"),
        (hostile.attached(b"x", "image/png", "a.png"), "image/*", None),
        (hostile.attached(b"x", "image/png", "a"), "png", None),
        (hostile.attached(b"x", "image/tiff", "a"), "png", "image/tiff"),
        (hostile.attached(files.PROGRAM), "pdf", "exe"),
        (hostile.attached(files.PROGRAM), "pdf magic:pe", None),
        (hostile.attached(files.zipped("x"), "x/y", "a.docx"), "docx", None),
        (hostile.single(b"<p>", b"Content-Type: text/html"), "pdf", None),
        (hostile.single(files.uuencoded("a.zip", b"x")), "pdf", "zip"),
        (hostile.single(files.uuencoded("a.pdf", b"x")), "pdf", None),
    ],
)
def test_where_something_is_allowed_nothing_else_is(content: bytes, allowed: str, refused: str | None) -> None:
    assert refusal(content, only=frozenset(allowed.split())) == refused


@pytest.mark.parametrize(
    ("octets", "kind", "is_encrypted"),
    [
        (files.zipped("a.pdf"), "zip", False),
        (files.zipped("a.pdf", "b.pdf", is_encrypted=True), "zip", True),
        (files.RAR4_PLAIN, "rar", False),
        (files.RAR4_ENCRYPTED, "rar", True),
        (files.RAR4_FILE_ENCRYPTED, "rar", True),
        (files.RAR5_PLAIN, "rar", False),
        (files.RAR5_ENCRYPTED, "rar", True),
        (files.RAR5_FILE_ENCRYPTED, "rar", True),
        (files.SEVEN_ZIP_PLAIN, "7z", False),
        (files.SEVEN_ZIP_ENCRYPTED, "7z", True),
        (b"%PDF-1.7 /Encrypt", "pdf", False),
    ],
)
def test_an_encrypted_archive_passes_only_where_it_may(octets: bytes, kind: str, is_encrypted: bool) -> None:
    content = hostile.attached(octets, "application/octet-stream", "a.dat")
    assert refusal(content) is None
    assert refusal(content, encrypted_archives=False) == (kind if is_encrypted else None)


@pytest.mark.parametrize(
    ("octets", "refused"),
    [
        (files.zipped("a.pdf", "b/c.txt"), None),
        (files.zipped("a.pdf", "b/evil.exe"), "exe"),
        (files.zipped("a.pdf", "b\\evil.EXE. "), "exe"),
        (files.zipped("shop.com/offer.pdf"), None),
        (files.with_two_names("offer.pdf", "evilx.exe"), "exe"),
        (files.with_two_names("evilx.exe", "offer.pdf"), "exe"),
        (files.zipped_as("offer.txt", "evil.exe"), "exe"),
        (b"in front " + files.zipped("evil.exe"), "exe"),  # programs look for its end
        (files.zipped("a.pdf", "META-INF/MANIFEST.MF", "Main.class"), "jar"),
        (files.zipped("a.zip", "inner.txt"), None),
    ],
)
def test_names_in_a_zip_are_judged_where_it_is_listed(octets: bytes, refused: str | None) -> None:
    content = hostile.attached(octets, "application/octet-stream", "a.dat")
    assert refusal(content, permitted=frozenset(), lists_archives=True) == refused
    assert refusal(content) is None


def test_names_in_a_zip_within_tnef_are_judged_as_well() -> None:
    content = hostile.attached(files.tnef("a.zip", data=files.zipped("evil.exe")), "application/ms-tnef", "winmail.dat")
    assert refusal(content, permitted=frozenset(), lists_archives=True) == "exe"
    assert refusal(content) is None


def test_a_zip_of_too_many_files_is_malformed() -> None:
    content = hostile.attached(files.zipped(*(f"{number}" for number in range(10_001))), "application/zip", "a.zip")
    with pytest.raises(Malformed, match="too many files"):
        refusal(content, lists_archives=True)
    assert refusal(hostile.attached(files.zipped(*map(str, range(10_000)))), lists_archives=True) is None


def test_a_zip_that_cannot_be_listed_is_malformed() -> None:
    content = hostile.attached(b"PK\x03\x04" + b"x" * 20, "application/zip", "a.zip")
    with pytest.raises(Malformed, match="cannot be listed"):
        refusal(content, lists_archives=True)


def test_the_types_that_stand_for_an_extension_are_in_lower_case() -> None:
    assert all(media_type == media_type.lower() and media_type.count("/") == 1 for media_type in media_types.EXTENSIONS)
    assert all(extension.isalnum() and extension == extension.lower() for extension in media_types.EXTENSIONS.values())


@given(st.binary(max_size=300), st.sampled_from(["zip", "7z", "rar"]))
def test_any_octets_are_an_archive_or_malformed(octets: bytes, kind: str) -> None:
    marks = {"zip": b"PK\x03\x04", "7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07\x01\0"}
    with suppress(Malformed):
        assert archives.is_encrypted(kind, marks[kind] + octets) in (True, False)


@given(st.binary(max_size=300))
def test_any_octets_are_tnef_or_malformed(octets: bytes) -> None:
    for start in (b"\x78\x9f\x3e\x22\0\0", b"\x78\x9f\x3e\x22\0\0\x02\x05\x90\x06\0\xff\0\0\0"):
        with suppress(Malformed):
            assert all(isinstance(found.name, str) for found in tnef.attachments(start + octets.ljust(257, b"\0")))


@given(st.binary(max_size=200), st.text("abcdefg.", min_size=1, max_size=12))
def test_a_file_in_a_text_is_found_however_it_is_written(octets: bytes, name: str) -> None:
    for write in (files.uuencoded, files.yencoded, files.binhexed):
        found = list(enclosed.find(enclosed.effort(), b"Hello\r\n" + write(name, octets) + b"\r\nBye\r\n"))
        assert [file.name.removeprefix("644 ") for file in found] == [name.strip()]
        assert octets.startswith(found[0].head[: len(octets)][:20].rstrip(b"\0") or b"")
