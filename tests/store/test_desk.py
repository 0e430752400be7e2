"""What an operator sees of the queue, and what moves at his word."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay import ids
from relay.credential import MessageClass
from relay.errors import StoreUnavailable
from relay.holds import Holder
from relay.lifecycle import NEVER, Cause
from relay.model import Delivery, Labels, Lane, State
from relay.outcome import Hold, HoldScope, Later, Never, Sent, Unknown
from relay.queueing import FlowStatus, Moved, Selection, Tally
from relay.rate import Account
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LEASE,
    LIFETIME,
    NOW,
    PATIENCE,
    Opener,
    claim,
    claim_one,
    delivery,
    enqueue,
    event,
    message,
    settle,
    state,
    stored,
)

SIZE = len(CONTENT)
NEWS = Labels(message_class=MessageClass.MARKETING)
EVERYTHING = Selection()


async def move(store: SqlStore, cause: Cause, selection: Selection = EVERYTHING, *, now: float = NOW + 50) -> list[Moved]:
    """All that was moved; it is what was counted before."""
    counted = await store.desk.count(cause, selection)
    moved = [each async for step in store.desk.move(cause, selection, now=now) for each in step]
    assert counted == Tally(deliveries=len(moved), doubtful=sum(bool(each.tries) for each in moved))
    return moved


async def in_doubt(store: SqlStore) -> Delivery:
    """One that SES may have of its first try."""
    made = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    return made


# What is seen.


async def test_of_an_empty_queue_nothing_is_seen(store: SqlStore) -> None:
    found = await store.desk.status(now=NOW)
    assert (found.states, found.flows, found.oldest_at, found.holds, found.account) == ({"queued": 0}, (), 0.0, (), None)


async def test_what_waits_is_seen_by_state_and_by_flow(store: SqlStore) -> None:
    for number in range(1, 5):
        await enqueue(store, number)
    first, second, third, _ = await claim(store)
    await settle(store, first, Unknown("reset"))
    await settle(store, second, Later("503"))
    await settle(store, third, Sent("ses-1"))
    await enqueue(store, 5, credential="news", sender="x@Example.ORG", labels=replace(NEWS, configuration_set="tracked"))
    await enqueue(store, 6, due_at=NOW + 99)
    found = await store.desk.status(now=NOW + 2)
    assert found.states == {"queued": 3, "sending": 1, "in_doubt": 1}
    assert [_seen(each) for each in found.flows] == [
        (Lane.TRANSACTIONAL, "app", "example.com", "", 4, 4 * SIZE, 0),
        (Lane.BULK, "news", "example.org", "tracked", 1, SIZE, 1),
    ]


def _seen(status: FlowStatus) -> tuple[object, ...]:
    flow = status.flow
    return flow.lane, flow.credential, flow.identity, flow.configuration_set, status.open, status.octets, status.due


async def test_the_oldest_is_the_one_that_was_accepted_first_of_those_that_wait(store: SqlStore) -> None:
    for number in range(1, 4):
        made = replace(message(number), accepted_at=NOW + number)
        await store.queue.enqueue(made, CONTENT, (delivery(made),))
    await settle(store, (await claim(store, limit=1))[0], Sent("ses-1"))
    assert (await store.desk.status(now=NOW)).oldest_at == NOW + 2


async def test_holds_are_seen_while_they_stand(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Hold(HoldScope.IDENTITY, "not verified", 300.0, "example.com"), now=NOW)
    await store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", NEVER, "app"), now=NOW + 5)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "over", NEVER), now=NOW + 6)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + 7)
    identity, credential = (await store.desk.status(now=NOW + 8)).holds
    assert (identity.scope, identity.subject, identity.holder) == (HoldScope.IDENTITY, "example.com", Holder.SES)
    assert (identity.reason, identity.since, identity.until) == ("not verified", NOW, NOW + 300)
    assert (credential.scope, credential.subject, credential.holder) == (HoldScope.CREDENTIAL, "app", Holder.OPERATOR)
    assert (credential.reason, credential.since, credential.ended_at) == ("maintenance", NOW + 5, None)


async def test_what_ses_said_last_of_the_account_is_seen(store: SqlStore) -> None:
    for sent in (10.0, 20.0):
        account = Account(rate=14.0, quota=50_000.0, sent=sent, at=NOW + sent)
        await store.account.put(account)
    assert (await store.desk.status(now=NOW)).account == account


async def test_a_message_shows_what_holds_each_of_its_deliveries(store: SqlStore) -> None:
    one = message()
    deliveries = tuple(delivery(one, number=number, recipient=f"reader{number}@example.net") for number in (1, 2, 3))
    await store.queue.enqueue(one, CONTENT, deliveries)
    await settle(store, (await claim(store, limit=1))[0], Sent("ses-1"))
    await move(store, Cause.HELD_BACK, Selection(ids=(deliveries[1].id,)))
    await store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", NEVER, "app"), now=NOW)
    by_hold, by_itself = "credential app by the operator: maintenance", "by the operator, until it is retried"
    held = ("", f"{by_itself}; {by_hold}", by_hold)
    (listed,) = await store.messages.newest(limit=1)
    shown = await store.messages.show(one.id)
    assert shown
    assert listed.held == shown.held == held
    await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW)
    assert (await store.messages.newest(limit=1))[0].held == ("", by_itself, "")


# What is meant.


async def mixed(store: SqlStore) -> dict[str, Delivery]:
    """Deliveries by a name for each."""
    made = {
        "app to net": await enqueue(store, 1, recipient="a@example.net"),
        "app to org": await enqueue(store, 2, recipient="a@Example.ORG"),
        "app below org": await enqueue(store, 3, recipient="a@mail.example.org"),
        "news to net": await enqueue(store, 4, recipient="b@example.net", credential="news", labels=NEWS),
        "news as other": await enqueue(store, 5, recipient="b@myexample.org", credential="news", sender="x@example.org"),
    }
    two = message(6)
    split = tuple(delivery(two, number=number, recipient=f"c{number}@example.com") for number in (1, 2))
    await store.queue.enqueue(two, CONTENT, split)
    young = replace(message(), id=ids.ulid(NOW, bytes(10)))
    await store.queue.enqueue(young, CONTENT, (delivery(young, recipient="d@example.com"),))
    return made | {"split 1": split[0], "split 2": split[1], "young": delivery(young)}


OLD = {"app to net", "app to org", "app below org", "news to net", "news as other", "split 1", "split 2"}
SELECTIONS: list[tuple[Selection, set[str]]] = [
    (EVERYTHING, {*OLD, "young"}),
    (Selection(ids=(message(2).id,)), {"app to org"}),
    (Selection(ids=(message(6).id,)), {"split 1", "split 2"}),
    (Selection(ids=(f"{message(6).id}-2", message(1).id)), {"app to net", "split 2"}),
    (Selection(ids=(f"{message(6).id}-3", "unknown", "", "-")), set()),
    (Selection(credential="news"), {"news to net", "news as other"}),
    (Selection(credential="nobody"), set()),
    (Selection(recipient_domain="example.org"), {"app to org"}),
    (Selection(recipient_domain="Example.Net"), {"app to net", "news to net"}),
    (Selection(accepted_before=NOW), OLD),
    (Selection(accepted_before=NOW + 1), {*OLD, "young"}),
    (Selection(credential="news", recipient_domain="example.net"), {"news to net"}),
    (Selection(ids=(message(1).id, message(4).id), credential="app", accepted_before=NOW), {"app to net"}),
]


@pytest.mark.parametrize(("selection", "meant"), SELECTIONS)
@pytest.mark.parametrize("cause", [Cause.RETRIED, Cause.HELD_BACK, Cause.CANCELLED])
async def test_what_fits_all_that_is_said_is_moved_and_nothing_else(
    store: SqlStore, selection: Selection, meant: set[str], cause: Cause
) -> None:
    made = await mixed(store)
    moved = {each.delivery.id for each in await move(store, cause, selection)}
    assert {name for name, each in made.items() if each.id in moved} == meant
    assert len(moved) == len(meant)


async def test_many_are_moved_in_small_steps(store: SqlStore) -> None:
    await many(store, 1201)
    steps = [step async for step in store.desk.move(Cause.CANCELLED, EVERYTHING, now=NOW)]
    assert [len(step) for step in steps] == [500, 500, 201]
    assert len({each.delivery.id for step in steps for each in step}) == 1201
    assert await store.desk.count(Cause.CANCELLED, EVERYTHING) == Tally(deliveries=0, doubtful=0)


async def many(store: SqlStore, count: int) -> None:
    one = message()
    await store.queue.enqueue(
        one, CONTENT, tuple(delivery(one, number=n, recipient=f"reader{n}@example.net") for n in range(1, count + 1))
    )


async def test_between_the_steps_others_are_claimed_and_let_go(store: SqlStore) -> None:
    await many(store, 1000)
    moving = store.desk.move(Cause.CANCELLED, EVERYTHING, now=NOW)
    first = await anext(aiter(moving))
    claimed = await claim(store, limit=400)
    rest = [each async for step in moving for each in step]
    assert [len(first), len(claimed), len(rest)] == [500, 400, 100]
    assert [await settle(store, each, Sent("ses-1")) for each in claimed] == [True] * 400


async def test_what_is_claimed_and_moved_at_the_same_time_is_one_or_the_other(store: SqlStore) -> None:
    async def cancel() -> list[str]:
        steps = [step async for step in store.desk.move(Cause.CANCELLED, EVERYTHING, now=NOW)]
        return [each.delivery.id for step in steps for each in step]

    async def take() -> list[str]:
        rounds = [await claim(store, limit=40) for _ in range(5)]
        return [each.delivery.id for claimed in rounds for each in claimed]

    await many(store, 400)
    cancelled, claimed = await asyncio.gather(cancel(), take())
    assert len(cancelled) + len(claimed) == 400
    assert not set(cancelled) & set(claimed)


@pytest.mark.parametrize("cause", [Cause.RETRIED, Cause.HELD_BACK, Cause.CANCELLED])
async def test_what_is_being_sent_or_has_ended_is_not_moved(store: SqlStore, cause: Cause) -> None:
    for number in (1, 2, 3):
        await enqueue(store, number)
    sending, sent, failed = await claim(store)
    await settle(store, sent, Sent("ses-1"))
    await settle(store, failed, Never("400"))
    assert await move(store, cause) == []
    assert await state(store, sending.delivery) is State.SENDING


# What becomes of it.


async def test_what_is_retried_is_due_at_once_and_keeps_its_failures(store: SqlStore) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Later("503"))
    assert await claim(store, now=NOW + 50) == ()
    (moved,) = await move(store, Cause.RETRIED)
    assert moved.tries == ()
    assert await stored(store, made) == moved.delivery
    found = moved.delivery
    assert (found.due_at, found.failures, found.attempt, found.reason) == (NOW + 50, 1, 1, "retried by the operator")
    assert (await claim_one(store, now=NOW + 50)).delivery.attempt == 2


async def test_scheduled_mail_that_is_retried_keeps_the_time_of_its_sender(store: SqlStore) -> None:
    labels = Labels(send_at=NOW + 3600)
    made = await enqueue(store, labels=labels, due_at=labels.send_at)
    await move(store, Cause.HELD_BACK)
    await move(store, Cause.RETRIED)
    assert (await stored(store, made)).due_at == labels.send_at
    await move(store, Cause.RETRIED, now=labels.send_at + 5)
    assert (await stored(store, made)).due_at == labels.send_at + 5


async def test_what_is_held_back_is_due_at_no_time_until_it_is_retried(store: SqlStore) -> None:
    made = await enqueue(store)
    await move(store, Cause.HELD_BACK)
    found = await stored(store, made)
    assert (found.state, found.due_at, found.reason) == (State.QUEUED, NEVER, "held back by the operator")
    assert await claim(store, now=NOW + 1e9) == ()
    await move(store, Cause.RETRIED)
    assert (await claim_one(store, now=NOW + 50)).delivery.id == made.id


async def test_what_is_held_back_stays_so_when_the_clock_jumps(store: SqlStore) -> None:
    await enqueue(store)
    await move(store, Cause.HELD_BACK)
    for seconds in (-172_800.0, 172_800.0, -172_800.0):
        await store.queue.shift(seconds)
        await store.queue.straighten(NOW + seconds)
        assert await claim(store, now=NOW + 1e9) == ()


async def test_what_is_held_back_for_too_long_expires(store: SqlStore) -> None:
    made = await enqueue(store)
    await move(store, Cause.HELD_BACK)
    expired = await store.queue.expire(now=NOW + LIFETIME + 100, max_hold=100.0)
    assert [(each.id, each.reason) for each in expired] == [(made.id, "held too long")]


async def test_what_is_cancelled_has_ended_and_waits_no_more(store: SqlStore) -> None:
    made = await enqueue(store)
    (moved,) = await move(store, Cause.CANCELLED)
    assert moved.delivery == await stored(store, made)
    assert (moved.delivery.state, moved.delivery.reason) == (State.CANCELLED, "cancelled by the operator")
    assert (await store.desk.status(now=NOW)).flows == ()
    assert await claim(store, now=NOW + LIFETIME) == ()
    life = await store.messages.show(made.message_id)
    assert life
    assert [(each.what, each.at, each.detail) for each in life.moments[1:]] == [
        ("cancelled", NOW + 50, "cancelled by the operator")
    ]


# Doubt.


@pytest.mark.parametrize("cause", [Cause.RETRIED, Cause.HELD_BACK, Cause.CANCELLED])
async def test_of_what_was_in_doubt_the_tries_are_told_that_ses_may_have(store: SqlStore, cause: Cause) -> None:
    made = await in_doubt(store)
    (moved,) = await move(store, cause)
    assert moved.tries == (1,)
    assert moved.delivery.reason.endswith(" by the operator, SES may have it")
    assert (await stored(store, made)).state is not State.IN_DOUBT


async def test_a_doubt_outlives_that_it_was_held_back(store: SqlStore) -> None:
    await in_doubt(store)
    await move(store, Cause.HELD_BACK)
    (moved,) = await move(store, Cause.RETRIED)
    assert moved.tries == (1,)
    await settle(store, await claim_one(store, now=NOW + 50), Unknown("reset"), now=NOW + 51)
    (moved,) = await move(store, Cause.CANCELLED)
    assert moved.tries == (1, 2)


@pytest.mark.parametrize("cause", [Cause.RETRIED, Cause.HELD_BACK, Cause.CANCELLED])
async def test_what_was_moved_out_of_doubt_is_sent_when_its_event_comes(store: SqlStore, cause: Cause) -> None:
    made = await in_doubt(store)
    await move(store, cause)
    await store.feedback.record(
        notification_id="n-1", topic="t", payload="{}", received_at=NOW + 60, events=(event(of=made, at=NOW + 1),)
    )
    assert await state(store, made) is State.SENT
    assert (await store.desk.status(now=NOW)).flows == ()
    assert await claim(store, now=NOW + LIFETIME) == ()


async def test_an_interrupted_call_that_is_retried_tells_its_try(store: SqlStore) -> None:
    await enqueue(store)
    await claim_one(store)
    await store.queue.rescue(now=NOW + 2 * LEASE, everything=False, patience=PATIENCE)
    (moved,) = await move(store, Cause.RETRIED)
    assert moved.tries == (1,)


# A store that only reads.


async def test_what_only_reads_sees_and_counts_and_changes_nothing(store: SqlStore, another_to_read: Opener) -> None:
    await enqueue(store)
    reader = await another_to_read()
    assert (await reader.desk.status(now=NOW)).states == {"queued": 1}
    assert (await reader.desk.count(Cause.CANCELLED, EVERYTHING)).deliveries == 1
    with pytest.raises(StoreUnavailable):
        await anext(aiter(reader.desk.move(Cause.CANCELLED, EVERYTHING, now=NOW)))
    with pytest.raises(StoreUnavailable):
        await reader.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", NEVER), now=NOW)
