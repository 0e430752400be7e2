"""Messages changed a little, again and again: what is left is odd, and readers have to make something of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

_LINE_END = re.compile(rb"\r\n|\r|\n")
_PIECES = [
    *(bytes((octet,)) for octet in b"\";:\\*='%()<>?-., \t/_+"),
    b"\r\n ",
    b"\r\n\t",
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\r\n--outer\r\n",
    b"\r\n--outer--\r\n",
    b"\r\n--inner\r\n",
    b"--outer",
    b"=?utf-8?q?",
    b"=?utf-8?B?ZXZpbC5leGU=?=",
    b"?=",
    b"utf-8''",
    b"us-ascii'en'",
    b"%2E",
    b"%00",
    b"*0",
    b"*1*",
    b"*=",
    b"; name=evil.exe",
    b"; filename=evil.exe",
    b'; filename="evil.exe"',
    b"; filename*=utf-8''evil%2Eexe",
    b"; filename*0=evil; filename*1=.exe",
    b"; boundary=inner",
    b"; boundary=outer",
    b"evil.exe",
    b".pdf",
    b"\xff",
    b"\xe2\x80\x8b",
    b"\xe2\x80\xae",
    b"\x0b",
    b"\x0c",
    b"\x1a",
    b"\x85",
    b"Content-Type: text/plain\r\n",
    b"Content-Type: application/hta\r\n",
    b"Content-Type: multipart/mixed; boundary=inner\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Disposition: attachment; filename=evil.exe\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"begin 644 evil.exe\r\n#0V%T\r\n`\r\nend\r\n",
]


def _inserted(content: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice(_PIECES) + content[place:]


def _replaced(content: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice(_PIECES) + content[place + random.randrange(1, 8) :]


def _cut(content: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + content[place + random.randrange(1, 12) :]


def _in_header(content: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Where it matters most: behind a mark of a structured field."""
    marks = [match.end() for match in re.finditer(rb'(?i)content-|[;=":*]|name|boundary', content)]
    place = random.choice(marks or [0])
    return content[:place] + random.choice(_PIECES) + content[place + random.randrange(2) :]


def _lines(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    lines, more = content.split(b"\r\n"), random.choice(others).split(b"\r\n")
    place = random.randrange(len(lines))
    what = random.choice(("twice", "gone", "moved", "other", "other in its place"))
    line = random.choice(more) if what.startswith("other") else lines[place]
    if what in ("gone", "moved", "other in its place"):
        del lines[place]
    if what != "gone":
        lines.insert(place if what == "other in its place" else random.randrange(len(lines) + 1), line)
    return b"\r\n".join(lines)


_CHANGES: list[Callable[[bytes, Random, Sequence[bytes]], bytes]] = [_inserted, _replaced, _cut, _in_header, _in_header, _lines]


def changed(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The message after some changes, with the line ends and without the NULs that a door lets in."""
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        content = random.choice(_CHANGES)(content, random, others) or b"\r\n"
    return _LINE_END.sub(b"\r\n", content).replace(b"\0", b"")
