"""Messages that may not be sent before a moment, and that nobody wants after another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.lifecycle import Cause
from relay.model import Delivery, Labels, State
from relay.outcome import Hold, HoldScope, Later, SlowDown, Unknown
from relay.queueing import Selection
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    NOW,
    PATIENCE,
    claim,
    claim_one,
    claims,
    delivery,
    enqueue,
    message,
    settle,
    state,
    stored,
)

HOUR = 3600.0


async def put(store: SqlStore, number: int = 1, *, send_at: float = 0.0, expires_at: float = 0.0) -> Delivery:
    """One message with these labels, as intake makes its delivery."""
    said = replace(message(number), labels=Labels(send_at=send_at, expires_at=expires_at))
    due_at = max(NOW, send_at)
    wanted = replace(delivery(said, due_at=due_at), expires_at=expires_at or due_at + PATIENCE.lifetime)
    (made,) = await store.queue.enqueue(said, CONTENT, (wanted,))
    return made


async def test_a_message_for_later_is_claimed_then_and_not_before(store: SqlStore) -> None:
    later = await put(store, send_at=NOW + HOUR)
    assert await claim(store, now=NOW + HOUR - 1) == ()
    assert (await claim_one(store, now=NOW + HOUR)).delivery.id == later.id


async def test_both_moments_are_kept_with_the_message(store: SqlStore) -> None:
    await put(store, send_at=NOW + HOUR, expires_at=NOW + 2 * HOUR)
    claimed = await claim_one(store, now=NOW + HOUR)
    assert claimed.message.labels == Labels(send_at=NOW + HOUR, expires_at=NOW + 2 * HOUR)


async def test_at_its_end_a_message_is_not_sent_any_more_and_others_are(store: SqlStore) -> None:
    over, wanted = await put(store, 1, expires_at=NOW + HOUR), await put(store, 2)
    found = await claims(store, now=NOW + HOUR)
    assert [claimed.delivery.id for claimed in found.claimed] == [wanted.id]
    (ended,) = found.ended
    assert (ended.id, ended.state, ended.reason) == (over.id, State.EXPIRED, "its sender wants it no more")
    assert await state(store, over) is State.EXPIRED


async def test_until_its_end_a_message_is_sent(store: SqlStore) -> None:
    await put(store, expires_at=NOW + HOUR)
    assert len(await claim(store, now=NOW + HOUR - 1)) == 1


async def test_a_try_that_would_come_after_the_end_ends_it_now(store: SqlStore) -> None:
    """The first wait is a minute."""
    soon, later = await put(store, 1, expires_at=NOW + 60), await put(store, 2, expires_at=NOW + 62)
    for claimed in await claim(store):
        await settle(store, claimed, Later("503"))
    assert (await state(store, soon), await state(store, later)) == (State.EXPIRED, State.QUEUED)


@pytest.mark.parametrize(
    "outcome", [SlowDown("429"), Hold(HoldScope.DELIVERY, "damaged", HOUR), Hold(HoldScope.ACCOUNT, "x", 5.0)]
)
async def test_one_that_was_only_put_off_ends_when_its_turn_comes_again(store: SqlStore, outcome: SlowDown | Hold) -> None:
    over = await put(store, expires_at=NOW + 2)
    await settle(store, await claim_one(store), outcome)
    found = await claims(store, now=NOW + 2 * HOUR)
    assert (found.claimed, [each.id for each in found.ended]) == ((), [over.id])


async def test_a_doubt_is_not_sent_again_after_the_end(store: SqlStore) -> None:
    over = await put(store, expires_at=NOW + HOUR)
    await settle(store, await claim_one(store), Unknown("no answer"))
    (doubt,) = await store.queue.decide(now=NOW + HOUR)
    assert (doubt.delivery.id, doubt.delivery.state) == (over.id, State.EXPIRED)


async def test_a_hold_makes_the_end_that_a_sender_set_no_later(store: SqlStore) -> None:
    """While a message is held only the relay's own patience stands still."""
    patient, punctual = await enqueue(store, 1), await put(store, 2, expires_at=NOW + HOUR)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "by hand", 600.0), now=NOW)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + 100)
    held = {claimed.delivery.id: claimed.held for claimed in await claim(store, now=NOW + 100)}
    assert held == {patient.id: 100, punctual.id: 0}


async def test_a_jump_of_the_clock_moves_neither_moment(store: SqlStore) -> None:
    waiting = await put(store, send_at=NOW + HOUR, expires_at=NOW + 2 * HOUR)
    await store.queue.shift(500.0)
    found = await stored(store, waiting)
    assert (found.due_at, found.expires_at) == (NOW + HOUR, NOW + 2 * HOUR)


async def test_an_operator_who_retries_it_too_late_does_not_send_it(store: SqlStore) -> None:
    over = await put(store, send_at=NOW + HOUR, expires_at=NOW + 2 * HOUR)
    moved = [step async for step in store.desk.move(Cause.RETRIED, Selection(ids=(over.message_id,)), now=NOW + 3 * HOUR)]
    assert len(moved) == 1
    assert await claim(store, now=NOW + 3 * HOUR) == ()
    assert await state(store, over) is State.EXPIRED
