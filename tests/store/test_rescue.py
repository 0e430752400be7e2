"""What can be read of a damaged store: everything but the rows of its damaged pages, and nothing is written to it."""

from __future__ import annotations

import csv
import os
import random
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.model import Delivery, Edit, State
from relay.outcome import Sent
from relay.store.bodies import INLINE, Spool
from relay.store.rescue import Content, Rescued, rescue
from relay.store.sqlite.store import SqliteStore
from relay.webhooks.webhook import Webhook
from tests.store.kit import (
    CONTENT,
    NOW,
    change,
    claim,
    column,
    database,
    delivery,
    enqueue,
    event,
    message,
    settle,
    suppressed,
    suppression,
)

PAGE = 4096
COUNT = 300
LARGE = b"From: shop@example.com\r\n\r\n" + b"x" * INLINE + b"\r\n"
MIDDLE = b"From: shop@example.com\r\n\r\n" + b"y" * 20_000 + b"\r\n"  # on several pages
ADDED = b"Received: by localhost\r\n"


@pytest.fixture(scope="module")
async def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COUNT messages that are stored in the database, each of them open, and 20 that are over; no log."""
    path = database(tmp_path_factory.mktemp("sound"))
    store = await SqliteStore.open(path)
    for number in range(20):
        await enqueue(store, 1000 + number)
    for claimed in await claim(store):
        await settle(store, claimed, Sent("ses-1"))
    for number in range(COUNT):
        await enqueue(store, number)
    await store.suppressions.add(suppression("blocked@example.net"))
    await store.close()
    return path


@pytest.fixture
def damaged(sound: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    shutil.copytree(sound.parent, database(tmp_path).parent, dirs_exist_ok=True)
    return database(tmp_path)


def saved(path: Path, *, folder: str = "rescued") -> tuple[Rescued, Path]:
    """Rescued, with every file of the store as it was."""
    to = path.parent.parent / f"{path.parent.name}-{folder}"
    to.mkdir()
    before = contents(path.parent)
    done = rescue(path, path.parent / "spool", to)
    assert contents(path.parent) == before
    return done, to


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "messages.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def names(count: int = COUNT) -> set[str]:
    return {message(number).id for number in range(count)}


def whole(folder: Path) -> set[str]:
    """Messages whose file is as it was accepted."""
    found = {line["id"] for line in listed(folder) if line["content"] == "whole"}
    assert all((folder / f"{name}.eml").read_bytes() == CONTENT for name in found)
    return found


def spoil(path: Path, pages: Collection[int], *, seed: int = 7) -> None:
    chance = random.Random(seed)
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


def untouched(path: Path, pages: Collection[int]) -> set[str]:
    """Messages whose identifier stands on none of the pages."""
    octets = path.read_bytes()
    spoilt = b"".join(octets[(page - 1) * PAGE : page * PAGE] for page in pages)
    return {name for name in names() if name.encode() not in spoilt}


async def test_of_a_whole_store_everything_is_saved_as_it_would_be_sent(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await SqliteStore.open(database(folder))
    edited = replace(message(1), edits=(Edit(0, 0, ADDED),))
    await store.queue.enqueue(edited, CONTENT, (delivery(edited), delivery(edited, number=2, recipient="other@example.net")))
    large = message(2, content=LARGE)
    draft = Spool(folder / "spool").draft(large.id)
    draft.write(LARGE)
    await draft.finish()
    draft.close(keep=True)
    await store.queue.enqueue(large, None, (delivery(large),))
    middle = message(3, content=MIDDLE)
    await store.queue.enqueue(middle, MIDDLE, (delivery(middle),))
    await enqueue(store, 4)
    (over,) = [each for each in await claim(store) if each.message.id == message(4).id]
    await settle(store, over, Sent("ses-1"))
    await store.close()
    done, to = saved(database(folder))
    assert done.is_whole
    assert done.messages == {Content.WHOLE: 3}
    assert (to / f"{edited.id}.eml").read_bytes() == ADDED + CONTENT
    assert (to / f"{large.id}.eml").read_bytes() == LARGE
    assert (to / f"{middle.id}.eml").read_bytes() == MIDDLE
    assert [(line["id"], line["state"], line["sender"], line["recipients"], line["file"]) for line in listed(to)] == [
        (edited.id, "sending", "shop@example.com", "reader@example.net other@example.net", f"{edited.id}.eml"),
        (large.id, "sending", "shop@example.com", "reader@example.net", f"{large.id}.eml"),
        (middle.id, "sending", "shop@example.com", "reader@example.net", f"{middle.id}.eml"),
    ]


async def test_of_a_store_that_let_go_of_what_is_old_the_rest_is_saved(tmp_path: Path) -> None:
    """It has free pages, and more than one that maps the others. What is saved can be made shorter as well."""
    folder = tmp_path / "store"
    store = await SqliteStore.open(database(folder))
    content = b"x" * INLINE
    for number in range(60):
        made = message(number, content=content)
        await store.queue.enqueue(made, content, (delivery(made),))
    for claimed in await claim(store, limit=25):
        await settle(store, claimed, Sent(claimed.delivery.id))
    assert sum([count async for count in store.retention.bodies(NOW + 60)]) == 25
    await store.close()
    done, to = saved(database(folder))
    assert (done.is_whole, done.messages) == (True, {Content.WHOLE: 35})
    assert done.database.pages > PAGE // 5 + 2
    assert rows(database(to), "PRAGMA auto_vacuum") == [(2,)]


async def test_what_is_still_in_the_log_is_saved_too(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await SqliteStore.open(database(folder))
    for number in range(COUNT):
        await enqueue(store, number)
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    await store.close()
    done, to = saved(database(copied))
    assert done.is_whole
    assert whole(to) == names()
    database(copied).unlink()
    done, to = saved(database(copied), folder="from-the-log")
    assert whole(to) == names()


async def test_a_damaged_page_of_the_log_costs_no_commit_but_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await SqliteStore.open(database(folder))
    for number in range(COUNT):
        await enqueue(store, number)
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    await store.close()
    log = copied / "relay.db-wal"
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"damage")
    done, to = saved(database(copied))
    assert not done.is_whole
    assert done.database.damaged_log == 1
    assert len(whole(to)) >= COUNT - 2


@pytest.mark.parametrize("table", ["messages", "deliveries", "bodies"])
async def test_the_first_page_of_a_tree_costs_its_own_rows_and_not_all_below_it(damaged: Path, table: str) -> None:
    [(root,)] = rows(damaged, f"SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")
    untouched_by_it = untouched(damaged, [root])
    assert len(untouched_by_it) > COUNT - 20
    spoil(damaged, [root])
    done, to = saved(damaged)
    assert done.database.unreadable_pages == 1
    assert not done.is_whole
    assert whole(to) >= untouched_by_it


async def test_without_the_first_page_of_all_the_messages_are_found_by_what_they_look_like(damaged: Path) -> None:
    spoil(damaged, [1])
    done, to = saved(damaged)
    assert done.database.unreadable_pages >= 1
    assert whole(to) == names()


@pytest.mark.parametrize("table", ["messages", "deliveries", "bodies", "suppressions"])
async def test_what_matters_most_needs_no_page_but_its_own(damaged: Path, table: str) -> None:
    # No other table and no index may have rows of the same types: they could not be told apart without the pages above them.
    roots = [number for (number,) in rows(damaged, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")]
    expected = {row[0] for row in rows(damaged, f"SELECT * FROM {table}")}
    octets = damaged.read_bytes()
    spoil(damaged, {1, *roots})
    _, to = saved(damaged)
    spoilt = b"".join(octets[(page - 1) * PAGE : page * PAGE] for page in {1, *roots})
    assert {row[0] for row in rows(to / "relay.db", f"SELECT * FROM {table}")} >= {
        key for key in expected if key.encode() not in spoilt
    }


async def test_of_a_database_that_was_cut_the_rest_is_saved(damaged: Path) -> None:
    pages = damaged.stat().st_size // PAGE
    left = pages - 5
    kept = untouched(damaged, range(left + 1, pages + 1))
    os.truncate(damaged, left * PAGE + 100)
    done, to = saved(damaged)
    assert not done.is_whole
    assert len(kept) > COUNT // 2
    assert whole(to) >= kept


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_pages_are_damaged_all_others_are_saved(damaged: Path, seed: int) -> None:
    chance = random.Random(seed)
    pages = chance.sample(range(1, damaged.stat().st_size // PAGE + 1), k=chance.randint(1, 12))
    kept = untouched(damaged, pages)
    spoil(damaged, pages, seed=seed)
    done, to = saved(damaged)
    assert whole(to) >= kept
    assert not done.is_whole


@pytest.mark.parametrize("seed", range(20))
async def test_single_flipped_octets_neither_stop_it_nor_pass_for_whole_content(damaged: Path, seed: int) -> None:
    chance = random.Random(seed)
    octets = bytearray(damaged.read_bytes())
    for place in chance.sample(range(len(octets)), k=200):
        octets[place] ^= 1 << chance.randrange(8)
    damaged.write_bytes(octets)
    _, to = saved(damaged)
    assert len(whole(to)) > COUNT // 2


async def test_a_store_of_nothing_but_spool_files_gives_these(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "spool").mkdir(parents=True)
    (folder / "spool" / f"{message(1).id}.eml").write_bytes(LARGE)
    done, to = saved(database(folder))
    assert done.messages == {Content.UNEDITED: 1}
    assert (to / f"{message(1).id}.eml").read_bytes() == LARGE
    assert [(line["state"], line["content"]) for line in listed(to)] == [("unknown", "unedited")]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("UPDATE bodies SET content = x'00'", Content.DAMAGED),
        ("DELETE FROM bodies", Content.MISSING),
        ("DELETE FROM messages", Content.UNEDITED),
        ("UPDATE messages SET edits = '['", Content.UNEDITED),
    ],
)
async def test_the_list_says_what_is_wrong_with_a_message(damaged: Path, damage: str, expected: Content) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute(f"{damage} WHERE {'message_id' if 'bodies' in damage else 'id'} = '{message(7).id}'")
        db.commit()
    done, to = saved(damaged)
    assert done.messages == {Content.WHOLE: COUNT - 1, expected: 1}
    assert not done.is_whole
    [line] = [line for line in listed(to) if line["id"] == message(7).id]
    assert line["content"] == expected
    assert bool(line["file"]) == (expected is not Content.MISSING)


async def test_a_message_that_has_lost_its_deliveries_is_saved_for_it_may_not_be_over(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("DELETE FROM deliveries WHERE message_id = ?", (message(7).id,))
        db.commit()
    _, to = saved(damaged)
    assert whole(to) == names()
    assert [line["state"] for line in listed(to) if line["id"] == message(7).id] == ["unknown"]


async def test_an_identifier_that_was_damaged_is_no_path(damaged: Path) -> None:
    for table, name in (("messages", "id"), ("deliveries", "message_id"), ("bodies", "message_id")):
        with closing(sqlite3.connect(damaged)) as db:
            db.execute(f"UPDATE {table} SET {name} = '../../../../evil' WHERE {name} = ?", (message(7).id,))
            db.commit()
    done, to = saved(damaged)
    assert done.messages == {Content.WHOLE: COUNT}
    assert {path.suffix for path in to.iterdir()} == {".eml", ".csv", ".db"}


async def test_an_address_that_a_spreadsheet_would_take_for_a_formula_is_made_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await SqliteStore.open(database(folder))
    await enqueue(store, sender="=1+1@example.com", recipient="+1@example.net")
    await store.close()
    _, to = saved(database(folder))
    [line] = listed(to)
    assert (line["sender"], line["recipients"]) == ("'=1+1@example.com", "'+1@example.net")


async def test_the_new_database_has_all_that_could_be_read_and_a_relay_goes_on_with_it(damaged: Path) -> None:
    [(root,)] = rows(damaged, "SELECT rootpage FROM sqlite_schema WHERE name = 'deliveries'")
    kept = untouched(damaged, [root])
    spoil(damaged, [root])
    _, to = saved(damaged)
    store = await SqliteStore.open(to / "relay.db")
    try:
        assert "blocked@example.net" in await suppressed(store, "blocked@example.net")
        assert {each.message.id for each in await claim(store, limit=1000)} >= kept
        over = await store.messages.show(message(1000).id)
        assert over is None or over.deliveries[0].state is State.SENT
    finally:
        await store.close()


async def test_pages_that_were_given_back_do_not_bring_back_what_is_over(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("DELETE FROM deliveries")
        db.execute("DELETE FROM messages")
        db.execute("DELETE FROM bodies")
        db.commit()
        assert db.execute("PRAGMA freelist_count").fetchone()[0] > 10
    done, to = saved(damaged)
    assert done.is_whole
    assert listed(to) == []


async def test_flows_that_were_lost_are_made_again_and_counted(damaged: Path) -> None:
    [(root,)] = rows(damaged, "SELECT rootpage FROM sqlite_schema WHERE name = 'flows'")
    spoil(damaged, [root])
    _, to = saved(damaged)
    assert rows(to / "relay.db", "SELECT lane, credential, identity, open, octets FROM flows JOIN loads ON flow = id") == [
        ("transactional", "app", "example.com", COUNT, COUNT * len(CONTENT))
    ]
    store = await SqliteStore.open(to / "relay.db")
    try:
        assert {each.message.id for each in await claim(store, limit=1000)} == names()
    finally:
        await store.close()


async def test_what_has_a_number_keeps_it_and_those_of_what_is_gone_are_not_given_again(tmp_path: Path) -> None:
    """Others keep the number of a group, of a mailing and of a fact."""
    store = await SqliteStore.open(database(tmp_path / "store"))
    numbers = [
        await store.contacts.add_group("crm", name=name, description="", at=NOW) for name in ("gone", "left us", "readers")
    ]
    assert await store.contacts.remove_group("crm", numbers[0])
    await store.webhooks.put(Webhook(name="crm", url="https://crm.example.com/"))
    delivery = await enqueue(store)
    await hear(store, delivery, "first")
    await change(store, "UPDATE notices_read SET fact = 60")
    await store.close()
    before = rows(database(tmp_path / "store"), "SELECT id, name FROM contact_groups")
    done, to = saved(database(tmp_path / "store"))
    assert (done.is_whole, rows(to / "relay.db", "SELECT id, name FROM contact_groups")) == (True, before)
    store = await SqliteStore.open(to / "relay.db")
    try:
        await hear(store, delivery, "second")
        assert await column(store, "SELECT id FROM events ORDER BY id") == [1, 61]
    finally:
        await store.close()


async def hear(store: SqliteStore, delivery: Delivery, notification_id: str) -> None:
    found = (event(of=delivery, at=NOW + len(notification_id)),)
    await store.feedback.record(notification_id=notification_id, topic="topic", payload="{}", received_at=NOW, events=found)
