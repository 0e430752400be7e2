"""Whole lists: in small steps, visible at once, and not at all where they are broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from relay.errors import StoreRefuses
from relay.model import State
from relay.store.sql.store import SqlStore
from relay.suppression import Filter, Imported, Reason, Suppression, of_list
from tests.store.kit import NOW, Opener, enqueue, hard_bounce, release, rows, suppressed, suppression

LATER = NOW + 1000
A_DAY = 86400.0


class BrokenOff(Exception):
    pass


class Arriving:
    """A list that comes in pieces: what is put is taken as one batch; `stop` ends it before its time."""

    def __init__(self, store: SqlStore, *, again: bool = False) -> None:
        self._pieces: asyncio.Queue[Sequence[Suppression] | BrokenOff | None] = asyncio.Queue()
        self.taking = asyncio.ensure_future(store.imports.take(self._batches(), source="list.csv", again=again, now=LATER))

    async def put(self, *entries: Suppression) -> None:
        """Returns when they are staged."""
        self._pieces.put_nowait(entries)
        await self._pieces.join()

    def more(self, *entries: Suppression) -> None:
        self._pieces.put_nowait(entries)

    async def end(self) -> Imported:
        self._pieces.put_nowait(None)
        return await self.taking

    async def break_off(self) -> None:
        self._pieces.put_nowait(BrokenOff())
        with pytest.raises(BrokenOff):
            await self.taking

    async def _batches(self) -> AsyncIterator[Sequence[Suppression]]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, BrokenOff):
                raise piece
            yield piece
            self._pieces.task_done()


async def imported(store: SqlStore, *entries: Suppression, again: bool = False) -> Imported:
    arriving = Arriving(store, again=again)
    await arriving.put(*entries)
    return await arriving.end()


def listed(address: str = "reader@example.net", reason: str = "imported") -> Suppression:
    return replace(suppression(address, reason=reason), source="list.csv")


async def clear(store: SqlStore) -> int:
    return sum([count async for count in store.imports.clear(LATER + A_DAY)])


async def left(store: SqlStore) -> tuple[int, int]:
    """Rows of any import, and imports that are not finished."""
    [(first,)] = await rows(store, "SELECT count(*) FROM suppressions WHERE import_id > 0")
    [(second,)] = await rows(store, "SELECT count(*) FROM imports WHERE finished_at IS NULL")
    return first, second


async def test_nothing_of_a_list_counts_before_all_of_it_does(store: SqlStore) -> None:
    arriving = Arriving(store)
    await arriving.put(listed("a@example.net"), listed("b@example.net"))
    assert await suppressed(store, "a@example.net", "b@example.net") == {}
    assert await store.suppressions.listed(Filter(), limit=10) == ()
    assert (await enqueue(store, 1, recipient="a@example.net")).state is State.QUEUED
    assert await arriving.end() == Imported(added=2)
    assert set(await suppressed(store, "A@example.net", "b@example.net")) == {"A@example.net", "b@example.net"}
    assert (await enqueue(store, 2, recipient="b@example.net")).state is State.SUPPRESSED


async def test_what_came_with_lists_is_listed_last_and_the_last_list_first(store: SqlStore) -> None:
    await imported(store, replace(listed("early@example.net"), created_at=NOW + 9))
    await imported(store, listed("late@example.net"))
    for number in (1, 2):
        await store.suppressions.add(replace(suppression(f"own{number}@example.net"), created_at=NOW + number))
    found = [entry.address for entry in await store.suppressions.listed(Filter(), limit=10)]
    assert found == ["own2@example.net", "own1@example.net", "late@example.net", "early@example.net"]
    assert [entry.address for entry in await store.suppressions.listed(Filter(), limit=3)] == found[:3]
    assert [entry.address for entry in await store.suppressions.listed(Filter(since=NOW + 2), limit=3)] == [found[0], found[3]]


async def test_a_list_that_is_broken_off_leaves_nothing(store: SqlStore) -> None:
    await store.suppressions.add(suppression("b@example.net"))
    arriving = Arriving(store)
    await arriving.put(listed("a@example.net"), listed("b@example.net", "complaint"))
    await arriving.break_off()
    assert await left(store) == (2, 1)
    assert await suppressed(store, "a@example.net") == {}
    assert await clear(store) == 3
    assert await left(store) == (0, 0)
    assert (await suppressed(store, "b@example.net"))["b@example.net"].reason is Reason.MANUAL


async def test_what_a_crash_left_goes_at_the_next_start(store: SqlStore, another: Opener) -> None:
    arriving = Arriving(store)
    await arriving.put(*(listed(f"a{number}@example.net") for number in range(1200)))
    arriving.taking.cancel()
    await store.close()
    again = await another()
    steps = [count async for count in again.retention.imports(LATER + A_DAY)]
    assert steps == [500, 500, 200, 1]
    assert await left(again) == (0, 0)


async def test_a_list_under_way_is_not_taken_for_one_that_was_broken_off(store: SqlStore) -> None:
    arriving = Arriving(store)
    await arriving.put(listed())
    assert await clear(store) == 0
    assert await arriving.end() == Imported(added=1)
    assert list(await suppressed(store, "reader@example.net")) == ["reader@example.net"]


async def test_nor_is_it_by_another_process(store: SqlStore, another: Opener) -> None:
    """Which on PostgreSQL does the chores, while a command brings the list."""
    arriving, other = Arriving(store), await another()
    await arriving.put(listed("a@example.net"))
    assert [count async for count in other.imports.clear(LATER + A_DAY - 1)] == []
    await arriving.put(listed("b@example.net"))
    assert await arriving.end() == Imported(added=2)
    assert len(await suppressed(store, "a@example.net", "b@example.net")) == 2


@pytest.mark.parametrize("is_whole", [True, False])
async def test_one_that_was_cleared_away_all_the_same_says_so_and_leaves_nothing(
    store: SqlStore, another: Opener, is_whole: bool
) -> None:
    arriving, other = Arriving(store), await another()
    await arriving.put(listed("a@example.net"))
    assert sum([count async for count in other.imports.clear(LATER + A_DAY)]) == 2
    if not is_whole:
        arriving.more(listed("b@example.net"))
    with pytest.raises(StoreRefuses):
        await arriving.end()
    assert await suppressed(store, "a@example.net", "b@example.net") == {}
    assert await left(store) == (0, 0)


async def test_who_bounces_while_his_entry_is_staged_is_suppressed_at_once_and_stays_so(store: SqlStore) -> None:
    arriving = Arriving(store)
    await arriving.put(listed())
    await bounces(store)
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason is Reason.HARD_BOUNCE
    await arriving.break_off()
    await clear(store)
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason is Reason.HARD_BOUNCE


async def test_who_bounces_while_a_graver_entry_is_staged_has_both_in_the_end(store: SqlStore) -> None:
    arriving = Arriving(store)
    await arriving.put(listed(reason="complaint"))
    await bounces(store)
    await arriving.end()
    reasons = {entry.reason for entry in (await store.suppressions.find(["reader@example.net"])).entries("reader@example.net")}
    assert reasons == {Reason.COMPLAINT, Reason.HARD_BOUNCE}


async def bounces(store: SqlStore) -> None:
    hard = replace(hard_bounce(), recipient="reader@example.net")
    await store.feedback.record(notification_id="n1", topic="t", payload="{}", received_at=NOW + 5, events=(hard,))


@pytest.mark.parametrize(
    ("reason", "until", "done", "told"),
    [
        ("complaint", 0.0, Imported(added=1), "complaint"),
        ("complaint", 60.0, Imported(added=1), "complaint"),
        ("imported", 0.0, Imported(added=1), "manual"),
        ("manual", 0.0, Imported(stood=1), "manual"),
        ("manual", 60.0, Imported(stood=1), "manual"),
    ],
)
async def test_an_entry_stands_beside_those_of_other_reasons(
    store: SqlStore, reason: str, until: float, done: Imported, told: str
) -> None:
    await store.suppressions.add(suppression())
    entry = replace(listed(reason=reason), created_at=NOW - 1, expires_at=LATER + until if until else 0.0)
    assert await imported(store, entry) == done
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason == told
    later = await suppressed(store, "reader@example.net", now=LATER + 61)
    assert later["reader@example.net"].reason == ("complaint" if (reason, until) == ("complaint", 0.0) else "manual")


async def test_a_list_that_says_longer_makes_it_longer(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression(), expires_at=LATER + 60))
    assert await imported(store, listed(reason="manual")) == Imported(longer=1)
    assert await suppressed(store, "reader@example.net", now=LATER + 61)


async def test_one_more_soft_bounce_lets_nobody_go_whom_a_list_has_brought(store: SqlStore) -> None:
    await imported(store, listed(reason="soft_bounces"))
    soft = hard_bounce(bounce_type="Transient", bounce_subtype="MailboxFull", status="4.2.2")
    soft = replace(soft, recipient="reader@example.net")
    await store.feedback.record(notification_id="n1", topic="t", payload="{}", received_at=NOW + 5, events=(soft,))
    assert await suppressed(store, "reader@example.net")


async def test_who_was_removed_since_stays_so(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    await store.suppressions.remove(release(at=NOW + 100))
    assert await imported(store, listed()) == Imported(released=1)
    assert await suppressed(store, "reader@example.net") == {}
    assert await imported(store, replace(listed(), created_at=NOW + 101)) == Imported(added=1)


async def test_who_was_removed_comes_back_where_that_is_said(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    await store.suppressions.remove(release(at=NOW + 100))
    assert await imported(store, listed(), again=True) == Imported(added=1)


async def test_who_is_removed_while_his_only_entry_is_staged_stays_so(store: SqlStore) -> None:
    arriving = Arriving(store)
    await arriving.put(listed())
    assert not await store.suppressions.remove(release(at=LATER + 1))
    await arriving.put(listed("other@example.net"), listed())
    await arriving.end()
    assert await suppressed(store, "other@example.net")
    assert not await suppressed(store, "reader@example.net")


async def test_an_entry_that_is_over_makes_room_and_one_that_is_over_already_is_none(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression("a@example.net", reason="complaint"), expires_at=LATER - 1))
    over = replace(listed("b@example.net"), expires_at=LATER)
    assert await imported(store, listed("a@example.net"), over) == Imported(added=1, stood=1)
    found = await suppressed(store, "a@example.net", "b@example.net", now=LATER)
    assert [(address, entry.reason) for address, entry in found.items()] == [("a@example.net", "imported")]


async def test_the_same_list_once_more_changes_nothing(store: SqlStore) -> None:
    entries = [listed(f"a{number}@example.net") for number in range(300)]
    assert await imported(store, *entries) == Imported(added=300)
    assert await imported(store, *entries) == Imported(stood=300)


async def test_an_address_that_is_listed_twice_has_each_reason_once(store: SqlStore) -> None:
    done = await imported(store, listed(), listed("Reader@example.net", "complaint"), listed(reason="imported"))
    assert done == Imported(added=2, stood=1)
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason is Reason.COMPLAINT


async def test_entries_of_other_scopes_are_others(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    assert await imported(store, replace(listed(), scope=of_list("news"))) == Imported(added=1)


async def test_a_second_list_waits_for_the_first_and_may_have_what_a_broken_one_left(store: SqlStore) -> None:
    broken = Arriving(store)
    await broken.put(listed("a@example.net", "complaint"), listed("b@example.net"))
    await broken.break_off()
    first, second = Arriving(store), Arriving(store)
    await first.put(listed("a@example.net"))
    assert not second.taking.done()
    await first.end()
    assert await second.end() == Imported()
    await clear(store)
    found = await suppressed(store, "a@example.net", "b@example.net")
    assert [(address, entry.reason) for address, entry in found.items()] == [("a@example.net", "imported")]


async def test_all_of_the_list_comes_in_pages(store: SqlStore) -> None:
    entries = [listed(f"a{number:04}@example.net") for number in range(2500)]
    await imported(store, *entries, replace(listed("a0000@example.net"), scope=of_list("x")))
    pages = [page async for page in store.suppressions.pages(Filter(), now=NOW)]
    assert [len(page) for page in pages] == [1000, 1000, 501]
    assert {entry.address for page in pages for entry in page} == {entry.address for entry in entries}
    of_one = [page async for page in store.suppressions.pages(Filter(text="a0007"), now=NOW)]
    assert of_one == [(entries[7],)]
