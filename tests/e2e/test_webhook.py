"""POST /sns: every answer is the one that makes SNS do the right thing, and what is refused leaves no trace."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.sandbox.cloud import Cloud
from relay.sandbox.events import compose
from relay.sandbox.sns import _SIGNED_OF_CONFIRMATION, _SIGNED_OF_NOTIFICATION, Topic
from relay.store.sqlite.store import SqliteStore
from tests.harness import TOPIC, Relay, mail, submit

DATA = Path(__file__).parents[1] / "data" / "ses"


async def post(relay: Relay, body: bytes, **headers: str) -> int:
    url = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status


def signed(cloud: Cloud, message: str, **changes: str) -> dict[str, Any]:
    assert cloud.topic
    envelope = cloud.topic._envelope("Notification", message)
    envelope.update(changes)
    return cloud.topic.sign(envelope, _SIGNED_OF_NOTIFICATION)


async def notifications(relay: Relay, table: str = "notifications") -> int:
    store = await SqliteStore.open_to_read(relay.path)
    try:
        rows = await store._reader.rows(f"SELECT count(*) FROM {table}")
        return int(next(iter(rows))[0])
    finally:
        await store.close()


async def events(relay: Relay) -> int:
    return await notifications(relay, "events")


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
    await relay.told("feedback_refused", why="413 a body that is too large")
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


# Who may knock.


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[tuple[Relay, Cloud]]:
    secret = tmp_path / "password"
    secret.write_text("pass: wörd\n", "utf-8")
    settings = {
        "RELAY_FEEDBACK__WEBHOOK_USER": "sns",
        "RELAY_FEEDBACK__WEBHOOK_PASSWORD_FILE": str(secret),
        "RELAY_FEEDBACK__RAW_WEBHOOK": "true",
    }
    cloud = Cloud()
    relay = Relay(tmp_path, await cloud.start(), **settings)
    await relay.start()
    cloud.topic = Topic(arn=TOPIC, key_file=tmp_path / "sns.key", endpoint="")
    yield relay, cloud
    await relay.stop()
    await cloud.stop()


async def test_where_a_password_is_set_sns_is_asked_for_it_and_then_let_in(guarded: tuple[Relay, Cloud]) -> None:
    relay, cloud = guarded
    body = json.dumps(signed(cloud, "{}")).encode()
    url = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
    async with aiohttp.ClientSession() as http, http.post(url, data=body) as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="relay"')
    assert await notifications(relay) == 0
    assert not any(line["event"] == "feedback_refused" for line in relay.journal())
    assert await post(relay, body, Authorization=basic("sns", "pass: wörd")) == 200
    assert await notifications(relay) == 1


@pytest.mark.parametrize(
    "words",
    [
        basic("sns", "wrong"),
        basic("", ""),
        basic("SNS", "pass: wörd"),
        basic("sns", "pass: wörd "),
        basic("sns", "pass: wörd").replace("Basic", "Digest"),
        basic("sns", "pass: wörd").replace("Basic ", "Basic"),
        "Basic",
        "Basic %%%",
        "sns:pass: wörd",
    ],
)
async def test_wrong_credentials_are_401_and_journaled(guarded: tuple[Relay, Cloud], words: str) -> None:
    relay, cloud = guarded
    assert await post(relay, json.dumps(signed(cloud, "{}")).encode(), Authorization=words) == 401
    await relay.told("feedback_refused", why="401 wrong credentials")
    assert await notifications(relay) == 0


def raw_headers(**changes: str) -> dict[str, str]:
    given = {
        "Authorization": basic("sns", "pass: wörd"),
        "x-amz-sns-rawdelivery": "true",
        "x-amz-sns-message-id": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "x-amz-sns-topic-arn": TOPIC,
    }
    return given | {f"x-amz-sns-{name}".replace("_", "-"): value for name, value in changes.items()}


async def test_raw_delivery_is_taken_once_from_who_knows_the_password(guarded: tuple[Relay, Cloud]) -> None:
    relay, _ = guarded
    validation = b"Successfully validated SNS topic for Amazon SES event publishing."
    event = (DATA / "bounce_permanent_general.json").read_bytes()
    assert await post(relay, event, **raw_headers()) == 200
    assert await post(relay, event, **raw_headers()) == 200
    assert await notifications(relay) == 1
    assert await post(relay, validation, **raw_headers(message_id="0" * 36)) == 200
    assert await notifications(relay) == 2
    (told,) = [line for line in relay.journal() if line["event"] == "bounce"]
    assert told["detail"].startswith("Permanent General")


@pytest.mark.parametrize(
    ("body", "changes", "status"),
    [
        (b'{"eventType": "Send"}', {"topic_arn": f"{TOPIC}-2"}, 403),
        (b'{"eventType": "Send"}', {"topic_arn": ""}, 403),
        (b'{"eventType": "Send"}', {"message_id": ""}, 400),
        (b'{"eventType": "Send"}', {"message_id": "x" * 36}, 400),
        (b"not json", {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {}, 400),
        (b'{"Type": "Notification"}', {}, 400),
    ],
)
async def test_raw_delivery_that_cannot_be_ours_is_refused(
    guarded: tuple[Relay, Cloud], body: bytes, changes: dict[str, str], status: int
) -> None:
    relay, _ = guarded
    assert await post(relay, body, **raw_headers(**changes)) == status
    assert await notifications(relay) == 0


async def test_a_secret_path_is_the_only_one_that_is_there(tmp_path: Path) -> None:
    secret = f"/{'x' * 40}"
    relay = Relay(tmp_path, 1, RELAY_FEEDBACK__WEBHOOK_PATH=secret, RELAY_FEEDBACK__RAW_WEBHOOK="true")
    await relay.start()
    try:
        headers = {name: value for name, value in raw_headers().items() if name != "Authorization"}
        url = f"http://127.0.0.1:{relay.ports['callbacks']}"
        statuses = []
        async with aiohttp.ClientSession() as http:
            for path in ("/sns", f"{secret}x", secret):
                async with http.post(url + path, data=b'{"eventType": "Send"}', headers=headers) as answer:
                    statuses.append(answer.status)
        assert statuses == [404, 404, 200]
        assert secret not in relay.log.read_text()
    finally:
        await relay.stop()


# What SES and SNS post when something is set up or ends, and what is our own trouble.


@pytest.mark.parametrize(
    "text",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        (DATA / "classic_setup_notification.json").read_text(),
        '{"notificationType": "Received", "mail": {"messageId": "1", "destination": ["a@example.net"]}}',
        '{"notificationType": "AMAZON_SES_SETUP_NOTIFICATION", "mail": null}',
        '["understood", "and of no use"]',
    ],
)
async def test_what_is_understood_and_of_no_use_is_200_and_no_event(shared: tuple[Relay, Cloud], text: str) -> None:
    relay, cloud = shared
    before = await events(relay)
    assert await post(relay, json.dumps(signed(cloud, text)).encode()) == 200
    assert await events(relay) == before


async def test_a_classic_notification_is_an_event_as_any_other(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before = await events(relay)
    text = (DATA / "classic_bounce_notification.json").read_text()
    assert await post(relay, json.dumps(signed(cloud, text)).encode()) == 200
    assert await events(relay) == before + 1


async def test_the_end_of_the_subscription_is_kept_and_alarmed_and_nobody_is_visited(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    assert cloud.topic
    before = await notifications(relay)
    envelope = cloud.topic._envelope("UnsubscribeConfirmation", "You have chosen to deactivate the subscription")
    envelope |= {"Token": "t", "SubscribeURL": "http://127.0.0.1:9/"}
    assert await post(relay, json.dumps(cloud.topic.sign(envelope, _SIGNED_OF_CONFIRMATION)).encode()) == 200
    assert (await relay.told("topic_unsubscribed", topic=TOPIC))["level"] == "error"
    assert await notifications(relay) == before + 1


async def test_where_header_and_body_differ_the_body_decides(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    headers = {"x-amz-sns-message-type": "UnsubscribeConfirmation", "x-amz-sns-topic-arn": "arn:aws:sns:::others"}
    before = await events(relay)
    text = (DATA / "delivery.json").read_text()
    assert await post(relay, json.dumps(signed(cloud, text)).encode(), **headers) == 200
    assert await events(relay) == before + 1


async def test_a_store_that_is_locked_is_503_and_too_many_posts_meanwhile_are_429(running: tuple[Relay, Cloud]) -> None:
    relay, cloud = running
    bodies = [json.dumps(signed(cloud, "{}")).encode() for _ in range(520)]
    locking = sqlite3.connect(relay.path, isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    url = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def status(body: bytes) -> int:
            async with http.post(url, data=body) as answer:
                return answer.status

        statuses = Counter(await asyncio.gather(*map(status, bodies)))
        assert (statuses[503], statuses[429]) == (500, 20)
        locking.execute("ROLLBACK")
        locking.close()
        again = [await asyncio.gather(*map(status, bodies[first : first + 130])) for first in range(0, 520, 130)]
        assert Counter(chain.from_iterable(again)) == {200: 520}
    assert await notifications(relay) == 521


async def test_a_body_that_does_not_come_is_given_up(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports["callbacks"])
    writer.write(b"POST /sns HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(15):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
