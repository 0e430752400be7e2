"""What others are still to be told, on both databases: in which order, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from relay.courier import Means, Pace
from relay.event import EventType
from relay.http_out.poster import HttpPoster
from relay.notices import Notifier
from relay.ports.notices import Requested, Standing, Webhooks
from relay.security.sealing import AesSeal
from relay.store.sql.store import SqlStore
from relay.store.sql.webhooks import SqlWebhooks
from relay.webhooks.webhook import Notice, Proof, Webhook
from tests.receiver import Receiver, receiving
from tests.store.kit import NOW, change, column, enqueue, event, message

CRM, OTHER = Webhook(name="crm", url="https://crm.example.com/"), Webhook(name="other", url="https://other.example.com/")
TOLD = Requested(webhook="crm", at=NOW, seconds=0.1, notices=1, status=200, failure="", request="r", answer="a")
FAILED = replace(TOLD, status=500, failure="answered 500")


async def hear(store: SqlStore, *kinds: EventType, of: int = 1) -> None:
    """Facts of a message, one after the other."""
    for kind in kinds:
        id, ses_id = f"{message(of).id}-1", f"ses-{of}"
        told = event(kind, at=NOW, recipient="reader@example.net", relay_id=id, ses_message_id=ses_id)
        await store.feedback.record(
            notification_id=f"{of} {kind}", topic="t", payload=f'{{"of": "{kind}"}}', received_at=NOW, events=(told,)
        )


async def spread(store: SqlStore, *webhooks: Webhook) -> None:
    after, upto, facts = await store.notices.unread(count=1000)
    found = [(webhook.name, fact) for fact in facts for webhook in webhooks if webhook.wants(fact)]
    await store.notices.spread(after, upto, found, at=NOW)


async def due(store: SqlStore, *, webhook: str = "crm", now: float = NOW, besides: Sequence[str] = ()) -> tuple[Notice, ...]:
    return await store.notices.due(webhook, now=now, besides=besides, count=100, with_payload=False)


def kinds(notices: Sequence[Notice]) -> list[EventType]:
    return [notice.fact.event.type for notice in notices]


async def ready(store: SqlStore) -> None:
    """Two messages of two facts each, which one webhook is to be told."""
    for number in (1, 2):
        await enqueue(store, number)
    await store.webhooks.put(CRM)
    for number in (1, 2):
        await hear(store, EventType.SEND, EventType.DELIVERY, of=number)
    await spread(store, CRM)


async def test_what_was_before_the_first_webhook_is_told_nobody(store: SqlStore) -> None:
    await enqueue(store, 1)
    await hear(store, EventType.SEND)
    assert await store.notices.unread(count=10) == (0, 0, ())
    await store.webhooks.put(CRM)
    await hear(store, EventType.DELIVERY)
    await spread(store, CRM)
    assert kinds(await due(store)) == [EventType.DELIVERY]


async def test_of_each_delivery_the_first_is_due(store: SqlStore) -> None:
    await ready(store)
    found = await due(store)
    assert kinds(found) == [EventType.SEND, EventType.SEND]
    await store.notices.told(found[:1], TOLD)
    assert kinds(await due(store)) == [EventType.DELIVERY, EventType.SEND]
    assert kinds(await due(store, besides=[found[1].fact.delivery_id])) == [EventType.DELIVERY]
    assert await due(store, webhook="other") == ()


async def test_facts_are_spread_once_and_to_each_that_wants_them(store: SqlStore) -> None:
    await enqueue(store, 1)
    for webhook in (CRM, OTHER):
        await store.webhooks.put(webhook)
    await hear(store, EventType.SEND)
    after, upto, facts = await store.notices.unread(count=1000)
    found = [(name, fact) for fact in facts for name in ("crm", "other")]
    for _ in range(2):  # as by two nodes that each take themselves for the one that leads
        await store.notices.spread(after, upto, found, at=NOW)
    assert {name: waiting.count for name, waiting in (await store.webhooks.waiting()).items()} == {"crm": 1, "other": 1}
    assert await store.notices.unread(count=1000) == (upto, upto, ())


async def test_what_failed_is_due_later_and_so_is_what_follows_it(store: SqlStore) -> None:
    await ready(store)
    failed, other = await due(store)
    await store.notices.failed([failed], [NOW + 30], FAILED)
    assert await due(store) == (other,)
    assert await due(store, now=NOW + 29) == (other,)
    assert [notice.number for notice in await due(store, now=NOW + 30)] == [other.number, failed.number]
    [again] = [notice for notice in await due(store, now=NOW + 30) if notice.number == failed.number]
    assert again.failures == 1
    assert (await store.webhooks.all())[0].failing_since == NOW
    await store.notices.told([again], TOLD)
    assert (await store.webhooks.all())[0].failing_since == 0.0


async def test_the_payload_comes_with_it_where_that_is_asked_for(store: SqlStore) -> None:
    await ready(store)
    found = await store.notices.due("crm", now=NOW, besides=(), count=1, with_payload=True)
    assert [notice.payload for notice in found] == [b'{"of": "send"}']


async def test_a_time_is_told_once_more(store: SqlStore) -> None:
    await ready(store)
    await store.notices.told(await due(store), TOLD)
    await store.notices.told(await due(store), TOLD)
    assert await due(store) == ()
    for since, until, count in ((NOW - 10, NOW + 10, 4), (NOW + 1, NOW + 10, 0), (NOW - 10, NOW, 0)):
        steps = [step async for step in store.webhooks.replay("crm", since=since, until=until, now=NOW + 50)]
        assert sum(steps) == count
    assert kinds(await due(store, now=NOW + 50)) == [EventType.SEND, EventType.SEND]
    assert [step async for step in store.webhooks.replay("nobody", since=0, until=NOW * 2, now=NOW)] == []


async def test_a_webhook_that_is_changed_goes_on_and_one_that_is_removed_leaves_nothing(store: SqlStore) -> None:
    await ready(store)
    await store.webhooks.put(replace(CRM, url="https://crm.example.org/"))
    assert [each.webhook.url for each in await store.webhooks.all()] == ["https://crm.example.org/"]
    assert len(await due(store)) == 2
    await store.notices.told((await due(store))[:1], TOLD)
    assert await store.webhooks.remove("crm")
    assert not await store.webhooks.remove("crm")
    for table in ("webhooks", "notices", "webhook_requests", "notices_read"):
        assert await column(store, f"SELECT count(*) FROM {table}") == [0]


async def test_pause_and_disable_and_what_ends_both(store: SqlStore) -> None:
    await store.webhooks.put(CRM)
    assert not await store.webhooks.pause("nobody", is_paused=True)
    await store.webhooks.disable("crm", "answered 410")
    assert await store.webhooks.pause("crm", is_paused=True)
    [standing] = await store.webhooks.all()
    assert (standing.is_paused, standing.disabled, standing.is_active) == (True, "answered 410", False)
    assert await store.webhooks.pause("crm", is_paused=False)
    [standing] = await store.webhooks.all()
    assert (standing.is_paused, standing.disabled, standing.is_active) == (False, "", True)


async def test_what_is_old_is_forgotten_but_for_the_last_requests(store: SqlStore) -> None:
    await ready(store)
    found = await due(store)
    for number in range(5):
        await store.notices.failed([found[0]], [NOW], replace(FAILED, at=NOW + number))
    assert await store.notices.forget(before=NOW - 1, last=3) == {}
    assert [each.at for each in await store.webhooks.requests("crm", count=10)] == [NOW + 4, NOW + 3, NOW + 2]
    assert len(await due(store)) == 2
    assert await store.notices.forget(before=NOW + 3.5, last=3) == {"crm": 4}
    assert [each.at for each in await store.webhooks.requests("crm", count=10)] == [NOW + 4]
    assert await due(store) == ()


@pytest.mark.parametrize("count", [1, 3, 1000])
async def test_facts_are_read_in_steps(store: SqlStore, count: int) -> None:
    await enqueue(store, 1)
    await store.webhooks.put(CRM)
    await hear(store, EventType.SEND, EventType.DELIVERY, EventType.OPEN, EventType.CLICK)
    seen: list[EventType] = []
    while True:
        after, upto, facts = await store.notices.unread(count=count)
        if upto == after:
            break
        seen += [fact.event.type for fact in facts]
        await store.notices.spread(after, upto, [], at=NOW)
    assert seen == [EventType.SEND, EventType.DELIVERY, EventType.OPEN, EventType.CLICK]


async def test_what_is_about_nothing_that_is_kept_is_forgotten_and_said(store: SqlStore) -> None:
    await ready(store)
    await change(store, "DELETE FROM events WHERE type = 'send'")
    assert await store.notices.forget(before=NOW - 1, last=3) == {"crm": 2}
    assert await store.notices.forget(before=NOW - 1, last=3) == {}
    assert kinds(await due(store)) == [EventType.DELIVERY, EventType.DELIVERY]


async def test_nothing_is_left_for_one_that_was_removed_meanwhile(store: SqlStore) -> None:
    for webhook in (CRM, OTHER):
        await store.webhooks.put(webhook)
    await enqueue(store, 1)
    await hear(store, EventType.SEND)
    after, upto, facts = await store.notices.unread(count=1000)
    await store.webhooks.remove("crm")
    await store.notices.spread(after, upto, [(name, fact) for fact in facts for name in ("crm", "other")], at=NOW)
    assert await column(store, "SELECT webhook FROM notices") == ["other"]


async def test_how_much_waits_and_since_when(store: SqlStore) -> None:
    await ready(store)
    await change(store, f"UPDATE notices SET made_at = {NOW + 5} WHERE id > (SELECT min(id) FROM notices)")
    [(name, waiting)] = (await store.webhooks.waiting()).items()
    assert (name, waiting.count, waiting.oldest_at) == ("crm", 4, NOW)


SEAL = AesSeal({1: bytes(32)})
PACE = Pace(connections=2, delays=(0.05, 0.1), give_up=5 * 86400.0, kept=15 * 86400.0)
HERE = replace(CRM, is_private=True)


@asynccontextmanager
async def telling(
    store: SqlStore, *, now: float = NOW, webhooks: Webhooks | None = None, pace: Pace = PACE
) -> AsyncIterator[Receiver]:
    """To a receiver that nobody points at yet, by a clock that began then."""
    await store.webhooks.pause("crm", is_paused=True)
    loop, poster = asyncio.get_running_loop(), HttpPoster(seconds=5.0)
    began = loop.time()
    means = Means(
        webhooks=webhooks or store.webhooks,
        notices=store.notices,
        poster=poster,
        seal=SEAL,
        clock=lambda: now + loop.time() - began,
        chance=lambda: 0.5,
    )
    async with receiving() as receiver:
        notifier = asyncio.create_task(Notifier(means, pace).run())
        try:
            yield receiver
        finally:
            notifier.cancel()
            await asyncio.gather(notifier, return_exceptions=True)
            await poster.close()


async def points(store: SqlStore, webhook: Webhook) -> None:
    await store.webhooks.put(webhook)
    await store.webhooks.pause("crm", is_paused=False)


async def test_no_answer_of_a_receiver_stops_what_it_is_told(store: SqlStore) -> None:
    await ready(store)
    async with telling(store) as receiver:
        receiver.status, receiver.answer = 500, "\0\ufffe gzip, perhaps"
        receiver.headers = {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
        await points(store, replace(HERE, url=receiver.url))
        await receiver.when(lambda: len(receiver.heard) >= 2)
        receiver.status = 200
        await receiver.until(4)
    assert "? gzip" in "".join(each.answer for each in await store.webhooks.requests("crm", count=10)).replace("\ufffe", "")


async def test_an_answer_that_says_the_secret_is_kept_without_it(store: SqlStore) -> None:
    await ready(store)
    sealed = SEAL.seal("s3cret", about="crm")
    async with telling(store) as receiver:
        receiver.answer = "you said: Bearer s3cret"
        await points(store, replace(HERE, url=receiver.url, proof=Proof.BEARER, secret=sealed))
        await receiver.until(4)
        assert receiver.heard[0].headers["Authorization"] == "Bearer s3cret"
    asked = await store.webhooks.requests("crm", count=10)
    assert {each.answer for each in asked} == {"you said: Bearer ***"}
    assert not [each for each in asked if "s3cret" in each.request]


async def test_what_waited_long_because_of_a_pause_is_not_dropped_for_one_failure(store: SqlStore) -> None:
    await ready(store)
    async with telling(store, now=NOW + 10 * 86400) as receiver:
        receiver.status = 500
        await points(store, replace(HERE, url=receiver.url))
        await receiver.when(lambda: len(receiver.heard) >= 3)
        receiver.status = 200
        await receiver.until(4)


async def test_who_has_failed_for_as_long_as_one_may_is_told_nothing_until_somebody_resumes_it(store: SqlStore) -> None:
    await ready(store)
    async with telling(store, pace=replace(PACE, give_up=0.5)) as receiver:
        receiver.status = 500
        await points(store, replace(HERE, url=receiver.url))
        async with asyncio.timeout(20):
            while not (await store.webhooks.all())[0].disabled:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        asked = len(receiver.heard)
        await asyncio.sleep(1)
        assert len(receiver.heard) == asked
        receiver.status = 200
        await points(store, replace(HERE, url=receiver.url))
        await receiver.until(2)


async def test_many_requests_that_fail_at_once_are_one_trouble(store: SqlStore) -> None:
    await store.webhooks.put(CRM)
    for number in range(1, 13):
        await enqueue(store, number)
        await hear(store, EventType.SEND, of=number)
    async with telling(store, pace=replace(PACE, connections=12)) as receiver:
        receiver.status = 500
        await points(store, replace(HERE, url=receiver.url))
        await receiver.when(lambda: len(receiver.heard) >= 12)
        receiver.status = 200
        await receiver.until(12, within=10)


class PutMeanwhile(SqlWebhooks):
    """Of which one is put, and mail goes out, right after all were looked at for the first time."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store._writer, store._reader)
        self._store = store
        self.next: Webhook | None = None

    async def all(self) -> tuple[Standing, ...]:
        found = await super().all()
        if wanted := self.next:
            self.next = None
            await self.put(wanted)
            await hear(self._store, EventType.SEND)
        return found


async def test_who_was_put_before_something_happened_is_told_of_it(store: SqlStore) -> None:
    await enqueue(store, 1)
    await store.webhooks.put(OTHER)
    webhooks = PutMeanwhile(store)
    async with telling(store, webhooks=webhooks) as receiver:
        webhooks.next = replace(HERE, url=receiver.url)
        await receiver.until(1, within=5)


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
async def test_when_the_clock_jumps_they_wait_as_long_as_before(store: SqlStore, jump: float) -> None:
    await enqueue(store)
    await store.webhooks.put(CRM)
    await hear(store, EventType.SEND)
    await spread(store, CRM)
    await store.notices.failed(await due(store), [NOW + 30], FAILED)
    await store.queue.shift(jump)
    assert await due(store, now=NOW + jump + 29) == ()
    assert kinds(await due(store, now=NOW + jump + 31)) == [EventType.SEND]
    [standing] = await store.webhooks.all()
    assert standing.failing_since == NOW + jump
