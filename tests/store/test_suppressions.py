from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.errors import StoreUnavailable
from relay.model import Reason
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import database, suppression


async def test_what_was_added_is_found_by_the_address_as_given(store: SqliteStore) -> None:
    added = suppression("Reader@Example.net")
    assert await store.suppressions.add(added)
    found = await store.suppressions.find(["READER@example.net", "other@example.net"])
    assert found == {"READER@example.net": added}


async def test_two_spellings_in_one_question_are_both_answered(store: SqliteStore) -> None:
    await store.suppressions.add(suppression("a@example.net"))
    assert set(await store.suppressions.find(["a@example.net", "A@example.net"])) == {"a@example.net", "A@example.net"}


async def test_the_first_reason_stands(store: SqliteStore) -> None:
    assert await store.suppressions.add(suppression(reason="hard_bounce"))
    assert not await store.suppressions.add(suppression("READER@example.net", reason="complaint"))
    found = await store.suppressions.find(["reader@example.net"])
    assert found["reader@example.net"].reason is Reason.HARD_BOUNCE


async def test_removed_is_gone_and_may_come_back(store: SqliteStore) -> None:
    await store.suppressions.add(suppression())
    assert await store.suppressions.remove("READER@example.net")
    assert await store.suppressions.find(["reader@example.net"]) == {}
    assert not await store.suppressions.remove("reader@example.net")
    assert await store.suppressions.add(suppression())


async def test_nobody_is_asked_for_and_nobody_found(store: SqliteStore) -> None:
    assert await store.suppressions.find([]) == {}


async def test_many_questions_at_once_each_get_their_own_answer(store: SqliteStore) -> None:
    for number in range(0, 100, 2):
        await store.suppressions.add(suppression(f"reader{number}@example.net"))
    asked = [f"reader{number}@example.net" for number in range(100)]
    answers = await asyncio.gather(*(store.suppressions.find([each]) for each in asked))
    assert [bool(answer) for answer in answers] == [number % 2 == 0 for number in range(100)]


async def test_one_who_stops_waiting_leaves_the_others_their_answers(store: SqliteStore) -> None:
    await store.suppressions.add(suppression())
    leaving = asyncio.ensure_future(store.suppressions.find(["reader@example.net"]))
    staying = asyncio.ensure_future(store.suppressions.find(["reader@example.net"]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert list(await staying) == ["reader@example.net"]
    assert leaving.cancelled()


async def test_a_list_that_cannot_be_read_is_told_to_everyone_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    store = await SqliteStore.open(database(tmp_path))
    await store.close()
    async with asyncio.timeout(5):
        questions = [store.suppressions.find([f"reader{number}@example.net"]) for number in range(5)]
        answers = await asyncio.gather(*questions, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5


async def test_the_newest_come_first_of_one_reason_or_of_all(store: SqliteStore) -> None:
    for number, reason in enumerate(("manual", "complaint", "manual")):
        each = suppression(f"reader{number}@example.net", reason=reason)
        await store.suppressions.add(replace(each, created_at=1000.0 + number))
    every = await store.suppressions.newest(limit=10)
    assert [each.address for each in every] == [f"reader{number}@example.net" for number in (2, 1, 0)]
    assert await store.suppressions.newest(limit=1) == every[:1]
    assert await store.suppressions.newest(limit=10, reason=Reason.COMPLAINT) == (every[1],)


async def test_a_store_opened_to_read_finds_and_does_not_write(store: SqliteStore, tmp_path: Path) -> None:
    await store.suppressions.add(suppression())
    reading = await SqliteStore.open_to_read(database(tmp_path))
    try:
        assert list(await reading.suppressions.find(["reader@example.net"])) == ["reader@example.net"]
        with pytest.raises(StoreUnavailable):
            await reading.suppressions.remove("reader@example.net")
    finally:
        await reading.close()
