"""Finds files that lie in a text without MIME: uuencode, yEnc and BinHex. Many readers show them as attachments."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_uu
from collections.abc import Iterator
from typing import NamedTuple

from relay.errors import Malformed
from relay.reading.effort import Effort
from relay.reading.fields import storable
from relay.reading.octets import BASE64, Octets

_UUENCODE = re.compile(rb"begin(-base64)?[ \t]+([0-7]{3}[^\r\n]*)\r?\n?(.*)", re.DOTALL)
_NAMED = re.compile(rb"[0-7]{3}[ \t]+\S+\s*")
_YENC = re.compile(rb"=ybegin (?>[^\r\n]*?name=)([^\r\n]++)\r?\n(?:=ypart [^\r\n]*+\r?\n)?([^\r\n]*)")
_BINHEX = re.compile(rb"BinHex 4[^\r\n]{0,200}+\r?\n\s*+:([^:]*)")

# What is looked for, and what must lie before it where that is found. One search is for two: each touches every octet.
_MARKS: dict[bytes, dict[bytes, re.Pattern[bytes]]] = {b"begin": {b"": _UUENCODE, b"=y": _YENC}, b"BinHe": {b"": _BINHEX}}
_LINES = (_UUENCODE, _YENC)  # begin one
_OVERLAP = max(map(len, _MARKS)) - 1
_PIECE = 64 * 1024  # bytes are searched far faster than a map

_MAX_MARKS = 100_000  # in one text
_MAX_FILES = 1000  # in one message, or lines that look like the beginning of one: to look behind each takes a while
_LONGEST_HEAD = 2048  # octets of a match that are looked at behind its mark
_SIXTY_FOUR = bytes.maketrans(b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr", BASE64)
_UU_LETTERS = bytes(range(32, 97))
_REPEATED = re.compile(rb"(.)?\x90(.)", re.DOTALL)
_YENC_ESCAPED = re.compile(rb"=(.)", re.DOTALL)
_YENC_SHIFT = bytes((octet - 42) % 256 for octet in range(256))
_BINHEX_HEADER = 22  # octets behind the name: version, type, creator, flags, two lengths, CRC


class Enclosed(NamedTuple):
    """A file found in something else: the name it is said to have, and how it begins."""

    name: str
    head: bytes


def effort() -> Effort:
    """For the files in the texts of one message."""
    return Effort(_MAX_FILES, "too many files in a text")


def find(effort: Effort, content: Octets, start: int = 0, end: int | None = None) -> Iterator[Enclosed]:
    """All that a text encloses, from `start` on, where a line begins. Raises Malformed for too much."""
    stop = len(content) if end is None else end
    for count, (position, kinds) in enumerate(_marked(content, start, stop)):
        if count == _MAX_MARKS:
            raise Malformed("too many files in a text")
        for before, pattern in kinds.items():
            if match := _at(content, position - len(before), pattern, start, stop):
                effort.spend()
                yield from _READERS[pattern](match)


def _marked(content: Octets, start: int, stop: int) -> Iterator[tuple[int, dict[bytes, re.Pattern[bytes]]]]:
    """Where a mark stands, and what it may be one of."""
    for first in range(start, stop, _PIECE):
        began = max(start, first - _OVERLAP)
        piece = content[began : min(stop, first + _PIECE)]
        for mark, kinds in _MARKS.items():
            position = piece.find(mark)
            while position >= 0:
                yield began + position, kinds
                position = piece.find(mark, position + 1)


def _at(content: Octets, position: int, pattern: re.Pattern[bytes], start: int, stop: int) -> re.Match[bytes] | None:
    """Where it is one, and begins a line if it must."""
    if position < start or (pattern in _LINES and position > start and content[position - 1 : position] != b"\n"):
        return None
    return pattern.match(content[position : min(stop, position + _LONGEST_HEAD)])


def _uuencoded(match: re.Match[bytes]) -> Iterator[Enclosed]:
    """A text may hold a line that begins like one: somewhere behind it there must be one that is encoded.

    Where none is, some make a file of it that holds nothing, and it counts; but a sentence may end with a domain in .com.
    """
    encoded, named, rest = match.groups(b"")
    if encoded:
        yield Enclosed(_name(named), _base64(rest.partition(b"\n")[0].strip()))
        return
    line = next((line for line in rest.splitlines() if _is_encoded(line)), b"")
    if line or _NAMED.fullmatch(named) or not named.rstrip().lower().endswith(b".com"):
        yield Enclosed(_name(named), _uu(line))


def _is_encoded(line: bytes) -> bool:
    """The first letter says how many octets there are. Blanks at the end may be lost, and a checksum may stand there."""
    if not line or line.translate(None, _UU_LETTERS):
        return False
    letters = _letters(line)
    return (letters > 0 and len(line) in range(letters - 2, letters + 4)) or line.rstrip() == line[:1] == b"`"


def _letters(line: bytes) -> int:
    """How many letters such a line has, its first among them."""
    return ((line[0] - 32 & 63) + 2) // 3 * 4 + 1 if line[0] not in b" `" else 0


def _uu(line: bytes) -> bytes:
    try:
        return a2b_uu(line[: _letters(line)]) if line else b""
    except Error:
        return b""


def _yencoded(match: re.Match[bytes]) -> Iterator[Enclosed]:
    escaped = _YENC_ESCAPED.sub(lambda found: bytes(((found[1][0] - 64) % 256,)), match[2])
    yield Enclosed(_name(match[1]), escaped.translate(_YENC_SHIFT))


def _binhexed(match: re.Match[bytes]) -> Iterator[Enclosed]:
    """RFC 1741: six bits a letter, then runs, then a header that begins with the name."""
    octets = _REPEATED.sub(_run, _base64(match[1].translate(_SIXTY_FOUR, b"\r\n\t ")))
    if octets:
        end = 1 + octets[0]
        yield Enclosed(_name(octets[1:end]), octets[end + _BINHEX_HEADER - 1 :])


def _run(found: re.Match[bytes]) -> bytes:
    octet, count = found[1] or b"", found[2][0]
    return octet * count if count else octet + b"\x90"


def _base64(letters: bytes) -> bytes:
    try:
        return a2b_base64(letters[: len(letters) // 4 * 4])
    except Error:
        return b""


def _name(raw: bytes) -> str:
    return storable(raw.strip(b' \t"').decode("utf-8", "replace"))


_READERS = {_UUENCODE: _uuencoded, _YENC: _yencoded, _BINHEX: _binhexed}
