"""What content looks like to those who read it: bytes, a bytearray or a memory-mapped file; and the letters of base64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # RFC 2045 6.8, by their values
NO_BASE64 = bytes(set(range(256)) - set(BASE64))
PIECE = 128 * 1024


class Slices(Protocol):
    """Content that can be looked at piece by piece."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...


class Octets(Slices, Protocol):
    """What bytes and mmap have in common."""

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...
    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


def slices(content: Slices, start: int, end: int, *, length: int = PIECE) -> Iterator[bytes]:
    """In pieces that many may hold at one time."""
    for position in range(start, end, length):
        yield content[position : min(position + length, end)]
