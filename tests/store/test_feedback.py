from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from relay.errors import StoreUnavailable
from relay.event import Event, EventType
from relay.model import Labels, State
from relay.outcome import Later, Never, Sent, Unknown
from relay.ports.feedback import Recorded
from relay.store.sql.store import SqlStore
from relay.suppression import Reason
from tests.store.kit import (
    NOW,
    claim,
    claim_one,
    claims,
    enqueue,
    event,
    hard_bounce,
    release,
    rows,
    settle,
    state,
    stored,
    suppressed,
    suppression,
)


async def record(store: SqlStore, *events: Event, notification_id: str = "n-1", payload: str = "{}") -> tuple[Recorded, ...]:
    return await store.feedback.record(
        notification_id=notification_id, topic="topic", payload=payload, received_at=NOW + 9, events=events
    )


async def test_a_fact_is_recorded_with_the_delivery_it_is_about(store: SqlStore) -> None:
    first = await enqueue(store)
    fact = event(of=first)
    assert await record(store, fact) == (Recorded(event=fact, delivery_id=first.id, suppressed=None),)


async def test_the_notification_is_kept_as_it_was_posted(store: SqlStore) -> None:
    await record(store, payload='{"name": "Zoë \udcff"}')
    assert await rows(store, "SELECT id, topic, received_at, payload FROM notifications") == [
        ("n-1", "topic", NOW + 9, '{"name": "Zoë \udcff"}'.encode("utf-8", "surrogatepass"))
    ]


async def test_the_same_notification_twice_is_nothing_new(store: SqlStore) -> None:
    first = await enqueue(store)
    assert len(await record(store, event(of=first))) == 1
    # Not even what it did not hold before: one notification is one set of facts.
    assert await record(store, event(of=first), hard_bounce(of=first)) == ()
    assert await rows(store, "SELECT type FROM events") == [("send",)]
    assert await suppressed(store, first.recipient) == {}


async def test_the_same_fact_under_two_notifications_is_one_fact(store: SqlStore) -> None:
    first = await enqueue(store)
    assert len(await record(store, hard_bounce(of=first), notification_id="n-1")) == 1
    assert await record(store, hard_bounce(of=first, detail="in other words"), notification_id="n-2") == ()
    assert await rows(store, "SELECT notification_id FROM events") == [("n-1",)]
    assert await rows(store, "SELECT id FROM notifications ORDER BY id") == [("n-1",), ("n-2",)]


async def test_clicks_on_links_of_any_length_are_told_apart(store: SqlStore) -> None:
    """Where somebody signs his links they have thousands of letters; an index takes no more than some hundreds."""
    first = await enqueue(store)
    links = [f"https://example.com/{random.Random(number).randbytes(4000).hex()}" for number in range(2)]
    clicks = [event(EventType.CLICK, of=first, link=link, detail=link) for link in links]
    for notification_id in ("n-1", "n-2"):
        await record(store, *clicks, notification_id=notification_id)
    assert await rows(store, "SELECT detail FROM events ORDER BY id") == [(link,) for link in links]


async def test_a_new_fact_beside_a_known_one_is_recorded_alone(store: SqlStore) -> None:
    first = await enqueue(store)
    await record(store, event(of=first), notification_id="n-1")
    new = event(EventType.DELIVERY, of=first)
    assert [each.event for each in await record(store, event(of=first), new, notification_id="n-2")] == [new]


@pytest.mark.parametrize(
    "relay_id", ["", "x", "-", "00000000000000000000000001-", "00000000000000000000000001-2", "9" * 40 + "-1"]
)
async def test_a_fact_about_an_unknown_message_is_kept_without_a_delivery(store: SqlStore, relay_id: str) -> None:
    first = await enqueue(store)
    (recorded,) = await record(store, event(EventType.DELIVERY, relay_id=relay_id, ses_message_id="ses-of-a-stranger"))
    assert recorded.delivery_id == ""
    assert await rows(store, "SELECT type, message_id, number FROM events") == [("delivery", None, None)]
    assert await state(store, first) is State.QUEUED


async def test_a_number_too_long_for_the_database_is_an_unknown_message(store: SqlStore) -> None:
    first = await enqueue(store)
    (recorded,) = await record(store, event(relay_id=f"{first.message_id}-{'9' * 30}"))
    assert recorded.delivery_id == ""


async def test_an_untagged_fact_is_joined_by_the_identifier_of_ses(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Sent("ses-1"))
    (recorded,) = await record(store, event(EventType.DELIVERY, ses_message_id="ses-1"))
    assert recorded.delivery_id == first.id


async def test_our_tag_is_believed_before_the_identifier_of_ses(store: SqlStore) -> None:
    await enqueue(store, 1)
    await settle(store, await claim_one(store), Sent("ses-1"))
    second = await enqueue(store, 2)
    (recorded,) = await record(store, event(of=second, ses_message_id="ses-1"))
    assert recorded.delivery_id == second.id


# What a fact proves.


async def test_a_tag_with_digits_of_another_script_names_no_delivery(store: SqlStore) -> None:
    """The databases do not read them, and what came with it would fail as well."""
    first = await enqueue(store)
    strange = event(relay_id=f"{first.message_id}-\u0661", ses_message_id="of another")
    (stranger,), (ours,) = await asyncio.gather(record(store, strange), record(store, event(of=first), notification_id="n-2"))
    assert (stranger.delivery_id, ours.delivery_id) == ("", first.id)


@pytest.mark.parametrize("type", [EventType.SEND, EventType.DELIVERY, EventType.BOUNCE])
async def test_a_tagged_event_moves_doubt_to_sent(store: SqlStore, type: EventType) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("reset"))
    assert await state(store, first) is State.IN_DOUBT
    await record(store, event(type, of=first, bounce_type="Transient", bounce_subtype="General"))
    found = await stored(store, first)
    assert (found.state, found.reason) == (State.SENT, "")
    assert await store.queue.decide(now=NOW + 86400) == ()


async def test_a_tagged_event_cancels_the_retry_that_waits(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Later("503"))
    await record(store, event(of=first))
    assert await state(store, first) is State.SENT
    assert await claim(store, now=NOW + 86400) == ()


async def test_a_tagged_event_moves_even_a_failed_delivery_to_sent(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Never("400"))
    await record(store, event(of=first))
    assert await state(store, first) is State.SENT


async def test_an_event_does_not_change_when_a_delivery_was_sent(store: SqlStore) -> None:
    first = await enqueue(store)
    await settle(store, await claim_one(store), Sent("ses-1"), now=NOW + 1)
    await record(store, event(of=first, at=NOW + 5, ses_message_id="ses-2"))
    assert await rows(store, "SELECT sent_at, ses_message_id FROM deliveries") == [(NOW + 1, "ses-1")]


async def test_facts_give_the_shown_status_whatever_their_order(store: SqlStore) -> None:
    first = await enqueue(store)
    for number, type in enumerate((EventType.OPEN, EventType.DELIVERY, EventType.SEND)):
        await record(store, event(type, of=first), notification_id=f"n-{number}")
    life = await store.messages.show(first.id)
    assert life is not None
    assert life.statuses == ("opened",)
    assert {"open", "delivery", "send"} < {moment.what for moment in life.moments}


# Suppression.


async def test_a_hard_bounce_suppresses_its_recipient(store: SqlStore) -> None:
    first = await enqueue(store, recipient="Reader@example.net")
    waiting = await enqueue(store, 2, recipient="reader@example.net", due_at=NOW + 10)
    (recorded,) = await record(store, hard_bounce(of=first, detail="550 no such user"))
    assert recorded.suppressed is Reason.HARD_BOUNCE
    found = (await suppressed(store, "reader@example.net"))["reader@example.net"]
    assert (found.reason, found.source, found.created_at) == (Reason.HARD_BOUNCE, "ses-1", NOW + 5)
    assert found.note == "550 no such user"
    due = await claims(store, now=NOW + 10)
    assert due.claimed == ()
    assert [ended.id for ended in due.ended] == [waiting.id]


async def test_a_complaint_of_a_stranger_s_message_suppresses_too(store: SqlStore) -> None:
    (recorded,) = await record(store, event(EventType.COMPLAINT))
    assert (recorded.delivery_id, recorded.suppressed) == ("", Reason.COMPLAINT)
    assert list(await suppressed(store, "stranger@example.org")) == ["stranger@example.org"]


async def test_a_soft_bounce_suppresses_nobody(store: SqlStore) -> None:
    first = await enqueue(store)
    (recorded,) = await record(store, hard_bounce(of=first, bounce_type="Transient", bounce_subtype="MailboxFull"))
    assert recorded.suppressed is None
    assert await suppressed(store, first.recipient) == {}


async def test_who_bounces_twice_is_suppressed_once_and_beside_any_other_reason(store: SqlStore) -> None:
    first = await enqueue(store)
    await store.suppressions.add(suppression(first.recipient, reason="complaint"))
    (recorded,) = await record(store, hard_bounce(of=first))
    assert recorded.suppressed is Reason.HARD_BOUNCE
    (recorded,) = await record(store, replace(hard_bounce(of=first, feedback_id="2"), at=NOW + 6), notification_id="n-2")
    assert recorded.suppressed is None
    assert (await suppressed(store, first.recipient))[first.recipient].reason is Reason.COMPLAINT


async def test_released_stays_released_when_sns_repeats_itself(store: SqlStore) -> None:
    first = await enqueue(store)
    await record(store, hard_bounce(of=first), notification_id="n-1")
    await store.suppressions.remove(release(first.recipient))
    await record(store, hard_bounce(of=first), notification_id="n-1")
    await record(store, hard_bounce(of=first), notification_id="n-2")
    assert await suppressed(store, first.recipient) == {}


async def test_nothing_of_a_notification_is_kept_if_one_of_its_facts_cannot_be(store: SqlStore) -> None:
    first = await enqueue(store)
    broken = event(EventType.DELIVERY, of=first, detail=None)  # the column is NOT NULL
    with pytest.raises(StoreUnavailable):
        await record(store, hard_bounce(of=first), broken)
    assert await rows(store, "SELECT 1 FROM notifications UNION ALL SELECT 1 FROM events") == []
    assert await suppressed(store, first.recipient) == {}
    assert await state(store, first) is State.QUEUED
    assert len(await record(store, hard_bounce(of=first))) == 1


# Events that come before we know whose they are.


async def test_an_event_that_was_heard_before_the_answer_to_the_call_is_joined_to_its_delivery(store: SqlStore) -> None:
    """A classic notification has no tags: only SES's identifier says which message it is about."""
    await enqueue(store)
    claimed = await claim_one(store)
    early = event(EventType.DELIVERY, ses_message_id="ses-7")
    assert [fact.delivery_id for fact in await record(store, early)] == [""]
    await settle(store, claimed, Sent("ses-7"))
    life = await store.messages.show(claimed.delivery.message_id)
    assert life is not None
    assert life.statuses == ("delivered",)


# SES's own list management.


def subscription(at: float, **changes: Any) -> Event:
    return event(EventType.SUBSCRIPTION, at=at, **changes)


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_leaves_a_list_gets_no_more_of_it_until_coming_back(store: SqlStore, is_late: bool) -> None:
    left = subscription(NOW + 1, opted_out=("main", "news"))
    came_back = subscription(NOW + 2, opted_in=("news",))
    told = [came_back, left] if is_late else [left, came_back]
    for number, fact in enumerate(told):
        await record(store, fact, notification_id=f"n-{number}")
    entries = (await store.suppressions.find(["stranger@example.org"])).entries("stranger@example.org")
    assert [(entry.scope, entry.reason) for entry in entries] == [("list:main", Reason.UNSUBSCRIBED)]
    assert await suppressed(store, "stranger@example.org") == {}


async def test_a_bounce_for_having_unsubscribed_is_of_the_message_s_list_only(store: SqlStore) -> None:
    sent = await enqueue(store, labels=Labels(list="news"))
    (recorded,) = await record(store, hard_bounce(of=sent, bounce_subtype="UnsubscribedRecipient"))
    assert recorded.suppressed is None
    entries = (await store.suppressions.find([sent.recipient])).entries(sent.recipient)
    assert [entry.scope for entry in entries] == ["list:news"]


async def test_a_classic_notification_that_comes_first_leaves_the_proof_to_the_tagged_one(store: SqlStore) -> None:
    waiting = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("no answer"))
    bounce = hard_bounce(of=waiting, feedback_id="F")
    await record(store, replace(bounce, relay_id=""))
    assert await state(store, waiting) is State.IN_DOUBT
    assert await record(store, bounce, notification_id="n-2") == ()
    assert await state(store, waiting) is State.SENT


async def test_what_happened_before_a_removal_counts_no_more_also_where_nobody_knew_of_it(store: SqlStore) -> None:
    first = await enqueue(store)
    await store.suppressions.remove(release(first.recipient, at=NOW + 8))
    (recorded,) = await record(store, hard_bounce(of=first))
    assert recorded.suppressed is None
    assert await suppressed(store, first.recipient) == {}


async def test_a_bounce_is_not_later_than_it_was_heard_of(store: SqlStore) -> None:
    first = await enqueue(store)
    await record(store, replace(hard_bounce(of=first), at=NOW + 3600))  # by the clock of the server that refused it
    assert (await suppressed(store, first.recipient))[first.recipient].created_at == NOW + 9


@pytest.mark.parametrize(("sent_at", "is_suppressed"), [(NOW + 1, True), (NOW - 1300, False), (0.0, False)])
async def test_a_bounce_is_not_before_its_message_was_sent(store: SqlStore, sent_at: float, is_suppressed: bool) -> None:
    """By a clock that is slow it was before the address was let be mailed again; but so was nothing that was sent since."""
    await store.suppressions.remove(release(at=NOW - 1200))
    first = await enqueue(store)
    (recorded,) = await record(store, replace(hard_bounce(of=first), at=NOW - 2400, sent_at=sent_at))
    assert (recorded.suppressed is not None) is is_suppressed
    found = await suppressed(store, first.recipient)
    assert [entry.created_at for entry in found.values()] == [sent_at] * is_suppressed


async def test_what_is_no_address_keeps_nobody_from_mail(store: SqlStore) -> None:
    await record(store, hard_bounce(recipient="MAILER-DAEMON"))
    assert (await store.suppressions.find(["MAILER-DAEMON"])).entries("MAILER-DAEMON") == ()
