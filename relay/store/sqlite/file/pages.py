"""Reads a database file page by page, by its format (sqlite.org/fileformat2.html) and without SQLite.

SQLite finds a row by the pages above it, and gives up where one of them is damaged. Here each page is read for itself: what a
damaged page costs are its own rows. Nothing is ever written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from relay.store.sqlite.file import wal

_MAGIC = b"SQLite format 3\0"
_FILE_HEADER = 100  # octets of the first page, before what every page has
_LOCK_OCTET = 0x40000000  # the page that holds it is never used
_LONGEST = 1 << 30
_MAP_ENTRY = 5  # octets of a pointer map for each page

_INDEX_INTERIOR, _TABLE_INTERIOR, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
# Kind of page -> octets of its header, octets before the length of a row: a child's page number.
_KINDS = {_INDEX_INTERIOR: (12, 4), _TABLE_INTERIOR: (12, 4), _INDEX_LEAF: (8, 0), _TABLE_LEAF: (8, 0)}

_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_CONSTANTS: dict[int, Any] = {0: None, 8: 0, 9: 1}

Record = tuple[Any, ...]
"""A row as it is stored: the columns of its table, of WITHOUT ROWID tables those of the key first."""


class Unreadable(Exception):
    """A page or a row that is not what the format says."""


class Pages:
    """The pages of one database as its log has them; a context manager."""

    def __init__(self, database: Path) -> None:
        self._files = ExitStack()
        self.log = wal.read(database)
        self._database = self._opened(database) if database.exists() else -1
        self._wal = self._opened(wal.path_of(database)) if self.log.offsets else -1
        self.size = self.log.page_size
        header = self._read(1, _FILE_HEADER)
        size = _number(header, 16, 2) if _number(header, 16, 2) != 1 else 65536
        self.has_header = header.startswith(_MAGIC) and len(header) == _FILE_HEADER and size in wal.PAGE_SIZES
        self.version = _number(header, 60, 4) if self.has_header else None
        self._first_free = _number(header, 32, 4) if self.has_header else 0
        self._has_maps = bool(_number(header, 52, 4)) if self.has_header else True  # as the relay makes its databases
        if self.has_header:
            self.size = size
        self._usable = self.size  # the relay reserves nothing at the end of its pages
        octets = os.fstat(self._database).st_size if database.exists() else 0
        self.count = max(-(-octets // self.size), *self.log.offsets, 0)
        self._known = bytearray(self.count + 1)  # 1 for a page that was read, or holds nothing; there may be millions

    def _opened(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDONLY)
        self._files.callback(os.close, descriptor)
        return descriptor

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.close()

    @property
    def unknown(self) -> int:
        """How many pages are neither free nor were read yet."""
        return self._known.count(0, 1)

    def holding(self) -> Iterator[int]:
        """All but the free ones, as far as the list of those can be read: they still show what they held once.

        A database that can be made shorter has maps as well: the second page, and one after each run of as many as it tells of.
        """
        free = {_LOCK_OCTET // self.size + 1}
        if self._has_maps:
            free.update(range(2, self.count + 1, self._usable // _MAP_ENTRY + 1))
        trunk = self._first_free
        while trunk and trunk not in free:
            free.add(trunk)
            try:
                page = self._page(trunk)
            except Unreadable:
                break
            count = min(_number(page, 4, 4), self._usable // 4 - 2)
            free.update(struct.unpack_from(f">{count}I", page, 8))
            trunk = _number(page, 0, 4)
        for number in range(1, self.count + 1):
            if number in free:
                self._known[number] = 1
            else:
                yield number

    def children(self, number: int) -> list[int]:
        """Pages below this one. Raises Unreadable."""
        page, start, kind = self._tree_page(number)
        cells = self._cells(page, start, kind)
        self._known[number] = 1
        if kind not in (_INDEX_INTERIOR, _TABLE_INTERIOR):
            return []
        return [*(_number(page, cell, 4) for cell in cells), _number(page, start + 8, 4)]

    def records(self, number: int) -> tuple[list[tuple[int, Record]], int]:
        """The rows of one page with their numbers, 0 where they have none, and how many cannot be read. Raises Unreadable."""
        page, start, kind = self._tree_page(number)
        found: list[tuple[int, Record]] = []
        damaged = 0
        for cell in self._cells(page, start, kind) if kind != _TABLE_INTERIOR else ():
            try:
                found.append(self._record(page, cell, kind))
            except (Unreadable, LookupError, struct.error):
                damaged += 1
        self._known[number] = 1
        return found, damaged

    def _tree_page(self, number: int) -> tuple[bytes, int, int]:
        """Content, where its header begins, and its kind."""
        page, start = self._page(number), _FILE_HEADER if number == 1 else 0
        if page[start] not in _KINDS:
            raise Unreadable(number)
        return page, start, page[start]

    def _cells(self, page: bytes, start: int, kind: int) -> tuple[int, ...]:
        """Where each begins. Raises Unreadable."""
        first = start + _KINDS[kind][0]
        count = _number(page, start + 3, 2)
        if first + 2 * count > self._usable:
            raise Unreadable
        cells = struct.unpack_from(f">{count}H", page, first)
        if cells and (min(cells) < first + 2 * count or max(cells) >= self._usable):
            raise Unreadable
        return cells

    def _record(self, page: bytes, cell: int, kind: int) -> tuple[int, Record]:
        length, position = _varint(page, cell + _KINDS[kind][1])
        rowid = 0
        if kind == _TABLE_LEAF:
            rowid, position = _varint(page, position)
        return rowid, _columns(self._payload(page, position, length, kind))

    def _payload(self, page: bytes, position: int, length: int, kind: int) -> bytes:
        """A row's octets; what does not fit on its page lies in others. The formulas are those of fileformat2.html, 1.6."""
        most = self._usable - 35 if kind == _TABLE_LEAF else (self._usable - 12) * 64 // 255 - 23
        if length <= most:
            return page[position : position + length]
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (self._usable - 4)
        local = local if local <= most else least
        pieces, missing = [page[position : position + local]], length - local
        following = _number(page, position + local, 4)
        while missing > 0 and length < _LONGEST:
            page = self._page(following)
            self._known[following] = 1
            pieces.append(page[4 : min(self._usable, 4 + missing)])
            missing -= len(pieces[-1])
            following = _number(page, 0, 4)
        return b"".join(pieces)

    def _page(self, number: int) -> bytes:
        page = self._read(number, self.size) if 0 < number <= self.count else b""
        if len(page) < self.size:
            raise Unreadable(number)
        return page

    def _read(self, number: int, length: int) -> bytes:
        """The beginning of a page, from the log if that has it; less where the file was cut or the disk gives no more."""
        offset = self.log.offsets.get(number)
        try:
            if offset is not None:
                return os.pread(self._wal, length, offset)
            return os.pread(self._database, length, (number - 1) * self.size)
        except OSError:
            return b""


def _columns(payload: bytes) -> Record:
    end, position = _varint(payload, 0)
    values: list[Any] = []
    data = end
    while position < end:
        serial, position = _varint(payload, position)
        length = _INTEGERS.get(serial, 8 if serial == 7 else (serial - 12) // 2 if serial >= 12 else 0)
        values.append(_value(serial, payload[data : data + length]))
        data += length
    if position != end or data != len(payload):
        raise Unreadable
    return tuple(values)


def _value(serial: int, octets: bytes) -> Any:
    if serial in _INTEGERS:
        return int.from_bytes(octets, "big", signed=True)
    if serial >= 12:
        return octets.decode("utf-8", "replace") if serial % 2 else octets
    return struct.unpack(">d", octets)[0] if serial == 7 else _CONSTANTS[serial]


def _varint(octets: bytes, position: int) -> tuple[int, int]:
    """Seven bits an octet, and all eight of the ninth. The number, and what follows it."""
    value = 0
    for place in range(position, position + 8):
        value = value << 7 | octets[place] & 0x7F
        if octets[place] < 0x80:
            return value, place + 1
    return value << 8 | octets[position + 8], position + 9


def _number(octets: bytes, position: int, length: int) -> int:
    return int.from_bytes(octets[position : position + length], "big")
