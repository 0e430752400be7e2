"""Where the parts of a multipart lie, and whether all readers find the same ones. Raises Malformed where they do not.

RFC 2046 5.1.1 lets a reader compare the boundary with the beginning of a line; many compare the whole line. Some stop at the
closing delimiter, some go on; some search on in what lies before the first. So no line may look like a delimiter and be none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from relay.errors import Malformed
from relay.reading.fields import without_comments
from relay.reading.octets import Octets

_TOKEN = re.compile(rb"[!#$%&'*+.^_`{|}~0-9a-z-]+/[!#$%&'*+.^_`{|}~0-9a-z-]+")
_CONTAINER = re.compile(rb"multipart|message|boundary[ \t]*=", re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary[ \t]*[*=]", re.IGNORECASE)
_PLAIN = re.compile(rb';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"\\]*[^"\\\s])"|([^\s"\\();]+))[ \t]*(?:;|\Z)', re.IGNORECASE)
_PART_FIELD = re.compile(rb"(?:\A|\n)[ \t]*content-[a-z-]+[ \t]*:", re.IGNORECASE)
_LONGEST_BOUNDARY = 200  # RFC 2046 5.1.1 has 70
_LONGEST_PADDING = 100
_MAX_DASHES = 500_000
_PIECE = 64 * 1024


def content_type(value: bytes) -> str:
    """The type in lower case; empty for none. Raises Malformed for what some may take for a container."""
    named = without_comments(value).partition(b";")[0].strip().lower()
    if not _TOKEN.fullmatch(named) and _CONTAINER.search(value):
        raise Malformed("a Content-Type that is no type")
    return named.decode("ascii", "replace")


def check_no_container(content: Octets, start: int, end: int, value: bytes) -> None:
    """Some readers take everything for a multipart that says a boundary, whatever its type."""
    count = len(_BOUNDARY.findall(value))
    if not count:
        return
    said = _PLAIN.search(without_comments(value))
    if not said or count > 1 or content.find(b"\r\n--" + (said[1] or said[2]), start - 2, end) >= 0:
        raise Malformed("a boundary without a multipart")


def boundary(value: bytes, around: Sequence[bytes]) -> bytes:
    """The boundary of a multipart inside of others. Raises Malformed where there is not one for all readers."""
    plain = _PLAIN.search(without_comments(value))
    if not plain or len(_BOUNDARY.findall(value)) != 1:
        raise Malformed("multipart without one boundary")
    found: bytes = plain[1] or plain[2]
    if not found.isascii() or len(found) > _LONGEST_BOUNDARY or found[:1] in b"<'":  # of which some strip a pair
        raise Malformed("multipart without one boundary")
    if any(found.startswith(other) or other.startswith(found) for other in around):
        raise Malformed("a boundary that begins like the one around it")
    return found


def sections(content: Octets, start: int, end: int, boundary: bytes, delimiters: Delimiters) -> Iterator[tuple[int, int]]:
    """Where the parts of a multipart body lie. The CRLF before a delimiter belongs to it; the closing one may be missing."""
    mark = b"\r\n--" + boundary
    opened, outside = -1, start
    position = content.find(mark, start - 2, end)
    _check_outside(content, start, position if position >= 0 else end, boundary, is_all=position < 0)
    while position >= 0:
        if position < opened:
            raise Malformed("a header that a boundary ends")
        if opened >= 0:
            yield opened, position
        delimiters.add(boundary, position)
        is_last, outside = _delimiter(content, position + len(mark), end)
        opened = -1 if is_last else outside + 2
        position = -1 if is_last else content.find(mark, outside, end)
    if opened >= 0:
        yield opened, end
    elif outside >= start:
        _check_outside(content, outside, end, boundary)


def _delimiter(content: Octets, after: int, end: int) -> tuple[bool, int]:
    """Whether the line is the last delimiter, and where it ends; -1 if it ends with the multipart."""
    line_end = content.find(b"\r\n", after, end)
    line = content[after : min(line_end if line_end >= 0 else end, after + _LONGEST_PADDING)]
    tail = line.rstrip(b" \t")
    if tail not in (b"", b"--") or len(line) == _LONGEST_PADDING:
        raise Malformed("a line that begins like a boundary")
    return bool(tail) or line_end < 0, line_end


def _check_outside(content: Octets, start: int, end: int, boundary: bytes, *, is_all: bool = False) -> None:
    """What stands before the first delimiter and behind the last is text to read, and no part to anybody."""
    like_one = re.compile(rb"--[ \t]*" + re.escape(boundary), re.IGNORECASE)
    for position in range(start, end, _PIECE):
        piece = content[position : min(end, position + _PIECE + _LONGEST_BOUNDARY)]
        if is_all and piece.strip():
            raise Malformed("multipart without a boundary line")
        if _PART_FIELD.search(piece) or like_one.search(piece):
            raise Malformed("something like a part outside of the parts")


class Delimiters:
    """The delimiters of all multiparts of a message, by where they stand."""

    def __init__(self) -> None:
        self._positions: dict[int, None] = {}
        self._boundaries: dict[bytes, None] = {}

    def add(self, boundary: bytes, position: int) -> None:
        self._positions[position] = None
        self._boundaries[boundary] = None

    def check_nothing_else_looks_like_one(self, content: Octets) -> None:
        """Raises Malformed for a delimiter outside of its multipart: there are readers to whom that one goes on."""
        if len(self._boundaries) < 2:
            return
        shortest = _prefixes(self._boundaries)
        firsts = {boundary[:1] for boundary in shortest}
        for count, start in enumerate(start for first in firsts for start in self._others(content, first)):
            if count == _MAX_DASHES:
                raise Malformed("too many lines that begin like a boundary")
            line = content[start : start + _LONGEST_BOUNDARY]
            place = bisect_right(shortest, line) - 1
            if place >= 0 and line.startswith(shortest[place]):
                raise Malformed("a boundary outside of its multipart")

    def _others(self, content: Octets, first: bytes) -> Iterator[int]:
        """What stands behind two hyphens at the beginning of a line, begins so, and is no delimiter."""
        mark = b"\r\n--" + first
        position = content.find(mark)
        while position >= 0:
            if position not in self._positions:
                yield position + 4
            position = content.find(mark, position + 4)


def _prefixes(boundaries: Sequence[bytes] | dict[bytes, None]) -> list[bytes]:
    """Those that begin like no other one, sorted: whatever begins like any begins like the nearest of them."""
    kept: list[bytes] = []
    for boundary in sorted(boundaries):
        if not kept or not boundary.startswith(kept[-1]):
            kept.append(boundary)
    return kept
