"""Times in the queue: a clock that jumps, the heartbeat, and ends that a sender set."""

from __future__ import annotations

import asyncio

import pytest

from relay.model import Labels, State
from relay.outcome import Hold, HoldScope, Later, Outcome, Sent, Unknown
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    LEASE,
    LIFETIME,
    NOW,
    PATIENCE,
    claim,
    claim_one,
    claims,
    enqueue,
    settle,
    state,
    stored,
)

BACK, AHEAD = -172_800.0, 172_800.0
jumps = pytest.mark.parametrize("jump", [BACK, AHEAD, 21_600.0])


async def jumped(store: SqlStore, jump: float) -> float:
    """The clock jumps a second from now; what it shows then."""
    await store.queue.shift(jump)
    return NOW + 1 + jump


@jumps
async def test_after_a_jump_a_retry_waits_as_long_as_before(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Later("503"), now=NOW)
    wait = (await stored(store, made)).due_at - NOW
    await jumped(store, jump)
    assert await claim(store, now=NOW + jump + wait - 0.1) == ()
    assert (await claim_one(store, now=NOW + jump + wait + 0.1)).delivery.id == made.id


@jumps
async def test_after_a_jump_what_was_due_is_due(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    assert (await claim_one(store, now=await jumped(store, jump))).delivery.id == made.id


@jumps
async def test_after_a_jump_a_lease_lasts_as_long_as_before(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    await claim_one(store)
    await jumped(store, jump)
    assert await store.queue.rescue(now=NOW + jump + LEASE - 1, everything=False, patience=PATIENCE) == ()
    (rescued,) = await store.queue.rescue(now=NOW + jump + LEASE + 1, everything=False, patience=PATIENCE)
    assert rescued.id == made.id


@jumps
async def test_a_call_that_was_open_when_the_clock_jumped_is_settled(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    claimed = await claim_one(store)
    assert await settle(store, claimed, Sent("ses-1"), now=await jumped(store, jump))
    assert await state(store, made) is State.SENT


@jumps
async def test_after_a_jump_a_doubt_waits_as_long_as_before(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"), now=NOW)
    await jumped(store, jump)
    over = NOW + jump + PATIENCE.in_doubt
    assert not await store.queue.has_doubts(now=over - 1)
    assert [doubt.delivery.id for doubt in await store.queue.decide(now=over)] == [made.id]


@jumps
async def test_after_a_jump_nothing_expires_early_or_late(store: SqlStore, jump: float) -> None:
    made = await enqueue(store)
    await jumped(store, jump)
    assert (await stored(store, made)).expires_at == NOW + LIFETIME + jump
    assert await store.queue.expire(now=NOW + LIFETIME + jump - 1, max_hold=0.0) == ()


@jumps
async def test_after_a_jump_a_hold_stands_as_long_as_before(store: SqlStore, jump: float) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Hold(HoldScope.ACCOUNT, "paused", 600.0), now=NOW)
    await jumped(store, jump)
    (standing,) = (await store.desk.status(now=NOW)).holds
    assert (standing.since, standing.until) == (NOW + jump, NOW + jump + 600)
    assert await claim(store, now=NOW + jump + 599) == ()
    assert len(await claim(store, now=NOW + jump + 600)) == 1


async def test_a_hold_that_is_over_is_counted_after_a_jump_as_before_it(store: SqlStore) -> None:
    await enqueue(store)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW + 10)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + 110)
    await jumped(store, AHEAD)
    assert (await claim_one(store, now=NOW + AHEAD + 200)).held == 100


@jumps
async def test_the_first_try_that_a_sender_set_stays_where_it_is(store: SqlStore, jump: float) -> None:
    at = NOW + 300_000
    made = await enqueue(store, due_at=at, labels=Labels(send_at=at))
    await jumped(store, jump)
    assert (await stored(store, made)).due_at == at


@jumps
async def test_a_later_try_of_scheduled_mail_is_a_wait(store: SqlStore, jump: float) -> None:
    made = await enqueue(store, labels=Labels(send_at=NOW))
    await settle(store, await claim_one(store), Later("503"), now=NOW)
    due_at = (await stored(store, made)).due_at
    await jumped(store, jump)
    assert (await stored(store, made)).due_at == due_at + jump


async def test_scheduled_mail_whose_time_was_over_when_it_came_is_due_after_a_jump(store: SqlStore) -> None:
    await enqueue(store, labels=Labels(send_at=NOW - 1000))
    assert len(await claim(store, now=await jumped(store, BACK))) == 1


@jumps
async def test_the_end_that_a_sender_set_stays_where_it_is(store: SqlStore, jump: float) -> None:
    at = NOW + 300_000
    made = await enqueue(store, labels=Labels(expires_at=at))
    before = (await stored(store, made)).expires_at
    await jumped(store, jump)
    assert (await stored(store, made)).expires_at == before


async def test_what_has_ended_stays_where_it_is(store: SqlStore) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Sent("ses-1"))
    before = await stored(store, made)
    await jumped(store, AHEAD)
    assert await stored(store, made) == before


async def test_what_was_accepted_while_the_clock_was_set_back_is_due_after_it_is_put_right(store: SqlStore) -> None:
    """Its time is that of the clock of before."""
    await enqueue(store, 1)
    await settle(store, await claim_one(store), Later("503"), now=NOW)
    now = await jumped(store, BACK)
    straggler = await enqueue(store, 2, due_at=NOW)
    scheduled = await enqueue(store, 3, due_at=NOW + 50, labels=Labels(send_at=NOW + 50))
    assert await claim(store, now=now) == ()
    await store.queue.straighten(now)
    assert [each.delivery.id for each in await claim(store, now=now)] == [straggler.id]
    assert (await stored(store, scheduled)).due_at == NOW + 50


# The heartbeat.


async def test_a_store_that_is_new_has_seen_nobody_alive(store: SqlStore) -> None:
    assert await store.queue.catch_up(NOW) == 0.0


@pytest.mark.parametrize(("now", "back"), [(NOW + 500, 0.0), (NOW - 30, 0.0), (NOW - 31, -31.0), (NOW - 7200, -7200.0)])
async def test_a_clock_that_was_set_back_meanwhile_takes_the_waits_along(store: SqlStore, now: float, back: float) -> None:
    """By the last sign of life, even if one before it was later."""
    waiting = await enqueue(store)
    for at in (NOW - 60, NOW + 60, NOW):
        await store.queue.beat(at)
    assert await store.queue.catch_up(now) == back
    assert (await stored(store, waiting)).due_at == NOW + back


async def test_of_nodes_that_start_together_one_takes_the_waits_along(store: SqlStore) -> None:
    waiting = await enqueue(store)
    await store.queue.beat(NOW)
    jumps = await asyncio.gather(*(store.queue.catch_up(NOW - 7200) for _ in range(3)))
    assert sorted(jumps) == [-7200.0, 0.0, 0.0]
    assert (await stored(store, waiting)).due_at == NOW - 7200


# What its sender wants no more.


async def test_what_its_sender_wants_no_more_ends_when_its_turn_comes(store: SqlStore) -> None:
    made = await enqueue(store, labels=Labels(expires_at=NOW + 10))
    found = await claims(store, now=NOW + 10)
    assert found.claimed == ()
    assert [(each.id, each.state, each.reason) for each in found.ended] == [
        (made.id, State.EXPIRED, "its sender wants it no more")
    ]
    assert await state(store, made) is State.EXPIRED
    assert (await store.desk.status(now=NOW)).flows == ()


async def test_until_then_it_is_sent(store: SqlStore) -> None:
    await enqueue(store, labels=Labels(expires_at=NOW + 10))
    assert len(await claim(store, now=NOW + 9.9)) == 1


@pytest.mark.parametrize("outcome", [Later("503"), Unknown("reset")])
async def test_a_later_try_ends_as_well(store: SqlStore, outcome: Outcome) -> None:
    made = await enqueue(store, labels=Labels(expires_at=NOW + 3000))
    await settle(store, await claim_one(store), outcome)
    await store.queue.decide(now=NOW + 2000)
    assert [each.id for each in (await claims(store, now=NOW + 3000)).ended] == [made.id]


async def test_a_hold_gives_it_no_more_time(store: SqlStore) -> None:
    await enqueue(store, labels=Labels(expires_at=NOW + 100))
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + 200)
    found = await claims(store, now=NOW + 200)
    assert (len(found.claimed), len(found.ended)) == (0, 1)
