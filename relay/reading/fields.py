"""Reads the fields of a header: folds, comments, parameters, encoded words. Knows no message."""

from __future__ import annotations

import codecs
import encodings
import re
from collections.abc import Sequence
from email.errors import HeaderParseError
from email.header import decode_header
from encodings import normalize_encoding
from encodings.aliases import aliases
from pkgutil import iter_modules
from typing import NamedTuple

from relay.errors import Malformed

_LONGEST_SHOWN = 1000
_CODECS = frozenset((*aliases, *(module.name for module in iter_modules(encodings.__path__))))

# A quote without its end runs to the end of the field: were it searched for again, from each further quote, time would
# grow with the square of the length.
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*+"?)|\([^()]*\)', re.DOTALL)
_PARAMETER = re.compile(rb';[ \t]*([^ \t=;"]++)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*+"?|[^;]*)', re.DOTALL)
_ODD_BLANK = re.compile(rb"[\x0b\x0c\x1c-\x1f]")  # blanks to some
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


class Header(NamedTuple):
    """One field: its name in lower case, its value as written (folds and all), and where it stands, CRLF included."""

    name: str
    value: bytes
    start: int
    end: int


def unfold(value: bytes) -> bytes:
    """The value as one line without the white space around it (RFC 5322 2.2.3)."""
    return value.replace(b"\r\n", b"").strip(b" \t")


def only(fields: Sequence[Header], name: str) -> bytes:
    """The value of a field that may stand once, unfolded. Raises Malformed: of two, readers take either."""
    values = [field.value for field in fields if field.name == name]
    if len(values) > 1:
        raise Malformed(f"more than one {name.title()} header")
    if values and _ODD_BLANK.search(values[0]):
        raise Malformed(f"a control character in {name.title()}")
    return unfold(values[0]) if values else b""


def text(value: bytes) -> str:
    """A header's value for people: RFC 2047 words decoded where they can be."""
    plain = value[:_LONGEST_SHOWN].decode("utf-8", "replace")
    if "=?" not in plain:
        return storable(plain)
    try:
        pieces = decode_header(plain)  # its time grows with the square of the length: hence the cut
    except (HeaderParseError, ValueError):
        return storable(plain)
    return storable("".join(p if isinstance(p, str) else decoded(p, charset or "ascii") for p, charset in pieces))


def codec(charset: str) -> str:
    """Python's name of it; nothing where nobody knows it. Python would keep each name for good that it was ever asked for."""
    name = normalize_encoding(charset).lower()
    try:
        return codecs.lookup(name).name if name in _CODECS else ""
    except LookupError:  # one of another system
        return ""


def decoded(raw: bytes, charset: str) -> str:
    """In the charset named; in UTF-8 where nobody knows that one."""
    try:
        return raw.decode(codec(charset) or "utf-8", "replace")
    except (LookupError, ValueError):  # of octets, or of nothing at all
        return raw.decode("utf-8", "replace")


def storable(shown: str) -> str:
    """Without NUL and lone surrogates, which some charsets decode to and no database takes."""
    return shown.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def without_comments(value: bytes) -> bytes:
    """RFC 2045 5.1 allows comments between all parts of a structured header; inside quotes they are none."""
    return _COMMENT.sub(lambda match: match[1] or b"", value) if b"(" in value else value


def parameters(value: bytes) -> list[tuple[str, bytes]]:
    """The parameters of a structured header, names in lower case, quotes and quoted pairs resolved."""
    found = []
    for match in _PARAMETER.finditer(value):
        raw = match[2].strip()
        if raw.startswith(b'"'):
            raw = unquoted(raw[1:].removesuffix(b'"'))
        found.append((match[1].decode("latin-1").lower(), raw))
    return found


def unquoted(value: bytes) -> bytes:
    """What stands between quotes, without its backslashes (RFC 5322 3.2.1)."""
    return _QUOTED_PAIR.sub(rb"\1", value)
