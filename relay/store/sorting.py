"""A list in the order in which the store keeps it: rows that lie together are written together, which is most of the speed."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Any

from relay import address
from relay.suppression import Reason, Suppression

_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE")
_TABLE = "CREATE TABLE list (key, address, reason, source, created_at, note, scope, expires_at)"
_PUT_AT_ONCE = 1000


class Sorted:
    """Implements ports.SortedList."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="relay-import-")
        self._db = sqlite3.connect(f"{self._folder.name}/list.db", isolation_level=None)
        for pragma in _PRAGMAS:
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(_TABLE)
        self._waiting: list[tuple[Any, ...]] = []
        self._count = 0

    def __enter__(self) -> Sorted:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """It is gone."""
        self._db.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        return self._count

    def put(self, entry: Suppression) -> None:
        key = address.key(entry.address)
        self._waiting.append(
            (key, entry.address, entry.reason, entry.source, entry.created_at, entry.note, entry.scope, entry.expires_at)
        )
        self._count += 1
        if len(self._waiting) == _PUT_AT_ONCE:
            self._write()

    def batches(self, size: int) -> Iterator[list[Suppression]]:
        """So many at once, or fewer."""
        self._write()
        with closing(self._db.execute("SELECT * FROM list ORDER BY key, scope, reason")) as rows:
            while batch := rows.fetchmany(size):
                yield list(map(_entry, batch))

    def _write(self) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO list VALUES (?,?,?,?,?,?,?,?)", self._waiting)
        self._db.execute("COMMIT")
        self._waiting.clear()


def _entry(row: tuple[Any, ...]) -> Suppression:
    return Suppression(
        address=row[1], reason=Reason(row[2]), source=row[3], created_at=row[4], note=row[5], scope=row[6], expires_at=row[7]
    )
