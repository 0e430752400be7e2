"""A database that was restored: what was open in it waits for a decision or an event, and all else goes on."""

from __future__ import annotations

from dataclasses import replace

from relay.holds import Holder
from relay.lifecycle import NEVER, RESTORED, Cause
from relay.mailing import Audience, TaskState
from relay.model import Labels, State
from relay.outcome import HoldScope, Sent, Unknown
from relay.queueing import Selection
from relay.store.sql.restored import Marked
from relay.store.sql.store import SqlStore
from tests.store.kit import CONTENT, NOW, claim, claim_one, delivery, enqueue, event, message, settle, state, stored
from tests.store.test_feedback import record
from tests.store.test_tasks import PACE, group, started, task

LATER = NOW + 10 * 86400
EVERYTHING = Selection()


async def retry_all(store: SqlStore) -> list[tuple[int, ...]]:
    """The tries of each that SES may have."""
    return [each.tries async for some in store.desk.move(Cause.RETRIED, EVERYTHING, now=LATER) for each in some]


async def test_whatever_was_open_is_sent_by_nobody_until_it_is_retried(store: SqlStore) -> None:
    await enqueue(store, 1)
    sending = await claim_one(store)
    await enqueue(store, 2)
    doubted = await claim_one(store)
    await settle(store, doubted, Unknown("the connection broke"))
    queued = await enqueue(store, 3)
    assert await store.restored.mark(now=NOW + 50) == Marked(3, 0)
    for each in (sending.delivery, doubted.delivery, queued):
        found = await stored(store, each)
        assert (found.state, found.due_at, found.reason) == (State.QUEUED, NEVER, RESTORED)
    assert await claim(store, now=LATER) == ()
    assert await store.queue.decide(now=LATER) == ()
    tally = await store.desk.count(Cause.RETRIED, EVERYTHING)
    assert (tally.deliveries, tally.doubtful) == (3, 3)
    assert await retry_all(store) == [(1,), (1, 2), (1,)]
    assert {each.delivery.attempt for each in await claim(store, now=LATER)} == {2, 3}


async def test_an_event_proves_it_sent(store: SqlStore) -> None:
    first, second = await enqueue(store, 1), await enqueue(store, 2)
    await store.restored.mark(now=NOW + 50)
    await record(store, event(of=first))
    assert [await state(store, each) for each in (first, second)] == [State.SENT, State.QUEUED]


async def test_mail_that_comes_in_later_is_not_held(store: SqlStore) -> None:
    await enqueue(store, 1)
    await store.restored.mark(now=NOW + 50)
    new = await enqueue(store, 2)
    assert [each.delivery.id for each in await claim(store)] == [new.id]


async def test_what_was_over_stays_as_it_was(store: SqlStore) -> None:
    await enqueue(store)
    claimed = await claim_one(store)
    await settle(store, claimed, Sent("ses-1"))
    was = await stored(store, claimed.delivery)
    assert await store.restored.mark(now=NOW + 50) == Marked(0, 0)
    assert await stored(store, claimed.delivery) == was


async def test_doing_it_twice_is_as_doing_it_once(store: SqlStore) -> None:
    made = await enqueue(store)
    await store.restored.mark(now=NOW + 50)
    was = await stored(store, made)
    assert await store.restored.mark(now=NOW + 60) == Marked(0, 0)
    assert await stored(store, made) == was


async def test_what_the_operator_held_is_in_doubt_as_well_for_he_may_have_let_it_go_since(store: SqlStore) -> None:
    made = await enqueue(store)
    async for _ in store.desk.move(Cause.HELD_BACK, EVERYTHING, now=NOW):
        pass
    assert await store.restored.mark(now=NOW + 50) == Marked(1, 0)
    assert await retry_all(store) == [(1,)]
    assert await state(store, made) is State.QUEUED


async def test_a_first_try_keeps_its_senders_time_when_it_is_retried(store: SqlStore) -> None:
    later = LATER + 3600
    wanted = replace(message(), labels=Labels(send_at=later))
    await store.queue.enqueue(wanted, CONTENT, (delivery(wanted, due_at=later),))
    await store.restored.mark(now=NOW + 50)
    await retry_all(store)
    assert await claim(store, now=LATER) == ()
    assert len(await claim(store, now=later)) == 1


async def test_it_is_told_why_it_is_held(store: SqlStore) -> None:
    made = await enqueue(store)
    await store.restored.mark(now=NOW + 50)
    life = await store.messages.show(made.message_id)
    assert life
    assert life.held == ("since the restore, until it is retried",)


async def test_a_mailing_at_work_is_stopped_and_one_whose_audience_is_fetched_is_not(store: SqlStore) -> None:
    audience = Audience(groups=(await group(store, [f"r{number}@example.net" for number in range(5)]),))
    part, of_part = await started(store, audience)
    await store.tasks.expand(part, of_part, count=2, pace=PACE)
    whole, of_whole = await started(store, audience)
    while not (await task(store, whole.id)).is_whole:
        await store.tasks.expand(await task(store, whole.id), of_whole, count=10, pace=PACE)
    assert await store.restored.mark(now=NOW + 50) == Marked(7, 1)
    assert [(await task(store, each.id)).state for each in (part, whole)] == [TaskState.STOPPED, TaskState.STARTED]
    assert (await task(store, part.id)).reason == RESTORED
    (hold,) = (await store.desk.status(now=LATER)).holds
    assert (hold.scope, hold.subject, hold.holder) == (HoldScope.TASK, str(part.id), Holder.LOGIN)
    assert await store.tasks.move(part.id, [TaskState.STOPPED], TaskState.STARTED, at=LATER)
    assert (await store.desk.status(now=LATER)).holds == ()


async def test_a_mailing_that_is_to_begin_is_stopped_and_one_that_is_new_is_not(store: SqlStore) -> None:
    audience = Audience(groups=(await group(store, ["a@example.net"]),))
    new = await store.tasks.add("crm", (await started(store, audience))[0].mailing, audience, at=NOW)
    created = await store.tasks.add("crm", (await started(store, audience))[0].mailing, audience, at=NOW)
    await store.tasks.move(created, [TaskState.NEW], TaskState.CREATED, at=NOW)
    await store.restored.mark(now=NOW + 50)
    assert [(await task(store, id)).state for id in (new, created)] == [TaskState.NEW, TaskState.STOPPED]
    assert all(each.id != created for each in await store.tasks.at_work(now=LATER))
