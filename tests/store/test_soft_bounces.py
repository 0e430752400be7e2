"""Soft bounces that add up, deliveries that set them back, and answers of readers that are no bounces: in any order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from relay.event import Event, EventType
from relay.model import Delivery
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from relay.suppression import Change, Reason
from tests.store.kit import NOW, database, enqueue, event, hard_bounce, release, suppressed

DAY = 86400.0
READER = "reader@example.net"


def full(of: Delivery, day: float, **changes: Any) -> Event:
    said = {"bounce_type": "Transient", "bounce_subtype": "MailboxFull", "status": "4.2.2"}
    return event(EventType.BOUNCE, of=of, at=NOW + day * DAY, **(said | changes))


def soft(of: Delivery, day: float) -> Event:
    return full(of, day, bounce_subtype="General", status="4.4.1")


def delivered(of: Delivery, day: float) -> Event:
    return event(EventType.DELIVERY, of=of, at=NOW + day * DAY)


async def record(store: SqlStore, *facts: Event) -> list[Reason | None]:
    """Each as a notification of its own."""
    found = []
    for fact in facts:
        name = f"{fact.type} {fact.at} {fact.relay_id}"
        new = await store.feedback.record(
            notification_id=name, topic="t", payload="{}", received_at=NOW + 99 * DAY, events=(fact,)
        )
        found += [each.suppressed for each in new]
    return found


async def test_the_fifth_in_thirty_days_suppresses(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 6)]
    found = await record(store, *(full(mail, day) for day, mail in enumerate(mails)))
    assert found == [None] * 4 + [Reason.SOFT_BOUNCES]
    assert (await suppressed(store, READER))[READER].created_at == NOW + 4 * DAY


async def test_classes_do_not_add_up_with_each_other(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 9)]
    await record(store, *(kind(mail, day) for day, mail in enumerate(mails[:4]) for kind in (full, soft)))
    assert await suppressed(store, READER) == {}


async def test_answers_of_the_reader_do_not_count_whatever_came_first(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 9)]
    silent = [full(mail, day, bounce_subtype="General", status="") for day, mail in enumerate(mails)]
    await record(store, *silent)
    assert await suppressed(store, READER) == {}
    spoken = [soft(mail, 10 + day) for day, mail in enumerate(mails)]
    await record(store, *spoken)
    assert (await suppressed(store, READER))[READER].reason is Reason.SOFT_BOUNCES
    await record(store, *(delivered(mail, 10 + day - 0.1) for day, mail in enumerate(mails)))
    assert await suppressed(store, READER) == {}


async def test_a_delivery_that_is_heard_of_late_takes_it_back(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 7)]
    await record(store, *(full(mail, day) for day, mail in enumerate(mails[:5])))
    assert READER in await suppressed(store, READER)
    await record(store, delivered(mails[5], 2.5))
    assert await suppressed(store, READER) == {}
    assert [past.change for past in await store.suppressions.history(READER)] == [Change.ADDED, Change.REVOKED]
    await record(store, *(full(mail, 9 + day) for day, mail in enumerate(mails[:3])))
    assert (await suppressed(store, READER))[READER].created_at == NOW + 11 * DAY


async def test_who_was_released_begins_anew(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 7)]
    await record(store, *(full(mail, day) for day, mail in enumerate(mails[:5])))
    assert await store.suppressions.remove(release(READER, at=NOW + 5 * DAY))
    assert await record(store, full(mails[5], 6)) == [None]
    assert await suppressed(store, READER) == {}


async def test_a_graver_reason_stays_when_soft_bounces_are_set_back(store: SqlStore) -> None:
    mails = [await enqueue(store, number) for number in range(1, 8)]
    await record(store, *(full(mail, day) for day, mail in enumerate(mails[:5])))
    assert await record(store, hard_bounce(of=mails[5])) == [Reason.HARD_BOUNCE]
    await record(store, delivered(mails[6], 6))
    assert (await suppressed(store, READER))[READER].reason is Reason.HARD_BOUNCE


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_facts_end_the_same_in_whichever_order_they_come(store: SqlStore, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "other").mkdir()
    other = await SqliteStore.open(database(tmp_path / "other"))
    try:
        facts = []
        for number in range(1, 25):
            recipient = f"reader{number % 3}@example.net"
            mail = await enqueue(store, number, recipient=recipient)
            await enqueue(other, number, recipient=recipient)
            kinds = chance.choices([full, soft, delivered], weights=[6, 3, 1], k=2)
            facts += [kind(mail, number + chance.random()) for kind in kinds]
        await record(store, *facts)
        await record(other, *chance.sample(facts, len(facts)))
        every = [f"reader{number}@example.net" for number in range(3)]
        assert await suppressed(store, *every) == await suppressed(other, *every)
    finally:
        await other.close()
