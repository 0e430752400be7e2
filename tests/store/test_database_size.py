"""The database does not grow under steady load, gives back what a peak took, and cuts its log once nobody reads it any more."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from relay.event import EventType
from relay.keeping import Keeping, KeptFor
from relay.model import Claimed
from relay.outcome import Later, Sent
from relay.store.bodies import Spool
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import CONTENT, NOW, accepted, claim, claim_one, database, delivery, enqueue, event, settle

DAY = 86400.0
MEGABYTE = 1 << 20
LOG = 64 * MEGABYTE


def pages(folder: Path) -> tuple[int, int]:
    """Of the database, and those of them that are free."""
    with closing(sqlite3.connect(database(folder))) as other:
        (count,), (free,) = (other.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count"))
    return count, free


def log_octets(folder: Path) -> int:
    return (folder / "relay.db-wal").stat().st_size


# Steady load.


class Days:
    """A relay's days: so much mail each, sent after a failure or at once, its events, and what is old let go."""

    MAIL = 250

    def __init__(self, folder: Path, store: SqliteStore) -> None:
        self._store = store
        self._now = NOW
        self._body = os.urandom(8000)
        self._keeping = Keeping(
            store=store.retention,
            files=Spool(folder / "spool"),
            clock=lambda: self._now,
            kept_for=KeptFor(bodies=2, web_versions=90, notifications=4, facts=6),
            every=0.0,
            pause=0.0,
        )

    async def pass_one(self, *, lets_go: bool = True) -> None:
        await asyncio.gather(*(self._accept(number) for number in range(self.MAIL)))
        await self._send_all(fails=True)
        self._now += 0.1 * DAY
        await self._send_all()
        self._now += 0.9 * DAY
        if lets_go:
            await self._keeping.once()

    async def _accept(self, number: int) -> None:
        made = accepted(self._now + number, number, sender=f"shop@{number % 7}.example", content=self._body)
        await self._store.queue.enqueue(made, self._body, (delivery(made, due_at=self._now),))

    async def _send_all(self, *, fails: bool = False) -> None:
        while found := await claim(self._store, now=self._now):
            await asyncio.gather(*(self._send(number, each, fails=fails) for number, each in enumerate(found)))

    async def _send(self, number: int, claimed: Claimed, *, fails: bool) -> None:
        if fails and not number % 10:
            await settle(self._store, claimed, Later("503"), now=self._now)
            return
        ses_id = claimed.delivery.id
        await settle(self._store, claimed, Sent(ses_id), now=self._now)
        for of in (claimed.delivery, None):
            told = event(EventType.DELIVERY, of=of, at=self._now, ses_message_id=ses_id, detail=ses_id)
            await self._store.feedback.record(
                notification_id=f"{ses_id}-{bool(of)}", topic="t", payload="x" * 1500, received_at=self._now, events=(told,)
            )


async def test_under_steady_load_the_database_stays_as_large_as_it_is(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    days = Days(tmp_path, sqlite_store)
    sizes = []
    for _ in range(24):
        await days.pass_one()
        sizes.append(pages(tmp_path)[0])
        assert log_octets(tmp_path) <= LOG
    assert sizes[-1] <= 1.02 * sizes[8]  # two days after the first facts went
    for _ in range(3):
        await days.pass_one(lets_go=False)
    assert pages(tmp_path)[0] > 1.2 * sizes[-1]  # so much would have come with each three days


# A peak.


async def fill(store: SqliteStore, megabytes: int) -> None:
    """Mail that is sent at once."""
    body = os.urandom(62_500)
    for first in range(0, megabytes * 16, 160):
        made = [accepted(NOW + number, number, content=body) for number in range(first, min(first + 160, megabytes * 16))]
        await asyncio.gather(*(store.queue.enqueue(each, body, (delivery(each),)) for each in made))
        while found := await claim(store, limit=160):
            await asyncio.gather(*(settle(store, each, Sent(each.delivery.id)) for each in found))


async def counted(store: SqliteStore, *, before: float) -> int:
    return sum([count async for count in store.retention.bodies(before)])


async def freed(store: SqliteStore) -> list[int]:
    return [count async for count in store.retention.free_pages()]


async def test_what_a_peak_took_is_given_back_in_small_steps(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    last = await enqueue(sqlite_store, 5, due_at=NOW + DAY)
    await fill(sqlite_store, 90)
    kept = pages(tmp_path)
    assert await counted(sqlite_store, before=NOW + DAY) == 90 * 16
    assert pages(tmp_path)[0] == kept[0]  # free, for the next mail
    steps = await freed(sqlite_store)
    count, free = pages(tmp_path)
    assert len(steps) > 50
    assert max(steps) <= 101  # and now and then a page of SQLite's map
    assert sum(steps) == kept[0] - count
    assert free * 4096 <= LOG
    with closing(sqlite3.connect(database(tmp_path))) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    claimed = await claim_one(sqlite_store, now=NOW + DAY)
    assert (claimed.delivery.id, claimed.content) == (last.id, CONTENT)


async def test_what_the_next_mail_needs_is_not_given_back(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    await fill(sqlite_store, 90)
    assert await counted(sqlite_store, before=NOW + 30) == 30  # few of the pages
    assert await freed(sqlite_store) == []
    other = await SqliteStore.open(database(tmp_path / "small"))
    await fill(other, 20)
    assert await counted(other, before=NOW + DAY) == 320  # all of them, but few octets
    assert await freed(other) == []
    await other.close()


# The log.


async def test_a_reader_that_takes_its_time_makes_the_log_longer_only_while_it_reads(
    tmp_path: Path, sqlite_store: SqliteStore
) -> None:
    await enqueue(sqlite_store)
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        await fill(sqlite_store, 80)
        assert log_octets(tmp_path) > 1.2 * LOG
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
    for second in range(2):  # the relay writes as much when there is no mail
        await sqlite_store.queue.beat(NOW + second)
    assert log_octets(tmp_path) <= LOG


async def test_the_log_stays_short_while_short_reads_go_on(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    is_over = False

    async def read() -> None:
        while not is_over:
            await sqlite_store.messages.newest(limit=20)

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await fill(sqlite_store, 80)
    is_over = True
    await asyncio.gather(*readers)
    assert log_octets(tmp_path) <= LOG


async def test_a_database_of_before_is_used_as_it_is(tmp_path: Path) -> None:
    """Its free pages are used again, and none are given back."""
    with closing(sqlite3.connect(database(tmp_path))) as other:
        other.execute("PRAGMA journal_mode = WAL")
    store = await SqliteStore.open(database(tmp_path))
    await fill(store, 80)
    await counted(store, before=NOW + DAY)
    assert await freed(store) == []
    await store.close()
