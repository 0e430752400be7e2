"""Reads a message just enough to judge it, and says where what lies. Changes nothing.

Content is bytes, or a memory-mapped file that behaves alike: nothing here copies a body. Offsets count octets from the
start of the content as it was accepted. What readers do not agree on is Malformed, with the reason: docs/attachments.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relay.errors import Malformed
from relay.reading import filenames, structure
from relay.reading.effort import Effort
from relay.reading.fields import Header, only, text, unfold, without_comments
from relay.reading.octets import Octets, Slices

__all__ = ["Header", "Octets", "Parsed", "Part", "Slices", "read", "text", "unfold"]

MAX_HEADER_BLOCK = 100 * 1024
MAX_HEADERS = 1000
MAX_PART_HEADERS = 500 * 1024  # of all parts together
MAX_DEPTH = 20
MAX_PARTS = 500

# RFC 5322 2.2: a name of printable octets, a colon right behind it, then the value with its folded lines. Only ever
# matched where a field must begin: a search would try again from every octet of a line that is none.
_HEADER = re.compile(rb"([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
_BLANK_FOLD = re.compile(rb"\r\n[ \t]+\r\n")
_DEFAULT_TYPES = {"multipart/digest": "message/rfc822"}  # RFC 2046 5.1.5: what a part is there that names no type
_MESSAGES = ("message/rfc822", "message/global")  # the latter is RFC 6532 3.7
_AS_IT_IS = (b"", b"7bit", b"8bit", b"binary")  # RFC 2045 6.2: not encoded
_ELSEWHERE = ("message/partial", "message/external-body")  # RFC 2046 5.2: what is shown does not lie in this message


class Part(NamedTuple):
    """One leaf, container or nested message: `content_type` in lower case, every file name it may be read to have.

    `start` and `end` are those of its body; `within` holds the types of what it lies in, the outermost first; `encoding` is
    the transfer encoding in lower case, empty where none is named.
    """

    content_type: str
    filenames: tuple[str, ...]
    start: int
    end: int
    headers: tuple[Header, ...] = ()
    within: tuple[str, ...] = ()
    encoding: bytes = b""

    @property
    def is_encoded(self) -> bool:
        """Its body stands for other octets than those that lie there, or nobody knows for which."""
        return self.encoding not in _AS_IT_IS

    @property
    def is_attached(self) -> bool:
        """It has a name, or says without one that it is an attachment (RFC 2183 2.2)."""
        said = only(self.headers, "content-disposition")
        return bool(self.filenames) or without_comments(said).partition(b";")[0].strip().lower() == b"attachment"

    @property
    def is_leaf(self) -> bool:
        """Nothing is looked for inside of it."""
        is_message = self.content_type in _MESSAGES and not self.is_encoded
        return not is_message and not self.content_type.startswith("multipart/")


class _Waiting(NamedTuple):
    """An entity that was found and not looked at: its body, what it lies in, and the boundaries around it."""

    headers: tuple[Header, ...]
    start: int
    end: int
    within: tuple[str, ...] = ()
    boundaries: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read. `parts` holds all parts at every depth in the order of the content, the message itself first."""

    headers: tuple[Header, ...]
    parts: tuple[Part, ...]

    def all(self, name: str) -> list[bytes]:
        """The values of a header, in order, unfolded; `name` in lower case."""
        return [unfold(header.value) for header in self.headers if header.name == name]

    def first(self, name: str) -> bytes:
        return next((unfold(header.value) for header in self.headers if header.name == name), b"")


def read(content: Octets) -> Parsed:
    """Reads headers and structure of a message whose lines end in CRLF. Raises Malformed."""
    headers, body = _headers(content, 0, len(content))
    parts: list[Part] = []
    waiting = [_Waiting(headers, body, len(content))]
    delimiters = structure.Delimiters()
    effort = filenames.effort()
    octets = 0
    while waiting:
        entity = waiting.pop()
        part, boundaries = _part(content, entity, effort)
        parts.append(part)
        others = len(waiting)
        for start, end in _inside(content, part, boundaries, delimiters):
            inner, inner_body = _headers(content, start, end)
            octets += inner_body - start
            if part.content_type.startswith("multipart/") and not _is_ended(content, inner_body):
                raise Malformed("a header that a boundary ends")
            if len(part.within) == MAX_DEPTH or len(parts) + len(waiting) >= MAX_PARTS or octets > MAX_PART_HEADERS:
                raise Malformed("too many parts or too deeply nested")
            waiting.append(_Waiting(inner, inner_body, end, (*part.within, part.content_type), boundaries))
        waiting[others:] = reversed(waiting[others:])
    delimiters.check_nothing_else_looks_like_one(content)
    return Parsed(headers, tuple(parts))


def headers(content: Octets) -> tuple[Header, ...]:
    """Those of the message, without a look at what is below them. Raises Malformed."""
    return _headers(content, 0, len(content))[0]


def _part(content: Octets, entity: _Waiting, effort: Effort) -> tuple[Part, tuple[bytes, ...]]:
    """The part, and the boundaries within which its own parts lie."""
    fields = [field for field in entity.headers if field.name.startswith("content-")]
    value = only(fields, "content-type")
    content_type = structure.content_type(value) or _DEFAULT_TYPES.get(entity.within[-1] if entity.within else "", "")
    only(fields, "content-disposition")
    encoding = without_comments(only(fields, "content-transfer-encoding")).strip().lower()
    if content_type in _ELSEWHERE:
        raise Malformed(f"{content_type} is not read by all")
    boundaries = entity.boundaries
    if content_type.startswith("multipart/"):
        boundaries = (*boundaries, structure.boundary(value, boundaries))
    else:
        structure.check_no_container(content, entity.start, entity.end, value)
    names = filenames.readings(fields, effort)
    return Part(content_type, names, entity.start, entity.end, entity.headers, entity.within, encoding), boundaries


def _inside(
    content: Octets, part: Part, boundaries: Sequence[bytes], delimiters: structure.Delimiters
) -> Iterator[tuple[int, int]]:
    """Where the entities inside of an entity lie."""
    if part.content_type.startswith("multipart/"):
        if part.encoding == b"base64":
            raise Malformed("a multipart in base64")
        yield from structure.sections(content, part.start, part.end, boundaries[-1], delimiters)
    elif not part.is_leaf:
        yield part.start, part.end


def _headers(content: Octets, start: int, end: int) -> tuple[tuple[Header, ...], int]:
    """The fields of the entity at `start`, and where its body begins."""
    if content[start : min(start + 2, end)] == b"\r\n":
        return (), start + 2
    blank = content.find(b"\r\n\r\n", start, end)
    stop = blank + 2 if blank >= 0 else end
    if stop - start > MAX_HEADER_BLOCK:
        raise Malformed("header block too long")
    block = content[start:stop]
    if not block:
        return (), end
    if blank < 0 and not block.endswith(b"\r\n"):
        block += b"\r\n"
    return _fields(block, start), min(end, blank + 4) if blank >= 0 else end


def _is_ended(content: Octets, body: int) -> bool:
    """Whether a header ends in a line end, or with the content. To some, a boundary is no end of it."""
    return body == len(content) or content[body - 2 : body] == b"\r\n"


def _fields(block: bytes, start: int) -> tuple[Header, ...]:
    if (b" \r\n" in block or b"\t\r\n" in block) and _BLANK_FOLD.search(block):  # the end of the header to some
        raise Malformed("a header line of blanks")
    fields: list[Header] = []
    position = 0
    while position < len(block):
        match = _HEADER.match(block, position)
        if not match:
            raise Malformed("a header line without a name and colon")
        if len(fields) == MAX_HEADERS:
            raise Malformed("too many headers")
        fields.append(Header(match[1].decode("ascii").lower(), match[2], start + position, start + match.end()))
        position = match.end()
    return tuple(fields)
