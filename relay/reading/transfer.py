"""Takes transfer encodings away (RFC 2045 6), piece by piece: what is decoded is held once, and only if somebody wants all."""

from __future__ import annotations

from binascii import Error, a2b_qp
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO

import pybase64

from relay.errors import Malformed
from relay.reading.octets import NO_BASE64, Slices, slices

_BLANKS = b" \t\r\n"
_FEWEST_LETTERS = 2  # make an octet

Pieces = Iterator[bytes]


def quoted_printable(content: Slices, start: int, end: int) -> Pieces:
    """RFC 2045 6.7, each line by itself, and one that is too long to be held in pieces."""
    rest = b""
    for piece in slices(content, start, end):
        lines = rest + piece
        cut = lines.rfind(b"\n") + 1 or _before_escape(lines)
        yield a2b_qp(lines[:cut])
        rest = lines[cut:]
    yield a2b_qp(rest)


def _before_escape(line: bytes) -> int:
    """Where a line may be cut: not within =XX."""
    place = line.find(b"=", max(0, len(line) - 2))
    return place if place >= 0 else len(line)


def base64(content: Slices, start: int, end: int) -> Pieces:
    """RFC 2045 6.8 as all readers have it. Raises Malformed: they do not agree on what else than blanks may be skipped, nor on
    what follows the padding. Padding that is missing is put."""
    rest, is_over = b"", False
    for piece in slices(content, start, end):
        letters = rest + piece.translate(None, _BLANKS)
        if is_over and letters:
            raise Malformed("base64 goes on behind its end")
        cut = len(letters) // 4 * 4
        is_over = letters.endswith(b"=", 0, cut)
        yield _strict(letters[:cut])
        rest = letters[cut:]
    if rest and (is_over or len(rest.rstrip(b"=")) < _FEWEST_LETTERS):
        raise Malformed("base64 that ends in the middle of an octet")
    yield _strict(rest.rstrip(b"=") + b"=" * (-len(rest.rstrip(b"=")) % 4))


def lenient_base64(content: Slices, start: int, end: int) -> Pieces:
    """All letters there are, for texts: what else stands there is skipped."""
    rest = b""
    for piece in slices(content, start, end):
        letters = rest + piece.translate(None, NO_BASE64)
        cut = len(letters) // 4 * 4
        yield pybase64.b64decode(letters[:cut])
        rest = letters[cut:]
    if len(rest) >= _FEWEST_LETTERS:
        yield pybase64.b64decode(rest + b"=" * (-len(rest) % 4))


def is_padded_within(content: Slices, start: int, end: int) -> bool:
    """Whether base64 goes on behind its padding: readers differ on what that means."""
    is_over = False
    for piece in slices(content, start, end):
        letters = piece.translate(None, _BLANKS)
        padding = letters.find(b"=")
        if (is_over and letters.strip(b"=")) or (padding >= 0 and letters[padding:].strip(b"=")):
            return True
        is_over = is_over or padding >= 0
    return False


def joined(pieces: Iterable[bytes]) -> bytes:
    """All in one, and never held twice: what BytesIO gives out is what it holds."""
    whole = BytesIO()
    whole.writelines(pieces)
    return whole.getvalue()


def _strict(letters: bytes) -> bytes:
    try:
        return pybase64.b64decode(letters, validate=True)
    except Error:
        raise Malformed("base64 that cannot be decoded") from None


DECODERS: dict[bytes, Callable[[Slices, int, int], Pieces]] = {
    b"": slices,
    b"7bit": slices,
    b"8bit": slices,
    b"binary": slices,
    b"quoted-printable": quoted_printable,
    b"base64": base64,
}
LENIENT = DECODERS | {b"base64": lenient_base64}  # as readers of texts do
