from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from relay.credential import MessageClass
from relay.model import Delivery, Edit, Encoding, Labels, State
from relay.outcome import Later, Never, Sent, SlowDown, Unknown
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import (
    CONTENT,
    LEASE,
    LIFETIME,
    NOW,
    PATIENCE,
    Opener,
    change,
    claim,
    claim_one,
    claims,
    database,
    delivery,
    enqueue,
    message,
    release,
    settle,
    state,
    stored,
    suppression,
)


async def ids(store: SqlStore, *, limit: int = 100, now: float = NOW) -> list[str]:
    return [claimed.delivery.id for claimed in await claim(store, limit=limit, now=now)]


# In, out, and what is in between.


EDITS = (
    Edit(0, 0, b"Received: \xff\r\n"),
    Edit(3, 9),
    Edit(10, 20, encode=Encoding.QUOTED_PRINTABLE),
    Edit(20, 30, decode=Encoding.BASE64, encode=Encoding.BASE64),
)


LABELS = Labels(
    id="order 42",
    campaign="spring",
    list="news",
    message_class=MessageClass.MARKETING,
    send_at=NOW - 1.5,
    tags=(("shop", "north"), ("kind", '"second"')),
)


async def test_what_was_enqueued_is_claimed_as_it_was_accepted(store: SqlStore) -> None:
    accepted = replace(message(), edits=EDITS, labels=LABELS)
    await store.queue.enqueue(accepted, CONTENT, (delivery(accepted),))
    claimed = await claim_one(store)
    assert claimed.message == accepted
    assert claimed.content == CONTENT


async def test_what_was_said_of_a_message_is_shown_with_it(store: SqlStore) -> None:
    for number, labels in ((1, LABELS), (2, Labels())):
        said = replace(message(number), labels=labels)
        await store.queue.enqueue(said, CONTENT, (delivery(said),))
        life = await store.messages.show(said.id)
        assert life
        assert life.message == said
        assert life.deliveries == (delivery(said),)


@pytest.mark.parametrize(("column", "index"), [("label_id", "messages_label"), ("campaign", "messages_campaign")])
async def test_messages_are_found_by_what_their_sender_calls_them(tmp_path: Path, column: str, index: str) -> None:
    store = await SqliteStore.open(database(tmp_path))
    await store.close()
    with closing(sqlite3.connect(database(tmp_path))) as db:
        query = f"EXPLAIN QUERY PLAN SELECT id FROM messages WHERE {column} = ? AND {column} <> ''"
        assert index in str(db.execute(query, ("x",)).fetchall())


async def test_content_that_lies_in_the_spool_is_not_in_the_claim_and_is_named_as_spooled(store: SqlStore) -> None:
    spooled = message(7)
    await store.queue.enqueue(spooled, None, (delivery(spooled),))
    await enqueue(store, 8)
    assert [claimed.content for claimed in await claim(store)] == [None, CONTENT]
    assert await store.spooled([spooled.id, message(8).id, message(9).id]) == {spooled.id}


async def test_a_sent_delivery_stays_sent_and_is_never_claimed_again(store: SqlStore) -> None:
    first = await enqueue(store)
    assert await settle(store, await claim_one(store), Sent("ses-1"))
    assert await state(store, first) is State.SENT
    assert await claim(store, now=NOW + LIFETIME) == ()


async def test_the_queue_outlives_the_process(store: SqlStore, another: Opener) -> None:
    kept = await enqueue(store)
    await store.close()
    assert (await claim_one(await another())).delivery.id == kept.id


async def test_many_recipients_are_deliveries_of_their_own(store: SqlStore) -> None:
    one = message()
    recipients = [f"reader{number}@example.net" for number in range(1, 71)]
    wanted = tuple(delivery(one, number=number, recipient=to) for number, to in enumerate(recipients, 1))
    assert await store.queue.enqueue(one, CONTENT, wanted) == wanted
    claimed = await claim(store)
    assert sorted(each.delivery.recipient for each in claimed) == sorted(recipients)
    await settle(store, claimed[0], Never("no"))
    assert await state(store, claimed[0].delivery) is State.FAILED
    assert await state(store, claimed[1].delivery) is State.SENDING


async def test_a_delivery_that_ended_before_it_began_is_stored_and_not_claimed(store: SqlStore) -> None:
    one = message()
    ignored = replace(delivery(one), state=State.IGNORED, reason="only the first recipient is sent to")
    assert await store.queue.enqueue(one, CONTENT, (ignored,)) == (ignored,)
    assert await stored(store, ignored) == ignored
    assert await claim(store, now=NOW + LIFETIME) == ()


# What a claim takes.


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (3, 3), (5, 5), (9, 5)])
async def test_a_claim_takes_no_more_than_its_limit(store: SqlStore, limit: int, expected: int) -> None:
    for number in range(1, 6):
        await enqueue(store, number)
    assert len(await claim(store, limit=limit)) == expected
    assert len(await claim(store)) == 5 - expected


async def test_the_longest_due_goes_first(store: SqlStore) -> None:
    made = [await enqueue(store, number, due_at=NOW - due) for number, due in ((1, 5), (2, 50), (3, 20))]
    assert await ids(store, limit=2) == [made[1].id, made[2].id]


async def test_what_is_not_due_waits_until_it_is(store: SqlStore) -> None:
    late = await enqueue(store, due_at=NOW + 10)
    assert await ids(store, now=NOW + 9.9) == []
    assert await ids(store, now=NOW + 10) == [late.id]


async def test_two_claims_at_once_never_share_a_delivery(store: SqlStore) -> None:
    for number in range(1, 31):
        await enqueue(store, number)
    rounds = await asyncio.gather(*(ids(store, limit=7) for _ in range(6)))
    taken = [each for some in rounds for each in some]
    assert len(taken) == len(set(taken)) == 30


async def test_the_attempt_is_counted_before_the_call(store: SqlStore) -> None:
    first = await enqueue(store)
    claimed = await claim_one(store)
    assert (claimed.delivery.state, claimed.delivery.attempt) == (State.SENDING, 1)
    assert (await stored(store, first)).attempt == 1
    await settle(store, claimed, SlowDown("rate"))
    again = await claim_one(store, now=NOW + 10)
    assert again.delivery.attempt == 2
    assert (await stored(store, first)).attempt == 2


async def test_a_recipient_suppressed_meanwhile_ends_the_delivery_instead_of_a_call(store: SqlStore) -> None:
    first = await enqueue(store, recipient="Reader@Example.net")
    other = await enqueue(store, 2, recipient="other@example.net")
    await store.suppressions.add(suppression("reader@example.net"))
    found_due = await claims(store)
    assert [claimed.delivery.id for claimed in found_due.claimed] == [other.id]
    assert [(ended.id, ended.state) for ended in found_due.ended] == [(first.id, State.SUPPRESSED)]
    found = await stored(store, first)
    assert (found.state, found.attempt, found.reason) == (State.SUPPRESSED, 0, suppression().why)
    await store.suppressions.remove(release("reader@example.net"))
    assert await claim(store, now=NOW + LIFETIME) == ()


async def test_enqueued_to_a_suppressed_address_it_has_ended_before_it_began(store: SqlStore) -> None:
    await store.suppressions.add(suppression("reader@example.net"))
    one = message()
    wanted = (delivery(one, recipient="READER@example.net"), delivery(one, number=2, recipient="other@example.net"))
    first, second = await store.queue.enqueue(one, CONTENT, wanted)
    assert (first.state, first.reason) == (State.SUPPRESSED, suppression().why)
    assert second == wanted[1]
    assert await stored(store, first) == first
    assert await ids(store) == [second.id]


# What a call did.


async def test_later_means_again_when_due_and_counts_a_failure(store: SqlStore) -> None:
    first = await enqueue(store)
    assert await settle(store, await claim_one(store), Later("503"), now=NOW)
    found = await stored(store, first)
    assert (found.state, found.failures, found.reason) == (State.QUEUED, 1, "503")
    assert found.due_at > NOW
    assert await ids(store, now=found.due_at - 0.001) == []
    assert await ids(store, now=found.due_at) == [first.id]


async def test_slow_down_counts_no_failure(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), SlowDown("rate"))
    found = await stored(store, first)
    assert (found.state, found.failures, found.attempt) == (State.QUEUED, 0, 1)


async def test_what_waited_too_long_is_tried_once_more_and_expires_only_then(store: SqlStore) -> None:
    # It may have been us who let it wait: a hold, or a relay that stood still.
    first = await enqueue(store)
    await settle(store, await claim_one(store), Later("503"))
    late = NOW + LIFETIME + 1
    assert await settle(store, await claim_one(store, now=late), Later("still 503"), now=late)
    found = await stored(store, first)
    assert (found.state, found.reason) == (State.EXPIRED, "still 503")
    assert await claim(store, now=late + LIFETIME) == ()


async def test_calls_that_did_not_end_in_sent_are_told_in_order(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Later("503"), now=NOW + 1)
    await settle(store, await claim_one(store, now=NOW + 500), Sent("ses-1"), now=NOW + 501)
    life = await store.messages.show(first.message_id)
    assert life is not None
    assert [(moment.at - NOW, moment.what) for moment in life.moments] == [
        (0.0, "accepted"),
        (1.0, "try 1: queued"),
        (501.0, "sent"),
    ]


# The fence.


async def test_a_settlement_of_an_earlier_attempt_is_fenced_off(store: SqlStore) -> None:
    first = await enqueue(store)
    early = await claim_one(store)
    await settle(store, early, SlowDown("rate"))
    late = await claim_one(store, now=NOW + 10)
    assert not await settle(store, early, Never("from the past"), now=NOW + 11)
    assert await state(store, first) is State.SENDING
    assert await settle(store, late, Sent("ses-2"), now=NOW + 12)


async def test_a_second_settlement_is_fenced_off(store: SqlStore) -> None:
    first = await enqueue(store)
    claimed = await claim_one(store)
    assert await settle(store, claimed, Later("503"))
    assert not await settle(store, claimed, Never("again"))
    assert (await stored(store, first)).reason == "503"


async def test_a_late_sent_is_recorded_after_the_rescue(store: SqlStore) -> None:
    first = await enqueue(store)
    claimed = await claim_one(store)
    await store.queue.rescue(now=NOW + 2 * LEASE, everything=False, patience=PATIENCE)
    assert await state(store, first) is State.IN_DOUBT
    assert not await settle(store, claimed, Sent("ses-late"), now=NOW + 2 * LEASE + 1)
    assert await state(store, first) is State.SENT
    assert await store.queue.decide(now=NOW + LIFETIME) == ()


async def test_a_late_sent_wins_over_a_second_try_under_way(store: SqlStore) -> None:
    first = await enqueue(store)
    early = await claim_one(store)
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    await store.queue.decide(now=NOW + 86400)
    second = await claim_one(store, now=NOW + 86400)
    assert second.delivery.attempt == 2
    assert not await settle(store, early, Sent("ses-1"), now=NOW + 86401)
    assert not await settle(store, second, Later("503"), now=NOW + 86402)
    assert await state(store, first) is State.SENT


async def test_sent_twice_keeps_the_first_identifier_of_ses(store: SqlStore) -> None:
    first = await enqueue(store)
    claimed = await claim_one(store)
    assert await settle(store, claimed, Sent("ses-1"))
    assert not await settle(store, claimed, Sent("ses-2"))
    life = await store.messages.show(first.message_id)
    assert life is not None
    assert [moment.detail for moment in life.moments if moment.what == "sent"] == ["try 1, SES message ses-1"]


# Doubt.


async def test_rescue_leaves_a_lease_alone_that_still_runs(store: SqlStore) -> None:
    first = await enqueue(store)
    await claim_one(store)
    assert await store.queue.rescue(now=NOW + LEASE - 1, everything=False, patience=PATIENCE) == ()
    assert await state(store, first) is State.SENDING


@pytest.mark.parametrize(("now", "everything"), [(NOW + LEASE + 1, False), (NOW, True)])
async def test_rescue_puts_an_interrupted_call_in_doubt(store: SqlStore, now: float, everything: bool) -> None:
    first = await enqueue(store)
    await enqueue(store, 2, due_at=NOW + LIFETIME)
    await claim_one(store)
    rescued = await store.queue.rescue(now=now, everything=everything, patience=PATIENCE)
    assert [each.id for each in rescued] == [first.id]
    found = await stored(store, first)
    assert (found.state, found.due_at, found.attempt) == (State.IN_DOUBT, now + PATIENCE.in_doubt, 1)
    assert await store.queue.rescue(now=now, everything=True, patience=PATIENCE) == ()


async def test_a_claim_that_nobody_heard_of_is_let_go_and_no_other(store: SqlStore) -> None:
    first = await enqueue(store)
    await claim_one(store)
    second = await enqueue(store, 2)
    await claim_one(store, now=NOW + 1e-6)
    await store.queue.let_go(NOW + LEASE, now=NOW)
    assert (await state(store, first), await state(store, second)) == (State.QUEUED, State.SENDING)
    assert (await claim_one(store)).delivery.attempt == 2  # whoever still has the first cannot settle the second


async def test_in_doubt_is_not_claimed_until_it_is_decided(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"), now=NOW)
    due_at = NOW + PATIENCE.in_doubt
    assert await ids(store, now=due_at) == []
    assert await store.queue.decide(now=due_at - 0.001) == ()
    decided = await store.queue.decide(now=due_at)
    assert [(each.delivery.id, each.delivery.state) for each in decided] == [(first.id, State.QUEUED)]
    assert await ids(store, now=due_at) == [first.id]


async def test_in_doubt_too_long_expires(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    decided = await store.queue.decide(now=NOW + LIFETIME)
    assert [(each.delivery.id, each.delivery.state) for each in decided] == [(first.id, State.EXPIRED)]
    assert await state(store, first) is State.EXPIRED
    assert await claim(store, now=NOW + LIFETIME) == ()


async def damage(store: SqlStore, of: Delivery, column: str, value: str) -> None:
    table, id = ("flows", 1) if column == "lane" else ("messages", of.message_id)
    await change(store, f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, id))


@pytest.mark.parametrize(
    ("column", "value"), [("edits", "["), ("edits", "7"), ("message_class", "x"), ("tags", "{"), ("lane", "")]
)
async def test_a_record_that_cannot_be_read_stops_nobody_else(store: SqlStore, column: str, value: str) -> None:
    damaged, whole = await enqueue(store, 1), await enqueue(store, 2)
    await damage(store, damaged, column, value)
    assert await ids(store) == ([whole.id] if column != "lane" else [damaged.id, whole.id])


async def test_a_record_that_has_text_for_a_number_stops_nobody(sqlite_store: SqliteStore) -> None:
    """SQLite takes it."""
    damaged, whole = await enqueue(sqlite_store, 1), await enqueue(sqlite_store, 2)
    await damage(sqlite_store, damaged, "size", "x")
    assert await ids(sqlite_store) == [damaged.id, whole.id]
