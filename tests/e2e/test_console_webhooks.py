"""Webhooks in the console: looked at, made, tried, paused, told once more; who may what; and nothing of it runs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from relay.assembly import database
from relay.control.client import ControlClient
from relay.operators import AuditEntry
from relay.ports.notices import Standing
from relay.web.console.webhook_forms import written
from relay.webhooks.webhook import EVERYTHING, Format, Proof, Text, Webhook
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, Relay, mail, running_relay, submit
from tests.receiver import Receiver, receiving

KEYS = {"RELAY_SECRETS__KEYS": f"1:{base64.b64encode(bytes(32)).decode()}"}
ODD = '"><img src=x onerror=alert(1)>'
ODD_PATH = "/webhooks/%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E"
SECRET_SHOWN = re.compile(r"<code data-copy[^>]*>(whsec_[A-Za-z0-9+/=]+)</code>")
OPERATORS_ACTIONS = ("test", "pause", "resume", "replay")
ADMINS_ACTIONS = ("change", "remove")


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("relay"), APPLICATION, settings=KEYS) as (relay, _):
        await admit(relay)
        yield relay
        assert relay.faults() == []


@pytest.fixture
async def receiver(relay: Relay) -> AsyncIterator[Receiver]:
    """Who took webhooks in a test does so no longer after it."""
    async with receiving() as receiver:
        yield receiver
        for each in await standings(relay):
            await ControlClient(relay.where.control).remove_webhook(each.webhook.name)


@pytest.fixture
async def admin(relay: Relay) -> AsyncIterator[Visitor]:
    async with visiting(relay) as visitor:
        yield visitor


async def standings(relay: Relay) -> tuple[Standing, ...]:
    store = await database.opened_to_read(relay.where)
    try:
        return await store.webhooks.all()
    finally:
        await store.close()


async def stored(relay: Relay, name: str = "crm") -> Webhook | None:
    return next((each.webhook for each in await standings(relay) if each.webhook.name == name), None)


async def audited(relay: Relay) -> AuditEntry:
    """The last entry."""
    store = await database.opened_to_read(relay.where)
    try:
        return (await store.operators.audit(before=2**53, count=1))[0]
    finally:
        await store.close()


async def put(relay: Relay, url: str, **said: Any) -> Webhook:
    """As it is, whether it may be so or not."""
    made = Webhook(**{"name": "crm", "url": url, "is_private": True, **said})
    await ControlClient(relay.where.control).put_webhook(made)
    return made


def form(url: str = "", **said: str) -> Mapping[str, str]:
    return {**written(Webhook(name="crm", url=url, is_private=True)), **said}


async def send(relay: Relay, *recipients: str) -> list[str]:
    def submitted() -> list[str]:
        with relay.smtp() as client:
            return [submit(client, mail(to=to), to=to) for to in recipients]

    return await asyncio.to_thread(submitted)


async def shown_when(visitor: Visitor, path: str, text: str) -> Shown:
    async with asyncio.timeout(20):
        while text not in (shown := await visitor.get(path)).text:  # noqa: ASYNC110 - the relay does it when it does
            await asyncio.sleep(0.1)
    return shown


def store_says(relay: Relay, **columns: float | str) -> None:
    """What only time would bring about."""
    with sqlite3.connect(relay.path, timeout=10) as db:
        db.execute(f"UPDATE webhooks SET {', '.join(f'{name} = ?' for name in columns)}", tuple(columns.values()))
    db.close()


async def test_one_is_added_and_told_what_happens(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    assert "There is none yet." in (await admin.get("/webhooks")).text
    assert 'href="/webhooks" aria-current="page"' in (await admin.get("/webhooks-new")).source
    fields = form(receiver.url, **{"event.DELIVERED": "on", "headers": "X-Key: k-4711"})
    done = await admin.post("/webhooks", fields, came_from="/webhooks-new")
    assert (done.status, done.url) == (200, "/webhooks/crm")
    assert "crm is told what happens from now on." in done.text
    assert "It has been told nothing yet." in done.text
    [sent] = await send(relay, "reader@example.net")
    [request] = await receiver.until(1)
    assert (json.loads(request.body)["events"][0]["message_id"], request.headers["X-Key"]) == (f"{sent}-1", "k-4711")
    shown = await shown_when(admin, "/webhooks/crm", "answered 200")
    assert "POST " + receiver.url in shown.text
    assert "X-Key: k-4711" in shown.text
    assert '"recipient": "reader@example.net"' in shown.text
    assert f"crm {receiver.url} The relay's own, JSON DELIVERED 0 works" in (await admin.get("/webhooks")).text
    entry = await audited(relay)
    assert (entry.operator, entry.action, entry.subject, entry.outcome) == ("admin", "webhook added", "crm", "done")
    assert receiver.url in entry.detail
    assert "4711" not in entry.detail


async def test_the_secret_of_the_standard_is_shown_once_and_nowhere_else(
    relay: Relay, receiver: Receiver, admin: Visitor
) -> None:
    made = await admin.post("/webhooks", form(receiver.url, proof="standard"))
    found = SECRET_SHOWN.search(made.source)
    assert found, made.text
    await admin.post("/webhooks/crm/test")
    [request] = receiver.taken
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(found[1].removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{signature}"
    for path in ("/webhooks", "/webhooks/crm", "/webhooks/crm/change", "/audit"):
        shown = await admin.get(path)
        assert shown.status == 200
        assert found[1] not in shown.source
        assert "whsec_" not in shown.source
    assert found[1].encode() not in b"".join(path.read_bytes() for path in relay.folder.glob("relay.db*"))
    assert found[1] not in relay.log.read_text()
    kept = await admin.post("/webhooks/crm/change", form(receiver.url, proof="standard", most="5"))
    assert (kept.url, SECRET_SHOWN.search(kept.source)) == ("/webhooks/crm", None)
    renewed = SECRET_SHOWN.search(
        (await admin.post("/webhooks/crm/change", form(proof="standard", url=receiver.url, new_secret="on"))).source
    )
    assert renewed
    assert renewed[1] != found[1]


async def test_all_that_it_may_be_set_to_can_be_set_and_what_is_not_said_of_its_secret_stays(
    relay: Relay, receiver: Receiver, admin: Visitor
) -> None:
    await admin.post("/webhooks", form(receiver.url, proof="basic", user="me", secret="a secret of his"))
    before = await stored(relay)
    assert before
    assert before.secret
    assert "a secret of his" not in (await audited(relay)).detail
    wanted = Webhook(
        name="crm",
        url="https://crm.example.com/${event}",
        format=Format.TEMPLATE,
        events=frozenset({"BOUNCED", "OPENED"}),
        credentials=frozenset({"app", "crm"}),
        senders=frozenset({"shop@example.com", "@example.org"}),
        campaigns=frozenset({"spring sale", "autumn"}),
        method="PUT",
        headers=(("Content-Type", "application/json"), ("X-A", "b: c")),
        texts=(
            Text(trigger="BOUNCED", body='{"a": "${recipient}"}'),
            Text(trigger=EVERYTHING, body="it's\n'''all'''", url="https://b.example.com/"),
        ),
        proof=Proof.BASIC,
        user="me",
        secret=before.secret,
    )
    done = await admin.post("/webhooks/crm/change", written(wanted))
    assert "crm is changed." in done.text
    assert await stored(relay) == wanted
    assert "Is told BOUNCED, OPENED · logins: app, crm · senders: @example.org, shop@example.com" in done.text
    assert "User and password (Basic) · user: me" in done.text
    entry = await audited(relay)
    assert (entry.action, json.loads(entry.detail)["method"]) == ("webhook changed", ["POST", "PUT"])
    assert before.secret not in entry.detail
    again = await admin.get("/webhooks/crm/change")
    assert re.search(r'name="event.BOUNCED" value="on" checked', again.source)
    assert '<option value="PUT" selected>' in again.source
    assert before.secret not in again.source
    await admin.post(
        "/webhooks/crm/change", form(receiver.url, proof="sigv4", user="AKIA1", region="eu-west-1", service="sns", secret="s")
    )
    changed = await stored(relay)
    assert changed
    assert (changed.proof, changed.region, changed.service, changed.secret != before.secret) == (
        Proof.SIGV4,
        "eu-west-1",
        "sns",
        True,
    )
    await admin.post("/webhooks/crm/change", form(receiver.url, proof="none"))
    assert await stored(relay) == Webhook(name="crm", url=receiver.url, is_private=True)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"url": f"https://crm.example.com/{ODD}é"}, "not a URL of the web"),
        ({"name": ODD}, "a name has letters, digits"),
        ({"name": ""}, "a name has letters, digits"),
        ({"url": "ftp://crm.example.com/", "headers": "Host: x"}, "Host: not for you to say"),
        ({"headers": ODD}, "a header is written as Name: value."),
        ({"format": "template", "texts": f"[BOUNCED]\nbody = '''{ODD}"}, "the texts are no TOML"),
        ({"format": "template", "texts": f"['{ODD}']\nbody = '{ODD}'"}, "no event"),
        ({"format": "template"}, "has to have one"),
        ({"senders": ODD}, "is no address and no domain"),
        ({"senders": "@*.example.com"}, "do not stand for what lies below"),
        ({"most": "many"}, "many is not a number of events."),
        ({"most": "5000"}, "1 to 1000 events"),
        ({"format": ODD}, "cannot be chosen here."),
        ({"proof": "bearer"}, "bearer needs a secret"),
        ({"proof": "standard", "secret": "short"}, "must be whsec_"),
    ],
)
async def test_what_cannot_be_is_said_and_what_was_typed_stays(
    relay: Relay, receiver: Receiver, admin: Visitor, said: dict[str, str], why: str
) -> None:
    given = {"url": "https://crm.example.com/hook", "region": "typed", "service": "as-well", **said}
    given |= {} if said.keys() == {"proof"} else {"secret": "not to be shown"} if "proof" not in said else {}
    refused = await admin.post("/webhooks", form(**given))
    assert refused.status == 400
    assert why in refused.text
    assert 'name="region" value="typed"' in refused.source
    assert "not to be shown" not in refused.source
    assert "<img src=x" not in refused.source
    assert await standings(relay) == ()
    entry = await audited(relay)
    assert (entry.action, entry.outcome, "not to be shown" in entry.detail) == ("webhook added", "refused", False)


async def test_one_that_is_there_is_not_replaced(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    before = await put(relay, receiver.url)
    refused = await admin.post("/webhooks", form("https://elsewhere.example.com/"))
    assert (refused.status, "There is a webhook crm already." in refused.text) == (400, True)
    assert await stored(relay) == before


async def test_what_somebody_else_has_changed_meanwhile_is_not_undone_unseen(
    relay: Relay, receiver: Receiver, admin: Visitor
) -> None:
    await put(relay, receiver.url)
    opened = await admin.get("/webhooks/crm/change")
    others = await put(relay, receiver.url, credentials=frozenset({"app"}))
    [seen] = re.findall('name="seen" value="([0-9a-f]+)"', opened.source)
    refused = await admin.post("/webhooks/crm/change", form(receiver.url, most="7", seen=seen))
    assert (refused.status, "crm was changed since you opened this form." in refused.text) == (400, True)
    assert 'name="most" value="7"' in refused.source
    assert await stored(relay) == others


async def test_it_is_tried_and_what_it_answers_is_shown(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    await put(relay, receiver.url, events=frozenset({"COMPLAINED"}))
    async with visiting(relay, "operator") as operator:
        shown = await operator.post("/webhooks/crm/test", came_from="/webhooks/crm")
    assert re.search(r"An event that never happened was sent taken answered 200 \d+ ms taken", shown.text)
    assert json.loads(receiver.taken[0].body)["events"][0]["event"] == "COMPLAINED"
    entry = await audited(relay)
    assert (entry.operator, entry.action, entry.subject, entry.outcome) == ("operator", "webhook tested", "crm", "done")
    receiver.status, receiver.answer = 500, ODD
    shown = await admin.post("/webhooks/crm/test")
    assert ("not taken answered 500" in shown.text, ODD in shown.text, "<img" in shown.source.partition("<main")[2]) == (
        True,
        True,
        False,
    )
    await put(relay, f"https://127.0.0.1:{receiver.port}/", is_private=False)
    assert "not public" in (await admin.post("/webhooks/crm/test")).text


async def test_it_is_paused_and_goes_on_and_is_told_a_time_once_more(relay: Relay, receiver: Receiver) -> None:
    await put(relay, receiver.url, events=frozenset({"DELIVERED"}))
    async with visiting(relay, "operator") as operator:
        done = await operator.post("/webhooks/crm/pause")
        assert "crm is told nothing until it goes on." in done.text
        assert "State paused Waiting 0" in done.text
        ids = await send(relay, "a@example.net", "b@example.net")
        await shown_when(operator, "/webhooks/crm", "Waiting 2 (the oldest for")
        assert re.search(r"DELIVERED 2 \(the oldest for \d+ s\) paused", (await operator.get("/webhooks")).text)
        assert receiver.heard == []
        assert "crm is told what waits, and goes on." in (await operator.post("/webhooks/crm/resume")).text
        await receiver.until(2)
        receiver.heard.clear()
        since = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 120))
        for wrong in ({}, {"since": "soon"}, {"since": since, "until": "2001-01-01T00:00"}):
            refused = await operator.post("/webhooks/crm/replay", wrong, came_from="/webhooks/crm")
            assert 'class="said objection"' in refused.source
        await operator.post("/webhooks/crm/replay", {"since": since}, came_from="/webhooks/crm")
        told = set[str]()  # those of other tests come as well, if they are as young
        while not told >= {f"{id}-1" for id in ids}:
            await asyncio.sleep(0.05)
            told |= {event["message_id"] for each in receiver.heard for event in json.loads(each.body)["events"]}
        await shown_when(operator, "/webhooks/crm", "events are told once more.")
        entry = await audited(relay)
        assert (entry.action, entry.subject, entry.outcome) == ("webhook told once more", "crm", "done")
        assert since in entry.detail


async def test_it_is_removed_and_what_is_not_there_is_not_found(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    await put(relay, receiver.url)
    page = await admin.get("/webhooks/crm")
    assert 'data-confirm="crm is told nothing any more' in page.source
    done = await admin.post("/webhooks/crm/remove", came_from="/webhooks/crm")
    assert (done.url, "crm is removed." in done.text, await standings(relay)) == ("/webhooks", True, ())
    assert ((await audited(relay)).action, (await audited(relay)).outcome) == ("webhook removed", "done")
    for path in ("/webhooks/crm", "/webhooks/crm/change"):
        assert (await admin.get(path)).status == 404
    for action in (*OPERATORS_ACTIONS, *ADMINS_ACTIONS):
        assert (await admin.post(f"/webhooks/crm/{action}", form(receiver.url))).status == 404


async def test_each_role_may_what_is_its_own(relay: Relay, receiver: Receiver) -> None:
    before = await put(
        relay,
        receiver.url + "/path-to-guess",
        format=Format.TEMPLATE,
        headers=(("X-Key", "k-4711"),),
        texts=(Text(trigger="DELIVERED", body="token-of-it"),),
    )
    async with visiting(relay) as admin:
        shown = await admin.get("/webhooks/crm")
        assert all(text in shown.text for text in ("path-to-guess", "k-4711", "token-of-it"))
    await send(relay, "reader@example.net")
    await receiver.until(1)
    for role, own in (("viewer", ()), ("operator", OPERATORS_ACTIONS)):
        async with visiting(relay, role) as visitor:
            shown = await shown_when(visitor, "/webhooks/crm", "answered 200")
            offered = set(re.findall(r'action="/webhooks/crm/(\w+)"', shown.source))
            assert offered == set(own) - {"resume"}
            for source in (shown.source, (await visitor.get("/webhooks")).source):
                assert not re.search("path-to-guess|k-4711|token-of-it|webhooks-new|crm/change", source)
                assert f"127.0.0.1:{receiver.port}/…" in source
            for path in ("/webhooks-new", "/webhooks/crm/change"):
                assert (await visitor.get(path)).status == 403
            refused = {*OPERATORS_ACTIONS, *ADMINS_ACTIONS} - set(own)
            for path in ("/webhooks", *(f"/webhooks/crm/{action}" for action in refused)):
                assert (await visitor.post(path, form("https://mine.example.com/"))).status == 403
    (standing,) = await standings(relay)
    assert (standing.webhook, standing.is_active) == (before, True)


async def test_the_body_of_a_format_of_the_relays_own_is_for_everybody(relay: Relay, receiver: Receiver) -> None:
    await put(relay, receiver.url, headers=(("X-Key", "k-4711"),), events=frozenset({"DELIVERED"}))
    await send(relay, "somebody@example.net")
    await receiver.until(1)
    async with visiting(relay, "viewer") as viewer:
        shown = await shown_when(viewer, "/webhooks/crm", "answered 200")
    assert '"recipient": "somebody@example.net"' in shown.text
    assert "4711" not in shown.source
    assert "/hook" not in shown.text


async def test_the_overview_says_which_are_told_nothing(relay: Relay, receiver: Receiver) -> None:
    receiver.status, receiver.answer = 503, "gone to lunch"
    await put(relay, receiver.url, events=frozenset({"DELIVERED"}))
    async with visiting(relay, "viewer") as viewer:
        await send(relay, "reader@example.net")
        shown = await shown_when(viewer, "/webhooks/crm", "fails since")
        assert re.search(r"not taken answered 503 What was sent and answered .* gone to lunch", shown.text)
        assert "/webhooks/crm" not in (await viewer.get("/")).source
        store_says(relay, failing_since=time.time() - 3700)
        shown = await viewer.get("/")
        assert 'href="/webhooks/crm"' in shown.source
        assert "The webhook crm has failed for over an hour. Look at what it answers." in shown.text
        await ControlClient(relay.where.control).pause_webhook("crm", is_paused=True)
        assert "The webhook crm" not in (await viewer.get("/")).text
        store_says(relay, is_paused=0, disabled=f"answered 410 {ODD}")
        shown = await viewer.get("/")
        assert f"The webhook crm is disabled: answered 410 {ODD}" in shown.text
        assert "<img src=x" not in shown.source
        assert f"disabled answered 410 {ODD}" in (await viewer.get("/webhooks")).text


async def odd(relay: Relay, receiver: Receiver) -> None:
    """One that has such strings wherever one can be."""
    receiver.answer = ODD
    lists: dict[str, Any] = {name: frozenset({ODD}) for name in ("credentials", "senders", "campaigns")}
    texts = (Text(trigger=EVERYTHING, body=ODD), Text(trigger=ODD, body=ODD, url=ODD))
    said: dict[str, Any] = {"format": Format.TEMPLATE, "texts": texts, "headers": (("X-A", ODD),)}
    await put(relay, f"{receiver.url}/{ODD}", name=ODD, user=ODD, region=ODD, service=ODD, **lists, **said)
    await put(relay, receiver.url, **said)
    await send(relay, "reader@example.net")
    await receiver.until(1)
    async with visiting(relay, "viewer") as viewer:
        await shown_when(viewer, "/webhooks/crm", "answered 200")
    store_says(relay, disabled=ODD)
    with sqlite3.connect(relay.path, timeout=10) as db:
        db.execute("UPDATE webhook_requests SET failure = ?", (ODD,))
    db.close()


async def test_what_others_write_is_shown_as_text(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    await odd(relay, receiver)
    for path in ("/webhooks", "/webhooks/crm", ODD_PATH, f"{ODD_PATH}/change", "/"):
        shown = await admin.get(path)
        assert shown.status == 200, path
        assert "onerror=alert(1)&gt;" in shown.source
        assert "<img src=x" not in shown.source
    assert f"{ODD} is told nothing until it goes on." in (await admin.post(f"{ODD_PATH}/pause")).text


async def test_all_of_it_is_there_in_russian(relay: Relay, receiver: Receiver, admin: Visitor) -> None:
    await put(relay, receiver.url)
    await admin.get("/language/ru")
    assert "Свой формат Relay, JSON" in (await admin.get("/webhooks")).text
    assert "Последние запросы" in (await admin.get("/webhooks/crm")).text
    assert "Только эти события" in (await admin.get("/webhooks/crm/change")).text
    assert "Вебхук crm уже есть." in (await admin.post("/webhooks", form(receiver.url))).text


async def test_without_keys_there_are_neither_secrets_nor_access_keys(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION) as (relay, _):
        await admit(relay)
        async with visiting(relay) as admin:
            refused = await admin.post("/webhooks", form("https://crm.example.com/", proof="standard"))
            assert (refused.status, "A secret needs a key in secrets.keys" in refused.text) == (400, True)
            assert (await admin.post("/webhooks", form("https://crm.example.com/"))).url == "/webhooks/crm"
            shown = await admin.get("/credentials/app")
            assert "None can be made: there is no key in secrets.keys" in shown.text
            assert "/credentials/app/keys" not in shown.source
            refused = await admin.post("/credentials/app/keys", came_from="/credentials/app")
            assert "An access key needs a key in secrets.keys" in refused.text


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as found:
        yield found


async def test_in_a_browser_it_is_accessible_narrow_enough_and_nothing_runs(
    relay: Relay, receiver: Receiver, browser: Browser
) -> None:
    await odd(relay, receiver)
    looks: dict[str, Any] = {
        "color_scheme": "dark",
        "viewport": {"width": 390, "height": 900},
        "bypass_csp": True,
        "locale": "en",
    }
    async with browsing(browser, relay, **looks) as page:
        dialogues: list[str] = []
        page.on("dialog", lambda dialogue: dialogues.append(dialogue.message))
        for path in ("/webhooks", "/webhooks/crm", f"{ODD_PATH}/change"):
            await page.goto(base_of(relay) + path)
            await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390
            assert await violations(page) == []
        assert (dialogues, await page.locator("img[src=x]").count()) == ([], 0)
        await page.goto(f"{base_of(relay)}/webhooks/crm")
        await page.get_by_role("button", name="Test it").click()
        await page.get_by_text("An event that never happened was sent").wait_for()
