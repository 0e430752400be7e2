"""Calls whose end nobody saw: when they are decided, of which tries, and what comes late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay import ids
from relay.model import Delivery, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.queueing import Settled
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LEASE,
    LIFETIME,
    NOW,
    PATIENCE,
    claim,
    claim_one,
    delivery,
    enqueue,
    event,
    message,
    settle,
    settled,
    state,
    stored,
)

OVER = NOW + 86400  # when any doubt's time is over


async def test_there_are_doubts_when_the_time_of_one_is_over(store: SqlStore) -> None:
    assert not await store.queue.has_doubts(now=OVER)
    await enqueue(store)
    assert not await store.queue.has_doubts(now=OVER)
    await settle(store, await claim_one(store), Unknown("reset"), now=NOW)
    assert not await store.queue.has_doubts(now=NOW + PATIENCE.in_doubt - 0.1)
    assert await store.queue.has_doubts(now=NOW + PATIENCE.in_doubt)
    await store.queue.decide(now=OVER)
    assert not await store.queue.has_doubts(now=OVER)


async def test_a_doubt_that_an_event_settled_is_no_doubt(store: SqlStore) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    await record(store, made)
    assert not await store.queue.has_doubts(now=OVER)


async def record(store: SqlStore, of: Delivery, *, ses_message_id: str = "ses-1") -> None:
    await store.feedback.record(
        notification_id=f"{of.id} {ses_message_id}",
        topic="t",
        payload="{}",
        received_at=NOW + 9,
        events=(event(of=of, ses_message_id=ses_message_id),),
    )


# Which tries SES may have.


async def decided(store: SqlStore, *, now: float) -> tuple[State, tuple[int, ...]]:
    (doubt,) = await store.queue.decide(now=now)
    return doubt.delivery.state, doubt.tries


async def test_a_doubt_tells_its_try(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    assert await decided(store, now=OVER) == (State.QUEUED, (1,))


async def test_tries_that_ses_answered_are_not_among_them(store: SqlStore) -> None:
    await enqueue(store)
    now = NOW
    for outcome in (Later("503"), Unknown("reset"), SlowDown("rate"), Unknown("time-out")):
        await settle(store, await claim_one(store, now=now), outcome, now=now)
        now += 10_000
        if isinstance(outcome, Unknown):
            state, tries = await decided(store, now=now)
    assert (state, tries) == (State.QUEUED, (2, 4))


async def test_a_call_that_was_interrupted_is_one_of_them(store: SqlStore) -> None:
    await enqueue(store)
    await claim_one(store)
    await store.queue.rescue(now=NOW + 1, everything=True, patience=PATIENCE)
    assert await decided(store, now=OVER) == (State.QUEUED, (1,))


async def test_a_doubt_that_is_over_too_late_expires_and_tells_its_tries(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    assert await decided(store, now=NOW + LIFETIME) == (State.EXPIRED, (1,))


async def test_many_doubts_are_decided_in_steps(store: SqlStore) -> None:
    one = message()
    await store.queue.enqueue(
        one, CONTENT, tuple(delivery(one, number=n, recipient=f"r{n}@example.net") for n in range(1, 602))
    )
    await claim(store, limit=1000)
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    assert [len(await store.queue.decide(now=OVER)) for _ in range(3)] == [500, 101, 0]
    assert len(await claim(store, limit=1000, now=OVER)) == 601


# What comes late.


async def test_what_was_sent_is_late_and_recorded_when_the_lease_was_over(store: SqlStore) -> None:
    made = await enqueue(store)
    call = await claim_one(store)
    await store.queue.rescue(now=NOW + 2 * LEASE, everything=False, patience=PATIENCE)
    assert await settled(store, call, Sent("ses-1"), now=NOW + 2 * LEASE + 1) is Settled.LATE
    assert await state(store, made) is State.SENT


async def test_two_calls_that_were_both_taken_are_told(store: SqlStore) -> None:
    made = await enqueue(store)
    early = await claim_one(store)
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    await store.queue.decide(now=OVER)
    late = await claim_one(store, now=OVER)
    assert await settled(store, late, Sent("ses-2"), now=OVER + 1) is Settled.IN_TIME
    assert await settled(store, early, Sent("ses-1"), now=OVER + 2) is Settled.TWICE
    life = await store.messages.show(made.message_id)
    assert life
    assert [(each.what, each.detail) for each in life.moments if "ses-" in each.detail] == [
        ("sent", "try 2, SES message ses-2"),
        ("try 1: sent", "as well, as SES message ses-1"),
    ]


async def test_the_same_call_told_twice_was_taken_once(store: SqlStore) -> None:
    await enqueue(store)
    call = await claim_one(store)
    assert await settled(store, call, Sent("ses-1")) is Settled.IN_TIME
    assert await settled(store, call, Sent("ses-1")) is Settled.LATE


async def test_a_call_that_its_event_had_proved_sent_is_no_second_one(store: SqlStore) -> None:
    made = await enqueue(store)
    call = await claim_one(store)
    await record(store, made)
    assert await settled(store, call, Sent("ses-1")) is Settled.LATE
    assert await state(store, made) is State.SENT


@pytest.mark.parametrize(
    "outcome", [Later("503"), Never("400"), SlowDown("rate"), Unknown("reset"), Hold(HoldScope.DELIVERY, "damaged", 60.0)]
)
async def test_what_was_not_sent_and_comes_late_changes_nothing(store: SqlStore, outcome: Outcome) -> None:
    made = await enqueue(store)
    call = await claim_one(store)
    await record(store, made)
    assert await settled(store, call, outcome) is Settled.LATE
    assert await state(store, made) is State.SENT


# Whether events come at all.


async def sent_at(store: SqlStore, accepted: float, sent: float | None, *, heard: bool = False, number: int = 0) -> None:
    """One that was accepted then, and sent then if at all."""
    made = replace(message(), id=ids.ulid(accepted, number.to_bytes(10, "big")), accepted_at=accepted)
    await store.queue.enqueue(made, CONTENT, (delivery(made, due_at=accepted),))
    call = await claim_one(store, now=accepted)
    outcome = Later("503") if sent is None else Sent(f"ses {made.id}")
    await settle(store, call, outcome, now=accepted + 1 if sent is None else sent)
    if heard:
        await record(store, call.delivery, ses_message_id=f"ses {made.id}")


async def test_of_nothing_that_was_sent_nothing_was_heard(store: SqlStore) -> None:
    assert await store.feedback.heard(since=NOW - 3600, until=NOW) == (0, 0)


async def test_of_what_was_sent_it_is_known_of_how_many_there_are_events(store: SqlStore) -> None:
    for number in range(10):
        await sent_at(store, NOW - 600 + number, NOW - 500 + number, heard=number < 7, number=number)
    assert await store.feedback.heard(since=NOW - 3600, until=NOW) == (10, 7)


@pytest.mark.parametrize(
    ("accepted", "sent", "counted"),
    [
        (-3601.0, -3500.0, 0),  # accepted before the time that is asked about
        (-3600.0, -3500.0, 1),
        (-901.0, -900.5, 1),
        (-901.0, -899.0, 0),  # sent a moment ago: its event may be on its way
        (-899.0, -898.0, 0),
        (-1000.0, None, 0),  # not sent
    ],
)
async def test_only_what_was_accepted_and_sent_in_that_time_counts(
    store: SqlStore, accepted: float, sent: float | None, counted: int
) -> None:
    await sent_at(store, NOW + accepted, None if sent is None else NOW + sent)
    assert await store.feedback.heard(since=NOW - 3600, until=NOW - 900) == (counted, 0)


async def test_of_what_was_accepted_long_before_those_count_of_whom_was_heard(store: SqlStore) -> None:
    """A mailing goes on for hours, and is one message."""
    for number in range(3):
        await sent_at(store, NOW - 9000 + number, NOW - 500 + number, heard=number < 2, number=number)
    assert await store.feedback.heard(since=NOW - 3600, until=NOW) == (2, 2)
    assert await store.feedback.heard(since=NOW - 400, until=NOW) == (0, 0)


async def test_several_events_of_one_delivery_count_once(store: SqlStore) -> None:
    await sent_at(store, NOW - 600, NOW - 500, heard=True)
    (life,) = await store.messages.newest(limit=1)
    await record(store, life.deliveries[0], ses_message_id="another")
    assert await store.feedback.heard(since=NOW - 3600, until=NOW) == (1, 1)


async def test_the_newest_thousand_are_enough(store: SqlStore) -> None:
    old = replace(message(), id=ids.ulid(NOW - 2000, bytes(10)), accepted_at=NOW - 2000)
    new = replace(message(), id=ids.ulid(NOW - 1000, bytes(10)), accepted_at=NOW - 1000)
    for one, count in ((old, 50), (new, 990)):
        wanted = tuple(delivery(one, number=n, recipient=f"r{n}@example.net") for n in range(1, count + 1))
        await store.queue.enqueue(one, CONTENT, wanted)
    calls = await claim(store, limit=2000)
    await asyncio.gather(*(settle(store, call, Sent(f"ses {call.delivery.id}"), now=NOW - 500) for call in calls))
    await record(store, delivery(new))
    assert await store.feedback.heard(since=NOW - 3600, until=NOW) == (1000, 1)


async def test_what_is_in_doubt_does_not_count_as_sent(store: SqlStore) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    assert (await stored(store, made)).state is State.IN_DOUBT
    assert await store.feedback.heard(since=0.0, until=NOW + 3600) == (0, 0)
