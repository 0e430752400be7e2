"""A database that is not what the last relay left: it is refused before anything is changed, and never silently empty."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from relay import journal
from relay.credential import LastUse
from relay.errors import ConfigError, StoreDamaged
from relay.store.sqlite.file import condition, loss
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import NOW, claim, database, enqueue

PAGE = 4096
FRAME = PAGE + 24
COUNT = 60


@pytest.fixture
async def crashed(tmp_path: Path) -> Path:
    """What kill -9 leaves: COUNT messages, half of them in the database, half still in its log."""
    store = await SqliteStore.open(database(tmp_path))
    for number in range(COUNT):
        await enqueue(store, number)
        if number == COUNT // 2:
            checkpoint(database(tmp_path))
    path = as_it_is(tmp_path)
    await store.close()
    return path


@pytest.fixture
async def folded(tmp_path: Path) -> Path:
    """The same, but that all messages are in the database and the log has something else."""
    store = await SqliteStore.open(database(tmp_path))
    for number in range(COUNT):
        await enqueue(store, number)
    checkpoint(database(tmp_path))
    await store.credentials.note_use(LastUse(name="app", password_hash="x", at=NOW, peer="127.0.0.1", helo="x"))
    path = as_it_is(tmp_path)
    await store.close()
    return path


@pytest.fixture
async def stopped(tmp_path: Path) -> Path:
    """What a stop in good order leaves."""
    store = await SqliteStore.open(database(tmp_path))
    for number in range(COUNT):
        await enqueue(store, number)
    await store.close()
    return database(tmp_path)


def as_it_is(folder: Path) -> Path:
    """A copy of an open database, as a relay that dies now would leave it."""
    copied = folder / "copied"
    copied.mkdir()
    for name in ("relay.db", "relay.db-wal", "relay.open"):
        shutil.copy(folder / name, copied / name)
    return database(copied)


def checkpoint(path: Path) -> None:
    """All that is in the log goes into the database as well."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0


def log(path: Path) -> Path:
    return path.with_name("relay.db-wal")


def mark(path: Path) -> Path:
    return path.with_name("relay.open")


def overwrite(path: Path, offset: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(octets)


def noise(length: int = PAGE) -> bytes:
    return random.Random(7).randbytes(length)


def root(path: Path, table: str) -> int:
    """The first page of its tree, by offset."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        (number,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    return int(number - 1) * PAGE


async def rows(path: Path) -> int:
    """How many messages a relay finds."""
    store = await SqliteStore.open(path)
    try:
        return len(await claim(store, limit=1000))
    finally:
        await store.close()


async def refusal(path: Path) -> StoreDamaged:
    """Told twice, for the first look must not have made it look well, and with every octet as it was."""
    before = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.suffix in (".db", ".db-wal", ".open")}
    for _ in range(2):
        with pytest.raises(StoreDamaged) as refused:
            await SqliteStore.open(path)
    assert before == {each.name: each.read_bytes() for each in path.parent.iterdir() if each.name in before}
    assert "relay queue rescue" in refused.value.reason
    assert "relay queue accept-loss" in refused.value.reason
    return refused.value


# The mark.


async def test_the_mark_lies_there_as_long_as_the_database_is_open(tmp_path: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    assert mark(database(tmp_path)).exists()
    assert log(database(tmp_path)).stat().st_size > PAGE
    await store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["relay.db"]


async def test_after_a_crash_nothing_is_missing_and_the_journal_says_that_it_was_looked_at(crashed: Path) -> None:
    stream = StringIO()
    journal.open_journal(stream=stream)
    assert await rows(crashed) == COUNT
    journal.open_journal(stream=StringIO())
    [line] = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["is_done"]) == ("checked_after_crash", True)
    assert not mark(crashed).exists()


async def test_after_a_stop_in_good_order_nothing_is_looked_at(stopped: Path) -> None:
    stream = StringIO()
    journal.open_journal(stream=stream)
    assert await rows(stopped) == COUNT
    journal.open_journal(stream=StringIO())
    assert stream.getvalue() == ""


async def test_a_look_that_takes_too_long_is_given_up_and_said_so(folded: Path) -> None:
    overwrite(folded, root(folded, "deliveries"), noise())
    stream = StringIO()
    journal.open_journal(stream=stream)
    condition.check(folded, seconds=0.0)
    journal.open_journal(stream=StringIO())
    assert json.loads(stream.getvalue())["is_done"] is False
    with pytest.raises(StoreDamaged):
        condition.check(folded)


async def test_a_look_at_many_rows_ends_in_time(stopped: Path) -> None:
    with closing(sqlite3.connect(stopped)) as db:
        rows = ((f"many {number:030}",) for number in range(300_000))
        db.executemany(
            "INSERT INTO deliveries (message_id, number, flow, recipient, state, due_at, expires_at)"
            " VALUES (?, 1, 1, 'a@example.net', 'sent', 1, 1)",
            rows,
        )
        db.commit()
    condition.check_content(stopped, closely=True)
    stream = StringIO()
    journal.open_journal(stream=stream)
    began = time.monotonic()
    condition.check_content(stopped, closely=True, seconds=0.02)
    assert time.monotonic() - began < 2.0
    journal.open_journal(stream=StringIO())
    assert json.loads(stream.getvalue())["is_done"] is False


async def test_a_reader_that_is_there_at_the_stop_makes_no_crash_of_it(tmp_path: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    await enqueue(store, 1)
    with closing(sqlite3.connect(f"file:{database(tmp_path)}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        await store.close()
        assert log(database(tmp_path)).exists()
        assert not mark(database(tmp_path)).exists()
    assert await rows(database(tmp_path)) == 1


async def test_a_relay_that_is_too_old_for_the_database_leaves_it_to_the_right_one(tmp_path: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    await enqueue(store)
    with closing(sqlite3.connect(database(tmp_path))) as db:
        db.executescript("PRAGMA user_version = 999; INSERT INTO relay_schema VALUES (999, 999)")
    path = as_it_is(tmp_path)
    await store.close()
    with pytest.raises(ConfigError, match="newer relay"):
        await SqliteStore.open(path)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA user_version = 1; DELETE FROM relay_schema WHERE version = 999")
    assert await rows(path) == 1


# What is gone.


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 0)], ids=["gone", "emptied"])
async def test_a_log_that_is_gone_after_a_crash_is_missed(crashed: Path, damage: Callable[[Path], None]) -> None:
    damage(log(crashed))
    refused = await refusal(crashed)
    assert refused.is_usable
    assert "what came last may be missing" in refused.reason


async def test_a_log_that_is_gone_is_missed_although_somebody_has_read_the_database_since(crashed: Path) -> None:
    log(crashed).unlink()
    reading = await SqliteStore.open_to_read(crashed)
    assert len(await reading.messages.newest(limit=1000)) == COUNT // 2 + 1  # and SQLite says nothing of the others
    await reading.close()
    assert (await refusal(crashed)).is_usable


async def test_who_only_reads_is_told_which_file_it_is(tmp_path: Path) -> None:
    path = database(tmp_path)
    with pytest.raises(ConfigError, match=f"{path}: store.path: there is no database to read"):
        await SqliteStore.open_to_read(path)
    path.write_bytes(b"nothing of ours")
    with pytest.raises(ConfigError, match=f"{path}: store.path: the database cannot be read: file is not a database"):
        await SqliteStore.open_to_read(path)


async def test_without_its_log_it_is_opened_once_that_was_accepted(crashed: Path) -> None:
    log(crashed).unlink()
    with pytest.raises(StoreDamaged):
        await SqliteStore.open(crashed)
    loss.go_on_without_log(crashed)
    assert await rows(crashed) == COUNT // 2 + 1


@pytest.mark.parametrize("left", ["relay.open", "relay.db-wal", "spool/01.eml"])
async def test_a_database_that_is_gone_is_missed_by_what_is_still_there(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_bytes(noise())
    with pytest.raises(StoreDamaged, match=f"the database is gone, and {Path(left).name} is still there"):
        await SqliteStore.open(database(tmp_path))
    assert not database(tmp_path).exists()


async def test_where_nothing_is_left_a_new_database_is_made(tmp_path: Path) -> None:
    (tmp_path / "spool" / "lost").mkdir(parents=True)
    (tmp_path / "spool" / "lost" / "01.eml").write_bytes(b"x")
    (tmp_path / "relay.lock").touch()
    (tmp_path / "relay.ballast").write_bytes(b"x")
    assert await rows(database(tmp_path)) == 0


async def test_an_empty_file_is_no_new_database(stopped: Path) -> None:
    os.truncate(stopped, 0)
    assert "the database is empty" in (await refusal(stopped)).reason


# What is damaged.


@pytest.mark.parametrize("left", [PAGE, 3 * PAGE, 3 * PAGE + 100, 100])
async def test_a_database_that_was_cut_is_refused_even_after_a_stop_in_good_order(stopped: Path, left: int) -> None:
    os.truncate(stopped, left)
    assert "the database is damaged" in (await refusal(stopped)).reason


@pytest.mark.parametrize("offset", [0, 16])
async def test_what_is_no_database_is_refused(stopped: Path, offset: int) -> None:
    overwrite(stopped, offset, noise(60))
    assert "the database is damaged" in (await refusal(stopped)).reason


@pytest.mark.parametrize(
    "table", ["deliveries", "messages", "bodies", "suppressions", "deliveries_due", "sqlite_autoindex_bodies_1"]
)
async def test_a_damaged_page_of_what_the_queue_needs_is_found_after_a_crash(folded: Path, table: str) -> None:
    overwrite(folded, root(folded, table), noise())
    refused = await refusal(folded)
    assert "the database is damaged" in refused.reason
    assert not refused.is_usable


@pytest.mark.parametrize("place", ["header", "first", "middle"])
async def test_a_damaged_page_of_the_log_is_found_although_sqlite_says_that_all_is_well(crashed: Path, place: str) -> None:
    size = log(crashed).stat().st_size
    overwrite(log(crashed), {"header": 0, "first": 100, "middle": size // 2}[place], noise(20))
    elsewhere = crashed.with_name("elsewhere")
    shutil.copytree(crashed.parent, elsewhere)
    with closing(sqlite3.connect(elsewhere / "relay.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM messages").fetchone()[0] < COUNT
    shutil.rmtree(elsewhere)
    assert "relay.db-wal is damaged" in (await refusal(crashed)).reason


async def test_a_log_whose_end_was_never_written_is_what_a_power_cut_leaves(crashed: Path) -> None:
    os.truncate(log(crashed), end(crashed) - 100)
    assert await rows(crashed) == COUNT - 1


async def test_a_page_missing_in_the_last_commit_is_what_a_power_cut_leaves(crashed: Path) -> None:
    overwrite(log(crashed), end(crashed) - 2 * FRAME, bytes(FRAME))
    assert await rows(crashed) == COUNT - 1


def end(path: Path) -> int:
    """Of the newest pages of the log; older ones may stand behind them, under other salts."""
    octets = log(path).read_bytes()
    return max(at + FRAME for at in range(32, len(octets), FRAME) if octets[at + 8 : at + 16] == octets[16:24])
