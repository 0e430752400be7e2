"""What was heard, for people: the newest first, page by page, and what came of each."""

from __future__ import annotations

import json
from typing import Any

from relay.ports.event_queues import Quarantined
from relay.ports.feedback import Found
from relay.ses_event import parse
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW, enqueue

LAST = 2**62


def delivery(*recipients: str, relay_id: str = "", at: str = "2025-11-21T10:00:00.000Z") -> str:
    mail: dict[str, Any] = {"messageId": f"0100-{recipients[0]}", "timestamp": at, "tags": {"relay_id": [relay_id]}}
    about = {"timestamp": at, "recipients": list(recipients)}
    return json.dumps({"eventType": "Delivery", "mail": mail, "delivery": about})


async def post(store: SqlStore, id: str, payload: str, *, at: float = NOW) -> None:
    events = parse(payload, received_at=at)
    await store.feedback.record(notification_id=id, topic="topic", payload=payload, received_at=at, events=events)


async def test_posts_are_shown_with_what_came_of_them(store: SqlStore) -> None:
    ours = await enqueue(store, 1)
    await post(store, "set-up", "Successfully validated SNS topic.")
    await post(store, "one", delivery("reader@example.net", relay_id=ours.id))
    await post(store, "again", delivery("reader@example.net", relay_id=ours.id), at=NOW + 60)
    await post(store, "two", delivery("a@example.net", "b@example.net"))
    found = await store.feedback_log.posts(before=LAST, count=10)
    assert [(each.id, each.topic, each.received_at) for each in found] == [
        ("two", "topic", NOW),
        ("again", "topic", NOW + 60),
        ("one", "topic", NOW),
        ("set-up", "topic", NOW),
    ]
    told = Found("delivery", "", "reader@example.net", ours.id, is_first=True)
    assert [each.found for each in found] == [
        tuple(Found("delivery", "", recipient, "", is_first=True) for recipient in ("a@example.net", "b@example.net")),
        (told._replace(is_first=False),),
        (told,),
        (),
    ]


async def test_posts_come_in_pages(store: SqlStore) -> None:
    for number in range(5):
        await post(store, str(number), f"text {number}")
    first = await store.feedback_log.posts(before=LAST, count=3)
    rest = await store.feedback_log.posts(before=first[-1].number, count=3)
    assert [each.id for each in (*first, *rest)] == ["4", "3", "2", "1", "0"]
    one = await store.feedback_log.post(first[0].number)
    assert one == first[0]
    assert one.payload == "text 4"
    assert await store.feedback_log.post(LAST) is None


async def test_what_is_no_utf_8_is_shown_all_the_same(store: SqlStore) -> None:
    await post(store, "odd", "caf\udce9")
    [found] = await store.feedback_log.posts(before=LAST, count=1)
    assert found.payload.startswith("caf\ufffd")


async def test_only_what_is_nobodys_is_a_strangers(store: SqlStore) -> None:
    ours = await enqueue(store, 1)
    await post(store, "ours", delivery("reader@example.net", relay_id=ours.id))
    for number in range(3):
        await post(store, f"theirs {number}", delivery(f"{number}@example.org"), at=NOW + number)
    first = await store.feedback_log.strangers(before=LAST, count=2)
    assert [(each.recipient, each.received_at, each.type) for each in first] == [
        ("2@example.org", NOW + 2, "delivery"),
        ("1@example.org", NOW + 1, "delivery"),
    ]
    rest = await store.feedback_log.strangers(before=first[-1].number, count=2)
    assert [each.ses_message_id for each in rest] == ["0100-0@example.org"]


async def test_the_quarantine_is_listed_without_its_bodies(store: SqlStore) -> None:
    for number in range(3):
        found = Quarantined(id=str(number), queue="q", sent_at=NOW, received_at=NOW + number, reason="why", body="é" * number)
        await store.quarantine.put(found)
    first = await store.quarantine.listed(before=LAST, count=2)
    assert [(each.id, each.received_at, each.reason, each.size) for each in first] == [
        ("2", NOW + 2, "why", 4),
        ("1", NOW + 1, "why", 2),
    ]
    assert [each.id for each in await store.quarantine.listed(before=first[-1].number, count=2)] == ["0"]
