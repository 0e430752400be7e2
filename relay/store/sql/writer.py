"""The one connection of a process that writes: a thread, and a group commit that tells the truth.

Verbs that wait at the same time share one transaction and so one sync of the disk. Nobody is released before COMMIT
returned. After any error the database is asked whether the transaction still stands, and if not, every waiter of the group is
told. A full disk is told to `on_full` first, which may make room.

Each statement in the thread costs a hand-over of the interpreter's lock between it and the loop's, which is dearer than the
statement itself: so a verb takes all its items of a group at once, and writes them with as few statements as it can. And where
the database is ours alone, a group of short verbs is written on the loop: only its COMMIT, which waits for the disk, is the
thread's (docs/decisions/0028).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar, cast

from relay.errors import DiskFull, StoreLocked, StoreUnavailable
from relay.store.sql.session import Database, Session

I = TypeVar("I")  # noqa: E741
T = TypeVar("T")
Verb = Callable[[Session, Sequence[I]], Sequence[T]]
"""Does something for each item, in order, inside a transaction that it neither begins nor ends: one result per item."""

_MAX_GROUP = 200
# A group goes once so many rounds of the loop have brought nobody new: 5 µs on uvloop where nobody else is about to come,
# and under load nearly all who are.
_QUIET_ROUNDS = 4
_LONGEST_GATHERING = 0.002
# A disk that makes even the short verbs wait must not stop all connections: for so long it stops the thread alone.
_LONGEST_ON_LOOP, _WARY_SECONDS = 0.05, 60.0
_TRIES = 5  # of a transaction in whose way others were


class _Job(NamedTuple):
    verb: Verb[Any, Any]
    item: Any
    done: asyncio.Future[Any]
    is_lazy: bool


class _Group(NamedTuple):
    """`results` where its transaction is only to be committed; None where it is to be begun as well."""

    loop: asyncio.AbstractEventLoop
    jobs: list[_Job]
    results: list[Any] | None


class Writer:
    """Owns an open database, until `close`. Belongs to one event loop.

    Without one there is nothing to write to, and every verb raises StoreUnavailable.
    """

    def __init__(self, database: Database | None, *, on_full: Callable[[], None] = lambda: None) -> None:
        """`on_full` is called in the writing thread."""
        self._database = database
        self._is_open = database is not None
        self._on_full = on_full
        self._groups: SimpleQueue[_Group | None] = SimpleQueue()
        self._thread = Thread(target=self._work, args=(database,), name="store-writer", daemon=True)
        self._thread.start()
        self._waiting: list[_Job] = []
        self._is_busy = False  # a group is being gathered or written
        self._wary_until = 0.0  # of the loop's time
        self.in_earnest = 0  # jobs so far that were not lazy

    async def run(self, verb: Verb[I, T], item: I, *, lazily: bool = False) -> T:
        """The verb's result for the item, after its transaction was committed; `lazily`, perhaps before it would survive a
        power cut, which it does from the next transaction on that is not.

        Raises StoreUnavailable, or what the verb raised for this item.
        """
        if not self._is_open:
            raise StoreUnavailable("the store is not open for writing")
        loop = asyncio.get_running_loop()
        job = _Job(verb, item, loop.create_future(), lazily)
        self.in_earnest += not lazily
        self._waiting.append(job)
        if not self._is_busy:
            self._begin_group(loop)
        return cast(T, await job.done)

    async def close(self) -> None:
        """What is waiting is still written; who comes later, or comes again, finds it closed. Who is cancelled leaves the
        thread to the end of the process.
        """
        self._is_open = False
        while self._is_busy:  # noqa: ASYNC110 - groups follow each other
            await asyncio.sleep(0.001)
        self._groups.put(None)
        while self._thread.is_alive():  # noqa: ASYNC110 - a thread of an executor that joined it could not be left
            await asyncio.sleep(0.001)

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
            jobs, self._waiting = self._waiting[:_MAX_GROUP], self._waiting[_MAX_GROUP:]
            self._groups.put(_Group(loop, jobs, self._written_at_once(loop, jobs)))

    def _written_at_once(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> list[Any] | None:
        began = loop.time()
        if self._database is None or began < self._wary_until:
            return None
        results = _written(self._database, jobs)
        if loop.time() - began > _LONGEST_ON_LOOP:
            self._wary_until = loop.time() + _WARY_SECONDS
        return results

    def _work(self, database: Database | None) -> None:
        """The thread: group after group, until None."""
        while database and (group := self._groups.get()):
            results = _committed(database, group.results) or _write(database, group.jobs)
            if any(isinstance(result, DiskFull) for result in results):
                self._make_room(database)
            with suppress(RuntimeError):  # the loop is closed: a stop did not wait for us
                group.loop.call_soon_threadsafe(self._end, group.loop, group.jobs, results)
        if database:
            database.close()

    def _make_room(self, database: Database) -> None:
        self._on_full()
        database.make_room()

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


def _written(database: Database, group: list[_Job]) -> list[Any] | None:
    """The results of a transaction that is to be committed. None, and no transaction, where that would wait, or went wrong."""
    if not (database.is_alone and all(getattr(job.verb, "is_short", False) for job in group)):
        return None
    try:
        database.begin(lazily=all(job.is_lazy for job in group), alone=True, patiently=False)
        return _results(database, group, _run_bare)
    except Exception:  # the thread tries it with more patience and more care, and tells what is wrong
        database.rollback()
        return None


def _committed(database: Database, results: list[Any] | None) -> list[Any] | None:
    """The results, if they are so from now on. None, and no transaction, where there are none."""
    try:
        if results is not None:
            database.commit()
    except Exception:
        database.rollback()
        return None
    return results


def _write(database: Database, group: list[_Job]) -> list[Any]:
    """One result per job: its value, or the exception it gets. Hopes that all is well, and takes care once it is not."""
    lazily = all(job.is_lazy for job in group)
    alone = not all(getattr(job.verb, "is_beside_others", False) for job in group)
    for _ in range(_TRIES):
        for run in (_run_bare, _run_apart):
            try:
                database.begin(lazily=lazily, alone=alone, patiently=True)
            except Exception as error:  # a second try would take as long
                return [database.outage(error) for _ in group]
            try:
                results = _results(database, group, run)
                database.commit()
                return results
            except Exception as error:
                failure = error
                database.rollback()
            if database.is_final(failure):
                return [database.outage(failure) for _ in group]
            if database.is_worth_repeating(failure):
                break
        else:
            break
    return [database.outage(failure) for _ in group]


def _results(database: Database, group: list[_Job], run: Callable[..., list[Any]]) -> list[Any]:
    results: list[Any] = []
    if len(changed := {id for job in group for id in getattr(job.verb, "changes", _nothing)(job.item)}) > 1:
        database.lock(sorted(changed))
    for verb, jobs in groupby(group, key=lambda job: job.verb):
        results += run(database, verb, [job.item for job in jobs])
    return results


def _nothing(item: object) -> Sequence[str]:
    return ()


def _run_bare(database: Database, verb: Verb[Any, Any], items: list[Any]) -> list[Any]:
    return list(verb(database, items))


def _run_apart(database: Database, verb: Verb[Any, Any], items: list[Any]) -> list[Any]:
    """A savepoint for each item: one item's fault is not another's.

    Raises only if the transaction is gone, and with it the whole group.
    """
    results: list[Any] = []
    for item in items:
        database.execute("SAVEPOINT item")
        try:
            results += verb(database, [item])
        except Exception as error:
            if not database.stands() or database.is_worth_repeating(error) or database.is_final(error):
                raise
            database.execute("ROLLBACK TO SAVEPOINT item")
            results.append(database.refusal(error))
        database.execute("RELEASE SAVEPOINT item")
    return results
