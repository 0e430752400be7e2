"""Reads a write-ahead log by its format (sqlite.org/fileformat2.html, 4): what SQLite uses of it, and what it does not.

SQLite stops at the first frame whose checksum is wrong, for it may be one that was never written to its end, and does not
tell of committed ones behind it. Each frame's checksum goes on from that of the frame before it, which stands in the file:
so each can be judged for itself.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")  # magic, version, page size, checkpoints, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page number, pages of the database if it commits, two salts, two checksums
_BYTE_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}  # of the words that are summed up
PAGE_SIZES = frozenset(1 << bits for bits in range(9, 17))
_USUAL_PAGE_SIZE = 4096

Sums = tuple[int, int]


@dataclass(slots=True)
class Log:
    """The newest committed content of each page, as an offset in the file, and how well it could be read."""

    page_size: int = _USUAL_PAGE_SIZE
    offsets: dict[int, int] = field(default_factory=dict)
    damaged: int = 0  # frames whose checksum is wrong
    cut_off: int = 0  # commits behind a damaged frame, which SQLite would not see


@dataclass(frozen=True, slots=True)
class _Frame:
    offset: int  # of its content
    page: int
    commits: int
    is_whole: bool


def path_of(database: Path) -> Path:
    """Where SQLite keeps it."""
    return database.with_name(f"{database.name}-wal")


def is_empty(database: Path) -> bool:
    """Missing, or without a page: whoever reads the database makes an empty one where there is none."""
    try:
        return path_of(database).stat().st_size <= _HEADER.size + _FRAME.size
    except FileNotFoundError:
        return True


def unseen_commits(database: Path) -> int:
    """Commits behind the last one that SQLite sees. To be called while a connection has the database open, and has read.

    How far it sees stands in the index of the log (sqlite.org/walformat.html, 2.1: mxFrame).
    """
    index = database.with_name(f"{database.name}-shm")
    if is_empty(database) or not index.exists():
        return 0
    with path_of(database).open("rb") as file, index.open("rb") as header:
        (seen,) = struct.unpack("=I", header.read(20)[16:])
        _, salts, _ = _header(file, log := Log())
        commits = 0
        for start in _starts(file, log, seen):
            file.seek(start)
            _, commit, salt1, salt2, _, _ = _FRAME.unpack(file.read(_FRAME.size))
            commits += bool(commit) and (salt1, salt2) == salts
    return commits


def read(database: Path) -> Log:
    """All that can be used. A log that is not there is an empty one."""
    found = Log()
    if is_empty(database):
        return found
    with path_of(database).open("rb") as file:
        pending: dict[int, int] = {}
        for frame in _frames(file, found):
            found.damaged += not frame.is_whole
            if not frame.is_whole:
                continue
            pending[frame.page] = frame.offset
            if frame.commits:
                found.offsets |= pending
                found.cut_off += bool(found.damaged)
                pending.clear()
    return found


def _frames(file: BinaryIO, found: Log) -> Iterator[_Frame]:
    """All of the newest generation; older ones may stand behind them. Sets the page size."""
    order, salts, sums = _header(file, found)
    words = struct.Struct(f"{order}{found.page_size // 4}I")
    numbers = struct.Struct(f"{order}2I")
    for start in _starts(file, found, 0):
        file.seek(start)
        header = file.read(_FRAME.size)
        page, commits, salt1, salt2, sum1, sum2 = _FRAME.unpack(header)
        if (salt1, salt2) != salts:
            continue
        content = file.read(found.page_size)
        expected = _summed(_summed(sums, numbers.unpack(header[:8])), words.unpack(content))
        sums = (sum1, sum2)
        yield _Frame(start + _FRAME.size, page, commits, expected == sums)


def _starts(file: BinaryIO, found: Log, skipped: int) -> range:
    """Where frames begin, after so many."""
    length = _FRAME.size + found.page_size
    return range(_HEADER.size + skipped * length, os.fstat(file.fileno()).st_size - length + 1, length)


def _header(file: BinaryIO, found: Log) -> tuple[str, Sums, Sums]:
    """Byte order, salts and checksums to begin with. Where the header is damaged, those of the first frame's begin unknown."""
    header = file.read(_HEADER.size)
    magic, _, page_size, _, salt1, salt2, sum1, sum2 = _HEADER.unpack(header)
    order = _BYTE_ORDERS.get(magic, "<")
    is_whole = magic in _BYTE_ORDERS and _summed((0, 0), struct.unpack(f"{order}6I", header[:24])) == (sum1, sum2)
    if is_whole and page_size in PAGE_SIZES:
        found.page_size = page_size
        return order, (salt1, salt2), (sum1, sum2)
    found.damaged += 1
    _, _, salt1, salt2, _, _ = _FRAME.unpack(file.read(_FRAME.size))
    return order, (salt1, salt2), (0, 0)


def _summed(sums: Sums, words: tuple[int, ...]) -> Sums:
    first, second = sums
    pairs = iter(words)
    for one, other in zip(pairs, pairs, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
