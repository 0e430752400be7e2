"""The connections of a process to PostgreSQL: one that writes, in a thread of its own, and a few that read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.string import StrDumper
from psycopg_pool import AsyncConnectionPool

from relay.errors import DiskFull, StoreLocked, StoreRefuses, StoreUnavailable
from relay.store.postgres.dialect import translated
from relay.store.sql.session import Cursor, Values

_CONNECT_SECONDS = 5
_LOCK_SECONDS = 5  # as SQLite's
_READERS = 4
_APPLICATION = "relay"
# The server notices within half a minute that a machine is gone, and lets go of what it held.
_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
# Of all nodes on the database: held until the end of the transaction, by many or by one.
_BESIDE_OTHERS = "SELECT pg_advisory_xact_lock_shared(7310)"
_SERVING = "SELECT pg_try_advisory_lock(7311)"
_ALONE = "SELECT pg_advisory_xact_lock(7310)"

_UNAVAILABLE: tuple[tuple[type[Exception], type[StoreUnavailable]], ...] = (
    (errors.DiskFull, DiskFull),
    (errors.LockNotAvailable, StoreLocked),
)
_OUR_FAULTS = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
_IN_THE_WAY = (errors.DeadlockDetected, errors.SerializationFailure)


class _Whole(Loader):
    """Sums of integers: PostgreSQL makes them numeric, so that they cannot overflow."""

    def load(self, data: bytes | bytearray | memoryview) -> int | float:
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


class _Text(StrDumper):
    """PostgreSQL takes no NUL, which SQLite does: clients may send one in their EHLO."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


def adapters() -> AdaptersMap:
    """Text goes out as text, so that a function of several kinds is found by it."""
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(str, _Text)
    found.register_loader("numeric", _Whole)
    return found


class PostgresDatabase:
    """Implements sql.session.Database. A connection that was lost is made anew with the next transaction."""

    def __init__(self, url: str) -> None:
        """Raises psycopg.Error."""
        self._url = url
        self._connection = self._connect()
        self._serves = False
        self.writer = 0

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            context=_Context(),
            connect_timeout=_CONNECT_SECONDS,
            application_name=_APPLICATION,
            options=f"-c lock_timeout={_LOCK_SECONDS}s {_KEEPALIVE}",
        )

    def execute(self, query: str, values: Values = (), /) -> Cursor:
        return self._connection.execute(translated(query), values)

    def executemany(self, query: str, rows: Iterable[Values], /) -> object:
        cursor = self._connection.cursor()
        cursor.executemany(translated(query), rows)
        return cursor

    def begin(self, *, lazily: bool, alone: bool) -> None:
        if self._connection.broken or self._connection.closed:
            self._connection = self._connect()
            if self._serves and not self.take_turn():
                self._connection.close()
                raise psycopg.OperationalError("another relay has begun to run on this database")
        try:
            with self._connection.pipeline():
                self._connection.execute("BEGIN")
                self._connection.execute(_ALONE if alone else _BESIDE_OTHERS)
                if lazily:
                    self._connection.execute("SET LOCAL synchronous_commit = off")
        except psycopg.Error:
            self.rollback()  # BEGIN itself has come through
            raise

    def take_turn(self) -> bool:
        """Whether no other relay serves from this database: as long as the connection lives, none will."""
        row = self._connection.execute(_SERVING).fetchone()
        self._serves = bool(row and row[0])
        return self._serves

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")

    def stands(self) -> bool:
        return not self._connection.broken

    def refusal(self, error: Exception) -> Exception:
        if isinstance(error, _OUR_FAULTS):
            return StoreRefuses(repr(error))
        return self.outage(error) if isinstance(error, psycopg.Error) else error

    def outage(self, error: Exception) -> StoreUnavailable:
        kind = next((kind for cause, kind in _UNAVAILABLE if isinstance(error, cause)), StoreUnavailable)
        return kind(repr(error))

    def is_worth_repeating(self, error: Exception) -> bool:
        return isinstance(error, _IN_THE_WAY)

    def is_final(self, error: Exception) -> bool:
        return self._connection.broken or isinstance(error, errors.LockNotAvailable)

    def make_room(self) -> None:
        """That is the database server's own affair."""

    def close(self) -> None:
        self._connection.close()


class PostgresReader:
    """Implements sql.session.Reader over a pool of connections that cannot write."""

    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "context": _Context(),
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": _APPLICATION,
                "options": "-c default_transaction_read_only=on",
            },
            min_size=1,
            max_size=_READERS,
            timeout=_CONNECT_SECONDS,
            open=False,
        )

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        try:
            await self._pool.open(wait=True, timeout=_CONNECT_SECONDS)
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def rows(self, query: str, values: Values = (), /) -> list[Any]:
        try:
            async with self._pool.connection() as connection:
                return await (await connection.execute(translated(query), values)).fetchall()
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def close(self) -> None:
        await self._pool.close()


class _Context:
    """Brings the adapters to connections."""

    connection = None

    def __init__(self) -> None:
        self.adapters = adapters()
