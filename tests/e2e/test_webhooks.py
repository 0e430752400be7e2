"""Events out, as a receiver of webhooks hears them: what, in which words, in which order, and what comes of failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from relay.assembly import database
from relay.control.client import ControlClient
from relay.sandbox.cloud import Cloud
from tests.harness import Relay, mail, running_relay, submit
from tests.receiver import Heard, Receiver, receiving

BOUNCES, COMPLAINS = "bounce@simulator.amazonses.com", "complaint@simulator.amazonses.com"
SAID = (
    "X-Relay-Id: order-42\r\nX-Relay-Campaign: spring\r\nX-Relay-Tag: shop=books\r\n"
    "X-CiviMail-Bounce: b.1.2.abc@example.com\r\n"
)
KEYS = {"RELAY_SECRETS__KEYS": f"1:{base64.b64encode(bytes(32)).decode()}"}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("relay"), settings=KEYS) as pair:
        yield pair


@pytest.fixture(scope="module")
def relay(running: tuple[Relay, Cloud]) -> Relay:
    return running[0]


@pytest.fixture
async def receiver(relay: Relay) -> AsyncIterator[Receiver]:
    """Who took webhooks in a test does so no longer after it."""
    async with receiving() as receiver:
        yield receiver
        store = await database.opened_to_read(relay.where)
        for each in await store.webhooks.all():
            await ControlClient(relay.where.control).remove_webhook(each.webhook.name)
        await store.close()


async def tell(relay: Relay, receiver: Receiver, *options: str, name: str = "crm", url: str = "") -> str:
    return (await relay.cli("webhook", "add", name, url or receiver.url, "--private", *options))[1]


async def send(relay: Relay, *recipients: str, extra: str = "", sender: str = "shop@example.com") -> list[str]:
    with relay.smtp() as client:
        return [
            await asyncio.to_thread(submit, client, mail(to=to, sender=sender, extra=extra), to=to, sender=sender)
            for to in recipients
        ]


def events(heard: list[Heard]) -> list[dict[str, Any]]:
    return [event for each in heard for event in json.loads(each.body)["events"]]


async def all_events(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    await receiver.when(lambda: len(events(receiver.taken)) >= count)
    return events(receiver.taken)


async def test_what_becomes_of_a_message_is_told_in_order_with_what_its_sender_said(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver)
    [sent] = await send(relay, "reader@example.net", extra=SAID)
    told = await all_events(receiver, 2)
    assert [event["event"] for event in told] == ["SENT", "DELIVERED"]
    common = {"message_id": f"{sent}-1", "recipient": "reader@example.net", "sender": "shop@example.com"}
    common |= {"credential": "app", "user_message_id": "order-42", "campaign": "spring"}
    assert all(common.items() <= event.items() for event in told)
    assert told[1]["tags"] == {"shop": "books", "X-CiviMail-Bounce": "b.1.2.abc@example.com"}
    first = receiver.taken[0]
    assert (first.method, first.headers["Content-Type"]) == ("POST", "application/json")
    assert {**json.loads(first.body), "events": ()} == {"version": 1, "webhook": "crm", "events": ()}


async def test_a_bounce_says_what_a_crm_needs(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver, "--event", "bounced", "--event", "SUPPRESSED")
    await send(relay, "bounce+webhooks@simulator.amazonses.com", sender="b.1.2.abc@example.com")
    [bounced] = await all_events(receiver, 1)
    assert bounced["sender"] == "b.1.2.abc@example.com"
    assert (bounced["event"], bounced["class"], bounced["is_hard"]) == ("BOUNCED", "hard", True)
    assert (bounced["reason"], bounced["crm_category"], bounced["status"]) == ("bad-mailbox", "Invalid", "5.1.1")
    await send(relay, "bounce+webhooks@simulator.amazonses.com")
    suppressed = (await all_events(receiver, 2))[1]
    assert (suppressed["event"], suppressed["recipient"]) == ("SUPPRESSED", "bounce+webhooks@simulator.amazonses.com")
    assert suppressed["detail"].startswith("hard_bounce")


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        (["--credential", "app"], True),
        (["--credential", "other"], False),
        (["--sender", "@example.com"], True),
        (["--sender", "shop@example.com"], True),
        (["--sender", "@example.org"], False),
        (["--campaign", "spring"], True),
        (["--campaign", "autumn"], False),
        (["--event", "DELIVERED"], True),
        (["--event", "COMPLAINED"], False),
    ],
)
async def test_only_what_it_wants_is_told(relay: Relay, receiver: Receiver, options: list[str], is_told: bool) -> None:
    await tell(relay, receiver, *options)
    await tell(relay, receiver, name="all", url=receiver.url.replace("hook", "all"))
    await send(relay, "reader@example.net", extra="X-Relay-Campaign: spring\r\n")
    await receiver.when(lambda: any("DELIVERED" in str(each.body) for each in receiver.taken if each.path == "/all"))
    await asyncio.sleep(0.7)
    assert any(each.path == "/hook" for each in receiver.taken) is is_told


async def test_many_go_into_one_request_where_that_is_wished(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver, "--batch", "100", "--event", "DELIVERED")
    await relay.cli("webhook", "pause", "crm")
    sent = await send(relay, *(f"reader{number}@example.net" for number in range(20)))
    assert await relay.status(sent[-1], "delivered") == ["delivered"]
    await asyncio.sleep(1)
    assert "20" in (await relay.cli("webhook", "list"))[1]
    assert receiver.heard == []
    await relay.cli("webhook", "resume", "crm")
    [request] = await receiver.until(1)
    assert [event["message_id"] for event in json.loads(request.body)["events"]] == [f"{each}-1" for each in sent]


async def test_it_is_signed_by_the_standard(relay: Relay, receiver: Receiver) -> None:
    said = await tell(relay, receiver, "--proof", "standard", "--event", "DELIVERED")
    secret = said.split()[said.split().index("secret") + 1]
    await send(relay, "reader@example.net")
    [request] = await receiver.until(1)
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{signature}"
    assert request.headers["webhook-id"] == f"evt_{json.loads(request.body)['events'][0]['id']}"
    stored = relay.path.read_bytes() + Path(f"{relay.path}-wal").read_bytes()
    assert secret.encode() not in stored
    assert secret.encode() not in relay.log.read_bytes()


async def test_the_formats_of_devino_have_its_words(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver, "--format", "devino-json", name="json", url=receiver.url + "/json")
    await tell(relay, receiver, "--format", "devino-xml", name="xml", url=receiver.url + "/xml")
    [sent] = await send(relay, "bounce+devino@simulator.amazonses.com", extra="X-Relay-Id: um-1\r\nX-Relay-Campaign: uc-1\r\n")
    heard = await receiver.until(4)
    in_json = [json.loads(each.body)["messageEventDtos"][0] for each in heard if each.path.endswith("json")]
    assert [each["event"] for each in in_json] == ["SENT", "BOUNCED"]
    moment = in_json[1].pop("dateTime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}", moment)
    assert in_json[1] == {
        "messageId": f"{sent}-1",
        "taskId": 0,
        "userMessageId": "um-1",
        "userCampaignId": "uc-1",
        "email": "bounce+devino@simulator.amazonses.com",
        "event": "BOUNCED",
        "url": None,
        "clientInfo": {
            "platform": None,
            "operatingSystem": None,
            "browser": None,
            "userAgent": None,
            "ipAddress": None,
            "geolocation": {"country": None, "region": None, "city": None},
        },
        "isHardbounce": True,
        "reason": "bad-mailbox",
    }
    bodies = [each.body for each in heard if each.path.endswith("xml")]
    assert bodies[1].startswith(b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>')
    [dto] = ElementTree.fromstring(bodies[1])
    assert {part.tag: part.text for part in dto} == {
        "messageId": f"{sent}-1",
        "taskId": "0",
        "userMessageId": "um-1",
        "userCampaignId": "uc-1",
        "email": "bounce+devino@simulator.amazonses.com",
        "event": "BOUNCED",
        "dateTime": moment,
        "clientInfo": None,
        "isHardbounce": "true",
        "reason": "bad-mailbox",
    }


async def test_what_ses_published_is_handed_on_as_it_is(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver, "--format", "ses", "--event", "DELIVERED")
    [sent] = await send(relay, "reader@example.net")
    [request] = await receiver.until(1)
    store = await database.opened_to_read(relay.where)
    published = await store.messages.notifications(sent)
    await store.close()
    assert json.loads(request.body)["eventType"] == "Delivery"
    assert request.body in published


async def test_a_template_has_texts_of_its_own_for_each_event(relay: Relay, receiver: Receiver, tmp_path: Path) -> None:
    texts = tmp_path / "texts.toml"
    texts.write_text(
        f"""[BOUNCED]
url = "{receiver.url}/${{recipient}}?why=${{reason}}"
body = '{{"text": "${{recipient}}: ${{diagnostic}} ${{nothing}}"}}'
""".replace(" ${nothing}", "")
        + """["*"]
body = '{"text": "${event} ${tags.shop}${tags.none}"}'
"""
    )
    options = ["--format", "template", "--texts", str(texts), "--header", "Content-Type: application/json"]
    await tell(relay, receiver, *options, "--header", "X-Of: ${message_id}")
    [sent] = await send(relay, "bounce+a_b@simulator.amazonses.com", extra='X-Relay-Tag: shop="books" & more\r\n')
    first, second = await receiver.until(2)
    assert json.loads(first.body) == {"text": 'SENT "books" & more'}
    assert second.path == "/hook/bounce%2Ba_b%40simulator.amazonses.com?why=bad-mailbox"
    assert json.loads(second.body)["text"].startswith("bounce+a_b@simulator.amazonses.com: smtp; 550")
    assert second.headers["X-Of"] == f"{sent}-1"


async def test_what_fails_is_told_again_and_nothing_of_that_delivery_before(relay: Relay, receiver: Receiver) -> None:
    receiver.status = 503
    await tell(relay, receiver)
    [sent] = await send(relay, "reader@example.net")
    await receiver.when(lambda: bool(receiver.heard))
    assert await relay.status(sent, "delivered") == ["delivered"]
    await asyncio.sleep(1.5)
    assert {event["event"] for event in events(receiver.heard)} == {"SENT"}
    assert "fails since" in (await relay.cli("webhook", "list"))[1]
    assert "answered 503" in (await relay.cli("webhook", "log", "crm"))[1]
    receiver.status = 200
    assert [event["event"] for event in await all_events(receiver, 2)] == ["SENT", "DELIVERED"]
    assert "fails" not in (await relay.cli("webhook", "list"))[1]


async def test_who_is_gone_is_told_nothing_until_somebody_resumes_it(relay: Relay, receiver: Receiver) -> None:
    receiver.status = 410
    await tell(relay, receiver, "--event", "DELIVERED")
    await send(relay, "reader@example.net")
    assert (await relay.told("webhook_disabled"))["webhook"] == "crm"
    assert "disabled: answered 410" in (await relay.cli("webhook", "list"))[1]
    receiver.status = 200
    await send(relay, "reader@example.net")
    await asyncio.sleep(1.5)
    assert receiver.taken == []
    await relay.cli("webhook", "resume", "crm")
    assert len(await all_events(receiver, 1)) >= 1


async def test_a_time_is_told_once_more_with_the_same_ids(relay: Relay, receiver: Receiver) -> None:
    await tell(relay, receiver, "--credential", "app", "--campaign", "again")
    await send(relay, *(f"reader{number}@example.net" for number in range(5)), extra="X-Relay-Campaign: again\r\n")
    before = [event["id"] for event in await all_events(receiver, 10)]
    receiver.heard.clear()
    assert "told 10 events again" in (await relay.cli("webhook", "replay", "crm", "--since", "1h"))[1]
    assert sorted(event["id"] for event in await all_events(receiver, 10)) == sorted(before)


async def test_a_private_address_is_told_nothing_without_leave(relay: Relay, receiver: Receiver) -> None:
    for url in (f"https://127.0.0.1:{receiver.port}/", f"https://localhost:{receiver.port}/", "https://169.254.169.254/"):
        await relay.cli("webhook", "add", "inside", url)
        code, said = await relay.cli("webhook", "test", "inside", check=False)
        assert code == 2
        assert "not public" in said or "no public address" in said
        await relay.cli("webhook", "remove", "inside")
    assert receiver.heard == []


async def test_a_redirect_is_a_failure(relay: Relay, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url + "/elsewhere"}
    await tell(relay, receiver)
    code, said = await relay.cli("webhook", "test", "crm", check=False)
    assert (code, [each.path for each in receiver.heard]) == (2, ["/hook"])
    assert "answered 307" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["http://crm.example.com/"], "only https"),
        (["ftp://crm.example.com/"], "not a URL of the web"),
        (["https://user:pass@crm.example.com/"], "neither passwords nor fragments"),
        (["https://crm.example.com/", "--batch", "10", "--format", "ses"], "one only in the formats"),
        (["https://crm.example.com/", "--format", "template"], "has to have one"),
        (["https://crm.example.com/", "--header", "Host: other"], "not for you to say"),
        (["https://crm.example.com/", "--header", "X-A: b\x01"], "no header"),
        (["https://crm.example.com/", "--proof", "basic", "--user", "me"], "needs a secret"),
        (["https://crm.example.com/", "--proof", "sigv4"], "needs a secret"),
        (["https://crm.example.com/${event}"], "names stand for something only in the format template"),
    ],
)
async def test_what_cannot_be_is_said_when_it_is_made(relay: Relay, options: list[str], why: str) -> None:
    code, said = await relay.cli("webhook", "add", "crm", *options, check=False)
    assert code == 2
    assert why in said
