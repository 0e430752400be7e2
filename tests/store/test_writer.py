"""Group commit tells the truth: who is told yes is on disk, who is told no has left nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from relay.errors import DiskFull
from relay.model import Message
from relay.store.sql.queue import SqlQueue
from relay.store.sql.session import Session
from relay.store.sql.writer import Writer
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase
from tests.store.kit import CONTENT, database, delivery, message

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


def stored(other: sqlite3.Connection, table: str = "messages", column: str = "id") -> set[str]:
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


# A full disk.


def fill(connection: sqlite3.Connection, *, pages: int) -> None:
    """So many pages are left."""
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + pages}")


def free(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


async def test_a_locked_database_is_waited_for_once_and_not_on_the_loop(
    connection: sqlite3.Connection, other: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA busy_timeout = 20")
    writer = Writer(SqliteDatabase(connection))
    statements: list[tuple[bool, str]] = []
    loop = threading.current_thread()
    connection.set_trace_callback(lambda text: statements.append((threading.current_thread() is loop, text)))
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(put(writer, message(number)) for number in range(3)), return_exceptions=True)
    other.execute("ROLLBACK")
    assert answers(results) == ["StoreLocked"] * 3
    assert statements == [
        (True, "PRAGMA busy_timeout = 0"),
        (True, "BEGIN IMMEDIATE"),
        (True, "ROLLBACK"),
        (False, "PRAGMA busy_timeout = 20"),
        (False, "BEGIN IMMEDIATE"),
    ]
    assert await put(writer, message(4)) in stored(other)
    await writer.close()


async def test_what_is_short_is_written_on_the_loop_and_committed_in_the_thread(
    writer: Writer, connection: sqlite3.Connection
) -> None:
    loop, threads = threading.current_thread(), dict[str, bool]()
    connection.set_trace_callback(lambda text: threads.__setitem__(text.split()[0], threading.current_thread() is loop))
    await put(writer, message(1))
    assert threads["INSERT"]
    assert not threads["COMMIT"]
    await asyncio.gather(put(writer, message(2)), writer.run(_nothing, None))
    assert not threads["INSERT"]


async def test_where_the_disk_makes_the_loop_wait_the_thread_waits_from_then_on(
    writer: Writer, connection: sqlite3.Connection
) -> None:
    loop, threads = threading.current_thread(), list[bool]()

    def wait(text: str) -> None:
        if text.startswith("INSERT INTO messages"):
            threads.append(threading.current_thread() is loop)
            time.sleep(0.06)

    connection.set_trace_callback(wait)
    for number in range(3):
        await put(writer, message(number))
    assert threads == [True, False, False]


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


async def test_the_close_leaves_no_thread_and_no_lock(connection: sqlite3.Connection, tmp_path: Path) -> None:
    before = set(threading.enumerate())  # of other tests
    writer = Writer(SqliteDatabase(connection))
    await put(writer, message(1))
    (thread,) = (each for each in threading.enumerate() if each not in before and each.name.startswith("store-writer"))
    await writer.close()
    assert not thread.is_alive()
    assert not database(tmp_path).with_name("relay.db-wal").exists()


def synchronous(db: Session, items: Sequence[None]) -> list[int]:
    """1: NORMAL, 2: FULL."""
    return [db.execute("PRAGMA synchronous").fetchone()[0] for _ in items]


async def test_a_thread_that_a_stop_did_not_wait_for_ends_in_silence(connection: sqlite3.Connection) -> None:
    ends = threading.Event()

    async def left_behind() -> Writer:
        writer = Writer(SqliteDatabase(connection))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await writer.run(lambda _, items: [ends.wait() for _ in items], None)
        return writer

    writer = await asyncio.to_thread(asyncio.run, left_behind())
    writer._groups.put(None)
    ends.set()
    writer._thread.join(5)
    assert not writer._thread.is_alive()  # an exception in it would be a warning, and so an error


async def test_only_what_is_lazy_alone_is_not_synced(writer: Writer) -> None:
    assert await writer.run(synchronous, None) == 2
    assert await writer.run(synchronous, None, lazily=True) == 1
    both = await asyncio.gather(writer.run(synchronous, None, lazily=True), writer.run(synchronous, None))
    assert list(both) == [2, 2]
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda db, items: [1 // 0 for _ in items], None, lazily=True)
    assert await writer.run(synchronous, None) == 2


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
async def test_a_new_database_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The folder may be one that others can look into."""
    path = database(tmp_path)
    with closing(schema.open_writer(path)):
        found = {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.glob("relay.db*")}
    assert found == dict.fromkeys(("relay.db", "relay.db-shm", "relay.db-wal"), "0o600")
