"""What PostgreSQL alone has: connections that are cut, others on the same database, and its own words for the statements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from threading import Event
from typing import cast

import psycopg
import pytest

from relay.credential import Credential, Kind, LastUse
from relay.errors import ConfigError, StoreUnavailable
from relay.outcome import Sent
from relay.statistics import Wanted
from relay.store.postgres import database
from relay.store.postgres.connections import Server
from relay.store.postgres.dialect import translated
from relay.store.postgres.pool import PostgresPool
from relay.store.postgres.store import PostgresStore
from relay.store.sql import claims, facts, moves
from relay.store.sql.session import LOCK, Session, beside_others, changes
from relay.store.sql.store import SqlStore
from relay.store.sql.writer import Verb
from relay.suppression import Filter
from tests import postgres
from tests.store.kit import NOW, claim, column, enqueue, make_impatient, message, rows, settle

Pair = tuple[PostgresStore, PostgresStore]


@pytest.fixture
def engine() -> str:
    return "postgres"


@pytest.fixture
async def pair(url: str) -> AsyncIterator[Pair]:
    """Two on one database."""
    async with AsyncExitStack() as opened:
        stores = [await PostgresStore.open(url) for _ in range(2)]
        for store in stores:
            opened.push_async_callback(store.close)
        yield stores[0], stores[1]


def backend(db: Session, items: Sequence[object]) -> list[int]:
    """The server's process behind the connection that writes."""
    return [db.execute("SELECT pg_backend_pid()").fetchone()[0] for _ in items]


def cut(url: str, process: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s, 5000)", (process,)).fetchone() == (True,)


async def try_all(store: PostgresStore, *numbers: int) -> list[str]:
    """Enqueued together, as one group: what each of them heard."""
    results = await asyncio.gather(*(enqueue(store, number) for number in numbers), return_exceptions=True)
    return [type(result).__name__ for result in results]


async def ids(store: PostgresStore) -> set[str]:
    return set(await column(store, "SELECT id FROM messages"))


# A connection that is cut.


async def test_a_connection_that_was_cut_costs_one_group_and_the_next_has_a_new_one(
    postgres_store: PostgresStore, url: str
) -> None:
    cut(url, await postgres_store._writer.run(backend, None))
    assert await try_all(postgres_store, 1, 2, 3) == ["StoreUnavailable"] * 3
    assert await try_all(postgres_store, 4, 5) == ["Delivery"] * 2
    assert await ids(postgres_store) == {message(4).id, message(5).id}


async def test_a_connection_that_is_cut_in_the_middle_of_a_group_costs_all_of_it_and_is_not_repeated(
    postgres_store: PostgresStore, url: str
) -> None:
    cuts = []

    def is_cut(db: Session, items: Sequence[None]) -> list[None]:
        cuts.append(backend(db, [None])[0])
        cut(url, cuts[-1])
        db.execute("SELECT 1")
        return [None] * len(items)

    results = await asyncio.gather(
        enqueue(postgres_store, 1), postgres_store._writer.run(is_cut, None), enqueue(postgres_store, 2), return_exceptions=True
    )
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert len(cuts) == 1
    assert await ids(postgres_store) == set()
    assert await try_all(postgres_store, 1, 2) == ["Delivery"] * 2


async def test_a_connection_that_does_not_get_out_of_its_pipeline_is_made_anew(postgres_store: PostgresStore) -> None:
    """Some that are cut within one stay so: libpq calls them well, and sends nothing more by them, not even ROLLBACK."""

    def stays_in_its_pipeline(db: database.PostgresDatabase, items: Sequence[None]) -> list[None]:
        db._connection.pgconn.enter_pipeline_mode()
        return [None] * len(items)

    with pytest.raises(StoreUnavailable):
        await postgres_store._writer.run(cast(Verb[None, None], stays_in_its_pipeline), None)
    assert await try_all(postgres_store, 1) == ["Delivery"]


async def test_a_commit_whose_answer_never_came_is_not_made_again(postgres_store: PostgresStore, url: str) -> None:
    """It may have come through: whoever is counted once more is counted twice."""
    tries = []

    def is_cut_at_its_commit(db: Session, items: Sequence[None]) -> list[None]:
        tries.append(1)
        cut(url, backend(db, [None])[0])
        return [None] * len(items)

    with pytest.raises(StoreUnavailable):
        await postgres_store._writer.run(is_cut_at_its_commit, None)
    assert len(tries) == 1


async def test_readers_that_are_cut_are_made_anew_and_what_they_read_is_read_once_more(
    postgres_store: PostgresStore, url: str
) -> None:
    await enqueue(postgres_store)
    slow = [asyncio.ensure_future(rows(postgres_store, "SELECT pg_sleep(2)")) for _ in range(3)]
    await asyncio.sleep(0.5)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
    processes = await column(postgres_store, sleeping)
    for process in processes:
        cut(url, process)
    assert (len(processes), len(await asyncio.gather(*slow))) == (3, 3)
    assert await asyncio.gather(*(ids(postgres_store) for _ in range(8))) == [{message().id}] * 8


async def test_a_reader_that_was_cut_while_nobody_read_costs_nothing(postgres_store: PostgresStore, url: str) -> None:
    [process] = await column(postgres_store, "SELECT pg_backend_pid()")
    cut(url, process)
    assert await ids(postgres_store) == set()


async def test_what_changes_something_is_not_done_again_when_its_reader_is_cut(postgres_store: PostgresStore, url: str) -> None:
    assert postgres_store.shared
    [process] = await column(postgres_store, "SELECT pg_backend_pid()")
    cut(url, process)
    with pytest.raises(StoreUnavailable):
        await postgres_store.shared.allowance.take(1)


async def test_without_a_server_a_start_says_so() -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        await PostgresStore.open("postgresql:///relay?host=/nonexistent")


# A lock that somebody holds.


async def test_a_table_that_somebody_locks_is_waited_for_once_whatever_the_group_s_size(
    postgres_store: PostgresStore, url: str
) -> None:
    await make_impatient(postgres_store, milliseconds=500)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
        began = time.monotonic()
        assert await try_all(postgres_store, *range(30)) == ["StoreLocked"] * 30
        assert time.monotonic() - began < 5.0
    assert await try_all(postgres_store, 1) == ["Delivery"]


def stand_still(is_over: Event, *, within: bool) -> Verb[object, None]:
    """In a transaction after a pipeline whose answer took a moment, or `within` it."""

    def rows() -> Iterator[tuple[float]]:
        yield (0.2,)
        if within:
            is_over.wait(60)

    def verb(db: Session, items: Sequence[object]) -> list[None]:
        db.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
        db.each("SELECT pg_sleep(?)", rows())
        is_over.wait(60)
        return [None] * len(items)

    return verb


@pytest.mark.parametrize("within", [False, True])
async def test_a_node_that_stands_still_after_a_pipeline_or_within_one_is_in_nobody_s_way_for_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    monkeypatch.setattr(database, "STILL_SECONDS", 1.5)
    await make_impatient(pair[0], milliseconds=500)
    is_over = Event()
    still = asyncio.ensure_future(pair[1]._writer.run(stand_still(is_over, within=within), None))
    await asyncio.sleep(0.5)
    heard = [await try_all(pair[0], number) for number in range(6)]
    is_over.set()
    assert (heard[0], heard[-1]) == (["StoreLocked"], ["Delivery"])
    with pytest.raises(StoreUnavailable):
        await still
    assert await try_all(pair[1], 7) == ["Delivery"]


# Two on one database.


async def test_two_that_claim_at_once_never_get_the_same_delivery(pair: Pair) -> None:
    for number in range(300):
        await enqueue(pair[number % 2], number, credential=f"app{number % 5}", recipient=f"reader{number}@example.net")
    claimed: list[str] = []
    while found := [each for some in await asyncio.gather(*(claim(store, limit=7) for store in pair)) for each in some]:
        claimed += [each.delivery.id for each in found]
    assert len(claimed) == len(set(claimed)) == 300


async def test_two_that_enqueue_and_settle_in_the_same_flow_at_once_count_truly(pair: Pair) -> None:
    made = (enqueue(pair[number % 2], number) for number in range(200))
    await asyncio.gather(*made)
    assert await rows(pair[0], "SELECT sum(open) FROM loads") == [(200,)]
    sent = 0
    while found := await asyncio.gather(*(claim(store, limit=20) for store in pair)):
        calls = [(store, each) for store, some in zip(pair, found, strict=True) for each in some]
        if not calls:
            break
        assert all(await asyncio.gather(*(settle(store, each, Sent(each.delivery.id)) for store, each in calls)))
        sent += len(calls)
    assert (sent, await rows(pair[0], "SELECT sum(open), sum(octets) FROM loads")) == (200, [(0, 0)])
    counted = (await pair[1].counters.sums(Wanted(since=0.0, until=NOW + 86400)))[""]
    assert (counted.of("accepted"), counted.of("sent")) == (200, 200)


async def test_two_that_change_the_same_deliveries_in_turn_do_not_stand_in_each_other_s_way(pair: Pair) -> None:
    one, two = [(await enqueue(pair[0], number)).id for number in (1, 2)]
    tries: list[tuple[str, ...]] = []

    @beside_others
    @changes(lambda ids: ids)
    def touch(db: Session, items: Sequence[tuple[str, ...]]) -> list[None]:
        tries.extend(items)
        for id in items[0]:
            db.execute("UPDATE deliveries SET reason = 'touched' WHERE message_id = ?", (id[:26],))
            db.execute("SELECT pg_sleep(0.3)")
        return [None] * len(items)

    await asyncio.gather(pair[0]._writer.run(touch, (one, two)), pair[1]._writer.run(touch, (two, one)))
    assert sorted(tries) == [(one, two), (two, one)]


async def test_two_that_meet_new_flows_at_once_make_each_of_them_once(pair: Pair) -> None:
    both = [(store, number) for number in range(40) for store in pair]
    await asyncio.gather(
        *(enqueue(store, 2 * number + (store is pair[1]), credential=f"app{number}") for store, number in both)
    )
    counted = "SELECT count(*), count(DISTINCT credential), min(open) FROM flows JOIN loads ON flow = id"
    assert await rows(pair[0], counted) == [(40, 40, 2)]


# The tables.


@pytest.fixture
def no_tables(server: tuple[str, str]) -> object:
    with postgres.database(server[0], "template1") as url:
        yield url


async def test_a_fresh_database_that_several_open_at_once_is_made_once(no_tables: str) -> None:
    stores = await asyncio.gather(*(PostgresStore.open(no_tables) for _ in range(4)))
    found = await rows(stores[0], "SELECT version FROM relay_schema ORDER BY version")
    for number, store in enumerate(stores):
        await enqueue(store, number)
    assert len(await ids(stores[0])) == 4
    for store in stores:
        await store.close()
    assert found == [(number,) for number in range(1, len(found) + 1)]


async def test_a_database_of_a_newer_relay_is_refused(own_url: str) -> None:
    with psycopg.connect(own_url) as connection:
        connection.execute("INSERT INTO relay_schema (version, works_with) VALUES (999, 999)")
    with pytest.raises(ConfigError, match="newer relay"):
        await PostgresStore.open(own_url)


# The statements.


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT ? WHERE a = ?", "SELECT %s WHERE a = %s"),
        ("UPDATE t SET a = :a, b_c = :b_c", "UPDATE t SET a = %(a)s, b_c = %(b_c)s"),
        ("SELECT a::text, b::bigint", "SELECT a::text, b::bigint"),
        ("SELECT '?', ':a', 'it''s ?' WHERE b = ?", "SELECT '?', ':a', 'it''s ?' WHERE b = %s"),
        ("SELECT a % 7, '%' WHERE b LIKE 'x%' AND c = ?", "SELECT a %% 7, '%%' WHERE b LIKE 'x%%' AND c = %s"),
        ("SELECT a[1:2], ':', ''", "SELECT a[1:2], ':', ''"),
    ],
)
def test_places_for_values_are_postgres_s_and_what_is_quoted_or_a_cast_is_left_alone(query: str, expected: str) -> None:
    assert translated(query) == expected


@pytest.mark.parametrize(
    ("query", "ending"),
    [
        (claims.DUE, "FOR UPDATE OF d SKIP LOCKED"),
        (facts.OF_TAG, "FOR UPDATE OF d"),
        (facts.OF_SES_ID, "FOR UPDATE OF d"),
        (moves.STANDING, "FOR UPDATE OF d"),
        (LOCK, "pg_advisory_xact_lock(hashtextextended(%s, 0))"),
    ],
)
def test_what_is_changed_next_is_locked(query: str, ending: str) -> None:
    assert translated(query).endswith(ending)


def test_json_is_made_by_postgres_s_own_words() -> None:
    assert "json_agg(json_build_array(" in translated(claims.DUE_FLOWS)
    assert "json_group_array" not in translated(claims.DUE_FLOWS)


@pytest.mark.parametrize("values", [(), ("x",)])
async def test_a_percent_sign_is_itself_with_values_and_without(postgres_store: PostgresStore, values: tuple[str, ...]) -> None:
    query = "SELECT '100 %', 'x' LIKE 'x%', 9 % 4" + ", ?" * len(values)
    assert await rows(postgres_store, query, values) == [("100 %", True, 1, *values)]


async def test_a_nul_in_a_text_stops_nobody(store: SqlStore) -> None:
    use = LastUse(name="app", password_hash="hash", at=NOW, peer="127.0.0.1", helo="a\0b")
    await store.credentials.put(Credential(name="app", kind=Kind.APPLICATION, password_hashes=("hash",)))
    await store.credentials.note_use(use)
    assert await store.suppressions.listed(Filter(text="a\0b"), limit=5) == ()
    assert (await store.suppressions.find(["a\0b@example.net"])).entries("a@example.net") == ()


@beside_others
def slow(db: Session, items: Sequence[object]) -> list[None]:
    db.execute("SELECT pg_sleep(5)")
    return [None] * len(items)


async def test_a_server_that_does_not_answer_is_given_up_and_asked_anew(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network may say that it is there, as a pooler does whose server hangs."""
    monkeypatch.setattr(database, "ANSWER_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await postgres_store._writer.run(slow, None)
    assert await try_all(postgres_store, 1, 2) == ["Delivery", "Delivery"]
    assert time.monotonic() - began < 4


async def test_a_reader_that_is_not_answered_gives_up_as_well(url: str) -> None:
    async with readers(url, seconds=0.5) as pool:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await pool.changed("SELECT pg_sleep(5)")
        assert time.monotonic() - began < 4
        assert await pool.rows("SELECT 1") == [(1,)]


async def test_a_server_that_only_lets_read_is_looked_for_anew(url: str) -> None:
    async with readers(url, seconds=None) as pool:
        await pool.changed("SET default_transaction_read_only = on")
        with pytest.raises(StoreUnavailable):
            await pool.changed("DELETE FROM usage")
        await pool.changed("DELETE FROM usage")


@pytest.mark.parametrize("steps", range(12))
async def test_who_is_told_to_end_while_a_connection_comes_does_not_go_on(url: str, steps: int) -> None:
    async def for_ever() -> None:
        while True:
            await pool.rows("SELECT 1")

    async with readers(url, seconds=None) as pool:
        async with pool.transaction():
            task = asyncio.create_task(for_ever())
            await asyncio.sleep(0.01)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        assert await asyncio.wait({task}, timeout=2) == ({task}, set())
        assert await pool.rows("SELECT 1") == [(1,)]


@asynccontextmanager
async def readers(url: str, *, seconds: float | None) -> AsyncIterator[PostgresPool]:
    """One connection."""
    pool = PostgresPool(Server(url), most=1, seconds=seconds)
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()
