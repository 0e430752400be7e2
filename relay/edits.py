"""What is sent otherwise than it was accepted: header lines, and parts with lines too long for SES. All else goes as it came.

Worked out once, at intake, and laid over the content at each call: docs/decisions/0004-edits.md. A part that is encoded
anew is not kept a second time; its edit says how it is done, and that is the same each time.
"""

from __future__ import annotations

import re
from binascii import a2b_qp, b2a_qp
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from functools import lru_cache

import pybase64

from relay import mime
from relay.errors import Malformed
from relay.mime import Octets, Parsed, Part, Slices
from relay.model import Edit, Encoding

_PIECE = 128 * 1024

MAX_LINE = 998  # RFC 5322 2.1.1, without the CRLF. SES refuses what is longer.

_REMOVED = re.compile(r"bcc|return-path|x-ses-.*|x-relay-.*|x-playpen-.*")
_dated = lru_cache(maxsize=4)(formatdate)  # many messages come in one second

# Whatever changes inside of these breaks a signature, or cannot be read by who holds the key.
_SEALED = frozenset(("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_DECLARED = {
    b"7bit": Encoding.NONE,
    b"8bit": Encoding.NONE,
    b"binary": Encoding.NONE,
    b"quoted-printable": Encoding.QUOTED_PRINTABLE,
    b"base64": Encoding.BASE64,
}
_AS_IT_IS = bytes({*range(32, 127), *b"\t\r\n"} - {ord("=")})  # in quoted-printable
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64 = bytes(set(range(256)) - set(_ALPHABET))
_BASE64_LINE = re.compile(rb".{1,76}")
_QUOTED_LINE = re.compile(rb".{1,73}(?<!=)(?<!=.)")  # cuts no =XX; 76 with the = at its end and a hyphen that is quoted


def needed(
    content: Octets,
    parsed: Parsed,
    *,
    message_id: str,
    hostname: str,
    protocol: str,
    now: float,
    also: Sequence[str] = (),
) -> tuple[Edit, ...]:
    """Everything that changes, in order; `also` holds further fields. Raises Malformed for a line that cannot be helped."""
    headers = _header_edits(parsed, also, message_id=message_id, hostname=hostname, protocol=protocol, now=now)
    leaves = _leaf_edits(content, parsed, headers)
    return tuple(sorted((*headers, *leaves), key=lambda edit: edit.start))


def edited(content: Slices, edits: Sequence[Edit]) -> Iterator[bytes]:
    """The content with its edits, in pieces. Everything outside of the edits is kept to the octet."""
    position = 0
    for edit in edits:
        yield from _slices(content, position, edit.start)
        if edit.encode:
            yield _RECODED[edit.decode, edit.encode](content[edit.start : edit.end])
        elif edit.text:
            yield edit.text
        position = edit.end
    yield from _slices(content, position, len(content))


def _slices(content: Slices, start: int, end: int) -> Iterator[bytes]:
    """In pieces that many may hold at one time."""
    for position in range(start, end, _PIECE):
        yield content[position : min(position + _PIECE, end)]


def _header_edits(
    parsed: Parsed, also: Sequence[str], *, message_id: str, hostname: str, protocol: str, now: float
) -> tuple[Edit, ...]:
    kept = {header.name for header in parsed.headers}
    lines = [f"Received: by {hostname} with {protocol} id {message_id};\r\n\t{_dated(int(now))}", *also]
    if "date" not in kept:
        lines.append(f"Date: {_dated(int(now))}")
    if "message-id" not in kept:
        lines.append(f"Message-ID: <{message_id}@{hostname}>")
    if not kept & {"to", "cc"}:
        lines.append("To: undisclosed-recipients:;")
    added = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    removed = [Edit(h.start, h.end) for h in parsed.headers if _REMOVED.fullmatch(h.name)]
    return (Edit(0, 0, added), *removed)


def _leaf_edits(content: Octets, parsed: Parsed, removed: Sequence[Edit]) -> Iterator[Edit]:
    """What makes every line that is sent short enough. Raises Malformed."""
    line = _long_line(content, 0)
    while line >= 0:
        end = next((edit.end for edit in removed if edit.start <= line < edit.end), -1)
        if end < 0:
            leaf = _leaf_around(line, parsed)
            yield from _recoded(content, leaf)
            end = leaf.end
        line = _long_line(content, end)


def _long_line(content: Octets, position: int) -> int:
    """Where the next line that is too long begins, if a line begins at `position`; -1 if there is none.

    The last line end within reach is looked for: one look per thousand octets, whatever the length of the lines. Its LF will
    do, for none stands alone any more, and one octet is found in two thirds of the time.
    """
    last = len(content) - MAX_LINE
    while position < last:
        line_end = content.rfind(b"\n", position, position + MAX_LINE + 2)
        if line_end < 0:
            return position
        position = line_end + 1
    return -1


def _leaf_around(line: int, parsed: Parsed) -> Part:
    """The leaf whose body holds the line. Raises Malformed if there is none, or it may not change."""
    leaf = next((part for part in parsed.parts if part.is_leaf and part.start <= line < part.end), None)
    if leaf is None:
        in_header = any(header.start <= line < header.end for part in parsed.parts for header in part.headers)
        raise Malformed("header line too long" if in_header else "line too long outside of any part")
    if not _SEALED.isdisjoint((*leaf.within, leaf.content_type)):
        raise Malformed("line too long in a signed part")
    return leaf


def _recoded(content: Octets, leaf: Part) -> Iterator[Edit]:
    """The edits that put a leaf into an encoding with short lines: its header, and its body."""
    decode = _declared(leaf)
    encode = Encoding.BASE64 if decode is Encoding.BASE64 else _best(leaf.content_type, content[leaf.start : leaf.end])
    if encode is not decode:
        yield from _declaration(leaf, encode)
    yield Edit(leaf.start, leaf.end, decode=decode, encode=encode)


def _declaration(leaf: Part, encoding: Encoding) -> Iterator[Edit]:
    """The header line that names the encoding, replaced or added at the end. A message needs MIME-Version with it."""
    line = f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii")
    fields = [header for header in leaf.headers if header.name == "content-transfer-encoding"]
    yield from (Edit(field.start, field.end, line) for field in fields)
    added = b"" if fields else line
    if leaf.within[-1:] in ((), ("message/rfc822",)) and all(header.name != "mime-version" for header in leaf.headers):
        added = b"MIME-Version: 1.0\r\n" + added
    if added:
        yield Edit(leaf.start - 2, leaf.start - 2, added)


def _declared(leaf: Part) -> Encoding:
    """How the leaf is encoded. Raises Malformed where readers disagree on that: RFC 2045 6.4 on messages among it."""
    found = {_DECLARED.get(value) for value in mime.encodings(leaf.headers)} or {Encoding.NONE}
    declared = found.pop()
    if found or declared is None or leaf.content_type.startswith("message/"):
        raise Malformed("line too long in a part that cannot be encoded")
    return declared


def _best(content_type: str, octets: bytes) -> Encoding:
    """Text stays legible where at most a sixth of it must be quoted: every octet that is becomes three."""
    quoted = len(octets.translate(None, _AS_IT_IS))
    is_text = not content_type or content_type.startswith("text/")
    return Encoding.QUOTED_PRINTABLE if is_text and quoted * 6 <= len(octets) else Encoding.BASE64


def _quoted_printable(octets: bytes) -> bytes:
    """RFC 2045 6.7. Line ends stay line ends; no line begins like a delimiter of a multipart.

    b2a_qp gets line by line what it does well. Its own breaks are LF alone and heed no delimiter: they are undone.
    """
    lines = (b2a_qp(line, istext=False).replace(b"=\n", b"") for line in octets.split(b"\r\n"))
    broken = b"\r\n".join(b"=\r\n".join(_QUOTED_LINE.findall(line)) for line in lines)
    return (b"\n" + broken).replace(b"\n--", b"\n=2D-")[1:]


def _in_lines(base64: bytes) -> bytes:
    """RFC 2045 6.8: of 76 characters at most."""
    return b"".join(line + b"\r\n" for line in _BASE64_LINE.findall(base64))


# What was base64 is not decoded: whoever does that must skip what is not of the alphabet, line ends among it, and so
# reads the same as before even where readers disagree on what it means.
_RECODED: dict[tuple[Encoding, Encoding], Callable[[bytes], bytes]] = {
    (Encoding.NONE, Encoding.QUOTED_PRINTABLE): _quoted_printable,
    (Encoding.NONE, Encoding.BASE64): lambda octets: _in_lines(pybase64.b64encode(octets)),
    (Encoding.QUOTED_PRINTABLE, Encoding.QUOTED_PRINTABLE): lambda octets: _quoted_printable(a2b_qp(octets)),
    (Encoding.QUOTED_PRINTABLE, Encoding.BASE64): lambda octets: _in_lines(pybase64.b64encode(a2b_qp(octets))),
    (Encoding.BASE64, Encoding.BASE64): lambda octets: _in_lines(octets.translate(None, _NO_BASE64)),
}
