"""What is let go, and when; and what is not, whatever its age."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from relay.event import EventType
from relay.holds import Holder
from relay.lifecycle import Cause
from relay.model import Delivery, Labels, Message, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, Unknown
from relay.queueing import Selection
from relay.store.sql import retention
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    NOW,
    accepted,
    change,
    claim,
    column,
    delivery,
    enqueue,
    event,
    hard_bounce,
    release,
    rows,
    settle,
    state,
    suppression,
)

DAY = 86400.0
LARGE = b"x" * 60_000


async def put(
    store: SqlStore, at: float = NOW, number: int = 1, *, content: bytes | None = CONTENT, recipients: int = 1
) -> tuple[Delivery, ...]:
    """One message of that time, to so many; without content here it is one that lies in the spool folder."""
    made = accepted(at, number, content=content or CONTENT)
    to = tuple(delivery(made, number=n, recipient=f"reader{n}@example.net", due_at=at) for n in range(1, recipients + 1))
    return await store.queue.enqueue(made, content, to)


async def put_sent(store: SqlStore, at: float = NOW, number: int = 1, *, content: bytes | None = CONTENT) -> Delivery:
    """One that SES took at once."""
    (made,) = await put(store, at, number, content=content)
    await answer_all(store, Sent(f"ses-{made.id}"), at)
    return made


async def answer_all(store: SqlStore, outcome: Outcome, at: float) -> None:
    for claimed in await claim(store, now=at):
        await settle(store, claimed, outcome, now=at)


async def gone(steps: AsyncIterator[int]) -> int:
    return sum([count async for count in steps])


async def forget(store: SqlStore, before: float) -> None:
    """All that ended before that."""
    for steps in (store.retention.bodies, store.retention.facts):
        await gone(steps(before))
    await store.retention.flows_and_holds(before)


async def has_content(store: SqlStore, of: Delivery) -> bool:
    life = await store.messages.show(of.message_id)
    assert life
    return life.has_content


async def count(store: SqlStore, what: str) -> int:
    [(found,)] = await rows(store, f"SELECT count(*) FROM {what}")
    return int(found)


# Content.


@pytest.mark.parametrize("content", [CONTENT, None], ids=["in its row", "in the spool folder"])
@pytest.mark.parametrize(
    "outcome", [Sent("ses-1"), Never("spam"), Later("503", at_most=1)], ids=["sent", "refused", "given up"]
)
async def test_the_content_goes_once_the_delivery_is_over_for_so_long(
    store: SqlStore, outcome: Outcome, content: bytes | None
) -> None:
    (made,) = await put(store, content=content)
    await answer_all(store, outcome, NOW + 5)
    assert await gone(store.retention.bodies(NOW + 4)) == 0
    assert await has_content(store, made)
    assert await gone(store.retention.bodies(NOW + 5)) == 1
    assert not await has_content(store, made)


async def test_what_ended_before_it_began_goes_as_well(store: SqlStore) -> None:
    await store.suppressions.add(suppression("reader1@example.net"))
    (made,) = await put(store)
    assert made.state is State.SUPPRESSED
    assert await gone(store.retention.bodies(NOW + 1)) == 1


async def test_the_content_of_what_was_cancelled_goes(store: SqlStore) -> None:
    (made,) = await put(store)
    assert [step async for step in store.desk.move(Cause.CANCELLED, Selection(ids=(made.message_id,)), now=NOW + 9)]
    assert await gone(store.retention.bodies(NOW + 8)) == 0
    assert await gone(store.retention.bodies(NOW + 9)) == 1


async def in_doubt(store: SqlStore) -> None:
    await answer_all(store, Unknown("no answer"), NOW)


async def sending(store: SqlStore) -> None:
    await claim(store)


async def queued(store: SqlStore) -> None:
    await answer_all(store, Later("503"), NOW)


@pytest.mark.parametrize("content", [CONTENT, None], ids=["in its row", "in the spool folder"])
@pytest.mark.parametrize("stand", [queued, sending, in_doubt])
async def test_nothing_of_a_message_goes_while_one_delivery_is_open(
    store: SqlStore, stand: Callable[[SqlStore], object], content: bytes | None
) -> None:
    made, other = await put(store, content=content, recipients=2)
    [_] = [step async for step in store.desk.move(Cause.CANCELLED, Selection(ids=(other.id,)), now=NOW)]
    await stand(store)  # type: ignore[misc]
    for steps in (store.retention.bodies, store.retention.facts):
        assert await gone(steps(NOW + 1000 * DAY)) == 0
    assert await has_content(store, made)
    assert (await count(store, "messages"), await count(store, "deliveries"), await count(store, "flows")) == (1, 2, 1)


async def test_age_counts_from_the_end_and_not_from_the_beginning(store: SqlStore) -> None:
    """Held for a month, and sent just now."""
    (made,) = await put(store)
    await answer_all(store, Sent("ses-1"), NOW + 30 * DAY)
    assert await gone(store.retention.bodies(NOW + 27 * DAY)) == 0
    assert await has_content(store, made)


async def test_the_last_delivery_to_end_decides(store: SqlStore) -> None:
    await put(store, recipients=2)
    first, second = await claim(store)
    await settle(store, first, Sent("ses-1"), now=NOW + 1)
    await settle(store, second, Sent("ses-2"), now=NOW + 9)
    assert await gone(store.retention.bodies(NOW + 8)) == 0
    assert await gone(store.retention.bodies(NOW + 9)) == 1


async def test_when_the_content_is_gone_the_facts_are_still_told(store: SqlStore) -> None:
    made = await put_sent(store)
    await store.feedback.record(
        notification_id="n1", topic="t", payload="{}", received_at=NOW, events=(event(EventType.DELIVERY, of=made),)
    )
    await gone(store.retention.bodies(NOW + DAY))
    life = await store.messages.show(made.message_id)
    assert life
    assert (life.statuses, life.has_content) == (("delivered",), False)
    assert [moment.what for moment in life.moments] == ["accepted", "sent", "delivery"]


async def test_what_was_looked_up_as_over_is_asked_again_before_it_goes(store: SqlStore) -> None:
    """Between the look and the step an event may have come that dates the end anew."""
    made = await put_sent(store)
    (waiting,) = await put(store, NOW + 1)
    found = [made.message_id, waiting.message_id]
    writer = store.retention._writer
    assert await writer.run(retention._forget, (retention._CONTENT[0], found, NOW - 1)) == 0
    assert await writer.run(retention._forget, (retention._CONTENT[0], found, NOW + DAY)) == 1
    assert (await has_content(store, made), await has_content(store, waiting)) == (False, True)


# Facts.


async def test_all_that_is_known_of_a_message_goes_together_and_of_no_other(store: SqlStore) -> None:
    for day in (0, 10):
        (made,) = await put(store, NOW + day * DAY)
        await answer_all(store, Later("503"), NOW + day * DAY)
        await answer_all(store, Sent(f"ses-{day}"), NOW + day * DAY + 100)
        told = event(EventType.DELIVERY, of=made, ses_message_id=f"ses-{day}")
        await store.feedback.record(notification_id=f"n{day}", topic="t", payload="{}", received_at=NOW, events=(told,))
    await forget(store, NOW + 5 * DAY)
    tables = ("messages", "deliveries", "attempts", "events", "bodies", "flows")
    assert {table: await count(store, table) for table in tables} == dict.fromkeys(tables, 1) | {"events": 2}  # it expired, too
    assert await has_content(store, made)


async def test_facts_stay_as_long_as_the_content_does(store: SqlStore) -> None:
    for content in (CONTENT, None):
        await put_sent(store, NOW + len(content or b""), content=content)
    assert await gone(store.retention.facts(NOW + DAY)) == 0


async def test_a_flow_goes_when_nothing_is_left_of_it(store: SqlStore) -> None:
    """Also one whose deliveries never began."""
    await store.suppressions.add(suppression("reader@example.net"))
    old = accepted(NOW, sender="shop@one.example")
    new = accepted(NOW + 10 * DAY, sender="shop@two.example")
    for each in (old, new):
        await store.queue.enqueue(each, CONTENT, (delivery(each),))
    assert await store.retention.flows_and_holds(NOW) == 0
    for before, left in ((NOW + DAY, 1), (NOW + 20 * DAY, 0)):
        await forget(store, before)
        assert (await count(store, "flows"), await count(store, "deliveries")) == (left, left)


async def test_after_a_flow_went_its_next_message_makes_it_anew(store: SqlStore) -> None:
    await put_sent(store)
    await forget(store, NOW + DAY)
    (made,) = await put(store, NOW + 2 * DAY)
    status = await store.desk.status(now=NOW + 2 * DAY)
    assert [(each.open, each.octets, each.due) for each in status.flows] == [(1, len(CONTENT), 1)]
    await answer_all(store, Sent("ses-1"), NOW + 2 * DAY)
    assert await state(store, made) is State.SENT


async def test_events_about_mail_that_is_not_ours_go_by_the_day_they_came(store: SqlStore) -> None:
    made = await put_sent(store, NOW + 9 * DAY)
    for day in (0, 1, 2, 8):
        told = (event(at=NOW + day), event(EventType.DELIVERY, of=made, at=NOW + day, detail=str(day)))
        await store.feedback.record(
            notification_id=f"n{day}", topic="t", payload="{}", received_at=NOW + day * DAY, events=told
        )
    assert await count(store, "events") == 8
    await gone(store.retention.facts(NOW + 2.5 * DAY))
    assert await count(store, "events WHERE message_id IS NULL") == 1
    assert await count(store, "events WHERE message_id IS NOT NULL") == 4


async def test_an_event_about_a_message_that_is_forgotten_is_a_strangers_and_still_suppresses(store: SqlStore) -> None:
    made = await put_sent(store)
    await forget(store, NOW + DAY)
    assert await store.messages.show(made.message_id) is None
    (recorded,) = await store.feedback.record(
        notification_id="n", topic="t", payload="{}", received_at=NOW, events=(hard_bounce(of=made),)
    )
    assert recorded.delivery_id == ""
    assert await store.suppressions.find([made.recipient])


# What else.


async def test_notifications_go_by_the_day_they_came_and_what_was_read_of_them_stays(store: SqlStore) -> None:
    for day in range(250):
        await store.feedback.record(
            notification_id=f"{1000 - day}", topic="t", payload="{}", received_at=NOW + day * DAY, events=(event(at=NOW + day),)
        )
    assert await gone(store.retention.notifications(NOW + 220 * DAY)) == 220
    assert await count(store, "notifications") == 30
    assert await count(store, f"notifications WHERE received_at < {NOW + 220 * DAY}") == 0
    assert await count(store, "events") == 250


async def test_a_hold_that_is_over_is_kept_while_something_waits_that_waited_under_it(store: SqlStore) -> None:
    """For so long its time must not count."""
    await enqueue(store)
    for begin, end in ((-2000.0, -1000.0), (1000.0, 2000.0)):
        await store.desk.hold(Hold(HoldScope.ACCOUNT, "by hand", 600.0), now=NOW + begin)
        await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + end)
    assert await store.retention.flows_and_holds(NOW + DAY) == 1
    [claimed] = await claim(store, now=NOW + DAY)
    assert claimed.held == 1000.0
    await settle(store, claimed, Sent("ses-1"), now=NOW + DAY)
    assert (await store.retention.flows_and_holds(NOW + DAY), await count(store, "holds")) == (1, 0)


async def test_a_hold_that_stands_stays_and_one_that_nobody_noticed_goes(store: SqlStore) -> None:
    await enqueue(store)
    await store.desk.hold(Hold(HoldScope.IDENTITY, "by hand", 600.0, "example.com"), now=NOW)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "by hand", 600.0), now=NOW + 10)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + 20)
    assert (await store.retention.flows_and_holds(NOW + 1000 * DAY), await count(store, "holds")) == (1, 1)


@pytest.mark.parametrize(
    ("scope", "subject", "holder", "ends"),
    [
        (HoldScope.IDENTITY, "example.com", Holder.SES, True),
        (HoldScope.CONFIGURATION_SET, "", Holder.SES, True),
        (HoldScope.ACCOUNT, "", Holder.SES, False),
        (HoldScope.IDENTITY, "example.com", Holder.OPERATOR, False),
        (HoldScope.CREDENTIAL_BULK, "app", Holder.RELAY, False),
    ],
)
async def test_a_hold_of_ses_ends_where_no_mail_is_left_that_could_probe_it(
    store: SqlStore, scope: HoldScope, subject: str, holder: Holder, ends: bool
) -> None:
    held = await enqueue(store)
    await enqueue(store, 2, sender="shop@example.org", labels=Labels(configuration_set="other"))
    await store.desk.hold(Hold(scope, "paused", 1e9, subject), now=NOW, holder=holder)
    await store.retention.flows_and_holds(NOW + 100)
    assert len((await store.desk.status(now=NOW)).holds) == 1
    [_] = [step async for step in store.desk.move(Cause.CANCELLED, Selection(ids=(held.id,)), now=NOW + 150)]
    await store.retention.flows_and_holds(NOW + 200)
    assert len((await store.desk.status(now=NOW)).holds) == (not ends)


# Steps.


async def test_no_step_is_large(store: SqlStore) -> None:
    for number in range(250):
        await put(store, NOW + number, number)
    while await claim(store, now=NOW + DAY):
        pass
    await answer_late(store)
    for steps in (store.retention.bodies, store.retention.facts):
        counts = [count async for count in steps(NOW + 2 * DAY)]
        assert (sum(counts), max(counts)) == (250, 100)


async def answer_late(store: SqlStore) -> None:
    """All that are being sent were sent."""
    for life in await store.messages.newest(limit=1000):
        told = [event(of=each, at=NOW + DAY, ses_message_id=each.id) for each in life.deliveries]
        await store.feedback.record(
            notification_id=life.message.id, topic="t", payload="{}", received_at=NOW, events=tuple(told)
        )


async def test_no_step_removes_much_more_than_a_megabyte(store: SqlStore) -> None:
    for number in range(50):
        await put_sent(store, NOW + number, number, content=LARGE)
    counts = [count async for count in store.retention.bodies(NOW + DAY)]
    assert counts == [18, 18, 14]


async def test_what_must_stay_is_looked_at_once_a_pass(store: SqlStore) -> None:
    """A backlog that is held is passed over, not gone through again for each step behind it."""
    for number in range(450):
        await put(store, NOW + number, number)
    await store.desk.hold(Hold(HoldScope.IDENTITY, "by hand", 1e9, "example.com"), now=NOW)
    for number in range(450, 600):
        made = accepted(NOW + number, number, sender="shop@free.example")
        await store.queue.enqueue(made, CONTENT, (delivery(made),))
    while claimed := await claim(store, now=NOW + 600):
        for each in claimed:
            await settle(store, each, Sent(each.delivery.id), now=NOW + 600)
    assert [count async for count in store.retention.bodies(NOW + DAY)] == [0, 0, 0, 0, 50, 100]


async def test_a_walk_ends_at_the_first_that_are_too_young(store: SqlStore) -> None:
    for number in range(500):
        await put_sent(store, NOW + number * DAY, number)
    assert [count async for count in store.retention.bodies(NOW + 9.5 * DAY)] == [10, 0]


async def test_others_write_between_two_steps(store: SqlStore) -> None:
    for number in range(150):
        await put_sent(store, NOW + number, number)
    steps = store.retention.bodies(NOW + DAY)
    assert await anext(steps) == 100
    (made,) = await put(store, NOW + 2 * DAY, 999)
    assert await gone(steps) == 50
    assert await has_content(store, made)


async def test_a_time_before_the_epoch_lets_nothing_go(store: SqlStore) -> None:
    """A clock that was never set, less some days."""
    made: Message = accepted(0.0)
    await store.queue.enqueue(made, CONTENT, (delivery(made, due_at=0.0),))
    await answer_all(store, Sent("ses-1"), 1.0)
    for steps in (store.retention.bodies, store.retention.facts, store.retention.notifications):
        assert await gone(steps(-3 * DAY)) == 0


# What is kept for as long as is said.


async def test_whose_old_links_were_is_forgotten_by_when_the_mail_was_accepted(store: SqlStore) -> None:
    ids_of = [accepted(at).id for at in (NOW - 2 * DAY, NOW)]
    for id in ids_of:
        for number in range(1, 121):  # more than a step
            await change(store, "INSERT INTO old_links VALUES (?,?,'a@example.net','app','','')", (id, number))
    assert await gone(store.retention.links(NOW - DAY)) == 120
    assert await column(store, "SELECT DISTINCT message_id FROM old_links") == [ids_of[1]]


async def test_what_changed_of_suppressed_addresses_goes_but_for_removals(store: SqlStore) -> None:
    await store.suppressions.add(suppression())
    await store.suppressions.remove(release(at=NOW + 1))
    await store.suppressions.add(suppression("other@example.net"))
    assert await gone(store.retention.history(NOW)) == 0
    assert await gone(store.retention.history(NOW + DAY)) == 2
    assert await column(store, "SELECT change FROM suppression_history") == ["removed"]


async def test_what_operators_did_goes(store: SqlStore) -> None:
    for at in (NOW - 2 * DAY, NOW):
        columns = "at, operator, peer, action, subject, detail, outcome"
        await change(store, f"INSERT INTO audit ({columns}) VALUES (?,'anna','','x','','','done')", (at,))
    assert await gone(store.retention.audit(NOW - DAY)) == 1
    assert await column(store, "SELECT at FROM audit") == [NOW]
