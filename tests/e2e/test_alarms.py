"""What stands is told, once, by every way that is set: the journal, a metric, a webhook, a mail; and that it is over."""

from __future__ import annotations

import asyncio
import base64
import email
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.test_metrics import metrics
from tests.harness import Relay, mail, running_relay, submit
from tests.receiver import Heard, Receiver, receiving

KEY = b"k" * 32
SETTINGS = {
    "RELAY_ALARMS__WEBHOOK_SECRET": f"whsec_{base64.b64encode(KEY).decode()}",
    "RELAY_ALARMS__WEBHOOK_PRIVATE": "true",
    "RELAY_ALARMS__MAIL_TO": "ops@example.net, boss@example.net",
    "RELAY_ALARMS__MAIL_FROM": "relay@example.com",
    "RELAY_ALARMS__AFTER_SECONDS": "1",
}


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> AsyncIterator[tuple[Relay, Cloud]]:
    settings = {**SETTINGS, "RELAY_ALARMS__WEBHOOK": receiver.url}
    async with running_relay(tmp_path_factory.mktemp("alarms"), settings=settings) as pair:
        yield pair


@pytest.fixture
def relay(running: tuple[Relay, Cloud]) -> Relay:
    return running[0]


def told(heard: list[Heard]) -> list[dict[str, Any]]:
    return [alarm for each in heard for alarm in json.loads(each.body)["alarms"]]


async def told_of(receiver: Receiver, kind: str, state: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [each for each in told(receiver.taken) if (each["alarm"], each["state"]) == (kind, state)]

    await receiver.when(lambda: bool(found()))
    return found()[-1]


async def mails(cloud: Cloud, word: str) -> list[email.message.Message]:
    """To whom they tell of it, once both have it."""
    for _ in range(200):
        found = [email.message_from_bytes(call.raw) for call in cloud.calls]
        if len(about := [each for each in found if word in str(each["Subject"])]) >= 2:
            return about
        await asyncio.sleep(0.05)
    raise AssertionError(f"no mail of {word}")


async def test_a_test_is_told_by_all_ways_and_says_so(running: tuple[Relay, Cloud], receiver: Receiver) -> None:
    relay, cloud = running
    status, said = await relay.cli("alarms", "--test")
    assert (status, said.splitlines()) == (0, ["journal: told", "webhook: told", "mail: accepted"])
    heard = receiver.taken[-1]
    body = json.loads(heard.body)
    assert body["text"].splitlines() == ["relay localhost", "note: A test: nothing is wrong."]
    [alarm] = body["alarms"]
    assert (alarm["alarm"], alarm["state"], alarm["manual"]) == ("test", "begins", "docs/alarms.md#test")
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    proof = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert heard.headers["webhook-signature"] == f"v1,{proof}"
    first, second = await mails(cloud, "nothing is wrong")
    assert {first["To"], second["To"]} == {"ops@example.net, boss@example.net"}
    assert (first["From"], first["Auto-Submitted"]) == ("relay@example.com", "auto-generated")
    assert "docs/alarms.md#test" in str(first.get_payload(decode=True))
    assert await relay.told("alarm", alarm="test", level="warning")
    assert await relay.cli("alarms") == (0, "Nothing stands.\n")


async def test_what_stands_is_told_once_and_again_when_it_is_over(running: tuple[Relay, Cloud], receiver: Receiver) -> None:
    relay, cloud = running
    async with receiving() as gone:
        gone.status = 410
        await relay.cli("webhook", "add", "crm", gone.url, "--private")
        with relay.smtp() as client:
            await asyncio.to_thread(submit, client, mail())
        alarm = await told_of(receiver, "webhook_disabled", "begins")
    assert alarm["text"] == "The webhook crm is disabled: answered 410"
    assert (alarm["level"], alarm["subject"]) == ("warning", "crm")
    status, said = await relay.cli("alarms", check=False)
    assert status == 1
    assert "The webhook crm is disabled" in said
    assert (await metrics(relay))['relay_alarm{alarm="webhook_disabled"}'] == 1
    assert len(await mails(cloud, "crm is disabled")) == 2
    assert "No relay runs" not in said
    await relay.stop()
    status, said = await relay.cli("alarms", check=False)
    assert (status, said.splitlines()[0]) == (1, "No relay runs: this is what the last one saw.")
    await relay.start()
    await asyncio.sleep(2.5)  # as long as what is new takes to be told
    begun = [each for each in told(receiver.taken) if (each["alarm"], each["state"]) == ("webhook_disabled", "begins")]
    assert len(begun) == 1
    await relay.cli("webhook", "remove", "crm")
    assert (await told_of(receiver, "webhook_disabled", "over"))["over_at"]
    assert len(await mails(cloud, "over: The webhook crm")) == 2
    assert [line for line in relay.journal() if line["event"] == "alarm" and line["alarm"] == "webhook_disabled"] == []
    assert (await metrics(relay))['relay_alarm{alarm="webhook_disabled"}'] == 0
    assert await relay.cli("alarms") == (0, "Nothing stands.\n")


async def test_what_nobody_takes_is_told_when_he_does_and_the_trouble_is_one_line(relay: Relay, receiver: Receiver) -> None:
    receiver.status = 503
    try:
        status, said = await relay.cli("alarms", "--test", "--wait", "3", check=False)
        assert status == 2
        assert "webhook: answered 503" in said.splitlines()
        assert await relay.told("alarms_untold", by="webhook", why="answered 503")
    finally:
        receiver.status = 200
    assert len([line for line in relay.journal() if line["event"] == "alarms_untold"]) == 1


async def test_of_mails_of_alarms_one_waits_at_most(running: tuple[Relay, Cloud]) -> None:
    relay, cloud = running
    await relay.cli("queue", "pause", "--reason", "a pause")
    assert "mail: accepted" in (await relay.cli("alarms", "--test"))[1]
    status, said = await relay.cli("alarms", "--test", "--wait", "3", check=False)
    assert status == 2
    assert said.splitlines()[:3] == ["journal: told", "webhook: told", "mail: not told yet"]
    before = len(cloud.calls)
    await relay.cli("queue", "resume")
    for _ in range(100):
        if len(cloud.calls) >= before + 2:
            break
        await asyncio.sleep(0.05)
    assert "mail: accepted" in (await relay.cli("alarms", "--test"))[1]


async def test_what_an_operator_stops_himself_rings_nowhere(relay: Relay, receiver: Receiver) -> None:
    await relay.cli("queue", "pause", "--reason", "a pause")
    await asyncio.sleep(2.5)
    assert [each for each in told(receiver.heard) if each["alarm"] == "held"] == []
    await relay.cli("queue", "resume")
