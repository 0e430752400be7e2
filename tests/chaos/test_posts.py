"""Posts of SNS three times each, in any order, late, about strangers' mail, with the database locked for a while.

What is stored in the end is what one post each, in the order of what happened, leaves in a store of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.outcome import Sent
from relay.sandbox.sns import _SIGNED_OF_NOTIFICATION
from relay.store.sqlite.store import SqliteStore
from tests.chaos.scene import FULL
from tests.chaos.test_disk import locked
from tests.harness import APPLICATION, Relay, running_relay
from tests.store.kit import accepted, claim, database, delivery, settle

NOTIFICATIONS = 1334 if FULL else 150  # of ours; as many as three quarters of that are of strangers
TIMES = 3
ANOTHER = 1_000_000
MESSAGES = NOTIFICATIONS // 3
READERS = MESSAGES // 8  # so that soft bounces add up
AT_ONCE = 20
LOCKED_SECONDS = 7.0
DAY = 86400.0

pytestmark = pytest.mark.timeout(900 if FULL else 120)

# What SES may report, its object, and what names the recipients in it.
_ABOUT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("Send", "send", "", {}),
    ("Delivery", "delivery", "recipients", {"smtpResponse": "250 ok"}),
    ("Bounce", "bounce", "bouncedRecipients", {"bounceType": "Transient", "bounceSubType": "MailboxFull"}),
    ("Bounce", "bounce", "bouncedRecipients", {"bounceType": "Transient", "bounceSubType": "General"}),
    ("Bounce", "bounce", "bouncedRecipients", {"bounceType": "Permanent", "bounceSubType": "General"}),
    ("Complaint", "complaint", "complainedRecipients", {"complaintFeedbackType": "abuse"}),
    ("Complaint", "complaint", "complainedRecipients", {"complaintFeedbackType": "not-spam"}),
    ("Open", "open", "", {"userAgent": "Mail", "isBotEvent": "Likely"}),
    ("Click", "click", "", {"link": "https://example.com/", "isBotEvent": "Unlikely"}),
    ("DeliveryDelay", "deliveryDelay", "delayedRecipients", {"delayType": "MailboxFull"}),
    ("Reject", "reject", "", {"reason": "Bad content"}),
    ("Foo", "foo", "", {"something": "new"}),
]
_OFTEN = [8, 4, 30, 20, 2, 1, 1, 4, 4, 4, 1, 1]
_SOFT = {"status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 later"}


def notification(chance: random.Random, number: int, tag: str, recipient: str, at: float) -> str:
    """As SES publishes it; every fifth without tags, as classic notifications are."""
    ((name, key, named, about),) = chance.choices(_ABOUT, _OFTEN)
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    about = {**about, "timestamp": moment, "feedbackId": f"f-{number}"}
    if named:
        about[named] = [recipient if named == "recipients" else {"emailAddress": recipient, **_SOFT}]
    tags = {} if number % 5 == 0 else {"relay_id": [tag], "relay_try": ["1"]}
    mail = {"timestamp": moment, "messageId": f"ses-{tag}", "destination": [recipient], "tags": tags}
    return json.dumps({"eventType": name, "mail": mail, key: about}) + "\n"


async def stored_mail(folder: Path, now: float) -> list[tuple[str, str]]:
    """Mail that was sent, with a delivery and a recipient each."""
    folder.mkdir()
    store = await SqliteStore.open(database(folder))
    try:
        for number in range(MESSAGES):
            made = accepted(now - 40 * DAY + number, number)
            to = delivery(made, recipient=f"reader{number % READERS}@example.net", due_at=now - 40 * DAY)
            await store.queue.enqueue(made, b"From: shop@example.com\r\n\r\n", (to,))
        while claimed := await claim(store, now=now - 40 * DAY):
            for each in claimed:
                await settle(store, each, Sent(f"ses-{each.delivery.id}"), now=now - 40 * DAY)
        rows = await store._reader.rows("SELECT message_id || '-' || number, recipient FROM deliveries")
        return [(row[0], row[1]) for row in rows]
    finally:
        await store.close()


def notifications(sent: list[tuple[str, str]], now: float) -> list[str]:
    """In the order of what happened."""
    chance = random.Random(7)
    moments = sorted(now - 39 * DAY + chance.random() * 38 * DAY for _ in range(NOTIFICATIONS * 7 // 4))
    made = []
    for number, at in enumerate(moments):
        tag, recipient = chance.choice(sent) if number % 7 < 4 else (f"{number:026}-1", f"stranger{number % 9}@example.org")
        made.append(notification(chance, number, tag, recipient, at))
    return made


class Posts:
    """Signed by the topic of one relay, each under an identifier of its own, as often as it takes."""

    def __init__(self, relay: Relay, sign: Any, http: aiohttp.ClientSession) -> None:
        self._url = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
        self._sign = sign
        self._http = http
        self.answers: Counter[int] = Counter()

    async def post(self, number: int, message: str) -> None:
        envelope = self._sign(number, message)
        while await self._once(json.dumps(envelope)) != 200:  # noqa: ASYNC110 - SNS waits as well
            await asyncio.sleep(0.5)

    async def _once(self, body: str) -> int:
        async with self._http.post(self._url, data=body) as answer:
            self.answers[answer.status] += 1
            return answer.status


@asynccontextmanager
async def posting(folder: Path) -> AsyncIterator[tuple[Relay, Posts]]:
    async with running_relay(folder, APPLICATION) as (relay, cloud), aiohttp.ClientSession() as http:
        topic = cloud.topic
        assert topic

        def signed(number: int, message: str) -> dict[str, str]:
            envelope = {**topic._envelope("Notification", message), "MessageId": f"00000000-0000-4000-8000-{number:012}"}
            return topic.sign(envelope, _SIGNED_OF_NOTIFICATION)

        yield relay, Posts(relay, signed, http)


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that the facts have led to, but for when and in which order we heard of them."""
    queries = {
        "events": "fingerprint, type, class, at, recipient, message_id, number, ses_message_id, detail, document FROM events",
        "deliveries": "message_id, number, recipient, state, ses_message_id, reason FROM deliveries",
        "suppressions": "address_key, scope, address, reason, source, created_at, note, expires_at FROM suppressions",
    }
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {name: sorted(db.execute(f"SELECT {query}"), key=repr) for name, query in queries.items()}


async def test_three_times_in_any_order_comes_to_the_same_as_once_in_order(tmp_path: Path) -> None:
    now = time.time()
    ordered, shuffled = tmp_path / "a", tmp_path / "b"
    sent = await stored_mail(ordered, now)
    shutil.copytree(ordered, shuffled)
    made = notifications(sent, now)
    async with posting(ordered) as (relay, posts):
        for number, message in enumerate(made):
            await posts.post(number, message)
        expected = dump(relay.path)
        assert posts.answers.keys() == {200}
    async with posting(shuffled) as (relay, posts):
        await in_any_order(relay, posts, made)
        found = dump(relay.path)
    print(f"{len(made)} notifications, {posts.answers}, {len(found['suppressions'])} suppressed")
    assert {row[3] for row in expected["suppressions"]} == {"hard_bounce", "complaint", "soft_bounces"}
    assert found == expected


async def in_any_order(relay: Relay, posts: Posts, made: list[str]) -> None:
    """One of the three under another identifier; with the database locked by somebody else from early on, and a relay that
    says so."""
    again = [(number + ANOTHER, message) for number, message in enumerate(made)]
    wanted = list(enumerate(made)) * (TIMES - 1) + again
    random.Random(11).shuffle(wanted)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, message: str) -> None:
        async with gate:
            await posts.post(number, message)

    async with asyncio.TaskGroup() as group:
        for number, message in wanted:
            group.create_task(one(number, message))
        await asyncio.sleep(0.3)
        with locked(relay.path):
            await asyncio.sleep(LOCKED_SECONDS)
    assert posts.answers[200] == len(wanted)
    assert posts.answers.keys() == {200, 503}
