"""The connections of a process to PostgreSQL: one that writes, in a thread of its own, and a few beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, Buffer, PQGen
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import StrDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from relay.errors import DiskFull, StoreLocked, StoreRefuses, StoreUnavailable
from relay.store.postgres.dialect import translated
from relay.store.sql.session import Cursor, Values

CONNECT_SECONDS = 5
_AGAIN_SECONDS = 1.0
_ANSWER_SECONDS = 20.0
_LONG_SECONDS = 300.0  # for what changes all that waits
_APPLICATION = "relay"
# Both sides notice within half a minute that the other is gone; the server by options, which a pooler lets nobody set.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
# For one transaction, since a pooler may give the next one another session. What a node has locked that was stopped in the
# middle of one is free again after a while. All verbs find what they need by an index, which PostgreSQL does not believe before
# it has looked at tables that grow quickly; and it would plan a statement anew each time, which takes longer than to run it.
# The lock is of all nodes on the database: taken by many, or by one.
_BEGIN = """BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = '10s';
    SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan;
    SELECT pg_advisory_xact_lock{}(7310)"""
# By their identifiers, in their order.
_LOCK = """SELECT 1 FROM deliveries d JOIN json_each(%s) t
    ON d.message_id = substr(t.value, 1, 26) AND d.number = CAST(substr(t.value, 28) AS INTEGER)
    ORDER BY d.message_id, d.number FOR UPDATE OF d"""

_UNAVAILABLE: tuple[tuple[type[Exception], type[StoreUnavailable]], ...] = (
    (errors.DiskFull, DiskFull),
    (errors.LockNotAvailable, StoreLocked),
)
_OUR_FAULTS = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
_IN_THE_WAY = (errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is. `direct` is the way to it that leads through no pooler, where `url` leads through one."""

    url: str = field(repr=False)
    direct: str = field(default="", repr=False)

    @property
    def own(self) -> str:
        """For what needs a session of its own."""
        return self.direct or self.url

    @property
    def options(self) -> dict[str, Any]:
        """Of a connection by `url`. Behind a pooler nothing may be left in a session: no statement prepared, no setting."""
        options: dict[str, Any] = {
            "autocommit": True,
            "context": Context(),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": _APPLICATION,
            **_KEEPALIVE,
        }
        return options | ({"prepare_threshold": None} if self.direct else {"options": _SERVER_KEEPALIVE})


class _Whole(NumericBinaryLoader):
    """Sums of integers: PostgreSQL makes them numeric, so that they cannot overflow."""

    def load(self, data: Buffer) -> int | float:  # type: ignore[override]
        found = super().load(data)
        return int(found) if found == found.to_integral_value() else float(found)


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


class _Connection(psycopg.Connection[Any]):
    """Lost where no answer comes in `seconds`, though somebody is there: a pooler or a server that hangs."""

    seconds = _ANSWER_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise


class _AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same, if it is told to."""

    seconds: float | None = None

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, self.seconds)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise


class PostgresDatabase:
    """Implements sql.session.Database. A connection that was lost is made anew with the next transaction."""

    def __init__(self, server: Server) -> None:
        """Raises psycopg.Error."""
        self._server = server
        self._connection = self._connect()
        self.writer = 0
        self.patience = 5000  # milliseconds that it waits for a lock

    def _connect(self) -> _Connection:
        return _Connection.connect(self._server.url, **self._server.options)

    def execute(self, query: str, values: Values = (), /) -> Cursor:
        return self._connection.cursor(binary=True).execute(translated(query), values)

    def executemany(self, query: str, rows: Iterable[Values], /) -> object:
        cursor = self._connection.cursor()
        cursor.executemany(translated(query), rows)
        return cursor

    def each(self, query: str, rows: Iterable[Values], /) -> list[Cursor]:
        with self._connection.pipeline():
            return [self.execute(query, row) for row in rows]

    def is_pooled(self) -> bool:
        """A pooler tells its clients another process than the one that answers them. Raises psycopg.Error."""
        row = self._connection.execute("SELECT pg_backend_pid()").fetchone()
        return row != (self._connection.info.backend_pid,)

    def count_as(self, writer: int) -> None:
        """The number of this node among those that write."""
        self.writer = writer

    def begin(self, *, lazily: bool, alone: bool) -> None:
        if self._connection.broken or self._connection.closed:
            self._connection = self._connect()
        self._connection.seconds = _ANSWER_SECONDS
        begin = _BEGIN.format(self.patience, "" if alone else "_shared") + ("; SET LOCAL synchronous_commit = off" * lazily)
        try:
            self._connection.execute(begin.encode(), prepare=False)
        except psycopg.Error:
            self.rollback()  # BEGIN itself has come through
            raise
        self._connection.seconds = _LONG_SECONDS if alone else _ANSWER_SECONDS

    def lock(self, deliveries: Sequence[str]) -> None:
        self._connection.execute(_LOCK, (json.dumps(deliveries),))

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
        """A server that only lets read was the one that lets write until another was promoted: it is looked for anew."""
        if isinstance(error, errors.ReadOnlySqlTransaction):
            self._connection.close()
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


class PostgresPool:
    """Implements sql.session.Reader. Each statement is by itself, unless it is within `transaction`, and is answered within so
    many seconds or not at all.
    """

    def __init__(self, server: Server, *, most: int, seconds: float | None) -> None:
        self._seconds = seconds
        self._pool = AsyncConnectionPool(
            server.url,
            connection_class=_AsyncConnection,
            kwargs=server.options,
            configure=self._configure,
            min_size=1,
            max_size=most,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=_AGAIN_SECONDS,  # the pauses between its tries grow until then; who asks next begins anew
            open=False,
        )

    async def _configure(self, connection: _AsyncConnection) -> None:
        connection.seconds = self._seconds

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[_AsyncConnection]:
        """As for the writer: a server that only lets read is not asked to write again."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            except errors.ReadOnlySqlTransaction:
                await connection.close()
                raise

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        try:
            await self._pool.open(wait=True, timeout=CONNECT_SECONDS)
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def rows(self, query: str, values: Values = (), /) -> list[Any]:
        """Asked once more where the server has closed the connection, as it does with all when it is restarted."""
        try:
            return await self._rows(query, values)
        except PoolTimeout as error:
            raise StoreUnavailable(repr(error)) from error
        except psycopg.OperationalError:
            await self._pool.check()
        try:
            return await self._rows(query, values)
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def _rows(self, query: str, values: Values) -> list[Any]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.cursor(binary=True).execute(translated(query), values)
                return await cursor.fetchall()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def changed(self, query: str, values: Values = ()) -> list[Any]:
        """What a statement that changes something gives back, if it does. It is not done again. Raises StoreUnavailable."""
        try:
            async with self._lent() as connection:
                cursor = await connection.execute(translated(query), values)
                return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Raises StoreUnavailable. For what changes something: it is not done again."""
        try:
            async with self._lent() as connection, connection.transaction():
                yield connection
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def close(self) -> None:
        await self._pool.close()


class Context:
    """Brings the adapters to connections."""

    connection = None

    def __init__(self) -> None:
        self.adapters = adapters()
