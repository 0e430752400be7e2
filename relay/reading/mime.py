"""Reads a message just enough to judge it, and says where what lies. Changes nothing.

Content is bytes, or a memory-mapped file that behaves alike: nothing here copies a body. Offsets count octets from the
start of the content as it was accepted. What the reader cannot make sense of is Malformed, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from relay.errors import Malformed

MAX_HEADER_BLOCK = 100 * 1024
MAX_HEADERS = 1000
MAX_PART_HEADERS = 500 * 1024  # of all parts together
MAX_DEPTH = 20
MAX_PARTS = 500
_LONGEST_SHOWN = 1000

# RFC 5322 2.2: a name of printable octets, a colon right behind it, then the value with its folded lines. Only ever
# matched where a field must begin: a search would try again from every octet of a line that is none.
_HEADER = re.compile(rb"([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
_PARAMETER = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"?|[^;]*)')
_DEFAULT_TYPES = {"multipart/digest": "message/rfc822"}  # RFC 2046 5.1.5: what a part is there that names no type
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*")|\([^()]*\)')
_QUOTED_PAIR = re.compile(rb"\\(.)")


class Slices(Protocol):
    """Content that can be looked at piece by piece."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...


class Octets(Slices, Protocol):
    """What bytes and mmap have in common."""

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...
    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


class Header(NamedTuple):
    """One field: its name in lower case, its value as written (folds and all), and where it stands, CRLF included."""

    name: str
    value: bytes
    start: int
    end: int


class Part(NamedTuple):
    """One leaf, container or nested message: `content_type` in lower case, every file name it may be read to have.

    `start` and `end` are those of its body; `within` holds the types of what it lies in, the outermost first.
    """

    content_type: str
    filenames: tuple[str, ...]
    start: int
    end: int
    headers: tuple[Header, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Nothing is looked for inside of it."""
        is_message = self.content_type == "message/rfc822" and not _is_encoded(self.headers)
        return not is_message and not self.content_type.startswith("multipart/")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read. `parts` holds all parts at every depth, the message itself first."""

    headers: tuple[Header, ...]
    parts: tuple[Part, ...]

    def all(self, name: str) -> list[bytes]:
        """The values of a header, in order, unfolded; `name` in lower case."""
        return [unfold(header.value) for header in self.headers if header.name == name]

    def first(self, name: str) -> bytes:
        return next((unfold(header.value) for header in self.headers if header.name == name), b"")


def unfold(value: bytes) -> bytes:
    """The value as one line without the white space around it (RFC 5322 2.2.3)."""
    return value.replace(b"\r\n", b"").strip(b" \t")


def text(value: bytes) -> str:
    """A header's value for people: RFC 2047 words decoded where they can be."""
    plain = value[:_LONGEST_SHOWN].decode("utf-8", "replace")
    if "=?" not in plain:
        return _storable(plain)
    try:
        pieces = decode_header(plain)  # its time grows with the square of the length: hence the cut
    except (HeaderParseError, ValueError):
        return _storable(plain)
    return _storable("".join(p if isinstance(p, str) else _decoded(p, charset or "ascii") for p, charset in pieces))


def _decoded(raw: bytes, charset: str) -> str:
    """In the charset named; in UTF-8 where nobody knows that one."""
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def _storable(decoded: str) -> str:
    """Without NUL and lone surrogates, which some charsets decode to and no database takes."""
    return decoded.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def read(content: Octets) -> Parsed:
    """Reads headers and structure of a message whose lines end in CRLF. Raises Malformed."""
    headers, body = _headers(content, 0, len(content))
    parts: list[Part] = []
    waiting: list[tuple[tuple[Header, ...], int, int, tuple[str, ...]]] = [(headers, body, len(content), ())]
    octets = 0
    while waiting:
        fields, start, end, within = waiting.pop()
        content_type, parameters = _content_type(fields)
        content_type = content_type or _DEFAULT_TYPES.get(within[-1] if within else "", "")
        part = Part(content_type, _filenames(fields, parameters), start, end, fields, within)
        parts.append(part)
        for section_start, section_end in _inside(content, part, parameters):
            inner, inner_body = _headers(content, section_start, section_end)
            octets += inner_body - section_start
            if len(within) == MAX_DEPTH or len(parts) + len(waiting) >= MAX_PARTS or octets > MAX_PART_HEADERS:
                raise Malformed("too many parts or too deeply nested")
            waiting.append((inner, inner_body, section_end, (*within, content_type)))
    return Parsed(headers, tuple(parts))


def _inside(content: Octets, part: Part, parameters: Sequence[tuple[str, bytes]]) -> Iterator[tuple[int, int]]:
    """Where the entities inside of an entity lie."""
    if part.content_type.startswith("multipart/"):
        yield from _sections(content, part.start, part.end, _boundary(parameters))
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
    return tuple(fields), min(end, blank + 4) if blank >= 0 else end


def _sections(content: Octets, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts of a multipart body lie (RFC 2046 5.1.1). The CRLF before a delimiter belongs to it."""
    mark = b"\r\n--" + boundary
    opened = -1
    position = content.find(mark, start - 2, end)
    while position >= 0:
        after = position + len(mark)
        line_end = content.find(b"\r\n", after, end)
        tail = content[after : line_end if line_end >= 0 else end]
        if tail.removeprefix(b"--").strip(b" \t"):  # a longer boundary that begins like ours
            position = content.find(mark, after, end)
            continue
        if opened >= 0:
            yield opened, max(opened, position)
        if tail.startswith(b"--") or line_end < 0:
            return
        opened = line_end + 2
        position = content.find(mark, line_end, end)
    if opened >= 0:
        yield opened, end


def _content_type(fields: Sequence[Header]) -> tuple[str, list[tuple[str, bytes]]]:
    """The type, and the parameters of every Content-Type there is. Raises Malformed where two say different types."""
    values = [_without_comments(unfold(field.value)) for field in fields if field.name == "content-type"]
    types = {value.partition(b";")[0].strip().lower() for value in values}
    if len(types) > 1:
        raise Malformed("two Content-Type headers that disagree")
    parameters = [parameter for value in values for parameter in _parameters(value)]
    return (types.pop() if types else b"").decode("ascii", "replace"), parameters


def encodings(fields: Sequence[Header]) -> list[bytes]:
    """Every Content-Transfer-Encoding there is, in lower case."""
    values = [unfold(field.value) for field in fields if field.name == "content-transfer-encoding"]
    return [_without_comments(value).strip().lower() for value in values]


def _is_encoded(fields: Sequence[Header]) -> bool:
    return encodings(fields)[:1] not in ([], [b"7bit"], [b"8bit"], [b"binary"])


def _without_comments(value: bytes) -> bytes:
    """RFC 2045 5.1 allows comments between all parts of a structured header; inside quotes they are none."""
    return _COMMENT.sub(lambda match: match[1] or b"", value) if b"(" in value else value


def _parameters(value: bytes) -> list[tuple[str, bytes]]:
    """The parameters of a structured header, names in lower case, quotes and quoted pairs resolved."""
    found = []
    for match in _PARAMETER.finditer(value):
        raw = match[2].strip()
        if raw.startswith(b'"'):
            raw = _QUOTED_PAIR.sub(rb"\1", raw[1:].removesuffix(b'"'))
        found.append((match[1].decode("latin-1").lower(), raw))
    return found


def _boundary(parameters: Sequence[tuple[str, bytes]]) -> bytes:
    boundaries = {value for name, value in parameters if name == "boundary"}
    if len(boundaries) != 1 or not min(boundaries):
        raise Malformed("multipart without one boundary")
    return boundaries.pop()


def _filenames(fields: Sequence[Header], content_type: Sequence[tuple[str, bytes]]) -> tuple[str, ...]:
    """Every name that any reader may give the part: of both headers, plain, RFC 2047 and RFC 2231."""
    found = _names(content_type, "name")
    for field in fields:
        if field.name == "content-disposition":
            found += _names(_parameters(_without_comments(unfold(field.value))), "filename")
    return tuple(dict.fromkeys(found))


def _names(parameters: Sequence[tuple[str, bytes]], wanted: str) -> list[str]:
    found = [text(value) for name, value in parameters if name == wanted]
    found += [_extended(value) for name, value in parameters if name == f"{wanted}*"]
    pieces = [
        (name[len(wanted) + 1 :], value) for name, value in parameters if name.startswith(f"{wanted}*") and name != f"{wanted}*"
    ]
    for chosen in (dict(pieces), dict(reversed(pieces))):  # of a piece that is there twice, readers take either
        if chosen:
            found.append(_joined(chosen))
    return found


def _joined(pieces: Mapping[str, bytes]) -> str:
    """RFC 2231 3: name*0, name*1, ... put together, percent-encoded where a star ends the name."""
    order = sorted(pieces, key=_piece_number)
    whole = b"".join(pieces[piece] for piece in order)
    return _extended(whole) if any(piece.endswith("*") for piece in order) else text(whole)


def _piece_number(piece: str) -> int:
    digits = piece.rstrip("*")
    if not digits.isdecimal() or len(digits) > 4:
        raise Malformed("a parameter in pieces without numbers")
    return int(digits)


def _extended(value: bytes) -> str:
    """RFC 2231: charset'language'percent-encoded."""
    charset, quote, rest = value.partition(b"'")
    _, second, encoded = rest.partition(b"'")
    raw = unquote_to_bytes(encoded if quote and second else value)
    return _storable(_decoded(raw, charset.decode("ascii", "replace") if charset and second else "utf-8"))
