"""The far side in fault mode, as boto3 sees it: what each fault looks like, and whether the message was taken all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiohttp import web
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.faults import Faults, SesError
from relay.sandbox.sns import Topic
from relay.security.certificates import make_signing_pair
from tests.harness import TOPIC, mail

ERROR = SesError(500, "InternalServiceErrorException", "sorry")
FAULTS = {
    "an error": (Faults(error=ERROR), "sorry", 0),
    "an error, but it was taken": (Faults(error=ERROR, taken=True), "sorry", 1),
    "cut before the body": (Faults(reset="before"), "Connection", 0),
    "cut in the middle of the body": (Faults(reset="within"), "Connection", 0),
    "cut once it was taken": (Faults(reset="after"), "Connection", 1),
    "no answer": (Faults(hang=60.0), "Read timeout", 0),
    "an answer too late": (Faults(late=60.0), "Read timeout", 1),
}


@pytest.fixture
async def far_side() -> AsyncIterator[tuple[Cloud, Any]]:
    cloud = Cloud()
    port = await cloud.start()
    key, secret = next(iter(ACCESS_KEYS.items()))
    once = Config(retries={"total_max_attempts": 1}, read_timeout=1)
    url = f"http://127.0.0.1:{port}"
    secrets = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    client = boto3.client("sesv2", region_name="us-east-1", endpoint_url=url, config=once, **secrets)
    yield cloud, client
    await cloud.stop()


async def send(ses: Any, to: str = "reader@example.net") -> Any:
    return await asyncio.to_thread(
        ses.send_email,
        FromEmailAddress="shop@example.com",
        Destination={"ToAddresses": [to]},
        Content={"Raw": {"Data": mail(to=to, body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 30_000)}},
    )


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_is_what_it_says_and_the_next_call_is_well(far_side: tuple[Cloud, Any], kind: str) -> None:
    cloud, ses = far_side
    fault, seen, taken = FAULTS[kind]
    fault.times = 1
    cloud.plan.append(fault)
    with pytest.raises((ClientError, BotoCoreError), match=seen):
        await send(ses)
    assert (cloud.accepted, fault.struck, fault.times) == (taken, 1, 0)
    await send(ses)
    assert cloud.accepted == taken + 1


@pytest.mark.parametrize("answer", [b"{}", b'{"MessageId": "01'])
async def test_an_answer_may_say_nothing_of_what_was_taken(far_side: tuple[Cloud, Any], answer: bytes) -> None:
    cloud, ses = far_side
    cloud.faults.times, cloud.faults.answer = 1, answer
    assert "MessageId" not in await send(ses)
    assert cloud.accepted == 1


async def test_a_fault_may_be_for_some_messages_and_for_a_time(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    cloud.plan.append(Faults(pattern=b"first@example.net", until=time.monotonic() + 3, error=ERROR))
    for to in ("first@example.net", "second@example.net", "first@example.net"):
        if to.startswith("first"):
            with pytest.raises(ClientError):
                await send(ses, to)
        else:
            await send(ses, to)
    await asyncio.sleep(3)
    await send(ses, "first@example.net")
    assert [call.recipients for call in cloud.calls] == [("second@example.net",), ("first@example.net",)]


async def test_a_door_that_closed_opens_again_on_its_port(far_side: tuple[Cloud, Any]) -> None:
    cloud, ses = far_side
    port = cloud.port
    await send(ses)
    await cloud.close_door()
    with pytest.raises(BotoCoreError, match="Could not connect"):
        await send(ses)
    assert await cloud.start(port) == port
    await send(ses)
    assert cloud.accepted == 2


class Webhook:
    """Answers with the statuses it is given, and 200 from then on."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.heard: list[str] = []
        app = web.Application()
        app.add_routes([web.post("/sns", self._receive)])
        self._runner = web.AppRunner(app)

    async def start(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/sns"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        self.heard.append(request.headers["x-amz-sns-message-id"])
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)


async def published(folder: Path, webhook: Webhook, **settings: Any) -> Topic:
    """A topic that had a second to post one event."""
    make_signing_pair(key_file=folder / "key.pem", certificate_file=folder / "cert.pem", name="sns", now=time.time())
    topic = Topic(arn=TOPIC, key_file=folder / "key.pem", endpoint=await webhook.start())
    for name, value in settings.items():
        setattr(topic, name, value)
    await topic.start()
    topic.confirmed.set()
    topic.publish("{}\n")
    await asyncio.sleep(1)
    await topic.stop()
    await webhook.stop()
    return topic


async def test_sns_posts_until_the_webhook_takes_it(tmp_path: Path) -> None:
    webhook = Webhook(503, 500, 429, 503, 503, 503)
    topic = await published(tmp_path, webhook, longest_pause=0.1)
    assert (len(webhook.heard), len(set(webhook.heard)), topic.posted) == (7, 1, 1)


async def test_sns_drops_what_is_refused(tmp_path: Path) -> None:
    webhook = Webhook(403)
    topic = await published(tmp_path, webhook)
    assert (len(webhook.heard), topic.posted, topic.dropped) == (1, 0, 1)


async def test_sns_may_post_twice(tmp_path: Path) -> None:
    webhook = Webhook()
    topic = await published(tmp_path, webhook, repeats=1.0)
    assert (len(webhook.heard), len(set(webhook.heard)), topic.posted) == (2, 1, 2)
