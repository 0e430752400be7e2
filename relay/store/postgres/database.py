"""The one connection of a process that writes to PostgreSQL, in a thread of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

import psycopg
from psycopg import errors

from relay.erasure import NO_MARKS, Marks
from relay.errors import DiskFull, StoreLocked, StoreRefuses, StoreUnavailable
from relay.store.postgres.connections import ANSWER_SECONDS, APPLICATION, Connection, Server
from relay.store.postgres.dialect import translated
from relay.store.sql.session import Cursor, Values

STILL_SECONDS = 10  # within a transaction, before others end it
_LONG_SECONDS = 300.0  # for what changes all that waits
# For one transaction, since a pooler may give the next one another session. What a node has locked that was stopped in the
# middle of one is free again after a while. All verbs find what they need by an index, which PostgreSQL does not believe before
# it has looked at tables that grow quickly; and it would plan a statement anew each time, which takes longer than to run it.
# The lock is of all nodes on the database: taken by many, or by one.
_BEGIN = """BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = '{}s';
    SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan;
    SELECT pg_advisory_xact_lock{}(7310)"""
# By their identifiers, in their order.
_LOCK = """SELECT 1 FROM deliveries d JOIN json_each(%s) t
    ON d.message_id = substr(t.value, 1, 26) AND d.number = CAST(substr(t.value, 28) AS INTEGER)
    ORDER BY d.message_id, d.number FOR UPDATE OF d"""

# Nodes that stand still within a transaction. The server's own watch, idle_in_transaction_session_timeout, begins with the end
# of a Sync: it sees nobody who stopped within a pipeline, and nobody after one, since psycopg sends a Flush behind the Sync.
_END_WHO_STAND_STILL = """SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.objid = 7310 AND l.granted AND a.datname = current_database()
    AND a.application_name = %s AND a.wait_event_type = 'Client'
    AND a.state_change < clock_timestamp() - make_interval(secs => %s)"""

_UNAVAILABLE: tuple[tuple[type[Exception], type[StoreUnavailable]], ...] = (
    (errors.DiskFull, DiskFull),
    (errors.LockNotAvailable, StoreLocked),
)
_OUR_FAULTS = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.ProgrammingError,
    psycopg.NotSupportedError,
    errors.ProgramLimitExceeded,  # as what is too long for an index
)
_IN_THE_WAY = (errors.DeadlockDetected, errors.SerializationFailure)


class PostgresDatabase:
    """Implements sql.session.Database. A connection that was lost is made anew with the next transaction."""

    def __init__(self, server: Server, marks: Marks = NO_MARKS) -> None:
        """Raises psycopg.Error."""
        self._server = server
        self.marks = marks
        self.is_alone = False
        self._connection = self._connect()
        self.writer = 0
        self.patience = 5000  # milliseconds that it waits for a lock

    def _connect(self) -> Connection:
        return Connection.connect(self._server.url, **self._server.options)

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

    def begin(self, *, lazily: bool, alone: bool, patiently: bool) -> None:
        if self._connection.closed:
            self._connection = self._connect()
        self._connection.seconds = ANSWER_SECONDS
        begin = _BEGIN.format(self.patience, STILL_SECONDS, "" if alone else "_shared")
        begin += "; SET LOCAL synchronous_commit = off" * lazily
        try:
            self._connection.execute(begin.encode(), prepare=False)
        except psycopg.Error:
            self.rollback()  # BEGIN itself has come through
            raise
        self._connection.seconds = _LONG_SECONDS if alone else ANSWER_SECONDS

    def lock(self, deliveries: Sequence[str]) -> None:
        self._connection.execute(_LOCK, (json.dumps(deliveries),))

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Where that cannot be, the connection is of no use: some that are cut within a pipeline stay in it, and look well."""
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def stands(self) -> bool:
        return not self._connection.closed

    def refusal(self, error: Exception) -> Exception:
        if isinstance(error, _OUR_FAULTS):
            return StoreRefuses(repr(error))
        return self.outage(error) if isinstance(error, psycopg.Error) else error

    def outage(self, error: Exception) -> StoreUnavailable:
        """A server that only lets read was the one that lets write until another was promoted: it is looked for anew."""
        if isinstance(error, errors.ReadOnlySqlTransaction):
            self._connection.close()
        if isinstance(error, errors.LockNotAvailable):
            self._end_who_stand_still()
        kind = next((kind for cause, kind in _UNAVAILABLE if isinstance(error, cause)), StoreUnavailable)
        return kind(repr(error))

    def _end_who_stand_still(self) -> None:
        with suppress(psycopg.Error):
            self._connection.execute(_END_WHO_STAND_STILL, (APPLICATION, STILL_SECONDS))

    def is_worth_repeating(self, error: Exception) -> bool:
        return isinstance(error, _IN_THE_WAY)

    def is_final(self, error: Exception) -> bool:
        return self._connection.closed or isinstance(error, errors.LockNotAvailable)

    def make_room(self) -> None:
        """That is the database server's own affair."""

    def close(self) -> None:
        self._connection.close()
