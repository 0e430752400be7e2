"""Messages made to take long, or much memory."""

from __future__ import annotations

import base64
import io
import random
import zipfile
from collections.abc import Callable

from tests.corpus.hostile import HEAD, NESTED_TYPE, OUTER, attached, in_lines, mixed, named, section, single

MEGABYTE = 1 << 20
QUOTED = b"Content-Transfer-Encoding: quoted-printable"
_TYPE = b"Content-Type: multipart/mixed; boundary="


def _many_boundaries(count: int, size: int) -> bytes:
    """As many multiparts side by side, and lines like a boundary to the end."""
    inner = [_TYPE + b"%d=\r\n\r\n--%d=\r\n\r\nx\r\n--%d=--" % (number, number, number) for number in range(count)]
    return mixed(*inner, b"\r\n" + b"\r\n--" * (size // 4))


def _nested(depth: int) -> bytes:
    return HEAD + b"".join(_TYPE + b"%d=\r\n\r\n--%d=\r\n" % (level, level) for level in range(depth))


def _nested_64(depth: int, size: int) -> bytes:
    content = mixed(b"Content-Type: application/pdf\r\n\r\n" + bytes(range(1, 10)) * (size // 9), boundary=b"inner")
    for _ in range(depth):
        content = single(in_lines(content), NESTED_TYPE, b"Content-Transfer-Encoding: base64")
    return content


def _zip_of_one(size: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(size))
    return packed.getvalue()


def _zip_of_many(count: int) -> bytes:
    entry = b"PK\x01\x02" + bytes(24) + b"\x01" + bytes(17) + b"a"
    return b"PK\x03\x04" + bytes(26) + entry * count + b"PK\x05\x06" + bytes(18)


def _tnef_of_many(count: int) -> bytes:
    size = 8 * count + 4
    head = b"\x78\x9f\x3e\x22\0\0\x02\x05\x90\x06\0" + size.to_bytes(4, "little") + count.to_bytes(4, "little")
    return head + b"\x03\0\0\0\0\0\0\0" * count + b"\0\0"


_TEXT, _IN_BASE64 = b"Content-Type: text/plain", b"Content-Transfer-Encoding: base64"
_FILE = b'Content-Disposition: attachment; filename="a.txt"'


def _names_in_names() -> bytes:
    return b"Content-Type: text/plain" + b"".join(
        b'\r\n ;(a)name*%d==?utf-8?q?%%\\"%02d?=' % (number, number) for number in range(98)
    )


def _rar_of_records(size: int) -> bytes:
    numbers = b"".join(map(_in_sevens, (size + 10, 2, 1, size)))
    return b"Rar!\x1a\x07\x01\0" + bytes(4) + numbers + bytes(40)


def _in_sevens(number: int) -> bytes:
    """Seven bits an octet, the lowest first."""
    octets = []
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*octets, number))


def _beyond_ascii(count: int) -> bytes:
    return named(b"Content-Disposition: attachment; filename=\xc3\xa4" + b"; a=   x" * count + b'; "')


BOMBS: dict[str, Callable[[], bytes]] = {
    "20,000 multiparts within each other": lambda: _nested(20_000),
    "20,000 messages within each other": lambda: HEAD + (NESTED_TYPE + b"\r\n\r\n") * 20_000,
    "100,000 parts": lambda: single(b"--outer\r\n\r\nx\r\n" * 100_000, OUTER),
    "100,000 headers": lambda: b"A: 1\r\n" * 100_000 + b"\r\nx\r\n",
    "100,000 headers of a part": lambda: mixed(b"A: 1\r\n" * 100_000 + b"\r\nx\r\n"),
    "a header of a megabyte": lambda: single(b"x", b"Subject: " + b"x" * MEGABYTE),
    "quotes without end": lambda: named(b"Content-Type: x/y; name=" + b'"\\' * 50_000),
    "comments in comments": lambda: named(b"Content-Type: x/y; name=a " + b"(" * 100_000),
    "10 MB of comments in comments": lambda: named(b"Content-Type: x/y; name=a " + b"(" * 10 * MEGABYTE),
    "names": lambda: named(b"Content-Type: x/y; " + b"name=" * 20_000),
    "names without a sign": lambda: named(b"Content-Type: x/y; " + b"name" * 25_000),
    "pieces": lambda: named(b"Content-Disposition: attachment" + b"".join(b"; filename*%d=a" % n for n in range(6000))),
    "words": lambda: named(b"Content-Type: x/y; name=" + b"=?utf-8?q?x?=" * 7500),
    "half words": lambda: named(b"Content-Type: x/y; name=" + b"=?a?q?x" * 14_000),
    "words in each of 100 parts": lambda: mixed(*[b"Content-Type: x/y; name=" + b"=?utf-8?q?x?=" * 300 + b"\r\n\r\nx"] * 100),
    "types without end": lambda: single(b"x", b"Content-Type: x " + b"a/" * 50_000),
    "240 boundaries and lines like them": lambda: _many_boundaries(240, 10 * MEGABYTE),
    "240 boundaries and lines more like them": lambda: _many_boundaries(240, 10 * MEGABYTE).replace(
        b"\r\n--\r\n--", b"\r\n--3\r\n--1"
    ),
    "lines like a boundary": lambda: mixed(b"\r\n" + b"--oute\r\n" * MEGABYTE),
    "10 MB of begin": lambda: single(b"begin \r\n" * MEGABYTE),
    "10 MB of files in a text": lambda: single(b"begin 644 a\r\n" * MEGABYTE),
    "files in each of 690 texts": lambda: mixed(*[section(_TEXT, body=b"begin 644 a\r\n" * 990)] * 690),
    "sentences like beginnings of files": lambda: mixed(
        *[section(_TEXT, _IN_BASE64, body=in_lines(b"begin 000.com\n" * 99_000))] * 5
    ),
    "10 MB of yEnc": lambda: single(b"=ybegin name=a\r\n" * (10 * MEGABYTE // 16)),
    "10 MB of blanks in base64": lambda: mixed(
        b"Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b" " * 10 * MEGABYTE
    ),
    "10 MB of quoted-printable": lambda: single(
        b"=\r\n" * (10 * MEGABYTE // 3), b"Content-Transfer-Encoding: quoted-printable"
    ),
    "10 MB in one line of quoted-printable": lambda: single(
        b"=3D" * (10 * MEGABYTE // 3), b"Content-Transfer-Encoding: quoted-printable"
    ),
    "a preamble of 10 MB": lambda: mixed(b"\r\nx", before=b"content \r\n" * MEGABYTE),
    "40 MB in base64": lambda: attached(random.Random(1).randbytes(29 * MEGABYTE)),
    "40 MB of messages in base64": lambda: _nested_64(3, 15 * MEGABYTE),
    "a zip of 1:1000": lambda: attached(_zip_of_one(100 * MEGABYTE), "application/zip", "a.zip"),
    "a zip of 1,000,000 files": lambda: attached(_zip_of_many(1_000_000), "application/zip", "a.zip"),
    "a zip of beginnings": lambda: attached(b"PK\x03\x04" * 5 * MEGABYTE, "application/zip", "a.zip"),
    "a RAR of empty blocks": lambda: attached(b"Rar!\x1a\x07\x01\0" + bytes(MEGABYTE), "application/x-rar", "a.rar"),
    "TNEF of empty properties": lambda: attached(_tnef_of_many(65_535), "application/ms-tnef", "winmail.dat"),
    "processing instructions in a text": lambda: attached(b"<?php a ?>\r\n" * 4000, "text/plain", "a.txt"),
    "a job behind processing instructions": lambda: attached(b"<?a?><job " * 4000, "text/plain", "a.txt"),
    "a #! without an end": lambda: mixed(*[section(_FILE, body=b"#!" + b"a" * 15_000)] * 4),
    "parameters beyond ASCII": lambda: _beyond_ascii(5000),
    "parameters beyond ASCII in a message": lambda: mixed(section(NESTED_TYPE, body=_beyond_ascii(14))),
    "blanks behind a sign": lambda: named(b"Content-Disposition: attachment; name=a; x=" + b" " * 50_000 + b"y"),
    "parameters beyond ASCII, each of another name": lambda: single(
        b"x", b"Content-Type: text/plain" + b"".join(b";a%04d=\xc3\xa9" % number for number in range(7000))
    ),
    "names in names": lambda: mixed(*[section(_names_in_names())] * 20),
    "names in as many charsets": lambda: named(
        b"Content-Type: text/plain"
        + b"".join(b"\r\n ;charset=zz%05d" % number for number in range(2500))
        + b"".join(b"\r\n ;name=a%%e9'b'%%%02d" % number for number in range(10, 108))
    ),
    "many short names": lambda: mixed(
        *[section(b"Content-Type: a/b" + b"".join(b";name=\xd0\xb0%02d" % number for number in range(90)))] * 60
    ),
    "types of no type": lambda: mixed(*[section(b"Content-Type: " + b"a" * 990)] * 58),
    "a RAR that says where": lambda: attached(_rar_of_records(1 << 60), "application/x-rar", "a.rar"),
    "a zip of names in names": lambda: attached(
        (b"PK\x03\x04" + bytes(22) + b"\xff\xff\0\0") * 1500, "application/zip", "a.zip"
    ),
    "yEnc of names": lambda: single(b"\r\n".join([b"=ybegin " + b"name=" * 405 + b"x" * 20] * 31)),
    "100,000 of BinHex": lambda: single(b"BinHex 4" * 100_000),
    "BinHex of runs": lambda: single(b"BinHex 4.0\r\n:" + base64.b64encode(b"\x90\xff" * MEGABYTE) + b":\r\n"),
}
