"""Group commit tells the truth: who is told yes is in the database, who is told no has left nothing there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from relay.errors import StoreLocked, StoreUnavailable
from relay.queueing import Round
from relay.store.sql.queue import SqlQueue
from relay.store.sql.session import Session
from relay.store.sql.store import SqlStore
from relay.store.sql.writer import Writer
from relay.turns import Turns
from tests.store.kit import (
    CONTENT,
    NOW,
    Opener,
    column,
    delivery,
    enqueue,
    make_impatient,
    message,
    release,
    suppression,
    writing,
)

TABLES = {"messages": "id", "bodies": "message_id", "deliveries": "message_id"}


@pytest.fixture
async def other(store: SqlStore, another_to_read: Opener) -> SqlStore:
    """Sees what was committed, and nothing else."""
    return await another_to_read()


async def stored(other: SqlStore, table: str = "messages") -> set[str]:
    return set(await column(other, f"SELECT {TABLES[table]} FROM {table}"))


async def put(store: SqlStore, number: int) -> str:
    return (await enqueue(store, number)).message_id


def answers(results: Sequence[object]) -> list[str]:
    return [result if isinstance(result, str) else type(result).__name__ for result in results]


async def test_one_that_violates_a_constraint_fails_alone(store: SqlStore, other: SqlStore) -> None:
    await put(store, 5)
    results = await asyncio.gather(*(put(store, number) for number in range(10)), return_exceptions=True)
    assert answers(results) == ["StoreRefuses" if number == 5 else message(number).id for number in range(10)]
    for table in TABLES:
        assert await stored(other, table) == {message(number).id for number in range(10)}


async def test_the_one_that_fails_leaves_nothing_half_written(store: SqlStore, other: SqlStore) -> None:
    # The message and its body are fine, the second delivery is the first one again.
    broken, fine = message(1), message(2)
    results = await asyncio.gather(
        store.queue.enqueue(broken, CONTENT, (delivery(broken), delivery(broken))),
        store.queue.enqueue(fine, CONTENT, (delivery(fine),)),
        return_exceptions=True,
    )
    assert isinstance(results[0], StoreUnavailable)
    assert results[1] == (delivery(fine),)
    for table in TABLES:
        assert await stored(other, table) == {fine.id}


async def test_an_error_that_is_no_database_s_reaches_its_own_caller(store: SqlStore, other: SqlStore) -> None:
    def fails(db: Session, items: Sequence[str]) -> list[str]:
        db.execute("DELETE FROM messages")
        raise ValueError(items[0])

    await put(store, 1)
    results = await asyncio.gather(put(store, 2), store._writer.run(fails, "mine"), put(store, 3), return_exceptions=True)
    assert answers(results) == [message(2).id, "ValueError", message(3).id]
    assert str(results[1]) == "mine"
    assert await stored(other) == {message(number).id for number in (1, 2, 3)}


async def test_verbs_of_a_group_keep_their_order_and_their_own_results(store: SqlStore) -> None:
    added, again, removed, gone, enqueued = await asyncio.gather(
        store.suppressions.add(suppression()),
        store.suppressions.add(suppression()),
        store.suppressions.remove(release("reader@example.net")),
        store.suppressions.remove(release("reader@example.net")),
        enqueue(store),
    )
    assert (added, again, removed, gone) == (True, False, True, False)
    assert enqueued == delivery(message())


async def test_more_than_fit_into_one_group_are_all_written(store: SqlStore, other: SqlStore) -> None:
    results = await asyncio.gather(*(put(store, number) for number in range(450)))
    assert results == [message(number).id for number in range(450)]
    assert await stored(other) == set(results)


async def test_nobody_is_released_before_the_commit(store: SqlStore, other: SqlStore) -> None:
    async def put_and_look(number: int) -> bool:
        return await put(store, number) in await stored(other)

    assert await asyncio.gather(*(put_and_look(number) for number in range(300))) == [True] * 300


async def test_while_the_commit_is_not_done_the_caller_waits(store: SqlStore, other: SqlStore, another: Opener) -> None:
    async with writing(await another()):
        waiting = asyncio.ensure_future(put(store, 1))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert await stored(other) == set()
    assert await waiting in await stored(other)


async def test_one_who_stops_waiting_does_not_disturb_the_group(store: SqlStore, other: SqlStore) -> None:
    tasks = [asyncio.ensure_future(put(store, number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers(results) == [message(0).id, "CancelledError", message(2).id]
    assert {message(0).id, message(2).id} <= await stored(other)
    assert await put(store, 7) in await stored(other)


# Others write.


async def test_a_database_that_others_hold_for_long_is_told_to_everyone(
    store: SqlStore, other: SqlStore, another: Opener
) -> None:
    await make_impatient(store)
    async with writing(await another()):
        for first in (1, 11):
            results = await asyncio.gather(*(put(store, first + n) for n in range(3)), return_exceptions=True)
            assert answers(results) == ["StoreLocked"] * 3
    assert {await put(store, 4)} == await stored(other)


async def test_who_comes_while_others_wait_for_a_locked_database_does_not_wait_as_long_again(
    store: SqlStore, other: SqlStore, another: Opener
) -> None:
    await make_impatient(store, milliseconds=500)
    async with writing(await another()):
        first = asyncio.ensure_future(put(store, 1))
        await asyncio.sleep(0.2)
        later = [asyncio.ensure_future(put(store, number)) for number in range(2, 5)]
        with pytest.raises(StoreLocked):
            await first
        await asyncio.sleep(0)
        assert [type(each.exception()) for each in later] == [StoreLocked] * 3
    assert await put(store, 5) in await stored(other)


# The end.


async def test_close_writes_what_waits(store: SqlStore, other: SqlStore) -> None:
    waiting = [asyncio.ensure_future(put(store, number)) for number in range(250)]
    await asyncio.sleep(0)
    await store.close()
    assert all(each.done() for each in waiting)
    assert await stored(other) == {each.result() for each in waiting} == {message(number).id for number in range(250)}


async def test_after_the_close_nothing_can_be_written(store: SqlStore, other: SqlStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await put(store, 1)
    assert await stored(other) == set()


async def test_a_writer_without_a_connection_takes_nothing() -> None:
    writer = Writer(None)
    queue = SqlQueue(writer)
    with pytest.raises(StoreUnavailable):
        await queue.enqueue(message(), CONTENT, (delivery(message()),))
    with pytest.raises(StoreUnavailable):
        await queue.claim(Round(limit=1, now=NOW, lease_until=NOW, lifetime=1.0, turns=Turns()))
    await writer.close()
