"""What the relay knows itself stands among the facts that SES reported, in its place and once."""

from __future__ import annotations

from relay.event import EventType
from relay.lifecycle import Cause
from relay.outcome import Later, Never, Sent
from relay.queueing import Selection
from relay.store.sql.store import SqlStore
from relay.tokens import Kind, Link
from tests.store.kit import LIFETIME, NOW, claim, claim_one, enqueue, event, settle, suppression


async def known(store: SqlStore) -> list[tuple[str, str, str]]:
    """Of the login, as /Events and webhooks read it."""
    facts = await store.events.read("app", after=0, count=100) or ()
    return [(fact.event.type, fact.delivery_id[-1:], fact.event.detail) for fact in facts]


async def test_what_was_refused_by_ses_has_failed(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Never("MessageRejected: no"))
    assert await known(store) == [("failed", "1", "MessageRejected: no")]


async def test_what_was_tried_for_too_long_has_expired(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Later("503"), now=NOW + 2 * LIFETIME)
    assert [(kind, number) for kind, number, _ in await known(store)] == [("expired", "1")]


async def test_what_is_suppressed_at_once_or_while_it_waits_says_why(store: SqlStore) -> None:
    await enqueue(store)
    await store.suppressions.add(suppression("reader@example.net", reason="complaint"))
    await enqueue(store, 2)
    assert await claim(store) == ()
    assert [kind for kind, *_ in await known(store)] == ["suppressed", "suppressed"]
    assert all(detail.startswith("complaint") for *_, detail in await known(store))


async def test_what_an_operator_cancelled_says_so(store: SqlStore) -> None:
    await enqueue(store)
    assert [len(step) async for step in store.desk.move(Cause.CANCELLED, Selection(), now=NOW)] == [1]
    assert await known(store) == [("cancelled", "1", "cancelled by the operator")]


async def test_what_is_sent_is_told_by_ses_alone(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Sent("ses-1"))
    assert await known(store) == []


async def test_a_reader_who_leaves_and_comes_back_is_known_by_the_message_whose_link_it_was(store: SqlStore) -> None:
    made = await enqueue(store)
    whom = await store.links.addressee(Link(Kind.UNSUBSCRIBE, made.message_id, 1))
    assert whom
    for at in (NOW, NOW + 1):
        await store.links.leave(whom, at=at)
    await store.links.come_back(whom, at=NOW + 2)
    assert await known(store) == [("unsubscribed", "1", "credential:app"), ("resubscribed", "1", "credential:app")]


async def test_they_stand_in_one_row_with_those_of_ses_and_in_the_life_of_the_message(store: SqlStore) -> None:
    made = await enqueue(store)
    for number, kind in enumerate((EventType.SEND, EventType.DELIVERY)):
        told = event(kind, of=made)
        await store.feedback.record(notification_id=str(number), topic="t", payload="{}", received_at=NOW, events=(told,))
        if kind is EventType.SEND:
            whom = await store.links.addressee(Link(Kind.UNSUBSCRIBE, made.message_id, 1))
            assert whom
            await store.links.leave(whom, at=NOW + 10)
    assert [kind for kind, *_ in await known(store)] == ["send", "unsubscribed", "delivery"]
    life = await store.messages.show(made.message_id)
    assert life
    assert "unsubscribed" in [moment.what for moment in life.moments]


async def test_they_are_nothing_that_was_heard_of_ses(store: SqlStore) -> None:
    """Else the alarm for silence would take its own words for SES's."""
    await enqueue(store)
    await settle(store, await claim_one(store), Never("MessageRejected: no"))
    assert (await store.counters.newest_event(), await store.counters.newest_event_at()) == (0, 0.0)
