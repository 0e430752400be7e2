"""Makes identifiers: ULIDs, sortable by time. Clock and chance are handed in."""

from __future__ import annotations

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)


def ulid(now: float, chance: bytes) -> str:
    """26 characters: 48 bits of milliseconds and the 80 bits of `chance`, in Crockford's base 32."""
    return _text(int(now * 1000) << 80 | int.from_bytes(chance, "big"))


def octets(ulid: str) -> bytes:
    """The 16 octets of one."""
    number = 0
    for digit in ulid:
        number = number << 5 | _CROCKFORD.index(digit)
    return number.to_bytes(16, "big")


def moment(ulid: str) -> float:
    """When one was made, in seconds since the epoch."""
    return (int.from_bytes(octets(ulid), "big") >> 80) / 1000


def text(octets: bytes) -> str:
    """One out of its 16 octets."""
    return _text(int.from_bytes(octets, "big"))


def _text(number: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
