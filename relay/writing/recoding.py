"""Bodies that SES would refuse or might change, in quoted-printable or base64: what they decode to is equal to the octet.

Finds them at intake and says how each is encoded anew; does it, in pieces, when the content is sent.
"""

from __future__ import annotations

import re
from binascii import a2b_qp, b2a_qp
from collections.abc import Callable, Iterable, Iterator

import pybase64

from relay.errors import Malformed
from relay.model import Edit, Encoding
from relay.reading.mime import Part
from relay.reading.octets import NO_BASE64, Octets, slices
from relay.writing.fields import MAX_LINE

# Whatever changes inside of these breaks a signature, or cannot be read by who holds the key.
_SEALED = frozenset(("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
_DECLARED = {
    b"": Encoding.NONE,
    b"7bit": Encoding.NONE,
    b"8bit": Encoding.NONE,
    b"binary": Encoding.NONE,
    b"quoted-printable": Encoding.QUOTED_PRINTABLE,
    b"base64": Encoding.BASE64,
}
_AS_IT_IS = bytes({*range(32, 127), *b"\t\r\n"} - {ord("=")})  # in quoted-printable
_NO_BASE64 = NO_BASE64.replace(b"=", b"")
_BASE64_LINE = re.compile(rb".{1,76}")
_QUOTED_LINE = re.compile(rb".{1,73}(?<!=)(?<!=.)")  # cuts no =XX; 76 with the = at its end and a hyphen that is quoted


def is_ascii(content: Octets) -> bool:
    """Whether there is no raw 8-bit anywhere."""
    if isinstance(content, bytes):
        return content.isascii()
    return all(map(bytes.isascii, slices(content, 0, len(content))))


def raw_leaves(content: Octets, parts: Iterable[Part]) -> Iterator[Part]:
    """The leaves in raw 8-bit that may be encoded anew: SES keeps such octets only as long as it edits nothing itself."""
    for part in parts:
        may_change = part.is_leaf and body_may_change(part) and _declared(part) is not None
        if may_change and not all(map(bytes.isascii, slices(content, part.start, part.end))):
            yield part


def header_may_change(part: Part) -> bool:
    """The header of what is signed is its own; that of what lies inside is signed."""
    return _SEALED.isdisjoint(part.within)


def body_may_change(leaf: Part) -> bool:
    """Neither signed nor encrypted."""
    return header_may_change(leaf) and leaf.content_type not in _SEALED


def seal(leaf: Part) -> str:
    """The type that makes it signed or encrypted."""
    return next(type for type in (*leaf.within, leaf.content_type) if type in _SEALED)


def long_line(content: Octets, position: int) -> int:
    """Where the next line that is too long begins, if a line begins at `position`; -1 if there is none.

    The last line end within reach is looked for: one look per thousand octets, whatever the length of the lines. Its LF will
    do, for none stands alone any more, and one octet is found in two thirds of the time.
    """
    last, rfind, reach = len(content) - MAX_LINE, content.rfind, MAX_LINE + 2
    while position < last:
        line_end = rfind(b"\n", position, position + reach)
        if line_end < 0:
            return position
        position = line_end + 1
    return -1


def changes(content: Octets, leaf: Part) -> Iterator[Edit]:
    """The edits that put a leaf into an encoding with short lines: its header, and its body. Raises Malformed."""
    decode = _declared(leaf)
    if decode is None:
        raise Malformed("line too long in a part that cannot be encoded")
    encode = Encoding.BASE64 if decode is Encoding.BASE64 else _best(content, leaf)
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


def _declared(leaf: Part) -> Encoding | None:
    """How the leaf is encoded. None where nobody knows that, or RFC 2045 6.4 wants it as it is: in messages."""
    return None if leaf.content_type.startswith("message/") else _DECLARED.get(leaf.encoding)


def _best(content: Octets, leaf: Part) -> Encoding:
    """Text stays legible where at most a sixth of it must be quoted: every octet that is becomes three."""
    if leaf.content_type and not leaf.content_type.startswith("text/"):
        return Encoding.BASE64
    quoted = sum(len(piece.translate(None, _AS_IT_IS)) for piece in slices(content, leaf.start, leaf.end))
    return Encoding.QUOTED_PRINTABLE if quoted * 6 <= leaf.end - leaf.start else Encoding.BASE64


def recoded(pieces: Iterable[bytes], decode: Encoding, encode: Encoding) -> Iterator[bytes]:
    """A body taken out of one encoding and put into another."""
    decoder, encoder = _RECODED[decode, encode]
    return encoder(decoder(pieces))


def encoded(pieces: Iterable[bytes], encode: Encoding) -> Iterable[bytes]:
    """A body put into an encoding."""
    return _ENCODERS[encode](pieces)


def _as_it_is(pieces: Iterable[bytes]) -> Iterable[bytes]:
    return pieces


def _out_of_quoted_printable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Never cut within =XX, or within = and a line end."""
    held = b""
    for piece in pieces:
        held += piece
        end = held.find(b"=", max(0, len(held) - 3))
        whole = len(held[:end].rstrip(b"=")) if end >= 0 else len(held)
        yield a2b_qp(held[:whole])
        held = held[whole:]
    yield a2b_qp(held)


def _letters(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 without what is not of its alphabet."""
    return (piece.translate(None, _NO_BASE64) for piece in pieces)


def _quoted_printable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Line by line as far as there are line ends; a line that goes on in the next piece is broken there."""
    held = b""
    for piece in pieces:
        held += piece
        end = held.rfind(b"\r\n") + 2
        if end >= 2:
            yield _in_quoted_lines(held[:end])
            held = held[end:]
        elif len(held) > 1:
            yield _in_quoted_lines(held[:-1]) + b"=\r\n"  # the last octet may be half of a line end
            held = held[-1:]
    yield _in_quoted_lines(held)


def _in_quoted_lines(octets: bytes) -> bytes:
    """RFC 2045 6.7. Line ends stay line ends; no line begins like a delimiter of a multipart.

    b2a_qp gets line by line what it does well. Its own breaks are LF alone and heed no delimiter: they are undone.
    """
    lines = (b2a_qp(line, istext=False).replace(b"=\n", b"") for line in octets.split(b"\r\n"))
    broken = b"\r\n".join(b"=\r\n".join(_QUOTED_LINE.findall(line)) for line in lines)
    return (b"\n" + broken).replace(b"\n--", b"\n=2D-")[1:]


def _base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return _in_lines(pybase64.b64encode(block) for block in _blocks(pieces, 57))


def _in_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """RFC 2045 6.8: of 76 characters at most."""
    return (b"".join(line + b"\r\n" for line in _BASE64_LINE.findall(block)) for block in _blocks(pieces, 76))


def _blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """All octets in order, cut at multiples of `size`."""
    held = b""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % size
        yield held[:whole]
        held = held[whole:]
    yield held


# What was base64 is not decoded: whoever does that must skip what is not of the alphabet, line ends among it, and so
# reads the same as before even where readers disagree on what it means.
_Step = Callable[[Iterable[bytes]], Iterable[bytes]]
_RECODED: dict[tuple[Encoding, Encoding], tuple[_Step, Callable[[Iterable[bytes]], Iterator[bytes]]]] = {
    (Encoding.NONE, Encoding.QUOTED_PRINTABLE): (_as_it_is, _quoted_printable),
    (Encoding.NONE, Encoding.BASE64): (_as_it_is, _base64),
    (Encoding.QUOTED_PRINTABLE, Encoding.QUOTED_PRINTABLE): (_out_of_quoted_printable, _quoted_printable),
    (Encoding.QUOTED_PRINTABLE, Encoding.BASE64): (_out_of_quoted_printable, _base64),
    (Encoding.BASE64, Encoding.BASE64): (_letters, _in_lines),
}
_ENCODERS: dict[Encoding, Callable[[Iterable[bytes]], Iterable[bytes]]] = {
    Encoding.NONE: _as_it_is,
    Encoding.QUOTED_PRINTABLE: _quoted_printable,
    Encoding.BASE64: _base64,
}
