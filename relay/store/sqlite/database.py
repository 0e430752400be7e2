"""The one connection of a process that writes to SQLite's file, and those that read beside it.

SQLite rolls a whole transaction back by itself on a full disk or an I/O error (lang_transaction.html, "Response To Errors
Within A Transaction"): so after any error the connection is asked whether the transaction still stands.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite

from relay.erasure import NO_MARKS, Marks
from relay.errors import DiskFull, StoreLocked, StoreRefuses, StoreUnavailable
from relay.store.sql.session import Cursor, Values

# The second of the full ones is where the log's index cannot grow.
_UNAVAILABLE: dict[int | None, type[StoreUnavailable]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_IOERR_SHMSIZE: DiskFull,
    sqlite3.SQLITE_BUSY: StoreLocked,
}
_READERS = 3
_OUR_FAULTS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class SqliteDatabase:
    """Implements sql.session.Database over an open connection in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection, marks: Marks = NO_MARKS) -> None:
        self.connection = connection
        self.marks = marks
        self.execute: Callable[..., sqlite3.Cursor] = connection.execute
        self.executemany: Callable[..., sqlite3.Cursor] = connection.executemany
        self._is_lazy = False
        (self._patience,) = self.execute("PRAGMA busy_timeout").fetchone()  # milliseconds
        self._is_patient = True
        self.writer = 0  # the only one
        self.is_alone = True

    def each(self, query: str, rows: Iterable[Values], /) -> list[Cursor]:
        return [self.execute(query, row) for row in rows]

    def begin(self, *, lazily: bool, alone: bool, patiently: bool) -> None:
        """No other relay ever writes; somebody with a tool for databases may."""
        if patiently != self._is_patient:
            self.execute(f"PRAGMA busy_timeout = {self._patience * patiently}")
            self._is_patient = patiently
        if lazily != self._is_lazy:  # without a sync: that of the next commit covers all of the log before it
            self.execute(f"PRAGMA synchronous = {'NORMAL' if lazily else 'FULL'}")
            self._is_lazy = lazily
        self.execute("BEGIN IMMEDIATE")

    def lock(self, deliveries: Sequence[str]) -> None:
        """The transaction has all of the database."""

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(sqlite3.Error):
            self.execute("ROLLBACK")

    def stands(self) -> bool:
        return self.connection.in_transaction

    def refusal(self, error: Exception) -> Exception:
        if isinstance(error, _OUR_FAULTS):
            return StoreRefuses(repr(error))
        return self.outage(error) if isinstance(error, sqlite3.Error) else error

    def outage(self, error: Exception) -> StoreUnavailable:
        return _UNAVAILABLE.get(getattr(error, "sqlite_errorcode", None), StoreUnavailable)(repr(error))

    def is_worth_repeating(self, error: Exception) -> bool:
        """Nobody else writes."""
        return False

    def is_final(self, error: Exception) -> bool:
        """Its commit is made or not, and it waits for others only where it begins."""
        return False

    def make_room(self) -> None:
        """What the log has goes into the database, if it can: then the next commit begins at the log's beginning."""
        with suppress(sqlite3.Error):
            self.execute("PRAGMA wal_checkpoint")

    def close(self) -> None:
        self.connection.close()


class SqliteReaders:
    """Implements sql.session.Reader. To be closed in the end: each has a thread, which would keep the process from ending.

    A page that sums up a month must not keep the look-up waiting that RCPT waits for: some may read at one time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free = asyncio.Semaphore(_READERS)
        self._idle: list[aiosqlite.Connection] = []
        self.connections: list[aiosqlite.Connection] = []

    @classmethod
    async def open(cls, path: Path) -> SqliteReaders:
        """Connections that cannot write: the first now, more when they are wanted. Raises sqlite3.OperationalError where there
        is no database.
        """
        readers = cls(path)
        readers._idle.append(await readers._another())
        return readers

    async def rows(self, query: str, values: Values = (), /) -> list[Any]:
        async with self._free:
            try:
                connection = self._idle.pop() if self._idle else await self._another()
            except sqlite3.Error as error:
                raise StoreUnavailable(repr(error)) from error
            try:
                return list(await connection.execute_fetchall(query, values))
            except sqlite3.Error as error:
                raise StoreUnavailable(repr(error)) from error
            finally:
                self._idle.append(connection)

    async def _another(self) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        self.connections.append(connection)
        return connection

    async def close(self) -> None:
        for connection in self.connections:
            await connection.close()
