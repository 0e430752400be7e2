"""Facts as a client reads them, one after the other: none is missed, whatever order they become visible in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Event as Flag

import psycopg
import pytest

from relay.bounces import DEFAULT_RULES
from relay.event import Event, EventType, Fact
from relay.model import Delivery, Labels, State
from relay.outcome import Sent
from relay.store.postgres.dialect import translated
from relay.store.postgres.store import PostgresStore
from relay.store.sql import feedback
from relay.store.sql.events import _READ
from relay.store.sql.session import Session
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    NOW,
    Opener,
    change,
    claim_one,
    column,
    connection_of,
    enqueue,
    event,
    hard_bounce,
    rows,
    settle,
    state,
)


async def record(store: SqlStore, *events: Event, id: str = "n") -> None:
    await store.feedback.record(notification_id=id, topic="t", payload="{}", received_at=NOW, events=events)


async def read(store: SqlStore, credential: str = "app", *, after: int = 0, count: int = 100) -> tuple[Fact, ...]:
    found = await store.events.read(credential, after=after, count=count)
    assert found is not None
    return found


def told(of: Delivery, count: int, *, first: int = 0) -> list[Event]:
    """So many different facts about one delivery."""
    return [event(EventType.CLICK, of=of, at=NOW + first + number, detail=f"{first + number}") for number in range(count)]


async def test_each_login_reads_its_own_in_the_order_in_which_they_came(store: SqlStore) -> None:
    own = await enqueue(store, 1, labels=Labels(id="order 42", campaign="spring"))
    other = await enqueue(store, 2, credential="other")
    bounced = hard_bounce(of=own, bounce_subtype="NoEmail")
    await record(store, event(of=own), event(of=other, ses_message_id="ses-2"), event(ses_message_id="a stranger's"), bounced)
    found = await read(store)
    assert [(fact.event, fact.found, fact.delivery_id) for fact in found] == [
        (event(of=own), "", own.id),
        (bounced, "hard", own.id),
    ]
    assert [(fact.label_id, fact.campaign, fact.task) for fact in found] == [("order 42", "spring", 0)] * 2
    assert [fact.delivery_id for fact in await read(store, "other")] == [other.id]
    assert await read(store, "") == ()


async def test_a_reader_goes_on_behind_the_last(store: SqlStore) -> None:
    own = await enqueue(store)
    await record(store, *told(own, 7))
    seen: list[Fact] = []
    while found := await read(store, after=seen[-1].cursor if seen else 0, count=3):
        seen += found
    assert [fact.event.at for fact in seen] == [NOW + number for number in range(7)]
    await record(store, *told(own, 1, first=7), id="n-2")
    assert [fact.event.at for fact in await read(store, after=seen[-1].cursor)] == [NOW + 7]


async def test_a_fact_that_is_known_to_be_ours_later_is_behind_all_that_was_read_before(store: SqlStore) -> None:
    first = await enqueue(store, 1)
    claimed = await claim_one(store)
    second = await enqueue(store, 2)
    await record(store, event(EventType.DELIVERY, ses_message_id="ses-1"), id="untagged")
    await record(store, event(of=second, ses_message_id="ses-2"), id="tagged")
    [seen] = await read(store)
    await settle(store, claimed, Sent("ses-1"))
    assert await state(store, first) is State.SENT
    found = await read(store, after=seen.cursor)
    assert [(fact.event.type, fact.delivery_id) for fact in found] == [(EventType.DELIVERY, first.id)]
    assert len(await rows(store, "SELECT id FROM events")) == 2


async def test_a_fact_that_comes_once_more_with_its_tag_is_behind_as_well(store: SqlStore) -> None:
    first, second = await enqueue(store, 1), await enqueue(store, 2)
    untagged = hard_bounce(ses_message_id="ses-9", recipient=first.recipient)
    await record(store, untagged, id="classic")
    await record(store, event(of=second, ses_message_id="ses-2"), id="other")
    [seen] = await read(store)
    await record(store, hard_bounce(of=first, ses_message_id="ses-9"), id="published")
    found = await read(store, after=seen.cursor)
    assert [(fact.event.type, fact.delivery_id, fact.found) for fact in found] == [(EventType.BOUNCE, first.id, "hard")]


async def test_no_number_is_given_twice_though_the_last_facts_are_let_go(store: SqlStore) -> None:
    own = await enqueue(store)
    await record(store, *told(own, 3))
    last = (await read(store))[-1].cursor
    await change(store, "DELETE FROM events")
    await record(store, *told(own, 1, first=3), id="n-2")
    assert [fact.event.at for fact in await read(store, after=last)] == [NOW + 3]


async def test_a_cursor_that_nothing_has_had_is_said_to_be_none(store: SqlStore) -> None:
    assert await read(store, after=0) == ()
    await record(store, event(of=await enqueue(store)))
    last = (await read(store))[-1].cursor
    assert await store.events.read("app", after=last, count=1) == ()
    assert await store.events.read("app", after=last + 1000, count=1) is None


# Several nodes on one database.


@asynccontextmanager
async def recording(store: SqlStore, *events: Event, id: str, fails: bool = False) -> AsyncIterator[None]:
    """A transaction that has recorded these, and has not ended."""
    has_drawn, may_end = Flag(), Flag()

    def verb(db: Session, items: Sequence[None]) -> list[None]:
        if not has_drawn.is_set():
            feedback._record_all(db, [(DEFAULT_RULES, id, "t", b"{}", NOW, events)])
            has_drawn.set()
            may_end.wait(9)
        if fails:
            raise ValueError("given up")
        return [None] * len(items)

    verb.is_beside_others = True  # type: ignore[attr-defined]
    under_way = asyncio.ensure_future(store._writer.run(verb, None))
    await asyncio.to_thread(has_drawn.wait, 9)
    assert has_drawn.is_set()
    try:
        yield
    finally:
        may_end.set()
        await asyncio.wait([under_way])
        assert bool(under_way.exception()) is fails


async def node(url: str, number: int) -> PostgresStore:
    """One that counts by itself, as those that have joined do."""
    store = await PostgresStore.open(url)
    store._writer._database.count_as(number)  # type: ignore[union-attr]
    return store


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore, PostgresStore]]:
    stores = [await node(url, number) for number in range(3)]
    yield stores[0], stores[1], stores[2]
    for store in stores:
        await store.close()


Nodes = tuple[PostgresStore, PostgresStore, PostgresStore]


async def test_what_commits_first_waits_for_smaller_numbers_that_may_still_come(nodes: Nodes) -> None:
    slow, quick, reader = nodes
    first, second, third = [await enqueue(reader, number, recipient=f"r{number}@example.net") for number in (1, 2, 3)]
    await record(reader, event(of=third), id="before")
    [before] = await read(reader)
    async with recording(slow, event(of=first), id="slow"):
        await record(quick, event(of=second), id="quick")
        assert len(await rows(reader, "SELECT 1 FROM events")) == 2  # it could be seen
        assert await read(reader, after=before.cursor) == ()
    found = await read(reader, after=before.cursor)
    assert [fact.delivery_id for fact in found] == [first.id, second.id]


async def test_two_that_are_open_and_end_in_any_order(nodes: Nodes) -> None:
    one, other, reader = nodes
    first, second, third = [await enqueue(reader, number, recipient=f"r{number}@example.net") for number in (1, 2, 3)]
    async with recording(other, event(of=first), id="one"):
        async with recording(one, event(of=second), id="two"):
            assert await read(reader) == ()
        await record(one, event(of=third), id="three")
        assert await read(reader) == ()
    assert [fact.delivery_id for fact in await read(reader)] == [first.id, second.id, third.id]


async def test_what_was_given_up_is_waited_for_no_longer(nodes: Nodes) -> None:
    slow, quick, reader = nodes
    first, second = [await enqueue(reader, number, recipient=f"r{number}@example.net") for number in (1, 2)]
    async with recording(slow, event(of=first), id="slow", fails=True):
        await record(quick, event(of=second), id="quick")
        assert await read(reader) == ()
    assert [fact.delivery_id for fact in await read(reader)] == [second.id]


async def test_a_reader_beside_four_writers_sees_every_fact_once(nodes: Nodes, another_of: Opener) -> None:
    stores = [*nodes, await another_of()]
    own = [await enqueue(stores[0], number) for number in range(1, 5)]
    is_over = False
    seen: list[Fact] = []

    async def follow() -> None:
        while True:
            done = is_over
            found = await read(stores[0], after=seen[-1].cursor if seen else 0)
            seen.extend(found)
            if done and not found:
                return

    async def write(store: SqlStore, which: int) -> None:
        for number in range(60):
            await record(store, *told(own[which], 3, first=1000 * which + 3 * number), id=f"{which} {number}")

    reader = asyncio.create_task(follow())
    await asyncio.gather(*(write(store, number) for number, store in enumerate(stores)))
    is_over = True
    await reader
    assert sorted(fact.event.at for fact in seen) == sorted(NOW + 1000 * which + n for which in range(4) for n in range(180))


@pytest.fixture
async def another_of(url: str) -> AsyncIterator[Opener]:
    opened: list[PostgresStore] = []

    async def one() -> SqlStore:
        opened.append(await node(url, 3))
        return opened[-1]

    yield one
    for store in opened:
        await store.close()


# How it is found.


async def test_a_login_is_found_by_its_index(sqlite_store: SqlStore, postgres_store: PostgresStore, url: str) -> None:
    plan = connection_of(sqlite_store).execute(f"EXPLAIN QUERY PLAN {_READ}", ("app", 0, 1, 1)).fetchall()  # type: ignore[arg-type]
    assert plan[0][3] == "SEARCH e USING INDEX events_credential (credential=? AND id>? AND id<?)"
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_seqscan = off")
        lines = connection.execute(b"EXPLAIN " + translated(_READ).encode(), ("app", 0, 1, 1)).fetchall()
    assert any("Index Scan using events_credential" in line for (line,) in lines)
    assert not any("Sort" in line for (line,) in lines)


async def test_one_of_many_logins_is_read_at_once(sqlite_store: SqlStore) -> None:
    """As many rows are looked at as are shown, however many others lie between them."""
    own = await enqueue(sqlite_store)
    await record(sqlite_store, *told(own, 2))
    await change(
        sqlite_store,
        "INSERT INTO events (fingerprint, type, class, at, received_at, recipient, address_key, message_id, number, credential,"
        " ses_message_id, detail, document, notification_id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 20000) SELECT 'f' || i, 'send', '', 1, 1, 'a@example.net', 'a@example.net', 'm' || i, 1, 'other', '', '',"
        " '{}', '' FROM n",
    )
    await record(sqlite_store, *told(own, 1, first=2), id="n-2")
    assert len(await read(sqlite_store)) == 3
    assert await column(sqlite_store, "SELECT max(id) - min(id) FROM events WHERE credential = 'app'") == [20002]
