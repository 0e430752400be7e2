"""Tokens of the links in mail: which delivery a link is of, and what it is for, so that nobody can make one up.

39 octets, 52 characters of base64url: version, key, kind, the message's ULID, the recipient's number, and 16 octets of
HMAC-SHA256 over all of that. There is no address in it, and no end: it is good for as long as its key and its delivery are
known.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from relay import ids
from relay.errors import UnknownLink

_VERSION = 1
_PAYLOAD = struct.Struct(">BBB16sI")
_TAG = 16
_LENGTH = (_PAYLOAD.size + _TAG) * 4 // 3

_MASTER = re.compile(r"([0-9]{1,3}):([A-Za-z0-9+/=]{43,})", re.ASCII)
_SHORTEST_KEY = 32

Keys = Mapping[int, bytes]
"""Keys by their numbers, 0 to 255; that of the highest number seals."""


def derived(masters: Iterable[str], purpose: str) -> Keys:
    """Keys for one purpose out of those of the settings, `NUMBER:BASE64` each. Raises ValueError, and does not say the key."""
    found = {}
    for master in masters:
        match = _MASTER.fullmatch(master.strip())
        octets = b64decode(match[2], validate=True) if match else b""
        number = int(match[1]) if match else 256
        if len(octets) < _SHORTEST_KEY or number > 255 or number in found:
            raise ValueError("each must be NUMBER:KEY, of its own number up to 255, as `relay key new` makes it")
        found[number] = hmac.digest(octets, purpose.encode(), sha256)
    return found


class Kind(IntEnum):
    """What a link is for."""

    UNSUBSCRIBE = 1
    WEB_VERSION = 2


@dataclass(frozen=True, slots=True)
class Link:
    """A link of one delivery."""

    kind: Kind
    message_id: str
    number: int


def sealed(link: Link, keys: Keys) -> str:
    """The token of a link: the same each time, as long as no key is added."""
    key_id = max(keys)
    payload = _PAYLOAD.pack(_VERSION, key_id, link.kind, ids.octets(link.message_id), link.number)
    return urlsafe_b64encode(payload + _tag(payload, keys[key_id])).decode()


def opened(token: str, keys: Keys, kind: Kind) -> Link:
    """What the token was made of. Raises UnknownLink for what is none of ours, or of another kind."""
    try:
        octets = urlsafe_b64decode(token.encode("ascii")) if len(token) == _LENGTH else b""
    except (Error, UnicodeEncodeError):
        octets = b""
    payload, tag = octets[: _PAYLOAD.size], octets[_PAYLOAD.size :]
    key_id = payload[1] if payload else 0
    if not hmac.compare_digest(_tag(payload, keys.get(key_id, b"")), tag) or key_id not in keys:
        raise UnknownLink
    version, _, found, message_id, number = _PAYLOAD.unpack(payload)
    if (version, found) != (_VERSION, kind):
        raise UnknownLink
    return Link(kind, ids.text(message_id), number)


def _tag(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, payload, sha256)[:_TAG]
