"""/feedback: what came of the last posts, what nobody could use, and the set-up of the way back."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import boto3
import pytest
from playwright.async_api import expect

from relay.ports.event_queues import Quarantined
from relay.sandbox.cloud import Cloud
from relay.sandbox.events import Call, compose
from relay.sandbox.sns import _SIGNED_OF_NOTIFICATION
from relay.store.sqlite.store import SqliteStore
from tests.e2e.browser import running_browser
from tests.e2e.conftest import running_moto
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, TOPIC, Relay, mail, running_relay, submit
from tests.ports import reserved_port

ATTACK = '"><img src=x onerror=alert(1)>'
BOUNCE = "bounce@simulator.amazonses.com"
AT = datetime(2025, 11, 21, 10, 0, tzinfo=UTC)


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    sqs: Any
    queue: str

    def signed(self, message: str) -> dict[str, str]:
        """As the topic says it."""
        assert self.cloud.topic
        return self.cloud.topic.sign(self.cloud.topic._envelope("Notification", message), _SIGNED_OF_NOTIFICATION)

    async def post(self, message: str, **changes: str) -> int:
        """By the topic; then changed by whoever stands between."""
        url = f"http://127.0.0.1:{self.relay.ports['callbacks']}/sns"
        async with aiohttp.ClientSession() as http, http.post(url, data=json.dumps(self.signed(message) | changes)) as answer:
            return answer.status

    async def give_up(self, *bodies: str) -> None:
        """Puts them where the queue puts what was received too often."""
        for body in bodies:
            await asyncio.to_thread(self.sqs.send_message, QueueUrl=f"{self.queue}-dead", MessageBody=body)

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.relay.path)) as database:
            return database.execute(query).fetchall()


def call(**changes: Any) -> Call:
    """Somebody else's."""
    told = {"ses_message_id": "0100-stranger", "source": "else@example.org", "recipients": ("reader@example.net",)}
    return Call(**{**told, "at": AT, "tags": {}, "configuration_set": "else", "raw": b"", **changes})


def put_aside(id: str, body: str) -> Quarantined:
    at = time.time()
    return Quarantined(id=id, queue="http://sqs/events", sent_at=at, received_at=at, reason=f"no {ATTACK}", body=body)


async def prepare(folder: Path) -> None:
    """What was in quarantine before the relay starts: one that can be used by now, and one that never will."""
    store = await SqliteStore.open(folder / "relay.db")
    await store.quarantine.put(put_aside("usable", compose("delivery", call(ses_message_id="0100-late"), "late@example.net")))
    await store.quarantine.put(put_aside("useless", f"{ATTACK} \ud83d"))
    await store.close()


def _queues(endpoint: str) -> tuple[Any, str]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoint, **keys)
    sqs.create_queue(QueueName="events-dead")
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:events-dead", "maxReceiveCount": 5})
    return sqs, sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": policy})["QueueUrl"]


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("feedback")
    await prepare(folder)
    with reserved_port() as port, reserved_port() as moto_port:
        async with running_moto(moto_port) as endpoint:
            sqs, queue = await asyncio.to_thread(_queues, endpoint)
            settings = {
                "RELAY_CALLBACKS__LISTEN": f"127.0.0.1:{port}",
                "RELAY_CALLBACKS__PUBLIC_URL": f"http://127.0.0.1:{port}",
                "RELAY_FEEDBACK__QUEUES": queue,
                "RELAY_FEEDBACK__RAW_QUEUES": "true",
            }
            async with running_relay(folder, APPLICATION, settings=settings) as (relay, cloud):
                await admit(relay)
                yield Scene(relay, cloud, sqs, queue)
                assert {line.get("event") for line in relay.faults()} == {"feedback_dead_letters", "feedback_quarantined"}


async def over(visitor: Visitor, path: str) -> Shown:
    """The page, once nothing that takes long is under way."""
    for _ in range(300):
        shown = await visitor.get(path)
        if "under way" not in shown.text:
            return shown
        assert "http-equiv" not in shown.source or "watch=on" in shown.url
        await asyncio.sleep(0.1)
    raise AssertionError(shown.text)


async def test_what_comes_of_posts_is_shown_beside_them(scene: Scene) -> None:
    with scene.relay.smtp() as client:
        id = await asyncio.to_thread(submit, client, mail(to=BOUNCE), to=BOUNCE)
    assert await scene.relay.status(id, "bounced hard") == ["bounced hard"]
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/feedback")
        assert shown.status == 200
        assert TOPIC in shown.text
        assert scene.queue in shown.text
        assert f"bounce {BOUNCE} its message" in shown.text
        assert f'<a href="/messages/{id}">its message</a>' in shown.source
        assert "Last event heard" in shown.text
        [(number,)] = scene.rows(
            "SELECT number FROM notifications WHERE id IN (SELECT notification_id FROM events WHERE type = 'bounce')"
        )
        post = await visitor.get(f"/feedback/posts/{number}")
        assert '"bounceType": "Permanent"' in post.text
        assert f"bounce {BOUNCE}" in post.text
        assert "Go over all" not in shown.text  # is not for viewers
        assert [(await visitor.get(f"/feedback/posts/{each}")).status for each in ("9999", "x")] == [404, 404]


async def test_a_post_that_tells_nothing_new_and_one_that_is_no_event_are_told_apart(scene: Scene) -> None:
    told = compose("delivery", call(ses_message_id="0100-twice"), "twice@example.net", now=AT)
    for message in (told, told, "Successfully validated SNS topic."):
        assert await scene.post(message) == 200
    async with visiting(scene.relay, "viewer") as visitor:
        text = (await visitor.get("/feedback")).text
        assert text.index("no event") < text.index("delivery twice@example.net not of our mail known before")
        assert text.count("delivery twice@example.net not of our mail") == 2
        assert text.count("twice@example.net not of our mail known before") == 1


async def test_refused_posts_are_kept_in_mind_with_the_reason(scene: Scene) -> None:
    assert await scene.post("x", Message=ATTACK) == 403
    assert await scene.post("x", TopicArn="arn:aws:sns:us-east-1:123456789012:other") == 403
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/feedback/refused")
        assert re.search(r"127\.0\.0\.1 403 the topic is not on the list .* 127\.0\.0\.1 403 ", shown.text)
        assert "Refused posts 2 since this process began" in (await visitor.get("/feedback")).text


async def test_events_of_others_are_listed_and_show_as_text(scene: Scene) -> None:
    assert await scene.post(compose("bounce", call(ses_message_id=ATTACK), f"{ATTACK}@example.net")) == 200
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/feedback/strangers")
        assert f"bounce {ATTACK}@example.net" in shown.text
        assert "<img src=x" not in shown.source
        assert BOUNCE not in shown.text  # is ours
        assert "There are none." in (await visitor.get("/feedback/strangers?before=1")).text


async def test_older_ones_are_on_a_page_of_their_own(scene: Scene) -> None:
    text = compose("delivery", call(ses_message_id="0100-old"), "old@example.net")
    await asyncio.gather(*(scene.post(f"{text} ") for _ in range(60)))
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/feedback")
        assert shown.source.count("/feedback/posts/") == 50
        older = re.search(r'href="(\?before=\d+)">Older', shown.source)
        assert older
        rest = await visitor.get(f"/feedback{older[1]}")
        numbers = [{int(each) for each in re.findall(r"/feedback/posts/(\d+)", page.source)} for page in (shown, rest)]
        assert min(numbers[0]) == max(numbers[1]) + 1


async def test_what_is_in_quarantine_is_shown_and_tried_again(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.get("/feedback/quarantine")
        assert f"no {ATTACK}" in shown.text
        useless = await visitor.get("/feedback/quarantine/useless")
        assert f"{ATTACK} ?" in useless.text
        assert "<img src=x" not in shown.source + useless.source
        assert "It still cannot be used." in (await visitor.post("/feedback/quarantine/useless/retry")).text
        assert "It is recorded now." in (await visitor.post("/feedback/quarantine/usable/retry")).text
        assert (await visitor.post("/feedback/quarantine/usable/retry")).status == 404
        assert scene.rows("SELECT recipient FROM events WHERE ses_message_id = '0100-late'") == [("late@example.net",)]
        assert scene.rows("SELECT id FROM quarantine") == [("useless",)]
        assert "watch=on" in (await visitor.post("/feedback/quarantine/retry")).url
        assert "0 recorded, 1 could not be used." in (await over(visitor, "/feedback/quarantine?watch=on")).text


async def test_dead_letters_are_taken(scene: Scene) -> None:
    late = compose("delivery", call(ses_message_id="0100-dead"), "dead@example.net")
    await scene.give_up(json.dumps(scene.signed(late)), "nonsense")
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.post("/feedback/queues/look")
        assert f"{scene.queue} 0 2 20" in shown.text
        await visitor.post("/feedback/redrive")
        shown = await over(visitor, "/feedback?watch=on")
        assert "1 recorded, 1 could not be used." in shown.text
        assert f"{scene.queue} 0 0 20" in shown.text
        assert "nonsense" in (await visitor.get(f"/feedback/quarantine/{scene.rows(NEWEST)[0][0]}")).text
    assert scene.rows("SELECT count(*) FROM events WHERE recipient = 'dead@example.net'") == [(1,)]


NEWEST = "SELECT id FROM quarantine ORDER BY number DESC LIMIT 1"


async def test_all_is_gone_over_once_more(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        await visitor.post("/feedback/replay")
        shown = await over(visitor, "/feedback?watch=on")
        assert (
            "0 events that had not been understood, 0 with another class; 0 addresses suppressed, 0 not any more" in shown.text
        )
    await scene.relay.told("feedback_replayed", added=0)


async def test_the_path_of_the_webhook_may_be_all_that_guards_it(scene: Scene) -> None:
    for name, is_shown in (("viewer", False), ("operator", False), ("admin", True)):
        async with visiting(scene.relay, name) as visitor:
            page = await visitor.get("/feedback")
            assert (page.status, "/sns" in page.source) == (200, is_shown)


async def test_what_was_done_is_in_the_audit_log_and_others_may_not_do_it(scene: Scene) -> None:
    for name, refused in (
        ("viewer", ("queues/look", "redrive", "replay", "quarantine/retry")),
        ("operator", ("setup/look", "setup/make")),
    ):
        async with visiting(scene.relay, name) as visitor:
            assert {(await visitor.post(f"/feedback/{each}")).status for each in refused} == {403}
    async with visiting(scene.relay, "operator") as visitor:
        assert (await visitor.get("/feedback/setup")).status == 403
        await visitor.post("/feedback/queues/look")
    done = {action for (action,) in scene.rows("SELECT action FROM audit WHERE outcome = 'done' AND operator = 'operator'")}
    assert done >= {"queues looked at", "dead letters taken", "all reports gone over", "quarantine tried again"}


async def test_the_set_up_shows_its_plan_makes_it_and_looks_at_each_hop(scene: Scene) -> None:
    async with visiting(scene.relay) as visitor:
        assert "Look at what there is first." in (await visitor.post("/feedback/setup/make", came_from="/feedback/setup")).text
        assert (
            "Choose how" in (await visitor.post("/feedback/setup/look", {"transport": "x"}, came_from="/feedback/setup")).text
        )
        begun = await visitor.post("/feedback/setup/look", {"transport": "https", "tracks": "on"})
        assert begun.url == "/feedback/setup?watch=on"
        shown = await over(visitor, "/feedback/setup?watch=on")
        assert "would be made configuration set tests" in shown.text
        assert re.search(r"configuration set fail tests does not exist .* public URL ok", shown.text)
        assert scene.cloud.configuration_sets == {}  # it only looked
        for seen in ("", "1.5"):  # of what others have looked at meanwhile nobody knows what it is
            await visitor.post("/feedback/setup/make", {"seen": seen})
        assert (scene.cloud.configuration_sets, "Make it" in (await visitor.get("/feedback/setup")).text) == ({}, True)
        looked = re.search(r'name="seen" value="([0-9.]+)"', shown.source)
        assert looked
        await visitor.post("/feedback/setup/make", {"seen": looked[1]})
        shown = await over(visitor, "/feedback/setup?watch=on")
        assert "made configuration set tests" in shown.text
        assert "Nothing to do: all is as it should be." in shown.text
        assert "subscription ok confirmed: http://127.0.0.1:" in shown.text
        assert '"Action": [ "ses:SendEmail"' in shown.text
    [destination] = scene.cloud.configuration_sets["tests"].values()
    assert destination["Enabled"]
    assert scene.rows("SELECT outcome FROM audit WHERE action = 'set-up made' ORDER BY id") == [*[("refused",)] * 3, ("done",)]


async def test_the_set_up_says_which_right_is_missing(scene: Scene) -> None:
    scene.cloud.denied = {"sns:GetTopicAttributes"}
    async with visiting(scene.relay) as visitor:
        await visitor.post("/feedback/setup/look", {"transport": "https"})
        shown = await over(visitor, "/feedback/setup?watch=on")
    scene.cloud.denied = set()
    assert "AWS does not let us: the right sns:GetTopicAttributes is missing." in shown.text
    assert "topic warning not looked at: sns:GetTopicAttributes is not allowed" in shown.text


async def test_it_works_without_a_script_and_nothing_of_others_runs(scene: Scene) -> None:
    async with running_browser() as browser, browsing(browser, scene.relay, "operator", locale="ru-RU") as page:
        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        for path in ("/feedback", "/feedback/strangers", "/feedback/quarantine", "/feedback/quarantine/useless"):
            await page.goto(base_of(scene.relay) + path)
            await expect(page.locator("img:not([alt=''])")).to_have_count(0)
        await page.get_by_role("button", name="Попробовать ещё раз").click()
        await expect(page.get_by_role("status")).to_have_text("Его и теперь не удалось разобрать.")
        assert asked == []
