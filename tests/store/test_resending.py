"""A message goes to one of its recipients once more, at an operator's word."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay.lifecycle import Cause
from relay.mailing import Audience, TaskState
from relay.model import Delivery, Labels, State
from relay.outcome import Never, Outcome, Sent
from relay.queueing import Selection
from relay.statistics import Wanted
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LIFETIME,
    NOW,
    claim_one,
    delivery,
    enqueue,
    message,
    settle,
    state,
    stored,
    suppression,
)
from tests.store.test_tasks import all_steps, group, started, task

LATER = NOW + 9000
SENT = Sent("ses-1")


async def over(store: SqlStore, outcome: Outcome = SENT) -> Delivery:
    made = await enqueue(store)
    assert await settle(store, await claim_one(store), outcome)
    return made


@pytest.mark.parametrize("outcome", [SENT, Never("no")])
async def test_what_is_over_is_sent_once_more_as_a_delivery_of_its_own(store: SqlStore, outcome: Outcome) -> None:
    first = await over(store, outcome)
    before = await state(store, first)
    again = await store.desk.again(first.id, now=LATER)
    assert again == replace(first, number=2, due_at=LATER, expires_at=LATER + LIFETIME)
    assert await stored(store, again) == again
    assert await state(store, first) is before
    claimed = await claim_one(store, now=LATER)
    assert (claimed.delivery.id, claimed.content, claimed.message.accepted_at) == (again.id, CONTENT, NOW)
    assert await settle(store, claimed, Sent("ses-2"), now=LATER)
    assert await state(store, again) is State.SENT
    assert await store.desk.again(again.id, now=LATER) == replace(again, number=3)


async def test_its_life_says_so(store: SqlStore) -> None:
    first = await over(store)
    await store.desk.again(first.id, now=LATER)
    life = await store.messages.show(first.message_id)
    assert life
    assert [(each.at, each.what, each.detail) for each in life.moments if each.what == "sent again"] == [
        (LATER, "sent again", f"by the operator, after {first.id}")
    ]
    assert life.statuses == ("sent", "queued")


async def test_it_is_counted_and_waits_as_others_do(store: SqlStore) -> None:
    first = await over(store)
    await store.desk.again(first.id, now=LATER)
    sums = await store.counters.sums(Wanted(since=NOW - 3600, until=LATER))
    assert (sums[""].of("accepted"), sums[""].of("sent")) == (2, 1)
    status = await store.desk.status(now=LATER)
    assert [(flow.open, flow.octets, flow.due) for flow in status.flows] == [(1, len(CONTENT), 1)]


async def test_to_who_is_suppressed_meanwhile_it_has_ended(store: SqlStore) -> None:
    first = await over(store)
    await store.suppressions.add(suppression(first.recipient))
    again = await store.desk.again(first.id, now=LATER)
    assert again
    assert again.state is State.SUPPRESSED
    assert await stored(store, again) == again
    assert (await store.desk.status(now=LATER)).flows == ()
    assert (await store.counters.sums(Wanted(since=NOW, until=LATER)))[""].of("suppressed") == 1


async def test_in_a_playpen_it_goes_there(store: SqlStore) -> None:
    first = await over(store)
    again = await store.desk.again(first.id, now=LATER, playpen="test@example.com")
    assert again
    assert again == replace(first, number=2, recipient="test@example.com", due_at=LATER, expires_at=LATER + LIFETIME)
    await store.suppressions.add(suppression("test@example.com"))
    suppressed = await store.desk.again(first.id, now=LATER, playpen="test@example.com")
    assert suppressed
    assert suppressed.state is State.SUPPRESSED


async def test_two_at_once_are_two(store: SqlStore) -> None:
    first = await over(store)
    made = await asyncio.gather(*(store.desk.again(first.id, now=LATER) for _ in range(3)))
    assert sorted(each.number for each in made if each) == [2, 3, 4]


async def test_each_recipient_keeps_his_own_values(store: SqlStore) -> None:
    of = message()
    both = tuple(replace(delivery(of, number=n, recipient=f"{n}@x.example"), fields=f'{{"Name": "{n}"}}') for n in (1, 2))
    await store.queue.enqueue(of, CONTENT, both)
    async for _ in store.desk.move(Cause.CANCELLED, Selection(ids=(of.id,)), now=NOW):
        pass
    again = await store.desk.again(both[1].id, now=LATER)
    assert again
    assert (again.number, again.recipient, again.fields) == (3, "2@x.example", '{"Name": "2"}')


async def test_what_waits_or_is_not_there_is_not_sent_again(store: SqlStore) -> None:
    waits = await enqueue(store)
    assert await store.desk.again(waits.id, now=LATER) is None
    await claim_one(store)
    for id in (
        waits.id,
        waits.message_id,
        f"{waits.message_id}-2",
        f"{waits.message_id}-x",
        "",
        "x-1",
        f"{waits.id}0000000000",
    ):
        assert await store.desk.again(id, now=LATER) is None


async def test_without_content_nothing_is_sent(store: SqlStore) -> None:
    first = await over(store)
    assert [count async for count in store.retention.bodies(LATER)] == [1]
    assert await store.desk.again(first.id, now=LATER) is None


async def test_what_its_sender_does_not_want_any_more_is_not_sent(store: SqlStore) -> None:
    of = message(labels=Labels(expires_at=LATER))
    await store.queue.enqueue(of, CONTENT, (replace(delivery(of), expires_at=LATER),))
    assert await settle(store, await claim_one(store), Never("no"))
    again = await store.desk.again(f"{of.id}-1", now=LATER - 1)
    assert again
    assert again.expires_at == LATER
    assert await store.desk.again(f"{of.id}-1", now=LATER) is None


async def test_of_a_mailing_once_it_is_over(store: SqlStore) -> None:
    groups = (await group(store, ["a@x.example"]),)
    begun, of = await started(store, Audience(groups=groups))
    await all_steps(store, begun, of, 10)
    assert await settle(store, await claim_one(store), Sent("ses-1"))
    assert await store.desk.again(f"{of.id}-1", now=LATER) is None
    assert await store.tasks.move(begun.id, [TaskState.STARTED], TaskState.FINISHED, at=NOW)
    again = await store.desk.again(f"{of.id}-1", now=LATER)
    assert again
    assert again.id == f"{of.id}-2"
    assert (await store.tasks.figures(begun.id)).of("accepted") == 2
    assert (await task(store, begun.id)).state is TaskState.FINISHED
    assert (await claim_one(store, now=LATER)).delivery.id == again.id
