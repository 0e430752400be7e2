"""The one connection that writes: a thread, and a group commit that tells the truth.

Verbs that wait at the same time share one transaction and so one fsync. Nobody is released before COMMIT returned.
SQLite rolls a whole transaction back by itself on a full disk or an I/O error (lang_transaction.html, "Response To
Errors Within A Transaction"): so after any error the connection is asked whether the transaction still stands, and if
not, every waiter of the group is told.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar, cast

from relay.errors import StoreUnavailable

T = TypeVar("T")
Verb = Callable[[sqlite3.Connection], T]

_MAX_GROUP = 200


class _Job(NamedTuple):
    verb: Verb[Any]
    done: asyncio.Future[Any]


class Writer:
    """Owns an open connection in autocommit mode, and closes it. `run` belongs to the loop that called `start`.

    Without a connection, or before `start`, there is nothing to write to, and every verb raises StoreUnavailable.
    """

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """What is waiting is still written."""
        if self._connection is None:
            return
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    async def run(self, verb: Verb[T]) -> T:
        """The verb's value, after its transaction was committed. Raises StoreUnavailable, or what the verb raised."""
        if not self._thread.is_alive():
            raise StoreUnavailable("the store is not open for writing")
        job = _Job(verb, self._loop.create_future())
        self._jobs.put(job)
        return cast(T, await job.done)

    def _work(self) -> None:
        assert self._connection is not None
        while group := self._next_group():
            results = _commit(self._connection, group)
            self._loop.call_soon_threadsafe(_release, group, results)
        self._connection.close()

    def _next_group(self) -> list[_Job]:
        """Waits for one job and takes all that wait behind it. Empty: time to close."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == _MAX_GROUP:
                break
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
        else:
            if group:
                self._jobs.put(None)
        return group


def _commit(connection: sqlite3.Connection, group: list[_Job]) -> list[Any]:
    """One result per job: its value, or the exception it gets."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [_run_one(connection, job.verb) for job in group]
        connection.execute("COMMIT")
        return results
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        return [StoreUnavailable(repr(error))] * len(group)


def _run_one(connection: sqlite3.Connection, verb: Verb[Any]) -> Any:
    """The verb's value or exception. Raises sqlite3.Error only if the transaction is gone, and with it the whole group."""
    connection.execute("SAVEPOINT verb")
    try:
        value = verb(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise sqlite3.OperationalError(f"transaction lost: {error!r}") from error
        connection.execute("ROLLBACK TO verb")
        value = StoreUnavailable(repr(error)) if isinstance(error, sqlite3.Error) else error
    connection.execute("RELEASE verb")
    return value


def _release(group: list[_Job], results: list[Any]) -> None:
    for job, result in zip(group, results, strict=True):
        if job.done.cancelled():
            continue
        if isinstance(result, Exception):
            job.done.set_exception(result)
        else:
            job.done.set_result(result)
