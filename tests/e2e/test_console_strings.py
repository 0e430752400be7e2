"""Sixty strings that would run a script, wherever strangers may write what the console shows: all are text."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Browser

from relay.sandbox.cloud import Cloud
from tests.corpus.scripts import STRINGS
from tests.e2e.browser import running_browser
from tests.e2e.console import Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, Relay, running_relay, submit

LISTS = ("/", "/messages", "/feedback", "/feedback/strangers", "/suppressions", "/queue")


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    ids: tuple[str, ...]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A message of each string, with events of it."""
    folder: Path = tmp_path_factory.mktemp("strings")
    async with running_relay(folder, APPLICATION) as (relay, cloud):
        await admit(relay)
        ids = tuple(await asyncio.to_thread(sent, relay))
        for _ in range(200):
            if len(cloud.calls) == len(STRINGS):
                break
            await asyncio.sleep(0.05)
        for call, string in zip(sorted(cloud.calls, key=lambda call: call.tags["relay_id"]), STRINGS, strict=True):
            report(cloud, call.ses_message_id, call.tags, call.recipients[0], string)
        await relay.status(ids[-1], "clicked")
        yield Scene(relay, cloud, ids)
        assert relay.faults() == []


def sent(relay: Relay) -> list[str]:
    with relay.smtp() as client:
        return [submit(client, written(string), to=f"r{number}@example.net") for number, string in enumerate(STRINGS)]


def written(string: str) -> bytes:
    """With the string where a sender may put what he likes."""
    made = EmailMessage(policy=SMTP)
    plain = " ".join(string.split())
    made["From"] = Address(display_name=plain, addr_spec="shop@example.com")
    made["To"] = "reader@example.net"
    made["Subject"] = plain
    made["Message-ID"] = "<1@example.com>"
    made["Date"] = "Fri, 21 Nov 2025 10:00:00 +0000"
    made.set_content(string)
    made.add_alternative(f"<p>{string}</p>", subtype="html")
    made.add_attachment(b"x", maintype="application", subtype="octet-stream", filename=f"{plain.replace('/', '_')}.txt")
    return made.as_bytes()


def report(cloud: Cloud, ses_message_id: str, tags: dict[str, str], recipient: str, string: str) -> None:
    """What SES would report with it: a diagnostic, a program that opened, a link that was followed."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    mail: dict[str, Any] = {
        "timestamp": now,
        "messageId": ses_message_id,
        "source": "shop@example.com",
        "destination": [recipient],
        "tags": {name: [value] for name, value in tags.items()},
    }
    bounced = {"emailAddress": recipient, "action": "failed", "status": "4.4.7", "diagnosticCode": string}
    events: list[dict[str, Any]] = [
        {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": "Transient",
                "bounceSubType": "General",
                "bouncedRecipients": [bounced],
                "timestamp": now,
                "feedbackId": f"f-{ses_message_id}",
            },
        },
        {"eventType": "Open", "open": {"ipAddress": "192.0.2.1", "timestamp": now, "userAgent": string}},
        {"eventType": "Click", "click": {"ipAddress": "192.0.2.1", "timestamp": now, "userAgent": string, "link": string}},
    ]
    assert cloud.topic
    for event in events:
        cloud.topic.publish(json.dumps({**event, "mail": mail}))


async def test_no_page_has_any_of_it_but_as_text(scene: Scene) -> None:
    async with visiting(scene.relay) as visitor:
        for path in (*LISTS, *(f"/messages/{id}" for id in scene.ids)):
            await inert(visitor, path)


async def inert(visitor: Visitor, path: str) -> None:
    shown = await visitor.get(path)
    assert shown.status == 200, path
    for string in STRINGS:
        if any(mark in string for mark in "<\"'"):
            assert string not in shown.source, (path, string)


async def test_each_is_there_to_be_read(scene: Scene) -> None:
    async with visiting(scene.relay) as visitor:
        for id, string in zip(scene.ids, STRINGS, strict=True):
            text = (await visitor.get(f"/messages/{id}")).text
            assert " ".join(string.split()) in text, string


@pytest.mark.timeout(360)  # a page for each string
async def test_nothing_runs_in_a_browser(scene: Scene, browser: Browser) -> None:
    async with browsing(browser, scene.relay, viewport={"width": 1440, "height": 900}) as page:
        asked: list[str] = []
        blocked: dict[str, str | None] = {}
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: blocked.update({request.url: request.failure}))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        base = base_of(scene.relay)
        for path in (*LISTS, *(f"/messages/{id}" for id in scene.ids)):
            await page.goto(base + path)
            assert await page.evaluate("window.ran === undefined && document.title !== ''"), path
        assert said == []
        elsewhere = {url for url in asked if not url.startswith((base, "data:"))}
        assert {url: blocked.get(url) for url in elsewhere} == dict.fromkeys(elsewhere, "csp")
