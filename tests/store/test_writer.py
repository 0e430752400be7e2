"""Group commit tells the truth: who is told yes is on disk, who is told no has left nothing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from relay.errors import DiskFull, StoreLocked, StoreUnavailable
from relay.model import Message
from relay.queueing import Round
from relay.store.sql.queue import SqlQueue
from relay.store.sql.session import Session
from relay.store.sql.writer import Writer
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase
from relay.store.sqlite.store import SqliteStore
from relay.turns import Turns
from tests.store.kit import CONTENT, NOW, database, delivery, enqueue, message, release, suppression

_ROOM = b"x" * 60_000


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    return schema.open_writer(database(tmp_path))


@pytest.fixture
async def writer(connection: sqlite3.Connection) -> AsyncIterator[Writer]:
    made = Writer(SqliteDatabase(connection))
    yield made
    await made.close()


@pytest.fixture
def other(connection: sqlite3.Connection, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A second connection: sees what was committed, and nothing else."""
    opened = sqlite3.connect(database(tmp_path), isolation_level=None)
    yield opened
    opened.close()


def stored(other: Session, table: str = "messages", column: str = "id") -> set[str]:
    return {row[0] for row in other.execute(f"SELECT {column} FROM {table}")}


async def put(writer: Writer, one: Message, content: bytes | None = CONTENT) -> str:
    await SqlQueue(writer).enqueue(one, content, (delivery(one),))
    return one.id


def answers(results: Sequence[object]) -> list[str]:
    return [result if isinstance(result, str) else type(result).__name__ for result in results]


async def test_verbs_at_once_share_one_transaction(writer: Writer, connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    await asyncio.gather(*(put(writer, message(number)) for number in range(50)))
    assert [each for each in statements if each.startswith(("BEGIN", "COMMIT"))] == ["BEGIN IMMEDIATE", "COMMIT"]


async def test_one_that_violates_a_constraint_fails_alone(writer: Writer, other: sqlite3.Connection) -> None:
    await put(writer, message(5))
    results = await asyncio.gather(*(put(writer, message(number)) for number in range(10)), return_exceptions=True)
    expected = ["StoreRefuses" if number == 5 else message(number).id for number in range(10)]
    assert answers(results) == expected
    assert stored(other) == stored(other, "bodies", "message_id") == {message(number).id for number in range(10)}


async def test_the_one_that_fails_leaves_nothing_half_written(writer: Writer, other: sqlite3.Connection) -> None:
    # The message and its body are fine, the second delivery is the first one again.
    broken, fine = message(1), message(2)
    queue = SqlQueue(writer)
    results = await asyncio.gather(
        queue.enqueue(broken, CONTENT, (delivery(broken), delivery(broken))),
        queue.enqueue(fine, CONTENT, (delivery(fine),)),
        return_exceptions=True,
    )
    assert isinstance(results[0], StoreUnavailable)
    assert results[1] == (delivery(fine),)
    for table, column in (("messages", "id"), ("bodies", "message_id"), ("deliveries", "message_id")):
        assert stored(other, table, column) == {fine.id}


async def test_an_error_that_is_no_database_s_reaches_its_own_caller(writer: Writer, other: sqlite3.Connection) -> None:
    def fails(db: Session, items: Sequence[str]) -> list[str]:
        db.execute("DELETE FROM messages")
        raise ValueError(items[0])

    await put(writer, message(1))
    results = await asyncio.gather(
        put(writer, message(2)), writer.run(fails, "mine"), put(writer, message(3)), return_exceptions=True
    )
    assert answers(results) == [message(2).id, "ValueError", message(3).id]
    assert str(results[1]) == "mine"
    assert stored(other) == {message(number).id for number in (1, 2, 3)}


async def test_verbs_of_a_group_keep_their_order_and_their_own_results(tmp_path: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    try:
        added, again, removed, gone, enqueued = await asyncio.gather(
            store.suppressions.add(suppression()),
            store.suppressions.add(suppression()),
            store.suppressions.remove(release("reader@example.net")),
            store.suppressions.remove(release("reader@example.net")),
            enqueue(store),
        )
        assert (added, again, removed, gone) == (True, False, True, False)
        assert enqueued == delivery(message())
    finally:
        await store.close()


async def test_more_than_fit_into_one_group_are_all_written(writer: Writer, other: sqlite3.Connection) -> None:
    results = await asyncio.gather(*(put(writer, message(number)) for number in range(450)))
    assert results == [message(number).id for number in range(450)]
    assert stored(other) == set(results)


async def test_nobody_is_released_before_the_commit(writer: Writer, other: sqlite3.Connection) -> None:
    async def put_and_look(number: int) -> bool:
        return await put(writer, message(number)) in stored(other)

    assert await asyncio.gather(*(put_and_look(number) for number in range(300))) == [True] * 300


async def test_while_the_commit_is_not_done_the_caller_waits(writer: Writer, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")  # nobody else can write, let alone commit
    waiting = asyncio.ensure_future(put(writer, message(1)))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    other.execute("COMMIT")
    assert await waiting in stored(other)


async def test_one_who_stops_waiting_does_not_disturb_the_group(writer: Writer, other: sqlite3.Connection) -> None:
    tasks = [asyncio.ensure_future(put(writer, message(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers(results) == [message(0).id, "CancelledError", message(2).id]
    assert {message(0).id, message(2).id} <= stored(other)
    assert await put(writer, message(7)) in stored(other)


# A full disk.


def fill(connection: sqlite3.Connection, *, pages: int) -> None:
    """So many pages are left."""
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + pages}")


def free(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


async def test_a_locked_database_is_waited_for_once(
    writer: Writer, connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA busy_timeout = 20")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(put(writer, message(number)) for number in range(3)), return_exceptions=True)
    other.execute("ROLLBACK")
    assert answers(results) == ["StoreLocked"] * 3
    assert statements == ["BEGIN IMMEDIATE"]
    assert await put(writer, message(4)) in stored(other)


async def test_who_comes_while_others_wait_for_a_locked_database_does_not_wait_as_long_again(
    writer: Writer, connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA busy_timeout = 500")
    other.execute("BEGIN IMMEDIATE")
    first = asyncio.ensure_future(put(writer, message(1)))
    await asyncio.sleep(0.2)
    later = [asyncio.ensure_future(put(writer, message(number))) for number in range(2, 5)]
    with pytest.raises(StoreLocked):
        await first
    await asyncio.sleep(0)
    assert [type(each.exception()) for each in later] == [StoreLocked] * 3
    other.execute("ROLLBACK")
    assert await put(writer, message(5)) in stored(other)


async def test_who_can_make_room_is_told_of_a_full_disk(connection: sqlite3.Connection) -> None:
    writer = Writer(SqliteDatabase(connection), on_full=lambda: free(connection))
    fill(connection, pages=2)
    with pytest.raises(DiskFull):
        await put(writer, message(1), _ROOM)
    assert await put(writer, message(1), _ROOM) == message(1).id
    await writer.close()


async def test_after_a_full_disk_the_log_begins_anew_for_all_that_it_had_is_in_the_database(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    writer = Writer(SqliteDatabase(connection), on_full=lambda: free(connection))
    told = {await put(writer, message(number)) for number in range(5)}
    fill(connection, pages=2)
    with pytest.raises(DiskFull):
        await put(writer, message(7), _ROOM)
    await writer.run(_nothing, None)
    shutil.copy(database(tmp_path), tmp_path / "without-its-log.db")
    with closing(sqlite3.connect(tmp_path / "without-its-log.db")) as alone:
        assert stored(alone) == told
    await writer.close()


def _nothing(db: Session, items: Sequence[None]) -> list[None]:
    return [None] * len(items)


async def test_on_a_full_disk_everyone_is_told_and_nothing_is_half_written(
    writer: Writer, connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    await put(writer, message(100))
    fill(connection, pages=2)
    results = await asyncio.gather(*(put(writer, message(n), _ROOM) for n in range(20)), return_exceptions=True)
    assert answers(results) == ["DiskFull"] * 20
    assert not connection.in_transaction
    for table, column in (("messages", "id"), ("bodies", "message_id"), ("deliveries", "message_id")):
        assert stored(other, table, column) == {message(100).id}
    free(connection)
    assert await put(writer, message(1), _ROOM) in stored(other)


async def test_when_the_disk_fills_in_the_middle_of_a_group_every_answer_is_true(
    writer: Writer, connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    fill(connection, pages=50)  # three of the large ones
    results = await asyncio.gather(*(put(writer, message(n), _ROOM) for n in range(10)), return_exceptions=True)
    told = {result for result in results if isinstance(result, str)}
    refused = [result for result in results if not isinstance(result, str)]
    assert {type(each) for each in refused} == {DiskFull}
    for table, column in (("messages", "id"), ("bodies", "message_id"), ("deliveries", "message_id")):
        assert stored(other, table, column) == told
    free(connection)
    assert await put(writer, message(77), _ROOM) in stored(other)


async def test_when_the_transaction_is_lost_in_the_middle_of_a_group_everyone_is_told(
    writer: Writer, other: sqlite3.Connection
) -> None:
    def loses(db: Session, items: Sequence[None]) -> list[None]:
        db.execute("ROLLBACK")  # as SQLite does by itself after an I/O error
        raise sqlite3.OperationalError("disk I/O error")

    results = await asyncio.gather(
        put(writer, message(1)), writer.run(loses, None), put(writer, message(2)), return_exceptions=True
    )
    assert answers(results) == ["StoreUnavailable"] * 3
    assert stored(other) == set()
    assert await put(writer, message(1)) in stored(other)


async def test_a_commit_that_fails_is_told_to_everyone(
    writer: Writer, connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    def breaks_at_commit(db: Session, items: Sequence[None]) -> list[None]:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("INSERT INTO child VALUES (1)")
        return [None] * len(items)

    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
    connection.execute("PRAGMA foreign_keys = ON")
    results = await asyncio.gather(put(writer, message(1)), writer.run(breaks_at_commit, None), return_exceptions=True)
    assert answers(results) == ["StoreUnavailable"] * 2
    assert not connection.in_transaction
    assert stored(other) == set()
    assert await put(writer, message(2)) in stored(other)


# The end.


async def test_close_writes_what_waits(connection: sqlite3.Connection, other: sqlite3.Connection) -> None:
    writer = Writer(SqliteDatabase(connection))
    waiting = [asyncio.ensure_future(put(writer, message(number))) for number in range(250)]
    await asyncio.sleep(0)
    await writer.close()
    assert all(each.done() for each in waiting)
    assert stored(other) == {each.result() for each in waiting} == {message(number).id for number in range(250)}


async def test_after_the_close_nothing_can_be_written(connection: sqlite3.Connection, other: sqlite3.Connection) -> None:
    writer = Writer(SqliteDatabase(connection))
    await writer.close()
    with pytest.raises(StoreUnavailable):
        await put(writer, message(1))
    assert stored(other) == set()


async def test_the_close_leaves_no_thread_and_no_lock(connection: sqlite3.Connection, tmp_path: Path) -> None:
    writer = Writer(SqliteDatabase(connection))
    await put(writer, message(1))
    assert any(thread.name.startswith("store-writer") for thread in threading.enumerate())
    await writer.close()
    assert not any(thread.name.startswith("store-writer") for thread in threading.enumerate())
    assert not database(tmp_path).with_name("relay.db-wal").exists()


async def test_a_writer_without_a_connection_takes_nothing() -> None:
    writer = Writer(None)
    queue = SqlQueue(writer)
    with pytest.raises(StoreUnavailable):
        await queue.enqueue(message(), CONTENT, (delivery(message()),))
    with pytest.raises(StoreUnavailable):
        await queue.claim(Round(limit=1, now=NOW, lease_until=NOW, lifetime=1.0, turns=Turns()))
    await writer.close()


def synchronous(db: Session, items: Sequence[None]) -> list[int]:
    """1: NORMAL, 2: FULL."""
    return [db.execute("PRAGMA synchronous").fetchone()[0] for _ in items]


async def test_only_what_is_lazy_alone_is_not_synced(writer: Writer) -> None:
    assert await writer.run(synchronous, None) == 2
    assert await writer.run(synchronous, None, lazily=True) == 1
    both = await asyncio.gather(writer.run(synchronous, None, lazily=True), writer.run(synchronous, None))
    assert list(both) == [2, 2]
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda db, items: [1 // 0 for _ in items], None, lazily=True)
    assert await writer.run(synchronous, None) == 2
