"""When a doubt is decided, by the doors through which its event could come."""

from __future__ import annotations

import asyncio

import pytest

from relay.listening import Listening
from relay.model import Delivery, State
from relay.outcome import Unknown
from relay.steady import SteadyClock
from relay.store.sql.store import SqlStore
from relay.upkeep import Upkeep
from tests.store.kit import NOW, PATIENCE, claim_one, enqueue, settle, state

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/relay-events"
RESTART = NOW + 10_000  # long after the call


async def doubt(store: SqlStore) -> Delivery:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("no answer"))
    return first


async def decided(store: SqlStore, listening: Listening, *, at: float) -> State:
    """What became of the doubt when somebody looked."""

    def clock() -> float:
        return at

    upkeep = Upkeep(
        queue=store.queue,
        feedback=store.feedback,
        clock=SteadyClock(wall=clock, monotonic=clock),
        listening=listening,
        hears=lambda now: listening.has_caught_up(now, wait=PATIENCE.in_doubt),
        is_alone=True,
        patience=PATIENCE,
        resends=True,
        max_hold=1.0,
        every=1.0,
        wake=asyncio.Event(),
    )
    first = await doubt(store)
    await upkeep.decide()
    return await state(store, first)


def emptied(listening: Listening) -> Listening:
    listening.polled_empty(QUEUE)
    listening.polled_empty(QUEUE)
    return listening


@pytest.mark.parametrize(("seconds", "expected"), [(899, State.IN_DOUBT), (900, State.QUEUED)])
async def test_with_the_webhook_a_doubt_waits_as_long_as_sns_may_try(store: SqlStore, seconds: float, expected: State) -> None:
    assert await decided(store, Listening(RESTART), at=RESTART + seconds) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(59, State.IN_DOUBT), (60, State.QUEUED)])
async def test_with_a_queue_it_waits_until_that_is_empty_and_a_minute_at_least(
    store: SqlStore, seconds: float, expected: State
) -> None:
    listening = emptied(Listening(RESTART, webhook=False, queues=[QUEUE]))
    assert await decided(store, listening, at=RESTART + seconds) is expected


async def test_a_queue_that_cannot_be_read_leaves_it_undecided(store: SqlStore) -> None:
    listening = emptied(Listening(RESTART, webhook=False, queues=[QUEUE]))
    listening.begin_anew(RESTART + 3600)
    assert await decided(store, listening, at=RESTART + 3600) is State.IN_DOUBT
