"""/queue: what waits and what stops it; stopped, started and changed from the console."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import expect

from relay.assembly import database
from relay.cli.access import changing
from relay.lifecycle import NEVER, Cause
from relay.operators import AuditEntry
from relay.outcome import Hold, HoldScope
from relay.queueing import QueueStatus, Selection
from relay.rate import Account
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, running_relay, submit

ATTACK = '"><img src=x onerror=alert(1)>'
PATIENT = {"RELAY_RETRY__DELAYS_SECONDS": "3600", "RELAY_SES__READ_TIMEOUT_SECONDS": "1"}
BULK = "X-Relay-Class: marketing\r\n"
EVERYTHING = {"verb": "retry", "everything": "on"}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud

    async def send(self, to: str = "reader@example.net", *, login: str = "app", extra: str = "", count: int = 1) -> list[str]:
        def session() -> list[str]:
            with self.relay.smtp(login=login) as client:
                return [submit(client, mail(to=to, extra=extra), to=to) for _ in range(count)]

        return await asyncio.to_thread(session)

    async def in_doubt(self) -> str:
        """A message of which the relay cannot know whether the far side took it."""
        self.cloud.faults.times, self.cloud.faults.reset = 1, "before"
        [id] = await self.send("doubt@example.net")
        assert await self.relay.status(id, "in doubt") == ["in doubt"]
        self.cloud.faults.reset = ""
        return id

    async def hold(self, scope: HoldScope, subject: str = "", reason: str = "a test") -> None:
        async with changing(self.relay.where) as admin:
            assert await admin.hold(Hold(scope, reason, NEVER, subject))

    async def status(self) -> QueueStatus:
        async with self.store() as store:
            return await store.desk.status(now=time.time())

    async def holds(self) -> list[tuple[str, str, str]]:
        return [(hold.scope.value, hold.subject, hold.reason) for hold in (await self.status()).holds]

    async def audit(self, action: str) -> AuditEntry:
        """The last of that action."""
        async with self.store() as store:
            return next(each for each in await store.operators.audit(before=2**53, count=200) if each.action == action)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SqlStore]:
        store = await database.opened_to_read(self.relay.where)
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path_factory.mktemp("queue"), APPLICATION, CRM, settings=PATIENT) as (relay, cloud):
        await admit(relay)
        yield Scene(relay, cloud)
        assert {line.get("event") for line in relay.faults()} == {"held"}  # SES did, in one of them


@pytest.fixture
async def scene(shared: Scene) -> AsyncIterator[Scene]:
    """In which nothing waits, and nothing is stopped."""
    yield shared
    async with changing(shared.relay.where) as admin:
        await admin.move(Cause.CANCELLED, Selection())
        for hold in (await shared.status()).holds:
            await admin.lift(hold.scope, hold.subject)


async def confirmed(visitor: Visitor, fields: Mapping[str, str]) -> str:
    """What is said in the end, by way of the page that asks."""
    asked = await visitor.get("/queue/change?" + "&".join(f"{name}={value}" for name, value in fields.items()))
    assert asked.status == 200
    shown = await visitor.post("/queue/change", fields, came_from=asked.url)
    assert shown.status == 200
    assert shown.url == "/queue"
    return shown.text


# What is seen.


async def test_what_waits_and_what_stops_it_is_shown_to_a_viewer(scene: Scene) -> None:
    await scene.in_doubt()
    await scene.hold(HoldScope.ACCOUNT, reason=ATTACK)
    await scene.hold(HoldScope.CREDENTIAL_BULK, "crm", "wrong list")
    await scene.send(count=2)
    await scene.send(login="crm", extra=BULK)
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/queue")
        assert "4 3 queued, 0 being sent, 1 in doubt" in shown.text
        assert f"all mail an operator {ATTACK}" in shown.text
        assert ATTACK not in shown.source
        assert "bulk mail of the login crm an operator wrong list" in shown.text
        assert "transactional app example.com the relay's own 3 2" in shown.text
        assert "bulk crm example.com the relay's own 1 1" in shown.text
        assert "200 a second" in shown.text
        assert "0 of 1,000,000 used in 24 hours" in shown.text
        assert 'method="post" action="/queue' not in shown.source
        assert "/queue/change" not in shown.source
        assert (await visitor.get("/queue/change?verb=retry&everything=on")).status == 403
        for path in ("/queue/pause", "/queue/resume", "/queue/change"):
            assert (await visitor.post(path, {**EVERYTHING, "scope": "account", "reason": "x"})).status == 403
    assert len(await scene.holds()) == 2
    assert (await scene.status()).states == {"queued": 3, "in_doubt": 1}


async def test_what_ses_has_stopped_says_when_it_is_probed_and_is_resumed_as_well(scene: Scene) -> None:
    scene.cloud.faults.times, scene.cloud.faults.error = 1, SesError(400, "AccountSuspendedException", "suspended")
    [id] = await scene.send()
    await scene.relay.told("held", level="error")
    async with visiting(scene.relay, "operator") as visitor:
        text = (await visitor.get("/queue")).text
        assert "all mail SES 400 AccountSuspended" in text
        assert "a probe gets through, in 4 min" in text
        shown = await visitor.post("/queue/resume", {"scope": "account", "subject": ""})
        assert "All mail: it goes on." in shown.text
        assert await scene.relay.status(id, "delivered") == ["delivered"]
        again = await visitor.post("/queue/resume", {"scope": "account", "subject": ""}, came_from="/queue")
        assert "It is not stopped any more." in again.text


async def test_an_empty_queue_and_a_quota_that_is_used_up_are_said(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 1)
    store = await SqliteStore.open(relay.path)
    await store.account.put(Account(rate=14.0, quota=1000.0, sent=950.0, at=time.time()))
    await store.close()
    await relay.start(APPLICATION)
    await admit(relay)
    async with visiting(relay, "viewer") as visitor:
        text = (await visitor.get("/queue")).text
        assert "Waits 0 Nothing waits." in text
        assert "14 a second 950 of 1,000 used in 24 hours" in text
        assert "bulk mail waits" in text
        assert "What is stopped" not in text
    await relay.stop()


# Stopped and started.


@pytest.mark.parametrize(
    ("fields", "holds", "said"),
    [
        ({"scope": "account"}, [("account", "")], "All mail: paused."),
        ({"scope": "credential", "subject": "app"}, [("credential", "app")], "app: paused."),
        ({"scope": "credential_bulk", "subject": "crm"}, [("credential_bulk", "crm")], "crm: paused."),
        ({"scope": "identity", "subject": "@EXAMPLE.com"}, [("identity", "example.com")], "example.com: paused."),
        ({"scope": "configuration_set", "subject": "other"}, [("configuration_set", "other")], "other: paused."),
        (
            {"scope": "configuration_set", "subject": "tests"},
            [("configuration_set", ""), ("configuration_set", "tests")],
            "tests: paused.",
        ),
    ],
)
async def test_what_is_named_is_paused_with_a_reason_and_resumed(
    scene: Scene, fields: Mapping[str, str], holds: list[tuple[str, str]], said: str
) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.post("/queue/pause", {**fields, "reason": "maintenance"})
        assert said in shown.text
        assert await scene.holds() == [(*hold, "maintenance") for hold in holds]
        again = await visitor.post("/queue/pause", {**fields, "reason": "longer"})
        assert "it was paused already, and has the new reason." in again.text
        assert await scene.holds() == [(*hold, "longer") for hold in holds]
        scope, subject = holds[0]
        shown = await visitor.post("/queue/resume", {"scope": scope, "subject": subject})
        assert "it goes on." in shown.text
    assert await scene.holds() == []
    done = await scene.audit("mail resumed")
    assert (done.operator, done.subject, done.outcome) == ("operator", f"{scope} {subject}".strip(), "done")
    assert done.detail == "; ".join(["operator: longer"] * len(holds))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"scope": "account", "reason": ""}, "Say why"),
        ({"scope": "account", "subject": "app"}, "choose which of the two"),
        ({"scope": "credential"}, "Name the login"),
        ({"scope": "credential", "subject": "nobody"}, "There is no login nobody."),
        ({"scope": "credential_bulk", "subject": ATTACK}, f"There is no login {ATTACK}."),
        ({"scope": "identity", "subject": "nowhere"}, "nowhere is no domain."),
        ({"scope": "task", "subject": "1"}, "There is no such hold."),
        ({"scope": ""}, "There is no such hold."),
    ],
)
async def test_what_cannot_be_paused_is_said_and_nothing_is(scene: Scene, fields: Mapping[str, str], said: str) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.post("/queue/pause", {"reason": "x", **fields}, came_from="/queue")
        assert said in shown.text
        assert ATTACK not in shown.source
    assert await scene.holds() == []


# What waits is changed.


async def test_how_many_are_meant_is_said_before_and_a_doubt_may_be_sent_twice(scene: Scene) -> None:
    id = await scene.in_doubt()
    await scene.hold(HoldScope.CREDENTIAL, "crm")
    await scene.send(login="crm", count=2)
    async with visiting(scene.relay, "operator") as visitor:
        asked = await visitor.get("/queue/change?verb=retry&everything=on")
        assert re.search(r"Deliveries that wait and fit 3 Accepted before [-0-9: ]+ UTC All that waits yes", asked.text)
        assert "SES may have 1 of them already, which may be sent twice then." in asked.text
        assert (await scene.status()).states == {"queued": 2, "in_doubt": 1}
        done = await confirmed(visitor, EVERYTHING)
        assert "Due now: 3. May be sent twice: 1." in done
        assert "The last change: done" in done
    assert await scene.relay.status(id, "delivered") == ["delivered"]
    entry = await scene.audit("queue changed")
    assert (entry.operator, entry.subject, entry.outcome) == ("operator", "retry", "done")
    assert '"everything": "on"' in entry.detail


async def test_only_what_fits_all_that_is_said_is_cancelled(scene: Scene) -> None:
    await scene.hold(HoldScope.ACCOUNT)
    [other] = await scene.send("one@example.org")
    [meant] = await scene.send("one@example.net")
    [of_crm] = await scene.send("one@example.net", login="crm")
    fields = {"verb": "cancel", "credential": "app", "recipient_domain": "EXAMPLE.net"}
    async with visiting(scene.relay, "operator") as visitor:
        old = await visitor.get("/queue/change?verb=cancel&credential=app&age=600")
        assert "Nothing that waits fits." in old.text
        assert 'action="/queue/change"' not in old.source
        done = await confirmed(visitor, fields)
        assert "Cancelled: 1. May have been sent already: 0." in done
    assert await scene.relay.status(meant, "cancelled") == ["cancelled"]
    for id in (other, of_crm):
        assert await scene.relay.status(id, "queued") == ["queued"]


async def test_what_came_after_the_count_is_not_among_what_was_older(scene: Scene) -> None:
    await scene.hold(HoldScope.ACCOUNT)
    [old] = await scene.send()
    await asyncio.sleep(1.1)
    before = str(int(time.time()))
    [new] = await scene.send()
    async with visiting(scene.relay, "operator") as visitor:
        asked = await visitor.get(f"/queue/change?verb=cancel&before={before}")
        assert f'name="before" value="{before}"' in asked.source
        done = await visitor.post("/queue/change", {"verb": "cancel", "before": before})
        assert "Cancelled: 1." in done.text
    assert await scene.relay.status(old, "cancelled") == ["cancelled"]
    assert await scene.relay.status(new, "queued") == ["queued"]


@pytest.mark.parametrize("said", ["everything=on", "credential=app"])
async def test_what_came_while_somebody_thought_it_over_is_let_go(scene: Scene, said: str) -> None:
    await scene.hold(HoldScope.ACCOUNT)
    [old] = await scene.send()
    async with visiting(scene.relay, "operator") as visitor:
        asked = await visitor.get(f"/queue/change?verb=cancel&{said}")
        [new] = await scene.send()
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.source))
        assert "Cancelled: 1." in (await visitor.post("/queue/change", fields)).text
    assert await scene.relay.status(old, "cancelled") == ["cancelled"]
    assert await scene.relay.status(new, "queued") == ["queued"]


async def test_what_is_held_back_waits_until_it_is_sent_at_once(scene: Scene) -> None:
    await scene.hold(HoldScope.ACCOUNT)
    [id] = await scene.send()
    async with visiting(scene.relay, "operator") as visitor:
        assert "Held back: 1." in await confirmed(visitor, {"verb": "hold", "credential": "app"})
        await visitor.post("/queue/resume", {"scope": "account", "subject": ""})
        life = await scene.relay.life(id)
        assert life
        assert life.held == ("by the operator, until it is retried",)
        await confirmed(visitor, {"verb": "retry", "credential": "app"})
    assert await scene.relay.status(id, "delivered") == ["delivered"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("verb=retry", 400, "Say which deliveries, or that all are meant; not both."),
        ("verb=retry&everything=on&credential=app", 400, "Say which deliveries"),
        ("verb=cancel&recipient_domain=nowhere", 400, "nowhere is no domain."),
        ("verb=expire&everything=on", 404, ""),
        ("verb=cancel&before=99999999999", 400, "Say which deliveries"),
        ("verb=cancel&before=0", 400, "Say which deliveries"),
    ],
)
async def test_what_cannot_be_meant_is_refused(scene: Scene, query: str, status: int, said: str) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.get(f"/queue/change?{query}")
        assert shown.status == status
        assert said in shown.text
        fields = dict(part.split("=") for part in query.split("&"))
        assert said in (await visitor.post("/queue/change", fields, came_from="/queue")).text


# In a browser.


async def test_it_is_paused_counted_and_sent_by_keyboard_without_scripts(scene: Scene) -> None:
    options = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "locale": "ru", "bypass_csp": True}
    async with running_browser() as browser:
        async with browsing(browser, scene.relay, "operator", java_script_enabled=False, locale="en") as page:
            await page.goto(base_of(scene.relay) + "/queue")
            await page.get_by_label("Its login, domain or set").focus()
            await page.keyboard.type("app")
            await page.keyboard.press("Tab")
            await page.keyboard.type(ATTACK)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("status")).to_have_text("app: paused.")
            await expect(page.get_by_text(ATTACK)).to_be_visible()
            assert await page.locator("img[src=x]").count() == 0
            await scene.send()
            await page.get_by_label("All that waits").focus()
            await page.keyboard.press("Space")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Send at once")
        async with browsing(browser, scene.relay, "operator", **options) as page:
            await page.goto(base_of(scene.relay) + "/queue")
            assert await violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            await page.get_by_role("button", name="Возобновить").click()
            await expect(page.get_by_role("status")).to_have_text("app: отправка продолжается.")
    assert await scene.holds() == []
