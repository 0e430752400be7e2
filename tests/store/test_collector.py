"""Collector, SqsQueue, Feedback and the store together; the far side is a shelf with faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from cryptography import x509

from relay import journal
from relay.aws.certificates import PinnedCertificate
from relay.aws.sqs import SqsQueue
from relay.bounces import DEFAULT_RULES
from relay.collector import Collector
from relay.errors import NoCertificate, QueueUnavailable, TryAgain
from relay.feedback import Feedback
from relay.listening import Listening
from relay.ports.event_queues import Redriven
from relay.ports.feedback import Certificates
from relay.sandbox.sns import _SIGNED_OF_NOTIFICATION, Topic
from relay.security.certificates import make_signing_pair
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests.harness import TOPIC
from tests.store.kit import Opener, change, column, make_impatient, writing
from tests.store.shelf import URL, Shelf, error


class NoTopics:
    async def confirm(self, topic_arn: str, token: str) -> None:
        raise AssertionError("nothing here is confirmed")


class NoCertificates:
    """SNS's own address cannot be reached."""

    async def get(self, url: str) -> x509.Certificate:
        raise TryAgain("the certificate cannot be had")


def event(number: int = 1) -> str:
    mail = {"messageId": f"ses-{number}", "destination": [f"reader{number}@example.net"]}
    return json.dumps({"eventType": "Delivery", "mail": mail, "delivery": {"recipients": mail["destination"]}}) + "\n"


@pytest.fixture
def topic(tmp_path: Path) -> Topic:
    key, certificate = tmp_path / "sns.key", tmp_path / "sns.pem"
    make_signing_pair(key_file=key, certificate_file=certificate, name="sns", now=time.time())
    return Topic(arn=TOPIC, key_file=key, endpoint="")


def posted(topic: Topic, message: str, **changes: str) -> str:
    return json.dumps(topic.sign(topic._envelope("Notification", message), _SIGNED_OF_NOTIFICATION) | changes)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def log() -> StringIO:
    stream = StringIO()
    journal.open_journal(stream=stream)
    return stream


def told(log: StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]


def collector(
    store: SqlStore,
    shelf: Shelf,
    *,
    certificates: Certificates | None = None,
    takes_raw: bool = True,
    listening: Listening | None = None,
) -> Collector:
    heard = listening or Listening(time.time(), webhook=False, queues=[URL])
    feedback = Feedback(
        store=store.feedback,
        certificates=certificates or NoCertificates(),
        sns=NoTopics(),
        clock=time.time,
        listening=heard,
        rules=DEFAULT_RULES,
        topics=[TOPIC],
        versions=["1", "2"],
    )
    return Collector(
        SqsQueue(shelf, URL),
        feedback=feedback,
        quarantine=store.quarantine,
        listening=heard,
        clock=time.time,
        takes_raw=takes_raw,
    )


@asynccontextmanager
async def running(part: Collector) -> AsyncIterator[None]:
    task = asyncio.create_task(part.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


RECIPIENTS = "SELECT recipient FROM events ORDER BY id"
PAYLOADS = "SELECT payload FROM notifications ORDER BY number"


async def test_what_is_recorded_is_deleted(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(event())
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]
    assert await column(store, PAYLOADS) == [event().encode()]


async def test_a_poll_is_a_long_one_and_asks_for_ten_at_most(store: SqlStore, shelf: Shelf) -> None:
    async with running(collector(store, shelf)):
        await until(lambda: shelf.polls)
    asked = shelf.polls[0]
    assert (asked["WaitTimeSeconds"], asked["MaxNumberOfMessages"], asked["VisibilityTimeout"]) == (20, 10, 30)


async def test_a_full_queue_gets_more_readers(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(*map(event, range(400)))
    shelf.poll_takes = 0.1
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
    assert len(await column(store, RECIPIENTS)) == 400
    assert 1 < shelf.most_readers <= 8


async def test_a_delete_that_was_lost_is_made_again(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(event())
    shelf.lost_deletes = 1
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
    assert shelf.lost_deletes == 0
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]


REFUSES = {
    "sqlite": (
        "CREATE TRIGGER never BEFORE INSERT ON events WHEN NEW.ses_message_id = 'ses-2'"
        " BEGIN SELECT RAISE(ABORT, 'never'); END",
        "DROP TRIGGER never",
    ),
    "postgres": (
        "ALTER TABLE events ADD CONSTRAINT never CHECK (ses_message_id <> 'ses-2')",
        "ALTER TABLE events DROP CONSTRAINT never",
    ),
}


@pytest.fixture
async def refusing(store: SqlStore, engine: str) -> AsyncIterator[SqlStore]:
    """Of one message it takes no event."""
    begin, end = REFUSES[engine]
    await change(store, begin)
    yield store
    await change(store, end)


async def test_what_the_database_will_never_take_is_put_aside_and_the_rest_goes_on(refusing: SqlStore, shelf: Shelf) -> None:
    shelf.put(*map(event, range(1, 4)))
    async with running(collector(refusing, shelf)):
        await until(lambda: not shelf.lying)
        shelf.put(event(4))
        await until(lambda: not shelf.lying)
    assert await column(refusing, RECIPIENTS) == [f"reader{number}@example.net" for number in (1, 3, 4)]
    [aside] = await refusing.quarantine.newest(limit=10)
    assert (aside.body, "never" in aside.reason) == (event(2), True)


async def test_what_comes_twice_is_recorded_once(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(event())
    shelf.lost_deletes = 2
    async with running(collector(store, shelf)):
        await until(lambda: shelf.lost_deletes == 0)
        shelf.lying[0].hidden_until = 0.0  # its time is over, and nobody deleted it
        await until(lambda: not shelf.lying)
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]


@pytest.mark.parametrize(
    "trouble",
    [
        error("AWS.SimpleQueueService.NonExistentQueue"),
        error("RequestThrottled"),
        error("AccessDenied"),
        error("OverLimit"),
        error("KmsThrottled"),
        EndpointConnectionError(endpoint_url="https://sqs.us-east-1.amazonaws.com"),
        ReadTimeoutError(endpoint_url="https://sqs.us-east-1.amazonaws.com"),
        ValueError("an answer that is no JSON"),
        {"Messages": [{"MessageId": "without a handle"}]},
    ],
)
async def test_a_queue_that_cannot_be_read_is_tried_on_and_told_of_once(
    sqlite_store: SqliteStore, shelf: Shelf, log: StringIO, trouble: Exception | dict[str, Any]
) -> None:
    shelf.put(event())
    shelf.errors = [trouble, trouble]
    reads = collector(sqlite_store, shelf)
    async with running(reads):
        await until(lambda: bool(reads.trouble[1]))
        await until(lambda: not shelf.lying)
    assert reads.trouble == (URL, "")
    assert [line["queue"] for line in told(log, "feedback_queue_unreadable")] == [URL]
    assert len(told(log, "feedback_queue_readable")) == 1
    assert await column(sqlite_store, RECIPIENTS) == ["reader1@example.net"]


async def test_a_queue_that_cannot_be_read_is_not_listened_to(store: SqlStore, shelf: Shelf) -> None:
    listening = Listening(time.time() - 3600, webhook=False, queues=[URL])
    assert listening.has_caught_up(time.time(), wait=900)
    shelf.errors = [error("AccessDenied")]
    async with running(collector(store, shelf, listening=listening)):
        await until(lambda: not shelf.errors)
        await asyncio.sleep(0.1)
    assert not listening.has_caught_up(time.time(), wait=900)


async def test_deletes_that_are_refused_are_told_of_once_until_one_is_taken(
    store: SqlStore, shelf: Shelf, log: StringIO
) -> None:
    shelf.put(event())
    shelf.delete_errors = [error("AccessDenied")] * 6
    reads = collector(store, shelf)
    async with running(reads):
        for _ in range(3):
            await until(lambda: shelf.lying[0].hidden_until and reads.trouble == (URL, "AccessDenied"))
            shelf.lying[0].hidden_until = 0.0
        await until(lambda: not shelf.lying)
        await until(lambda: reads.trouble == (URL, ""))
    assert [line["queue"] for line in told(log, "feedback_queue_unreadable")] == [URL]
    assert len(told(log, "feedback_queue_readable")) == 1
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]


async def test_a_delete_whose_answer_was_lost_is_no_trouble(store: SqlStore, shelf: Shelf, log: StringIO) -> None:
    shelf.put(event())
    shelf.delete_errors = [ReadTimeoutError(endpoint_url="https://sqs.us-east-1.amazonaws.com")]
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
        polls = len(shelf.polls)
        await until(lambda: len(shelf.polls) > polls + 1)
    assert told(log, "feedback_queue_unreadable") == []


async def test_empty_polls_are_told_to_who_waits_for_events(store: SqlStore, shelf: Shelf) -> None:
    listening = Listening(time.time(), webhook=False, queues=[URL])
    async with running(collector(store, shelf, listening=listening)):
        await until(lambda: listening.has_caught_up(listening.since + 60, wait=900))
    assert len(shelf.polls) >= 2


POISON = ["", "not json", "[]", "{}", "null", "[" * 100_000, '{"Type": 7, "TopicArn": 8}', '{"eventType"', "\x7f\ufffe"]


@pytest.mark.parametrize("body", POISON)
async def test_what_cannot_be_read_is_quarantined_and_stops_nobody(
    store: SqlStore, shelf: Shelf, log: StringIO, body: str
) -> None:
    shelf.put(body, event(), sent_at=1000.0)
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
    (found,) = await store.quarantine.newest(limit=10)
    assert (found.id, found.queue, found.sent_at, found.body) == ("sqs-0", URL, 1000.0, body)
    assert [line["why"] for line in told(log, "feedback_quarantined")] == [found.reason]
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]


async def test_an_envelope_is_judged_as_a_post_is(store: SqlStore, shelf: Shelf, topic: Topic, tmp_path: Path) -> None:
    forged = {
        "another message": posted(topic, event(2), Message=event(3)),
        "another topic": posted(topic, event(2), TopicArn=f"{TOPIC}-2"),
        "no signature": json.dumps(topic._envelope("Notification", event(2))),
        "a certificate of others": posted(
            topic, event(2), SigningCertURL="https://evil.example/SimpleNotificationService-x.pem"
        ),
    }
    shelf.put(*forged.values(), posted(topic, event()))
    async with running(collector(store, shelf, certificates=PinnedCertificate(tmp_path / "sns.pem"))):
        await until(lambda: not shelf.lying)
    assert [found.reason for found in reversed(await store.quarantine.newest(limit=10))] == [
        "the signature does not fit",
        "the topic is not on the list",
        "SignatureVersion is missing",
        "the certificate URL is not one of SNS in the topic's region",
    ]
    assert await column(store, RECIPIENTS) == ["reader1@example.net"]


async def test_a_raw_body_is_taken_only_where_the_setting_says_so(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(event())
    async with running(collector(store, shelf, takes_raw=False)):
        await until(lambda: not shelf.lying)
    assert await column(store, PAYLOADS) == []
    assert await store.quarantine.ids() == ("sqs-0",)


@pytest.mark.parametrize(
    "text",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        '{"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"}',
        '{"notificationType": "AMAZON_SES_SETUP_NOTIFICATION"}',
    ],
)
async def test_what_ses_posts_when_something_is_set_up_is_no_poison(store: SqlStore, shelf: Shelf, text: str) -> None:
    shelf.put(text)
    async with running(collector(store, shelf)):
        await until(lambda: not shelf.lying)
    assert await column(store, PAYLOADS) == [text.encode()]
    assert (await column(store, RECIPIENTS), await store.quarantine.ids()) == ([], ())


async def test_as_long_as_the_store_is_locked_messages_stay_hidden_and_are_taken_then(
    store: SqlStore, shelf: Shelf, another: Opener
) -> None:
    await make_impatient(store)
    listening = Listening(time.time() - 3600, webhook=False, queues=[URL])
    async with running(collector(store, shelf, listening=listening)):
        async with writing(await another()):
            shelf.put(*map(event, range(3)))
            await until(lambda: shelf.hidden == [30, 30, 30])
            assert not listening.has_caught_up(time.time(), wait=900)
        await until(lambda: not shelf.lying)
    assert sorted(await column(store, RECIPIENTS)) == [f"reader{number}@example.net" for number in range(3)]


async def test_a_stop_makes_visible_again_what_is_not_committed(store: SqlStore, shelf: Shelf, another: Opener) -> None:
    shelf.put(*map(event, range(3)))
    async with writing(await another()):
        async with running(collector(store, shelf)):
            await until(lambda: shelf.visible == 0)
        assert (shelf.hidden, shelf.visible) == ([0, 0, 0], 3)


async def test_what_a_poll_brings_after_the_stop_is_visible_again_at_once(store: SqlStore, shelf: Shelf) -> None:
    shelf.longest_poll = 1.0
    async with running(collector(store, shelf)):
        await until(lambda: shelf.polls)
    shelf.put(event())
    await until(lambda: shelf.hidden == [0])
    assert (len(shelf.lying), shelf.visible) == (1, 1)


async def test_a_message_whose_certificate_cannot_be_had_is_held_and_not_given_up_at_once(
    store: SqlStore, shelf: Shelf, topic: Topic
) -> None:
    shelf.put(posted(topic, event()))
    shelf.put(event(2))
    async with running(collector(store, shelf)):
        await until(lambda: len(shelf.lying) == 1)  # the other one is not held up by it
        await asyncio.sleep(1.0)
        assert await store.quarantine.ids() == ()
        assert shelf.visible == 0
    assert shelf.visible == 1
    assert await column(store, RECIPIENTS) == ["reader2@example.net"]


async def test_a_drain_takes_all_and_says_how_much_that_was(store: SqlStore, shelf: Shelf) -> None:
    shelf.put(*map(event, range(12)), "not json", "[]")
    assert await collector(store, shelf).drain() == Redriven(taken=12, put_aside=2)
    assert (len(await column(store, RECIPIENTS)), shelf.lying) == (12, [])


async def test_a_drain_ends_where_nothing_can_be_deleted(store: SqlStore, shelf: Shelf, log: StringIO) -> None:
    shelf.put(*map(event, range(12)))
    shelf.delete_errors = [error("AccessDenied")] * 100
    with pytest.raises(QueueUnavailable, match="AccessDenied"):
        await collector(store, shelf).drain()
    assert (len(await column(store, RECIPIENTS)), len(shelf.lying)) == (10, 12)
    assert told(log, "feedback_queue_unreadable") == []


class Named:
    """SNS's own host answers."""

    def __init__(self, error: TryAgain) -> None:
        self._error = error

    async def get(self, url: str) -> x509.Certificate:
        raise self._error


@pytest.mark.parametrize(("error", "begins"), [(NoCertificate("404"), False), (TryAgain("no route"), True)])
async def test_a_certificate_that_nobody_has_does_not_put_off_what_is_in_doubt(
    store: SqlStore, shelf: Shelf, topic: Topic, error: TryAgain, begins: bool
) -> None:
    listening = Listening(1.0)
    part = collector(store, shelf, certificates=Named(error), listening=listening)
    with pytest.raises(TryAgain):
        await part._feedback.receive(posted(topic, event()).encode())
    assert (listening.since > 1.0) == begins
