"""The way back through SQS: moto_server publishes, signs and queues, and the whole relay reads.

What moto does not show: deletes that fail under a 200, errors at will (tests/store/test_collector.py has those), and SES
publishing by itself, for which the test stands in.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.events import Call, compose
from tests.cluster import cluster
from tests.harness import APPLICATION, TOPIC, Relay, mail, submit


@dataclass
class Aws:
    """A topic, the queue it delivers to, and the queue's dead letters."""

    endpoint: str
    sns: Any
    sqs: Any
    queue: str
    dead_letters: str
    subscription: str

    async def ask(self, verb: Callable[..., Any], **options: Any) -> Any:
        return await asyncio.to_thread(verb, **options)

    async def publish(self, message: str) -> None:
        await self.ask(self.sns.publish, TopicArn=TOPIC, Message=message)

    async def send(self, body: str, *, to: str = "") -> None:
        await self.ask(self.sqs.send_message, QueueUrl=to or self.queue, MessageBody=body)

    async def held(self, queue: str = "") -> tuple[int, int]:
        """Visible and hidden ones."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self.ask(self.sqs.get_queue_attributes, QueueUrl=queue or self.queue, AttributeNames=names)
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    async def holds(self, visible: int, hidden: int, queue: str = "") -> None:
        """Waits until it does."""
        for _ in range(150):
            if await self.held(queue) == (visible, hidden):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(await self.held(queue))

    async def certificate(self) -> bytes:
        """That of SNS, out of the first message it sends."""
        await self.publish("the first")
        (first,) = (await self.ask(self.sqs.receive_message, QueueUrl=self.queue))["Messages"]
        await self.ask(self.sqs.delete_message, QueueUrl=self.queue, ReceiptHandle=first["ReceiptHandle"])
        path = json.loads(first["Body"])["SigningCertURL"].rpartition("/")[2]
        # moto finds out by the scope of a signature, which it does not check, which of its services is meant.
        scope = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/sns/aws4_request, Signature=0"}
        async with aiohttp.ClientSession() as http, http.get(f"{self.endpoint}/{path}", headers=scope) as answer:
            return await answer.read()


def client(service: str, endpoint: str) -> Any:
    key = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, **key)


@pytest.fixture
async def aws(moto_port: int) -> Aws:
    endpoint = f"http://127.0.0.1:{moto_port}"
    return await asyncio.to_thread(_set_up, endpoint)


def _set_up(endpoint: str) -> Aws:
    sns, sqs, ses = client("sns", endpoint), client("sqs", endpoint), client("sesv2", endpoint)
    ses.create_email_identity(EmailIdentity="example.com")
    dead_letters = sqs.create_queue(QueueName="relay-events-dead")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:relay-events"
    policy = json.dumps({"deadLetterTargetArn": f"{arn}-dead", "maxReceiveCount": 5})
    queue = sqs.create_queue(QueueName="relay-events", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert sns.create_topic(Name="relay-events")["TopicArn"] == TOPIC
    subscription = sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    return Aws(endpoint, sns, sqs, queue, dead_letters, subscription)


@asynccontextmanager
async def reading(aws: Aws, tmp_path: Path, **changes: str) -> AsyncIterator[Relay]:
    (tmp_path / "moto.pem").write_bytes(await aws.certificate())
    settings = {
        "RELAY_SES__ENDPOINT": aws.endpoint,
        "RELAY_FEEDBACK__SNS_ENDPOINT": aws.endpoint,
        "RELAY_FEEDBACK__QUEUES": aws.queue,
        "RELAY_FEEDBACK__PINNED_CERTIFICATE": str(tmp_path / "moto.pem"),
    }
    relay = Relay(tmp_path, 0, **settings | changes)
    await relay.start(APPLICATION)
    try:
        yield relay
    finally:
        await relay.stop()


@pytest.fixture
async def relay(aws: Aws, tmp_path: Path) -> AsyncIterator[Relay]:
    async with reading(aws, tmp_path) as relay:
        yield relay


async def sent(relay: Relay) -> tuple[str, Call]:
    """A message that moto took, and what SES would know of it."""
    with relay.smtp() as smtp:
        message_id = await asyncio.to_thread(submit, smtp, mail())
    assert await relay.status(message_id, "sent") == ["sent"]
    life = await relay.life(message_id)
    assert life
    (delivery,) = life.deliveries
    call = Call(
        ses_message_id=f"0100-{delivery.id}",
        at=datetime.now(UTC),
        source="shop@example.com",
        recipients=("reader@example.net",),
        tags={"relay_id": delivery.id, "relay_try": "1"},
        configuration_set="tests",
        raw=b"",
    )
    return message_id, call


async def test_an_event_comes_home_through_a_queue(aws: Aws, relay: Relay) -> None:
    message_id, call = await sent(relay)
    for name in ("send", "delivery"):
        await aws.publish(compose(name, call, "reader@example.net"))
    assert await relay.status(message_id, "delivered") == ["delivered"]
    await aws.holds(0, 0)
    await aws.publish(compose("bounce", call, "reader@example.net"))
    assert await relay.status(message_id, "bounced hard") == ["bounced hard"]
    assert (await relay.cli("suppression", "check", "reader@example.net", check=False))[0] == 1
    assert [line["what"] for line in relay.faults()] == ["GetAccount does not answer"]  # moto knows no such call


async def test_what_was_tampered_with_is_quarantined_shown_and_not_taken_by_a_retry(aws: Aws, relay: Relay) -> None:
    _, call = await sent(relay)
    await aws.ask(aws.sns.unsubscribe, SubscriptionArn=aws.subscription)
    await aws.send('{"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:123456789012:others"}')
    await aws.send("\u202eno JSON\n" + compose("bounce", call, "reader@example.net"))
    assert (await relay.told("feedback_quarantined"))["queue"] == aws.queue
    await aws.holds(0, 0)
    _, listed = await relay.cli("feedback", "quarantine", "list")
    (id,) = re.findall(r"([0-9a-f-]{36}).*Message is missing", listed)
    _, shown = await relay.cli("feedback", "quarantine", "show", id)
    assert f"queue: {aws.queue}" in shown
    assert '"arn:aws:sns:us-east-1:123456789012:others"' in shown
    assert (await relay.cli("feedback", "quarantine", "retry", id))[1] == "0 recorded, 1 could not be used\n"
    assert (await relay.cli("feedback", "quarantine", "retry"))[1] == "0 recorded, 2 could not be used\n"
    assert (await relay.cli("feedback", "quarantine", "show", "none", check=False))[0] == 2


async def test_raw_delivery_is_quarantined_until_it_is_allowed_and_then_retried(aws: Aws, relay: Relay) -> None:
    message_id, call = await sent(relay)
    attribute = {"AttributeName": "RawMessageDelivery", "AttributeValue": "true"}
    await aws.ask(aws.sns.set_subscription_attributes, SubscriptionArn=aws.subscription, **attribute)
    await aws.publish(compose("delivery", call, "reader@example.net"))
    await relay.told("feedback_quarantined")
    await relay.stop()
    await relay.start(RELAY_FEEDBACK__RAW_QUEUES="true")
    assert (await relay.cli("feedback", "quarantine", "retry"))[1] == "1 recorded, 0 could not be used\n"
    assert await relay.status(message_id, "delivered") == ["delivered"]


@pytest.mark.parametrize("runs", [True, False])
async def test_dead_letters_are_told_of_and_redriven(aws: Aws, tmp_path: Path, runs: bool) -> None:
    async with reading(aws, tmp_path, RELAY_FEEDBACK__RAW_QUEUES="true") as relay:
        message_id, call = await sent(relay)
        await aws.send(compose("delivery", call, "reader@example.net"), to=aws.dead_letters)
        await aws.send("no JSON", to=aws.dead_letters)
        await relay.stop()
        await relay.start()
        assert (await relay.told("feedback_dead_letters"))["count"] == 2
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{relay.ports['private']}/metrics") as page:
            assert f'relay_feedback_dead_letters{{queue="{aws.queue}"}} 2.0' in await page.text()
        if not runs:
            await relay.stop()
        assert (await relay.cli("feedback", "redrive"))[1] == "1 recorded, 1 could not be used\n"
        assert await relay.status(message_id, "delivered") == ["delivered"]
        assert await aws.held(aws.dead_letters) == (0, 0)


async def test_dead_letters_are_told_of_by_who_does_the_chores_though_another_reads(aws: Aws, tmp_path: Path, url: str) -> None:
    await aws.send("no JSON", to=aws.dead_letters)
    door = {"RELAY_NODE__ROLES": "smtp,dispatch,upkeep", "RELAY_API__LISTEN": "", "RELAY_CALLBACKS__LISTEN": ""}
    back = {"RELAY_NODE__ROLES": "web,feedback", "RELAY_SMTP__SUBMISSION": "", "RELAY_SMTP__SUBMISSIONS": ""}
    queues = {"RELAY_FEEDBACK__QUEUES": aws.queue}
    async with cluster(tmp_path, url, door | queues, back | queues) as (relays, _):
        assert (await relays[0].told("feedback_dead_letters"))["count"] == 1
        assert relays[1].faults() == []


async def test_a_queue_that_is_gone_ends_nothing_and_is_read_again_once_it_is_back(aws: Aws, relay: Relay) -> None:
    await relay.stop()  # moto's polls under way do not notice
    await aws.ask(aws.sqs.delete_queue, QueueUrl=aws.queue)
    await relay.start()
    await relay.told("feedback_queue_unreadable", queue=aws.queue)
    message_id, call = await sent(relay)
    assert (await relay.cli("feedback", "redrive", check=False))[0] == 1
    await asyncio.to_thread(_set_up_again, aws)
    await aws.publish(compose("delivery", call, "reader@example.net"))
    assert await relay.status(message_id, "delivered") == ["delivered"]
    await relay.told("feedback_queue_readable", queue=aws.queue)


def _set_up_again(aws: Aws) -> None:
    aws.sqs.create_queue(QueueName="relay-events")


async def test_a_call_without_an_answer_is_proven_by_its_event_and_made_again_without_one(aws: Aws, tmp_path: Path) -> None:
    """A queue has told all once it was empty twice, a minute after the relay began to listen."""
    cloud = Cloud()
    endpoint = f"http://127.0.0.1:{await cloud.start()}"
    cloud.faults.times, cloud.faults.reset = 2, "after"
    off = {"RELAY_CALLBACKS__LISTEN": "", "RELAY_SES__ENDPOINT": endpoint, "RELAY_RETRY__IN_DOUBT_SECONDS": "5"}
    async with reading(aws, tmp_path, **off) as relay:
        with relay.smtp() as smtp:
            proven, lost = [await asyncio.to_thread(submit, smtp, mail()) for _ in range(2)]
        for each in (proven, lost):
            assert await relay.status(each, "in doubt") == ["in doubt"]
        [call] = [call for call in cloud.calls if call.tags["relay_id"].startswith(proven)]
        await aws.publish(compose("send", call, "reader@example.net"))
        assert await relay.status(proven, "sent") == ["sent"]
        await relay.told("possible_duplicate", within=90)
        assert await relay.status(lost, "sent") == ["sent"]
    await cloud.stop()
    assert sorted(call.tags["relay_id"][:26] for call in cloud.calls) == sorted([proven, lost, lost])


async def test_a_stop_in_the_middle_of_a_long_poll_is_quick(relay: Relay) -> None:
    await asyncio.sleep(0.5)
    began = time.monotonic()
    assert await relay.stop() == 0
    assert time.monotonic() - began < 5


async def test_a_stop_leaves_visible_what_the_store_did_not_take(aws: Aws, relay: Relay, tmp_path: Path) -> None:
    _, call = await sent(relay)
    locking = sqlite3.connect(tmp_path / "relay.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    await aws.publish(compose("delivery", call, "reader@example.net"))
    await aws.holds(0, 1)
    relay.terminate()
    await aws.holds(1, 0)
    locking.execute("ROLLBACK")
    locking.close()
    assert await relay.ended() == 0
