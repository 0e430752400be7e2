"""What waits is counted: deliveries that are not over, their octets, and since when the oldest waits for its first try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.credential import MessageClass
from relay.holds import Holder
from relay.lifecycle import NEVER
from relay.model import Labels
from relay.outcome import Hold, HoldScope, Later, Never, Sent, Unknown
from relay.ports.queue import Waiting
from relay.store.sql.store import SqlStore
from tests.store.kit import CONTENT, NOW, claim, claim_one, delivery, enqueue, message, settle

SIZE = len(CONTENT)


async def waiting(store: SqlStore, *, now: float = NOW + 100) -> Waiting:
    return await store.backlog.waiting(now=now)


async def test_an_empty_queue_has_no_backlog(store: SqlStore) -> None:
    assert await waiting(store) == (0, 0, None)


async def test_each_delivery_counts_with_the_octets_of_its_message(store: SqlStore) -> None:
    two = message(2)
    await enqueue(store, 1)
    await store.queue.enqueue(two, CONTENT, (delivery(two), delivery(two, number=2, recipient="other@example.net")))
    assert await waiting(store) == (3, 3 * SIZE, NOW)


@pytest.mark.parametrize("outcome", [Later("later"), Unknown("no answer")])
async def test_what_is_under_way_in_doubt_or_tried_again_still_waits(store: SqlStore, outcome: Later | Unknown) -> None:
    await enqueue(store)
    claimed = await claim_one(store)
    assert (await waiting(store))[:2] == (1, SIZE)
    await settle(store, claimed, outcome)
    assert (await waiting(store))[:2] == (1, SIZE)


@pytest.mark.parametrize("outcome", [Sent("ses-1"), Never("rejected")])
async def test_what_is_over_does_not_wait(store: SqlStore, outcome: Sent | Never) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), outcome)
    assert await waiting(store) == (0, 0, None)


async def test_the_oldest_is_the_one_that_was_due_first(store: SqlStore) -> None:
    for number, due_at in ((1, NOW + 20), (2, NOW + 10), (3, NOW + 30)):
        await enqueue(store, number, due_at=due_at)
    assert (await waiting(store)).oldest_at == NOW + 10


async def test_mail_that_is_to_be_sent_later_is_not_old(store: SqlStore) -> None:
    await enqueue(store, due_at=NOW + 500)
    assert await waiting(store) == (1, SIZE, None)
    assert (await waiting(store, now=NOW + 600)).oldest_at == NOW + 500


async def test_what_was_tried_is_old_for_a_reason_of_its_own(store: SqlStore) -> None:
    await enqueue(store, 1)
    await settle(store, await claim_one(store), Later("greylisted"))
    await enqueue(store, 2, due_at=NOW + 50)
    assert (await waiting(store, now=NOW + 5000)).oldest_at == NOW + 50


async def test_what_a_hold_of_its_sender_stops_is_no_backlog_of_others(store: SqlStore) -> None:
    hold = Hold(HoldScope.IDENTITY, "not verified", 3600.0, subject="example.com")
    await enqueue(store, 1)
    await enqueue(store, 2)
    first, _ = await claim(store)
    await settle(store, first, hold)
    await enqueue(store, 3, sender="shop@example.com", due_at=NOW + 2)
    assert (await waiting(store)).oldest_at is None
    await enqueue(store, 4, sender="shop@example.org", due_at=NOW + 3)
    assert (await waiting(store)).oldest_at == NOW + 3


@pytest.mark.parametrize("scope", sorted(set(HoldScope) - {HoldScope.ACCOUNT, HoldScope.DELIVERY}))
async def test_no_hold_of_less_than_the_account_makes_it_a_backlog(store: SqlStore, scope: HoldScope) -> None:
    news = replace(message(1), labels=Labels(message_class=MessageClass.MARKETING, configuration_set="news"), task=7)
    await store.queue.enqueue(news, CONTENT, (delivery(news),))
    subjects = {HoldScope.IDENTITY: "example.com", HoldScope.CONFIGURATION_SET: "news", HoldScope.TASK: "7"}
    assert (await waiting(store)).oldest_at == NOW
    await store.desk.hold(Hold(scope, "wrong list", NEVER, subjects.get(scope, "app")), now=NOW, holder=Holder.RELAY)
    assert (await waiting(store)).oldest_at is None


async def test_a_hold_of_bulk_mail_does_not_excuse_what_else_its_login_sends(store: SqlStore) -> None:
    await store.desk.hold(Hold(HoldScope.CREDENTIAL_BULK, "5 % bounces", NEVER, "app"), now=NOW, holder=Holder.RELAY)
    await enqueue(store)
    assert (await waiting(store)).oldest_at == NOW


async def test_what_a_hold_of_the_account_stops_grows_old(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Hold(HoldScope.ACCOUNT, "no connection", 5.0), now=NOW + 1)
    assert (await waiting(store, now=NOW + 7200)).oldest_at == NOW + 1
