"""No verb goes through all that is stored, on PostgreSQL: its plans as they are where tables are long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
import pytest

from relay.store.postgres.connections import Context
from relay.store.postgres.database import PostgresDatabase
from relay.store.postgres.pool import PostgresPool
from relay.store.postgres.store import PostgresStore
from tests.store.kit import NOW, accepted, change, delivery, enqueue, event, suppression
from tests.store.test_plans import everything

# What grows, and what makes the rows of many out of one.
GROWS = {
    "messages": {"id": "x"},
    "bodies": {"message_id": "x"},
    "spooled": {"message_id": "x"},
    "deliveries": {"message_id": "x", "ses_message_id": "x", "state": "CASE n % 100 WHEN 0 THEN 'queued' ELSE 'sent' END"},
    "attempts": {"message_id": "x"},
    "events": {
        "id": "n",
        "fingerprint": "x",
        "message_id": "CASE n % 2 WHEN 0 THEN x END",
        "ses_message_id": "x",
        "address_key": "x",
    },
    "notifications": {"number": "n", "id": "x"},
    "suppressions": {"address_key": "x", "import_id": "n % 3 * 100"},
    "suppression_history": {"id": "n", "address_key": "x"},
    "counters": {"hour": "n * 3600"},
}
ROWS, TAKEN_FOR = 2000, 1000  # times as many
SHORT = frozenset(("deliveries_open", "deliveries_called", "imports_open"))  # indexes of what is never long
VERBS = "SELECT", "INSERT", "UPDATE", "DELETE"
WHOLE = "Sort", "Aggregate", "Hash"  # take in all before they give anything
Statement = tuple[str, Any]


class Recorder(psycopg.Cursor[Any]):
    """Keeps what is run, and its values."""

    seen: list[Statement]

    def execute(self, query: Any, params: Any = None, **options: Any) -> Recorder:
        self.seen.append((query, params))
        return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        rows = list(params_seq)
        self.seen += [(query, row) for row in rows[:1]]
        super().executemany(query, rows, **options)


class AsyncRecorder(psycopg.AsyncCursor[Any]):
    seen: list[Statement]

    async def execute(self, query: Any, params: Any = None, **options: Any) -> AsyncRecorder:
        self.seen.append((query, params))
        return await super().execute(query, params, **options)


@pytest.fixture
def url(own_url: str) -> str:
    """What PostgreSQL believes of its tables is changed here."""
    return own_url


@pytest.fixture
async def statements(postgres_store: PostgresStore) -> list[Statement]:
    """All that are run from now on."""
    seen: list[Statement] = []
    database, reader = postgres_store._writer._database, postgres_store._reader
    assert isinstance(database, PostgresDatabase)
    assert isinstance(reader, PostgresPool)
    database._connection.cursor_factory = type("Keeping", (Recorder,), {"seen": seen})
    async with reader._pool.connection() as connection:
        connection.cursor_factory = type("KeepingToo", (AsyncRecorder,), {"seen": seen})
    return seen


@pytest.fixture
def other(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, context=Context()) as connection:
        connection.execute("SET enable_seqscan = off")
        yield connection


def nodes(plan: dict[str, Any], *, is_limited: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """And whether it ends at a limit."""
    yield plan, is_limited
    for each in plan.get("Plans", ()):
        yield from nodes(each, is_limited=plan["Node Type"] == "Limit" or (is_limited and plan["Node Type"] not in WHOLE))


def scans(other: psycopg.Connection[Any], statement: str, values: Any = None) -> list[str]:
    """What the statement goes through from one end to the other, and should not."""
    row = other.execute(b"EXPLAIN (FORMAT JSON) " + statement.encode(), values).fetchone()
    assert row
    found = []
    for node, is_limited in nodes(row[0][0]["Plan"]):
        table, index = node.get("Relation Name"), node.get("Index Name", "")
        by_index = index and "Index Cond" not in node and index not in SHORT and not is_limited
        if (by_index or node["Node Type"] == "Seq Scan") and (table or index.partition("_")[0]) in GROWS:
            found.append(f"{node['Node Type']} {index or table}")
    return found


async def fill(store: PostgresStore, other: psycopg.Connection[Any]) -> None:
    """As large as PostgreSQL must take them for: where all is on a page it goes through that."""
    made, large = await enqueue(store, 901), accepted(NOW, 902)
    await store.queue.enqueue(large, None, (delivery(large),))
    await change(store, "INSERT INTO attempts VALUES ('x', 1, 1, 1, 'queued', '')")
    await store.suppressions.add(suppression("last@example.net"))
    await store.feedback.record(notification_id="last", topic="t", payload="{}", received_at=NOW, events=(event(of=made),))
    for table, columns in GROWS.items():
        changes = ", ".join(f"'{column}', {value}" for column, value in columns.items())
        other.execute(
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT made.* FROM (SELECT t AS one FROM {table} t LIMIT 1) first,"
            f" (SELECT n + 1000 AS n, 'x' || n AS x FROM generate_series(1, {ROWS}) n) many,"
            f" LATERAL jsonb_populate_record(first.one, jsonb_build_object({changes})) made".encode()
        )
    other.execute("ANALYZE")
    other.execute("UPDATE pg_class SET reltuples = reltuples * %s WHERE relname = ANY(%s)", (TAKEN_FOR, list(GROWS)))


async def test_no_statement_goes_through_a_table_that_grows(
    postgres_store: PostgresStore, statements: list[Statement], other: psycopg.Connection[Any]
) -> None:
    await everything(postgres_store)
    await fill(postgres_store, other)
    seen = {query: values for query, values in statements if isinstance(query, str) and query.lstrip().startswith(VERBS)}
    assert len(seen) > 60
    assert [(scan, query) for query, values in seen.items() for scan in scans(other, query, values)] == []


async def test_a_statement_that_does_is_found(postgres_store: PostgresStore, other: psycopg.Connection[Any]) -> None:
    await fill(postgres_store, other)
    assert scans(other, "SELECT message_id FROM deliveries WHERE reason = 'x'") == ["Seq Scan deliveries"]
    assert scans(other, "SELECT id FROM messages WHERE credential = 'app' ORDER BY id") == ["Index Scan messages_pkey"]
    assert scans(other, "SELECT id FROM messages WHERE id = 'x'") == []
