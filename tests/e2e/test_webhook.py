"""POST /sns: every answer is the one that makes SNS do the right thing, and what is refused leaves no trace."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.events import compose
from relay.sandbox.sns import _SIGNED_OF_NOTIFICATION
from relay.store.sqlite.store import SqliteStore
from tests.harness import Relay, mail, submit


async def post(relay: Relay, body: bytes, **headers: str) -> int:
    url = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status


def signed(cloud: Cloud, message: str, **changes: str) -> dict[str, Any]:
    assert cloud.topic
    envelope = cloud.topic._envelope("Notification", message)
    envelope.update(changes)
    return cloud.topic.sign(envelope, _SIGNED_OF_NOTIFICATION)


async def notifications(relay: Relay) -> int:
    store = await SqliteStore.open_to_read(relay.path)
    try:
        rows = await store._reader.execute_fetchall("SELECT count(*) FROM notifications")
        return int(next(iter(rows))[0])
    finally:
        await store.close()


async def test_the_subscription_was_confirmed_through_the_api(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    assert cloud.topic
    assert cloud.topic.confirmed.is_set()
    assert any(line["event"] == "topic_confirmed" for line in relay.journal())


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_signature_versions_are_taken(shared: tuple[Relay, Cloud], version: str) -> None:
    relay, cloud = shared
    assert cloud.topic
    before = await notifications(relay)
    cloud.topic.signature_version = version
    assert await post(relay, json.dumps(signed(cloud, "Successfully validated SNS topic.")).encode()) == 200
    assert await notifications(relay) == before + 1
    cloud.topic.signature_version = "2"


REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "another message": ({"Message": "{}"}, 403),
    "another topic": ({"TopicArn": "arn:aws:sns:us-east-1:123456789012:other"}, 403),
    "a certificate from elsewhere": ({"SigningCertURL": "https://evil.example/SimpleNotificationService-x.pem"}, 403),
    "a certificate of another region": (
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem"},
        403,
    ),
    "an unknown signature version": ({"SignatureVersion": "3"}, 403),
    "a signature that is no base64": ({"Signature": "%%%"}, 400),
    "an unknown type": ({"Type": "Greeting"}, 400),
}


@pytest.mark.parametrize(("changes", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_forged_post_is_refused_and_not_stored(
    shared: tuple[Relay, Cloud], changes: dict[str, str], status: int
) -> None:
    relay, cloud = shared
    before = await notifications(relay)
    envelope = {**signed(cloud, "something"), **changes}
    assert await post(relay, json.dumps(envelope).encode()) == status
    assert await notifications(relay) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"not json", 400), (b"[]", 400), (b"{}", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400)],
)
async def test_a_post_that_is_no_sns_message_is_400(shared: tuple[Relay, Cloud], body: bytes, status: int) -> None:
    assert await post(shared[0], body) == status


async def test_a_post_over_256_kb_is_413_and_an_encoded_one_415(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    assert await post(relay, b"x" * (256 * 1024 + 1)) == 413
    assert await post(relay, b"x", **{"Content-Encoding": "gzip"}) == 415


async def test_the_same_notification_twice_is_recorded_once(running: tuple[Relay, Cloud]) -> None:
    relay, cloud = running
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, mail())
    assert await relay.status(message_id, "delivered") == ["delivered"]
    bounce = compose("bounce", cloud.calls[0], "reader@example.net")
    same_fact_in_two_posts = [signed(cloud, bounce), signed(cloud, bounce)]
    for envelope in [*same_fact_in_two_posts, same_fact_in_two_posts[0]]:
        assert await post(relay, json.dumps(envelope).encode()) == 200
    assert await notifications(relay) == 5  # the confirmation, send, delivery, and the bounce under two MessageIds
    life = await relay.life(message_id)
    assert life
    assert [moment.what for moment in life.moments].count("bounce") == 1
    assert life.statuses == ("bounced hard",)


async def test_every_answer_of_health_is_plain(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    async with aiohttp.ClientSession(f"http://127.0.0.1:{relay.ports['callbacks']}") as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        async with http.get("/sns") as answer:
            assert answer.status == 405
