"""Makes identifiers: ULIDs, sortable by time. Clock and chance are handed in."""

from __future__ import annotations

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)


def ulid(now: float, chance: bytes) -> str:
    """26 characters: 48 bits of milliseconds and the 80 bits of `chance`, in Crockford's base 32."""
    number = int(now * 1000) << 80 | int.from_bytes(chance, "big")
    digits = [_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)]
    return "".join(digits)
