"""The ballast is really there, goes when the disk is full, and comes back. SQLite can write again once it has gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.errors import DiskFull, StoreUnavailable
from relay.outcome import Sent
from relay.store.room import Room
from relay.store.sqlite.store import SqliteStore
from tests import disks
from tests.store.kit import claim_one, database, delivery, enqueue, message, settle

MEGABYTE = 1 << 20


def room(folder: Path, *, octets: int = MEGABYTE, spare: int = MEGABYTE) -> Room:
    return Room((folder,), ballast=folder / "relay.ballast", octets=octets, spare=spare)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "disk", megabytes=16) as folder:
        yield folder


async def test_the_ballast_has_its_blocks_on_the_disk(tmp_path: Path) -> None:
    made = room(tmp_path)
    assert not made.has_ballast
    await made.restore()
    assert made.has_ballast
    found = (tmp_path / "relay.ballast").stat()
    assert found.st_size == MEGABYTE <= found.st_blocks * 512
    assert room(tmp_path).has_ballast


async def test_a_file_with_holes_is_no_ballast_and_becomes_one(tmp_path: Path) -> None:
    with (tmp_path / "relay.ballast").open("wb") as file:
        file.truncate(MEGABYTE)
    made = room(tmp_path)
    assert not made.has_ballast
    await made.restore()
    assert (tmp_path / "relay.ballast").stat().st_blocks * 512 >= MEGABYTE


async def test_another_size_in_the_settings_makes_another_ballast(tmp_path: Path) -> None:
    await room(tmp_path).restore()
    made = room(tmp_path, octets=2 * MEGABYTE)
    assert not made.has_ballast
    await made.restore()
    assert (tmp_path / "relay.ballast").stat().st_size == 2 * MEGABYTE


async def test_without_a_ballast_in_the_settings_there_is_none_and_none_is_missed(tmp_path: Path) -> None:
    await room(tmp_path).restore()
    made = room(tmp_path, octets=0)
    made.make_way()
    assert made.has_ballast
    assert list(tmp_path.iterdir()) == []
    made.give_up_ballast()
    assert made.has_ballast


async def test_given_up_it_is_gone_until_there_is_room_for_it_and_for_what_must_stay_free(disk: Path) -> None:
    made = room(disk, octets=4 * MEGABYTE, spare=2 * MEGABYTE)
    await made.restore()
    before = made.free_octets()
    made.give_up_ballast()
    assert not made.has_ballast
    assert made.free_octets() >= before + 4 * MEGABYTE
    filler = disks.fill(disk, leave=6 * MEGABYTE - 4096)
    await made.restore()
    assert not made.has_ballast
    filler.unlink()
    await made.restore()
    assert made.has_ballast


async def test_a_ballast_that_cannot_be_made_is_said_so(disk: Path) -> None:
    made = room(disk, octets=MEGABYTE, spare=0)
    (disk / "relay.ballast").mkdir()
    with pytest.raises(StoreUnavailable, match="no ballast"):
        await made.restore()
    assert not made.has_ballast


async def test_the_fullest_of_the_disks_counts(disk: Path, tmp_path: Path) -> None:
    made = Room((tmp_path, disk), ballast=tmp_path / "relay.ballast", octets=MEGABYTE, spare=0)
    assert made.free_octets() <= 16 * MEGABYTE
    disks.fill(disk)
    assert made.free_octets() == 0


async def test_a_disk_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        room(tmp_path / "elsewhere").free_octets()


async def test_on_a_nearly_full_disk_the_store_opens_for_the_ballast_makes_way(disk: Path) -> None:
    await room(disk, octets=8 * MEGABYTE, spare=0).restore()
    disks.fill(disk)
    made = room(disk, octets=8 * MEGABYTE, spare=0)
    made.make_way()
    store = await SqliteStore.open(database(disk))
    assert (await enqueue(store)).message_id == message().id
    await store.close()


async def test_a_ballast_that_is_not_needed_to_begin_with_stays(disk: Path) -> None:
    made = room(disk, octets=2 * MEGABYTE, spare=0)
    await made.restore()
    made.make_way()
    assert made.has_ballast


async def test_on_a_full_disk_a_result_is_written_once_the_ballast_has_gone(disk: Path) -> None:
    made = room(disk, octets=4 * MEGABYTE, spare=0)
    store = await SqliteStore.open(database(disk), on_full=made.give_up_ballast)
    try:
        await enqueue(store)
        claimed = await claim_one(store)
        await made.restore()
        disks.fill(disk)
        large = message(2, content=b"x" * 60_000)
        with pytest.raises(DiskFull):
            await store.queue.enqueue(large, b"x" * 60_000, (delivery(large),))
        assert not made.has_ballast
        assert await settle(store, claimed, Sent("ses-1"))
    finally:
        await store.close()
    with sqlite3.connect(database(disk)) as db:
        assert db.execute("SELECT state FROM deliveries").fetchall() == [("sent",)]
