"""What content looks like to those who read it: bytes, a bytearray or a memory-mapped file."""

from __future__ import annotations

from typing import Protocol


class Slices(Protocol):
    """Content that can be looked at piece by piece."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...


class Octets(Slices, Protocol):
    """What bytes and mmap have in common."""

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...
    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...
