"""No verb goes through all that is stored: SQLite's own plans for every statement that the store runs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from relay.event import EventType
from relay.lifecycle import Cause
from relay.mailing import Audience
from relay.model import Labels, Lane
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.ports.search import TOP, Query
from relay.queueing import Selection
from relay.statistics import By, Wanted
from relay.store.sql.store import SqlStore
from relay.store.sqlite.database import SqliteReaders
from relay.store.sqlite.store import SqliteStore
from relay.suppression import Filter, Sought, Suppression
from relay.tokens import Kind, Link
from tests.store.kit import (
    NOW,
    PATIENCE,
    accepted,
    claim,
    claims,
    connection_of,
    database,
    delivery,
    enqueue,
    event,
    release,
    settle,
    suppressed,
    suppression,
)
from tests.store.test_tasks import started

DAY = 86400.0
LIST: dict[str, Any] = {"source": "list.csv", "again": False, "now": NOW}

# What may be gone through: what is never long, the open deliveries by their own index, and the newest by their limit.
SHORT = re.compile(
    r".*VIRTUAL TABLE.*|CONSTANT ROW|\d+ CONSTANT ROWS|\(subquery.*|newest|looked"
    r"|(account|heartbeat|holds|h|flows|f|loads|l|sqlite_sequence)( USING.*)?"
    r"|(deliveries|d) USING INDEX deliveries_open|imports USING (COVERING )?INDEX imports_open"
)
NEWEST = "ORDER BY id DESC LIMIT", "ORDER BY created_at DESC LIMIT"
SHIFTED = " = due_at + ", " = failing_since + "  # all that waits, where the clock has jumped


async def everything(store: SqlStore) -> None:
    """Each verb that mail, its events and the clock bring about, at least once."""
    for number in range(1, 9):
        await enqueue(store, number)
    large = accepted(NOW, 99)  # its content lies in the spool folder
    await store.queue.enqueue(large, None, (delivery(large),))
    await answers(store)
    await chores(store)
    await events(store)
    await looks(store)
    await operators(store)
    await lists(store)
    await links(store)
    await retention(store)
    assert [count async for count in store.retention.web_versions(NOW)] == []


async def answers(store: SqlStore) -> None:
    outcomes: tuple[Outcome, ...] = (
        Sent("1"),
        Later("x"),
        Never("x"),
        SlowDown("x"),
        Unknown("x"),
        Hold(HoldScope.ACCOUNT, "x", 60.0),
    )
    for claimed, outcome in zip(await claim(store, limit=6), outcomes, strict=True):
        await settle(store, claimed, outcome)
        await settle(store, claimed, Sent("2"))
    await claims(store, now=NOW + 90, limit=1, lanes=(Lane.TRANSACTIONAL,))


async def chores(store: SqlStore) -> None:
    await store.queue.let_go(NOW, now=NOW)
    await store.queue.rescue(now=NOW + 9000, everything=False, patience=PATIENCE)
    await store.queue.rescue(now=NOW + 9000, everything=True, patience=PATIENCE)
    assert await store.queue.has_doubts(now=NOW + DAY)
    await store.queue.decide(now=NOW + DAY)
    await store.queue.expire(now=NOW + 90 * DAY, max_hold=DAY)
    await store.queue.shift(1.0)
    await store.queue.straighten(NOW)
    await store.queue.beat(NOW)
    await store.queue.catch_up(NOW)
    await store.feedback.join(after=0)
    await store.backlog.waiting(now=NOW)


async def events(store: SqlStore) -> None:
    made = await enqueue(store, 20)
    for number, told in enumerate((event(of=made), event(EventType.DELIVERY), event(ses_message_id="1"))):
        await store.feedback.record(
            notification_id=str(number), topic="t", payload="{}", received_at=NOW + number, events=(told,)
        )
    await store.feedback.heard(since=NOW - 1, until=NOW + 1)
    await store.suppressions.add(suppression())
    await suppressed(store, "reader@example.net")
    await store.suppressions.listed(Filter(), limit=5)
    await store.suppressions.remove(release("reader@example.net"))


async def looks(store: SqlStore) -> None:
    for life in await store.messages.newest(limit=5):
        await store.messages.show(life.message.id)
        await store.spooled([life.message.id])
    await store.credentials.accepted_since(NOW)
    for by in (None, *By):
        await store.counters.sums(Wanted(since=NOW - DAY, until=NOW, by=by))
    await store.counters.by_sender(["sent"], since=NOW - DAY, until=NOW)
    await store.counters.by_origin(Wanted(since=NOW - DAY, until=NOW, names=("sent", "delivered")))
    await store.counters.newest_event()
    await searches(store)
    await feedback_log(store)
    await store.events.read("app", after=0, count=5)
    await store.desk.status_of("app", now=NOW)
    assert [page async for page in store.suppressions.pages(Filter(credential="app"), now=NOW, after="a@example.net")] == []


async def searches(store: SqlStore) -> None:
    """On every way, from the newest and from further back."""
    meant = (
        Query(),
        Query(recipient="reader@example.net"),
        Query(recipient="reader*"),
        Query(recipient="@example.net", credential="app"),
        Query(sender="nobody@example.com", since=NOW - DAY, until=NOW + DAY),
        Query(label_id="order-1"),
        Query(ses_message_id="1"),
        Query(message_id=f"{1:026}"),
        Query(words=("order",)),
        *(Query(statuses=(status,)) for status in ("queued", "in doubt", "failed", "sent", "delivered", "bounced hard")),
    )
    for query in meant:
        for before in (TOP, (f"{20:026}", 1)):
            await store.search.find(query, before=before, count=5)
    await store.search.newest(since=NOW - DAY, count=5)
    await store.search.reports([f"{20:026}-1"], count=5)


async def feedback_log(store: SqlStore) -> None:
    for post in await store.feedback_log.posts(before=2**62, count=5):
        await store.feedback_log.post(post.number)
    await store.feedback_log.strangers(before=2**62, count=5)
    await store.quarantine.listed(before=2**62, count=5)


async def operators(store: SqlStore) -> None:
    await enqueue(store, 30)
    await store.desk.status(now=NOW)
    await store.desk.glance(now=NOW, flows=10)
    await store.desk.hold(Hold(HoldScope.IDENTITY, "x", 60.0, "example.com"), now=NOW)
    await store.desk.lift(HoldScope.IDENTITY, "example.com", now=NOW)
    selections = (
        Selection(credential="app"),
        Selection(recipient_domain="example.net"),
        Selection(accepted_before=NOW),
        Selection(ids=(f"{30:026}",)),
    )
    for cause in (Cause.HELD_BACK, Cause.RETRIED, Cause.CANCELLED):
        for selection in selections:
            async for _ in store.desk.move(cause, selection, now=NOW):
                pass
    assert await store.desk.again(f"{30:026}-1", now=NOW)


async def lists(store: SqlStore) -> None:
    async def batches(*entries: Suppression) -> AsyncIterator[Sequence[Suppression]]:
        yield entries
        if len(entries) == 1:
            raise ValueError("broken off")

    await store.suppressions.add(suppression("old@example.net"))
    await store.imports.take(
        batches(suppression("old@example.net", reason="complaint"), suppression("new@example.net")), **LIST
    )
    with pytest.raises(ValueError, match="broken off"):
        await store.imports.take(batches(suppression("newer@example.net")), **LIST)
    assert [count async for count in store.retention.imports(NOW + 86400)] == [1, 1]
    assert [page async for page in store.suppressions.pages(Filter(), now=NOW)]
    first = await store.suppressions.newest(Sought(), behind=None, count=1)
    assert await store.suppressions.newest(Sought(), behind=first.rest, count=5)
    await store.provenance.told("reader@example.net", count=5)
    await store.provenance.deliveries(["1"])
    await store.provenance.at_ses("reader@example.net")


async def links(store: SqlStore) -> None:
    made = await enqueue(store, 40, labels=Labels(list="news"))
    link = Link(Kind.WEB_VERSION, made.message_id, 1)
    whom = await store.links.addressee(link)
    assert whom
    assert await store.links.mail(link)
    await store.links.lists(whom, now=NOW)
    await store.links.leave(whom, at=NOW)
    await store.links.has_left(whom, now=NOW)
    await store.links.come_back(whom, at=NOW)


async def retention(store: SqlStore) -> None:
    async for _ in store.retention.hours(NOW + DAY):
        pass
    for steps in (store.retention.bodies, store.retention.notifications, store.retention.facts, store.retention.counters):
        assert [count async for count in steps(NOW + 1000 * DAY)]
    await store.retention.flows_and_holds(NOW)
    await store.retention.files_to_go([accepted(NOW, 99).id])
    assert [count async for count in store.retention.free_pages()] == []


@pytest.fixture
async def statements(sqlite_store: SqliteStore) -> set[str]:
    """All that are run from now on, with their values."""
    found: set[str] = set()
    connection_of(sqlite_store).set_trace_callback(found.add)
    assert isinstance(sqlite_store._reader, SqliteReaders)
    await sqlite_store._reader.connections[0].set_trace_callback(found.add)
    return found


def scans(database: sqlite3.Connection, statement: str) -> list[str]:
    """What the statement goes through from one end to the other, and should not."""
    plan = [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
    found = [line.removeprefix("SCAN ") for line in plan if line.startswith("SCAN ")]
    return [scan for scan in found if not SHORT.fullmatch(scan) and not any(by in statement for by in NEWEST + SHIFTED)]


async def test_no_statement_goes_through_a_table_that_grows(
    tmp_path: Path, sqlite_store: SqliteStore, statements: set[str]
) -> None:
    await everything(sqlite_store)
    seen = {each for each in statements if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", each)}
    assert len(seen) > 60
    with closing(sqlite3.connect(database(tmp_path))) as other:
        assert [(scan, each) for each in seen for scan in scans(other, each)] == []


async def test_what_was_not_sent_is_found_by_the_beginning_of_its_recipient(
    tmp_path: Path, sqlite_store: SqliteStore, statements: set[str]
) -> None:
    """And not by its state, which most of it has in common."""
    await sqlite_store.search.find(Query(recipient="reader*"), count=5)
    with closing(sqlite3.connect(database(tmp_path))) as other:
        plans = [str(row[3]) for each in statements for row in other.execute(f"EXPLAIN QUERY PLAN {each}")]
    assert "SEARCH d USING INDEX deliveries_unsent_to (<expr>>? AND <expr><?)" in plans


async def test_of_a_message_only_some_deliveries_are_read(
    tmp_path: Path, sqlite_store: SqliteStore, statements: set[str]
) -> None:
    """A mailing is one with millions of them."""
    made = await enqueue(sqlite_store, 1)
    statements.clear()
    for id in (made.message_id, made.id, f"{made.message_id}-1000000"):
        await sqlite_store.messages.show(id)
    await sqlite_store.messages.newest(limit=5)
    for before in (TOP, (made.message_id, 1), (f"{0:026}", 1)):
        await sqlite_store.search.find(Query(message_id=made.message_id), before=before, count=5)
    with closing(sqlite3.connect(database(tmp_path))) as other:
        plans = {each: [str(row[3]) for row in other.execute(f"EXPLAIN QUERY PLAN {each}")] for each in statements}
    lines = {(line, each) for each, plan in plans.items() for line in plan}
    assert len(lines) > 20
    all_of_it = re.compile(r"SEARCH \S+ USING .*\(message_id[=>]\?( AND \(message_id,number\)<\(\?,\?\))?\)")
    assert [line for line in lines if all_of_it.fullmatch(line[0])] == []


async def test_what_a_mailing_leaves_behind_is_let_go_without_sorting_all_of_it(
    tmp_path: Path, sqlite_store: SqliteStore, statements: set[str]
) -> None:
    """Each step would, and nobody else writes meanwhile."""
    begun, _ = await started(sqlite_store, Audience())
    await sqlite_store.tasks.end(begun.id, at=NOW)
    assert [count async for count in sqlite_store.retention.tasks(NOW + 1)] == [1]
    parts = [each for each in statements if each.startswith("DELETE") and "ORDER BY" in each]
    assert len(parts) == 4
    with closing(sqlite3.connect(database(tmp_path))) as other:
        plans = [str(row[3]) for each in parts for row in other.execute(f"EXPLAIN QUERY PLAN {each}")]
    assert [line for line in plans if "TEMP B-TREE" in line] == []


def test_a_statement_that_does_is_found(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    with closing(sqlite3.connect(database(tmp_path))) as other:
        assert scans(other, "SELECT message_id FROM deliveries WHERE state = 'in_doubt'") == ["deliveries"]
        assert scans(other, "SELECT id FROM messages WHERE credential = 'app'") == ["messages"]
