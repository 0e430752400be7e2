"""Reads a message just enough to judge it, and says which header lines are to change. Never rewrites a body.

Content is bytes, or a memory-mapped file that behaves alike: nothing here copies a body. Offsets count octets from the
start of the content as it was accepted. What the reader cannot make sense of is Malformed, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import formatdate
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from relay.errors import Malformed
from relay.model import Edit

MAX_HEADER_BLOCK = 100 * 1024
MAX_HEADERS = 1000
MAX_DEPTH = 20
MAX_PARTS = 500

# RFC 5322 2.2: a name of printable octets, a colon right behind it, then the value with its folded lines.
_HEADER = re.compile(rb"([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n")
_PARAMETER = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"?|[^;]*)')
_QUOTED_PAIR = re.compile(rb"\\(.)")
_REMOVED = re.compile(r"bcc|return-path|x-ses-.*|x-relay-.*")


class Octets(Protocol):
    """What bytes and mmap have in common."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


class Header(NamedTuple):
    """One field: its name in lower case, its value as written (folds and all), and where it stands, CRLF included."""

    name: str
    value: bytes
    start: int
    end: int


class Part(NamedTuple):
    """One leaf, container or nested message: `content_type` in lower case, every file name it may be read to have."""

    content_type: str
    filenames: tuple[str, ...]
    start: int
    end: int


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
    plain = value.decode("utf-8", "replace")
    if "=?" not in plain:
        return plain
    try:
        pieces = decode_header(plain)
        return "".join(p if isinstance(p, str) else p.decode(charset or "ascii", "replace") for p, charset in pieces)
    except (HeaderParseError, LookupError, ValueError):
        return plain


def read(content: Octets) -> Parsed:
    """Reads headers and structure of a message whose lines end in CRLF. Raises Malformed."""
    headers, body = _headers(content, 0, len(content))
    parts: list[Part] = []
    waiting = [(headers, body, len(content), 0)]
    while waiting:
        fields, start, end, depth = waiting.pop()
        if depth > MAX_DEPTH or len(parts) >= MAX_PARTS:
            raise Malformed("too many parts or too deeply nested")
        content_type, parameters = _content_type(fields)
        parts.append(Part(content_type, _filenames(fields, parameters), start, end))
        if content_type.startswith("multipart/"):
            for section_start, section_end in _sections(content, start, end, _boundary(parameters)):
                inner, inner_body = _headers(content, section_start, section_end)
                waiting.append((inner, inner_body, section_end, depth + 1))
        elif content_type == "message/rfc822" and not _is_encoded(fields):
            inner, inner_body = _headers(content, start, end)
            waiting.append((inner, inner_body, end, depth + 1))
    return Parsed(headers, tuple(parts))


def _headers(content: Octets, start: int, end: int) -> tuple[tuple[Header, ...], int]:
    """The fields of the entity at `start`, and where its body begins."""
    if content[start : start + 2] == b"\r\n":
        return (), start + 2
    blank = content.find(b"\r\n\r\n", start, end)
    stop = blank + 2 if blank >= 0 else end
    if stop - start > MAX_HEADER_BLOCK:
        raise Malformed("header block too long")
    block = content[start:stop]
    if blank < 0 and not block.endswith(b"\r\n"):
        block += b"\r\n"
    fields, position = [], 0
    for match in _HEADER.finditer(block):
        if match.start() != position:
            break
        fields.append(Header(match[1].decode("ascii").lower(), match[2], start + position, start + match.end()))
        position = match.end()
    if position != len(block):
        raise Malformed("a header line without a name and colon")
    if len(fields) > MAX_HEADERS:
        raise Malformed("too many headers")
    return tuple(fields), (blank + 4 if blank >= 0 else end)


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
    value = next((unfold(field.value) for field in fields if field.name == "content-type"), b"")
    return value.partition(b";")[0].strip().lower().decode("ascii", "replace"), _parameters(value)


def _is_encoded(fields: Sequence[Header]) -> bool:
    encodings = [unfold(f.value).lower() for f in fields if f.name == "content-transfer-encoding"]
    return bool(encodings) and encodings[0] not in (b"7bit", b"8bit", b"binary")


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
            found += _names(_parameters(unfold(field.value)), "filename")
    return tuple(dict.fromkeys(found))


def _names(parameters: Sequence[tuple[str, bytes]], wanted: str) -> list[str]:
    found = [text(value) for name, value in parameters if name == wanted]
    pieces = {name[len(wanted) + 1 :]: value for name, value in parameters if name.startswith(f"{wanted}*")}
    if "" in pieces:
        found.append(_extended(pieces.pop("")))
    if pieces:
        order = sorted(pieces, key=lambda piece: int(digits) if (digits := piece.rstrip("*")).isdecimal() else 0)
        whole = b"".join(pieces[piece] for piece in order)
        found.append(_extended(whole) if any(piece.endswith("*") for piece in order) else text(whole))
    return found


def _extended(value: bytes) -> str:
    """RFC 2231: charset'language'percent-encoded."""
    charset, quote, rest = value.partition(b"'")
    _, second, encoded = rest.partition(b"'")
    raw = unquote_to_bytes(encoded if quote and second else value)
    try:
        return raw.decode(charset.decode("ascii") if second else "utf-8", "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def header_edits(parsed: Parsed, *, message_id: str, hostname: str, protocol: str, now: float) -> tuple[Edit, ...]:
    """What changes between the accepted content and what is sent: the table in docs/decisions/0004-edits.md."""
    kept = {header.name for header in parsed.headers}
    lines = [f"Received: by {hostname} with {protocol} id {message_id};\r\n\t{formatdate(now)}"]
    if "date" not in kept:
        lines.append(f"Date: {formatdate(now)}")
    if "message-id" not in kept:
        lines.append(f"Message-ID: <{message_id}@{hostname}>")
    if not kept & {"to", "cc"}:
        lines.append("To: undisclosed-recipients:;")
    added = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    removed = [Edit(h.start, h.end, b"") for h in parsed.headers if _REMOVED.fullmatch(h.name)]
    return (Edit(0, 0, added), *removed)


def edited(content: Octets, edits: Sequence[Edit]) -> Iterator[bytes]:
    """The content with its edits, in pieces. Everything outside of the edits is kept to the octet."""
    position = 0
    for edit in edits:
        if edit.start > position:
            yield content[position : edit.start]
        if edit.text:
            yield edit.text
        position = edit.end
    if position < len(content):
        yield content[position : len(content)]
