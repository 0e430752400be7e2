"""The one connection that writes: a thread, and a group commit that tells the truth.

Verbs that wait at the same time share one transaction and so one fsync. Nobody is released before COMMIT returned.
SQLite rolls a whole transaction back by itself on a full disk or an I/O error (lang_transaction.html, "Response To
Errors Within A Transaction"): so after any error the connection is asked whether the transaction still stands, and if
not, every waiter of the group is told. A full disk is told to `on_full` first, which may make room.

Each statement costs a hand-over of the interpreter's lock between this thread and the loop's, which is dearer than the
statement itself: so a verb takes all its items of a group at once, and writes them with as few statements as it can.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar, cast

from relay.errors import DiskFull, StoreLocked, StoreRefuses, StoreUnavailable

I = TypeVar("I")  # noqa: E741
T = TypeVar("T")
Verb = Callable[[sqlite3.Connection, Sequence[I]], Sequence[T]]
"""Does something for each item, in order, inside a transaction that it neither begins nor ends: one result per item."""

_MAX_GROUP = 200
# A group goes once so many rounds of the loop have brought nobody new: 5 µs on uvloop where nobody else is about to come,
# and under load nearly all who are.
_QUIET_ROUNDS = 4
_LONGEST_GATHERING = 0.002
# The second of the full ones is where the log's index cannot grow.
_UNAVAILABLE: dict[int | None, type[StoreUnavailable]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_IOERR_SHMSIZE: DiskFull,
    sqlite3.SQLITE_BUSY: StoreLocked,
}
_OUR_FAULTS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class _Job(NamedTuple):
    verb: Verb[Any, Any]
    item: Any
    done: asyncio.Future[Any]
    is_lazy: bool


class Writer:
    """Owns an open connection in autocommit mode, until `close`. Belongs to one event loop.

    Without a connection there is nothing to write to, and every verb raises StoreUnavailable.
    """

    def __init__(self, connection: sqlite3.Connection | None, *, on_full: Callable[[], None] = lambda: None) -> None:
        """`on_full` is called in the writing thread."""
        self._connection = connection
        self._on_full = on_full
        self._groups: SimpleQueue[tuple[asyncio.AbstractEventLoop, list[_Job]] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, args=(connection,), name="store-writer", daemon=True)
        self._thread.start()
        self._waiting: list[_Job] = []
        self._is_busy = False  # a group is being gathered or written
        self.in_earnest = 0  # jobs so far that were not lazy

    async def run(self, verb: Verb[I, T], item: I, *, lazily: bool = False) -> T:
        """The verb's result for the item, after its transaction was committed; `lazily`, perhaps before it would survive a
        power cut, which it does from the next transaction on that is not.

        Raises StoreUnavailable, or what the verb raised for this item.
        """
        if self._connection is None:
            raise StoreUnavailable("the store is not open for writing")
        loop = asyncio.get_running_loop()
        job = _Job(verb, item, loop.create_future(), lazily)
        self.in_earnest += not lazily
        self._waiting.append(job)
        if not self._is_busy:
            self._begin_group(loop)
        return cast(T, await job.done)

    async def close(self) -> None:
        """What is waiting is still written."""
        while self._is_busy:  # noqa: ASYNC110 - groups follow each other
            await asyncio.sleep(0.001)
        self._connection = None
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)

    def _begin_group(self, loop: asyncio.AbstractEventLoop) -> None:
        """One group at a time: who comes while it is written waits for the next."""
        self._is_busy = True
        self._gather(loop, 0, 0, loop.time() + _LONGEST_GATHERING)

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int, quiet: int, until: float) -> None:
        """Hands the group over when no more come: `quiet` rounds ago there were as many as `seen`."""
        come = len(self._waiting)
        quiet = quiet + 1 if come == seen else 0
        if quiet < _QUIET_ROUNDS and come < _MAX_GROUP and loop.time() < until:
            loop.call_soon(self._gather, loop, come, quiet, until)
        else:
            group, self._waiting = self._waiting[:_MAX_GROUP], self._waiting[_MAX_GROUP:]
            self._groups.put((loop, group))

    def _work(self, connection: sqlite3.Connection | None) -> None:
        """The thread: group after group, until None."""
        while connection and (step := self._groups.get()):
            loop, group = step
            results = _write(connection, group)
            if any(isinstance(result, DiskFull) for result in results):
                self._make_room(connection)
            loop.call_soon_threadsafe(self._end, loop, group, results)
        if connection:
            connection.close()

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """What the log has goes into the database, if it can: then the next commit begins at the log's beginning."""
        self._on_full()
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint")

    def _end(self, loop: asyncio.AbstractEventLoop, group: list[_Job], results: list[Any]) -> None:
        self._is_busy = False
        if isinstance(results[0], StoreLocked):  # who came meanwhile has waited as well, and must not wait as long again
            results = results + [StoreLocked(str(results[0])) for _ in self._waiting]
            group, self._waiting = group + self._waiting, []
        if self._waiting:
            self._begin_group(loop)
        for job, result in zip(group, results, strict=True):
            if job.done.cancelled():
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)


def _write(connection: sqlite3.Connection, group: list[_Job]) -> list[Any]:
    """One result per job: its value, or the exception it gets. Hopes that all is well, and takes care once it is not."""
    is_lazy = all(job.is_lazy for job in group)
    if is_lazy:
        connection.execute("PRAGMA synchronous = NORMAL")  # no fsync: that of the next commit covers all of the log before it
    try:
        return _written(connection, group)
    finally:
        if is_lazy:
            connection.execute("PRAGMA synchronous = FULL")


def _written(connection: sqlite3.Connection, group: list[_Job]) -> list[Any]:
    failure: Exception
    for run in (_run_bare, _run_apart):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:  # the busy time-out is over: a second try would take as long
            failure = error
            break
        try:
            return _commit(connection, group, run)
        except Exception as error:
            failure = error
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
    return [_unavailable(failure) for _ in group]


def _unavailable(error: Exception) -> StoreUnavailable:
    return _UNAVAILABLE.get(getattr(error, "sqlite_errorcode", None), StoreUnavailable)(repr(error))


def _told(error: Exception) -> Exception:
    """What an item of its own gets to hear."""
    if isinstance(error, _OUR_FAULTS):
        return StoreRefuses(repr(error))
    return _unavailable(error) if isinstance(error, sqlite3.Error) else error


def _commit(connection: sqlite3.Connection, group: list[_Job], run: Callable[..., list[Any]]) -> list[Any]:
    results: list[Any] = []
    for verb, jobs in groupby(group, key=lambda job: job.verb):
        results += run(connection, verb, [job.item for job in jobs])
    connection.execute("COMMIT")
    return results


def _run_bare(connection: sqlite3.Connection, verb: Verb[Any, Any], items: list[Any]) -> list[Any]:
    return list(verb(connection, items))


def _run_apart(connection: sqlite3.Connection, verb: Verb[Any, Any], items: list[Any]) -> list[Any]:
    """A savepoint for each item: one item's fault is not another's.

    Raises only if the transaction is gone, and with it the whole group.
    """
    results: list[Any] = []
    for item in items:
        connection.execute("SAVEPOINT item")
        try:
            results += verb(connection, [item])
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO item")
            results.append(_told(error))
        connection.execute("RELEASE item")
    return results
