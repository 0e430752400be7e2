"""What stays of an address that was erased: a mark that nobody can make of it without the relay's keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from relay import address

PURPOSE = "erased addresses"  # what the keys of marks are made for
SOURCE = "erased"  # where an entry of the suppression list is from of which no more is known
GONE = "(erased)"  # what stands where an address stood in a text that stays

_OCTETS = 32
# Where an address may begin: behind what is no part of one, or behind what JSON or a URL writes as more than one letter.
_BEGINS = r"(?:(?<![A-Za-z0-9._+-])|(?<=\\[nrt])|(?<=\\u00[0-9A-Fa-f]{2})|(?<=%[0-9A-Fa-f]{2}))"
_ENDS = r"(?![A-Za-z0-9-]|\.[A-Za-z0-9])"


class Marks:
    """Marks of addresses under each key: its number, and keyed BLAKE2b (RFC 7693). Without keys there are none."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = [(f"{number}:", keys[number]) for number in sorted(keys, reverse=True)]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def of(self, key: str) -> list[str]:
        """Of an address's key, that of the newest of our keys first."""
        octets = key.encode("utf-8", "surrogatepass")
        return [number + blake2b(octets, key=secret, digest_size=_OCTETS).hexdigest() for number, secret in self._keys]

    def knows(self, mark: str) -> bool:
        """Whether its key is still there. Without it nobody can say any more whose it is."""
        return any(mark.startswith(number) for number, _ in self._keys)


NO_MARKS = Marks({})


class Mentions:
    """An address in texts of others: in any case, as a whole, and as JSON may write it."""

    def __init__(self, wanted: str) -> None:
        letters = "".join(map(_written, address.key(wanted)))
        self._found = re.compile(f"{_BEGINS}{letters}{_ENDS}", re.IGNORECASE)

    def are_in(self, *texts: object) -> bool:
        """Whether any text or octets of them name it."""
        return any(self._found.search(_text(each)) for each in texts if each)

    def without(self, text: str) -> str:
        """With `GONE` in its place."""
        return self._found.sub(GONE, text)


def _written(letter: str) -> str:
    """As texts, JSON and URLs write it."""
    code = f"{ord(letter):02x}"
    return letter if letter.isalnum() else rf"(?:{re.escape(letter)}|\\u00{code}|%{code})"


def _text(said: object) -> str:
    return said.decode("latin-1") if isinstance(said, bytes) else str(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An address to be erased, by whom. `suppress` keeps it from all mail from now on, whatever stood of it before."""

    address: str
    source: str
    suppress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went, or would go, by kind; the deliveries that waited and were cancelled among them."""

    mark: str
    counts: Mapping[str, int] = field(default_factory=dict)
    cancelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedAddress:
    """One that was erased: its mark, and from when until when that took; None while it is not at its end."""

    mark: str
    began_at: float
    ended_at: float | None
    is_readable: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeps mail from an erased address: which mail, why, since when, and until when; 0 for ever."""

    scope: str
    reason: str
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedAddress:
    """All that is known of one that was erased, as it lies beside a backup."""

    mark: str
    began_at: float
    ended_at: float | None
    kept: tuple[Kept, ...] = ()
