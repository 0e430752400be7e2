"""Reads addresses strictly, and compares them. The only place that changes the case of one.

SES takes dot-atom addresses of ASCII in LDH domains (contracts of the v2 API, "email address" fields); what
RFC 5321 would also allow (quoted local parts, address literals, source routes) nobody can be reached at through SES.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import idna

from relay.errors import NotAscii

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ORDINARY = re.compile(rb'[^"(<>,;:]+')
_NO_COMMA = re.compile(rb'[^"(<,]+')
_ADDRESS = re.compile(rb"(" + _ATOM + rb"(?:\." + _ATOM + rb")*)@(" + _LABEL + rb"(?:\." + _LABEL + rb")+)\Z")

# RFC 5321 4.5.3.1.1 and 4.5.3.1.2
_MAX_LOCAL = 64
_MAX_DOMAIN = 255


def parse(raw: bytes) -> str:
    """The address as text, its case kept. Raises ValueError for anything but a plain dot-atom address.

    A local part that looks like an RFC 2047 encoded word is refused: some readers would decode it into another address.
    """
    match = _ADDRESS.match(raw)
    if not match or len(match[1]) > _MAX_LOCAL or len(match[2]) > _MAX_DOMAIN or b"=?" in raw:
        raise ValueError("not an address")
    return raw.decode("ascii")


def plain(raw: bytes) -> str:
    """An address as a client or an operator gives it, as SES takes it: a domain in UTF-8 becomes its A-labels.

    Raises NotAscii for a local part that SES cannot take, ValueError for what is no address.
    """
    if raw.isascii():
        return parse(raw)
    local, _, domain = raw.rpartition(b"@")
    if not local.isascii():
        raise NotAscii(raw.decode("utf-8"))
    return parse(local + b"@" + a_labels(domain))


def a_labels(domain: bytes) -> bytes:
    """A domain in UTF-8 as DNS has it (IDNA 2008). Raises ValueError.

    UTS 46 would also drop and replace characters (soft hyphens, full-width letters, other full stops), so that what was
    shown is not what is meant: nothing but lower-casing and NFC may lie between what was given and what DNS has.
    """
    given = domain.decode("utf-8")
    found = idna.encode(given, uts46=True)  # idna.IDNAError is a ValueError
    # Letter by letter: the whole word's lower() writes a sigma at its end in another way.
    if idna.decode(found) != unicodedata.normalize("NFC", "".join(letter.lower() for letter in given)):
        raise ValueError("a domain that is not what it looks like")
    return found


def key(address: str) -> str:
    """What two spellings of one address have in common. Takes anything, for an event may name what is no address."""
    if address.isascii():
        return address.lower()
    local, at, beyond = address.rpartition("@")
    try:
        return f"{local}{at}{a_labels(beyond.encode()).decode()}".lower()
    except ValueError:
        return address.lower()


def domain(address: str) -> str:
    """The domain in lower case."""
    return address.rpartition("@")[2].lower()


def mailbox(value: bytes) -> str:
    """The one address of a From or Sender header: RFC 5322 3.4 `mailbox`, without the obsolete syntax.

    Raises ValueError for no address, several, a group, or a display name that shows another address unquoted.
    """
    outside, inside = _split(value)
    if inside is None:
        return parse(outside.strip(b" \t"))
    shown = outside.strip(b" \t")
    found = parse(inside.strip(b" \t"))
    if b"@" in shown and key(shown.decode("ascii", "replace")) != key(found):
        raise ValueError("the display name is another address")
    return found


def mailboxes(value: bytes) -> list[str]:
    """The addresses of a Resent-From header: RFC 5322 3.4 `mailbox-list`. Raises ValueError as `mailbox` does."""
    return [mailbox(piece) for piece in _between_commas(value)]


def _between_commas(value: bytes) -> Iterator[bytes]:
    """Parted where a comma stands outside of quotes, comments and angle brackets."""
    began = position = 0
    while position < len(value):
        octet = value[position : position + 1]
        if ordinary := _NO_COMMA.match(value, position):
            position = ordinary.end()
        elif octet == b",":
            yield value[began:position]
            began = position = position + 1
        else:
            position = _ENDS[octet](value, position)
    yield value[began:]


def _split(value: bytes) -> tuple[bytes, bytes | None]:
    """What stands outside of the angle brackets, and what stands inside the one pair of them.

    A quoted string leaves a quote behind and a comment a space: what they part can never become one address.
    """
    outside = bytearray()
    inside: bytes | None = None
    position = 0
    while position < len(value):
        octet = value[position : position + 1]
        if ordinary := _ORDINARY.match(value, position):
            if inside is not None and ordinary[0].strip(b" \t"):
                raise ValueError("text behind the address")
            outside += ordinary[0]
            position = ordinary.end()
        elif octet == b'"':
            position = _end_of_quoted(value, position)
            outside += b'"'
        elif octet == b"(":
            position = _end_of_comment(value, position)
            outside += b" "
        elif octet == b"<":
            end = _end_of_brackets(value, position)
            if inside is not None:
                raise ValueError("broken angle brackets")
            inside, position = value[position + 1 : end - 1], end
        else:
            raise ValueError("more than one mailbox")
    return bytes(outside), inside


def _end_of_quoted(value: bytes, position: int) -> int:
    position += 1
    while position < len(value):
        if value[position] == 0x5C:
            position += 2
        elif value[position] == 0x22:
            return position + 1
        else:
            position += 1
    raise ValueError("quote without end")


def _end_of_comment(value: bytes, position: int) -> int:
    depth = 0
    while position < len(value):
        octet = value[position]
        if octet == 0x5C:
            position += 1
        elif octet == 0x28:
            depth += 1
        elif octet == 0x29:
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    raise ValueError("comment without end")


def _end_of_brackets(value: bytes, position: int) -> int:
    end = value.find(b">", position)
    if end < 0:
        raise ValueError("broken angle brackets")
    return end + 1


_ENDS = {b'"': _end_of_quoted, b"(": _end_of_comment, b"<": _end_of_brackets}
