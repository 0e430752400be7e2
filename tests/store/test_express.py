"""What comes in while nothing waits: it is claimed in the step that stores it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay.errors import StoreRefuses
from relay.model import Delivery, Message, State
from relay.outcome import Hold, HoldScope, Sent
from relay.queueing import Claims
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LEASE,
    NOW,
    PATIENCE,
    claim,
    claim_one,
    delivery,
    enqueue,
    message,
    settle,
    stored,
    suppression,
)


async def at_once(store: SqlStore, of: Message, *deliveries: Delivery) -> Claims:
    return await store.queue.enqueue_and_claim(
        of, CONTENT, deliveries or (delivery(of),), receipt=None, lease_until=of.accepted_at + LEASE
    )


async def test_it_is_claimed_as_a_round_would_have_claimed_it(store: SqlStore) -> None:
    queued = await enqueue(store, 1)
    (by_round,) = await claim(store)
    (claimed,) = (await at_once(store, message(2))).claimed
    assert claimed.message == message(2)
    assert replace(claimed, message=by_round.message, delivery=by_round.delivery) == by_round
    assert replace(claimed.delivery, message_id=queued.message_id) == by_round.delivery
    assert await stored(store, claimed.delivery) == claimed.delivery
    assert await claim(store) == ()


async def test_its_result_is_written_and_nothing_waits_any_more(store: SqlStore) -> None:
    (claimed,) = (await at_once(store, message())).claimed
    assert (await store.backlog.waiting(now=NOW)).rows == 1
    assert await settle(store, claimed, Sent("ses-1"))
    assert (await stored(store, claimed.delivery)).state is State.SENT
    assert (await store.backlog.waiting(now=NOW)).rows == 0


async def test_where_the_call_never_came_back_it_is_in_doubt(store: SqlStore) -> None:
    (claimed,) = (await at_once(store, message())).claimed
    assert await store.queue.rescue(now=NOW + LEASE - 1, everything=False, patience=PATIENCE) == ()
    (rescued,) = await store.queue.rescue(now=NOW + LEASE + 1, everything=False, patience=PATIENCE)
    assert (rescued.id, rescued.state) == (claimed.delivery.id, State.IN_DOUBT)


@pytest.mark.parametrize("scope", [HoldScope.ACCOUNT, HoldScope.IDENTITY, HoldScope.CREDENTIAL])
async def test_what_a_hold_stops_is_queued(store: SqlStore, scope: HoldScope) -> None:
    await enqueue(store, 1)
    subject = {HoldScope.IDENTITY: "example.com", HoldScope.CREDENTIAL: "app"}.get(scope, "")
    await settle(store, await claim_one(store), Hold(scope, "paused", 600.0, subject), now=NOW)
    assert await at_once(store, message(2)) == Claims(claimed=(), ended=())
    assert (await stored(store, delivery(message(2)))).state is State.QUEUED
    (other,) = (await at_once(store, message(3, sender="a@other.example", credential="other"))).claimed or (None,)
    assert (other is None) == (scope is HoldScope.ACCOUNT)


async def test_of_several_only_those_that_are_due_and_wanted(store: SqlStore) -> None:
    await store.suppressions.add(suppression("gone@example.net"))
    one = message()
    several = (
        delivery(one),
        delivery(one, number=2, recipient="gone@example.net"),
        delivery(one, number=3, recipient="later@example.net", due_at=NOW + 3600),
    )
    found = await at_once(store, one, *several)
    assert [(each.delivery.number, each.delivery.state) for each in found.claimed] == [(1, State.SENDING)]
    assert [(each.number, each.state) for each in found.ended] == [(2, State.SUPPRESSED)]
    assert (await stored(store, several[2])).state is State.QUEUED


async def test_with_others_that_queue_in_one_group(store: SqlStore) -> None:
    queued, found = await asyncio.gather(enqueue(store, 1), at_once(store, message(2)))
    assert [each.delivery.message_id for each in found.claimed] == [message(2).id]
    assert [each.delivery.id for each in await claim(store)] == [queued.id]


async def test_what_cannot_be_stored_is_not_claimed(store: SqlStore) -> None:
    await at_once(store, message())
    with pytest.raises(StoreRefuses):
        await at_once(store, message())
