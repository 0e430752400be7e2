"""/messages: looked for, looked into, watched, and acted on from the console."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import json
import re
import sqlite3
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from relay.assembly import database
from relay.cli.access import changing
from relay.model import State
from relay.operators import AuditEntry
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from relay.suppression import Reason, Suppression
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, PERSON, Relay, arrived, mail, queued_id, running_relay, submit

ATTACK = '"><img src=x onerror=alert(1)>'
ESCAPED = "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)
INERT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud

    async def send(self, content: bytes = b"", *, to: str = "reader@example.net", login: str = "app", **said: str) -> str:
        """One message; its id."""

        def session() -> str:
            with self.relay.smtp(login=login) as client:
                sender = "anna@example.com" if login == "person" else "shop@example.com"
                return submit(client, content or mail(to=to, sender=sender, **said), to=to, sender=sender)

        return await asyncio.to_thread(session)

    async def delivered(self, content: bytes = b"", **said: str) -> str:
        id = await self.send(content, **said)
        assert await self.relay.status(id, "delivered") == ["delivered"]
        return id

    async def waiting(self) -> str:
        """One that the far side has not taken, and that is to be tried again in an hour."""
        self.cloud.faults.pattern, self.cloud.faults.times = b"waits@example.net", 1
        self.cloud.faults.error = SesError(503, "ServiceUnavailable", "later")
        id = await self.send(to="waits@example.net")
        for _ in range(200):
            life = await self.relay.life(id)
            if life and life.statuses == ("queued",) and life.deliveries[0].attempt:
                return id
            await asyncio.sleep(0.05)
        raise AssertionError("it was not tried")

    async def audit(self, action: str) -> AuditEntry:
        """The last of that action."""
        store = await database.opened_to_read(self.relay.where)
        try:
            return next(each for each in await store.operators.audit(before=2**53, count=200) if each.action == action)
        finally:
            await store.close()

    def behind_its_back(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.relay.path, timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    settings = {"RELAY_RETRY__DELAYS_SECONDS": "3600"}
    async with running_relay(tmp_path_factory.mktemp("messages"), APPLICATION, PERSON, settings=settings) as (relay, cloud):
        await admit(relay)
        yield Scene(relay, cloud)
        assert relay.faults() == []


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def operator(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene.relay, "operator") as visitor:
        yield visitor


@pytest.fixture
async def viewer(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene.relay, "viewer") as visitor:
        yield visitor


def rich() -> bytes:
    """A message with both texts, an image in it and one from elsewhere, and a file; with labels, and with what would act."""
    made = EmailMessage()
    headers = {
        "From": "Shop <shop@example.com>",
        "To": "reader@example.net",
        "Subject": f"Заказ 4711 {ATTACK}",
        "Message-ID": "<4711@example.com>",
        "Date": "Fri, 21 Nov 2025 10:00:00 +0000",
        "X-Relay-Id": "order-4711<b>",
        "X-Relay-Campaign": "autumn",
        "X-Relay-Tag": "shop=<i>berlin",
    }
    for name, value in headers.items():
        made[name] = value
    made.set_content(f"Plain text {ATTACK}\n")
    page = f'<h1>Hello</h1>{ATTACK}<script>alert(2)</script><img src="cid:logo"><img src="http://192.0.2.1/track.gif">'
    made.add_alternative(page + '<form action="/logout" method="post"><button>Go</button></form>', subtype="html")
    payload: Any = made.get_payload()
    payload[1].add_related(PIXEL, "image", "png", cid="<logo>")
    made.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="Счёт <1>.pdf")
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# Looked for.


async def test_the_newest_are_listed_and_nothing_in_them_acts(scene: Scene, viewer: Visitor) -> None:
    id = await scene.delivered(rich())
    page = await viewer.get("/messages")
    assert page.status == 200
    row = page.source.partition(f'<tr id="d-{id}-1">')[2].partition("</tr>")[0]
    assert f"Заказ 4711 {ESCAPED}" in row
    assert f'href="/messages/{id}-1"' in row
    for shown in ("reader@example.net", "shop@example.com", "app", 'class="badge good">delivered<'):
        assert shown in row
    assert "<img src=x" not in page.source


async def test_one_box_takes_whatever_somebody_has(scene: Scene, viewer: Visitor) -> None:
    id = await scene.delivered(to="Zacharias@box.example", subject="Unusual words", extra="X-Relay-Id: order-77 <b>\r\n")
    await scene.delivered(to="other@box.example")
    life = await viewer.get(f"/messages/{id}-1")
    ses_id = next(call.ses_message_id for call in scene.cloud.calls if "Zacharias@box.example" in call.recipients)
    assert ses_id in life.text
    recognised = {
        "zacharias@BOX.example": "The recipient zacharias@BOX.example",
        "<Zacharias@box.example>": "The recipient <Zacharias@box.example>",
        "zach": "Recipients that begin with zach",
        "zacharias@bo*": "Recipients that begin with zacharias@bo",
        ses_id: f"What SES calls {ses_id}",
        f"<{ses_id}@eu-west-1.amazonses.com>": f"What SES calls <{ses_id}@eu-west-1.amazonses.com>",
        "order-77 <b>": "What its sender calls order-77 <b> (X-Relay-Id)",
        "WORDS unusual": "Subjects with the words WORDS unusual",
    }
    for wanted, said in recognised.items():
        page = await viewer.get(f"/messages?q={quote(wanted)}")
        assert said in page.text, wanted
        assert (id in page.source, "other@box.example" in page.text) == (True, False), wanted
    both = await viewer.get("/messages?q=@box.example")
    assert "Zacharias@box.example" in both.text
    assert "other@box.example" in both.text
    for wanted in (id, id.lower(), f" {id}-1 "):
        page = await viewer.get(f"/messages?q={quote(wanted)}")
        assert page.url == f"/messages/{wanted.strip().upper()}"


async def test_each_field_finds_and_all_of_them_must_fit(scene: Scene, viewer: Visitor) -> None:
    id = await scene.delivered(to="fields@example.net", subject="Fields and words", extra="X-Relay-Id: fields-1\r\n")
    ses_id = next(call.ses_message_id for call in scene.cloud.calls if "fields@example.net" in call.recipients)
    fits = {
        "recipient": "fields@example.net",
        "sender": "@example.com",
        "subject": "words FIELDS",
        "status": "delivered",
        "credential": "app",
        "label": "fields-1",
        "ses": ses_id,
        "id": id,
        "since": "2025-01-01T00:00",
        "until": "2125-01-01T00:00",
    }
    others = {
        "recipient": "x@example.net",
        "status": "failed",
        "credential": "person",
        "until": "2025-01-01T00:00",
        "sender": "@x",
    }
    assert id in (await viewer.get(f"/messages?{urlencode(fits)}")).source
    for name, value in fits.items():
        assert id in (await viewer.get(f"/messages?{urlencode({name: value})}")).source, name
    for name, value in others.items():
        page = await viewer.get(f"/messages?{urlencode(fits | {name: value})}")
        assert (id in page.source.partition("<tbody")[2], "Nothing was found." in page.text) == (False, True), name
    assert "Nothing was found." in (await viewer.get("/messages?q=nobody@nowhere.example")).text
    assert "2025-13-01 is no time." in (await viewer.get("/messages?since=2025-13-01")).text
    assert (await viewer.get(f"/messages?q={quote(ATTACK)}&recipient={quote(ATTACK)}")).source.count("<img src=x") == 0


@pytest.mark.parametrize(
    ("said", "is_there"),
    [
        ("since=0001-01-01T00:00", True),
        ("until=0001-01-01T00:00", False),
        ("until=9999-12-31T23:59", True),
        ("since={now}%2B00:00", False),
        ("since={now}%2B05:00", True),
        ("until={now}-05:00", True),
    ],
)
async def test_times_are_meant_as_they_are_written(scene: Scene, viewer: Visitor, said: str, is_there: bool) -> None:
    id = await scene.send(to="times@example.net")
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
    shown = await viewer.get(f"/messages?recipient=times@example.net&{said.format(now=now)}")
    assert (shown.status, f"d-{id}-1" in shown.source) == (200, is_there)


async def test_who_goes_away_in_the_middle_of_a_file_is_no_fault(scene: Scene, viewer: Visitor) -> None:
    for _ in range(3):
        async with viewer.http.get(f"{viewer.base}/messages/export.csv") as answer:
            answer.close()
        await asyncio.sleep(0.1)
    assert scene.relay.faults() == []


async def test_pages_lead_to_all_and_so_does_the_file(scene: Scene, viewer: Visitor) -> None:
    def session() -> str:
        with scene.relay.smtp(login="person") as client:
            client.mail("anna@example.com")
            for number in range(60):
                assert client.rcpt(f"many{number}@example.net")[0] == 250
            return client.data(mail(sender="anna@example.com", subject="=1+1"))[1].decode().rpartition(" ")[2]

    id = await asyncio.to_thread(session)
    first = await viewer.get(f"/messages?id={id}")
    assert first.source.count("<tr id=") == 50
    older = re.search(r'<a href="([^"]+)">Older', first.source)
    assert older
    second = await viewer.get(html.unescape(older[1]))
    assert second.source.count("<tr id=") == 10
    assert "Older" not in second.text
    shown = re.findall(r"many\d+@", first.text + second.text)
    assert shown == [f"many{number}@" for number in range(59, -1, -1)]
    async with viewer.http.get(f"{viewer.base}/messages/export.csv?id={id}") as answer:
        content = await answer.read()
        disposition = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="messages-\d{8}-\d{6}\.csv"', disposition)
    assert content.startswith(b"\xef\xbb\xbfid,")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["recipient"] for row in rows] == [f"many{number}@example.net" for number in range(59, -1, -1)]
    assert {(row["subject"], row["login"], row["sender"]) for row in rows} == {("'=1+1", "person", "anna@example.com")}
    message = await viewer.get(f"/messages/{id}")
    assert f'<a href="/messages?id={id}">All recipients</a>' in message.source
    assert message.text.count("Stop list") == 20


async def test_a_look_that_ends_says_how_far_it_came_and_goes_on(scene: Scene, viewer: Visitor) -> None:
    of = await scene.delivered()
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)"
    for table, id in (("messages", "id"), ("deliveries", "message_id")):
        columns = [row[1] for row in scene.behind_its_back(f"PRAGMA table_info({table})")]
        old = {id: "printf('0%025d', i)", "accepted_at": "i + 0.0", "ses_message_id": "NULL"}
        values = ", ".join(old.get(column, column) for column in columns)
        scene.behind_its_back(f"INSERT INTO {table} {many} SELECT {values} FROM {table} JOIN n WHERE {id} = ?", of)
    page = await viewer.get("/messages?status=clicked&until=2000-01-01T00:00")
    assert "Nothing was found. All that was accepted since then has been looked at: 1970-01-01 00:01:41 UTC" in page.text
    further = re.search(r'<a href="([^"]+)">Look further', page.source)
    assert further
    page = await viewer.get(html.unescape(further[1]))
    assert "Nothing was found." in page.text
    assert "Look further" not in page.text
    async with viewer.http.get(f"{viewer.base}/messages/export.csv?until=2000-01-01T00:00&credential=app") as answer:
        rows = list(csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
    assert [row["accepted"] for row in rows[:2]] == ["1970-01-01T00:35:00Z", "1970-01-01T00:34:59Z"]
    assert len({row["id"] for row in rows}) == len(rows) == 2100


# Looked into.


async def test_a_message_shows_its_life_with_what_ses_posted(scene: Scene, viewer: Visitor) -> None:
    id = await scene.delivered(rich())
    page = await viewer.get(f"/messages/{id.lower()}")
    assert page.status == 200
    for shown in ("<4711@example.com>", "order-4711<b>", "autumn", "shop=<i>berlin", "127.0.0.1", "reader@example.net"):
        assert shown in page.text
    life = page.text.partition("What happened")[2].partition("Content")[0]
    for what in ("accepted", "sent try 1, SES message", "delivery 250", '"eventType": "Delivery"'):
        assert what in life, what
    assert "<img src=x" not in page.source
    assert "Send again" not in page.text
    assert (await viewer.get(f"/messages/{id}-2")).status == 404
    for path in (
        "/messages/nothing",
        f"/messages/{'0' * 26}",
        f"/messages/{id}-1/attachments/99",
        f"/messages/{'0' * 26}/preview",
    ):
        assert (await viewer.get(path)).status == 404, path


async def test_why_something_was_not_sent_is_shown(scene: Scene, viewer: Visitor) -> None:
    async with changing(scene.relay.where) as admin:
        entry = Suppression(address="gone@example.net", reason=Reason.MANUAL, source="test", created_at=time.time())
        assert await admin.suppress(entry)
    id = await scene.send(to="gone@example.net")
    page = await viewer.get(f"/messages/{id}")
    assert "suppressed manual" in page.text
    assert "/suppressions/address?address=gone%40example.net" in page.source or "address=gone@example.net" in page.source
    bounced = await scene.send(to="bounce@simulator.amazonses.com")
    assert await scene.relay.status(bounced, "bounced hard") == ["bounced hard"]
    page = await viewer.get(f"/messages/{bounced}")
    assert "bounce hard Permanent General" in page.text
    assert id in (await viewer.get("/messages?status=suppressed")).source
    assert bounced in (await viewer.get("/messages?status=bounced")).source


async def test_parts_are_shown_as_what_they_are(scene: Scene, viewer: Visitor) -> None:
    content = rich()
    id = await scene.delivered(content)
    page = await viewer.get(f"/messages/{id}")
    assert f'<iframe sandbox="" src="/messages/{id}-1/preview"' in page.source
    text = await viewer.get(f"/messages/{id}?part=text")
    assert f'<pre tabindex="0">Plain text {ESCAPED}' in text.source
    headers = await viewer.get(f"/messages/{id}?part=headers")
    assert "Received by localhost" in headers.text
    assert f"Subject Заказ 4711 {ATTACK}" in headers.text
    attachments = await viewer.get(f"/messages/{id}?part=attachments")
    assert "Счёт <1>.pdf application/pdf 8 octets" in attachments.text
    source = await viewer.get(f"/messages/{id}?part=source")
    assert "Content-Type: multipart/mixed" in source.text
    for shown in (text, headers, attachments, source):
        assert "<img src=x" not in shown.source
    file = re.search(r'href="(/messages/[^"]+/attachments/\d+)" download>Счёт', attachments.source)
    assert file
    for path, end in ((file[1], b"%PDF-1.4"), (f"/messages/{id}/source", content.partition(b"\r\n\r\n")[2])):
        async with viewer.http.get(viewer.base + path) as answer:
            assert (await answer.read()).endswith(end)
            given = answer.headers
        assert given["Content-Type"] == "application/octet-stream"
        assert given["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
        assert (given["X-Content-Type-Options"], given["Content-Security-Policy"]) == ("nosniff", INERT)


async def test_a_preview_can_do_nothing(scene: Scene, viewer: Visitor) -> None:
    id = await scene.delivered(rich())
    preview = await viewer.get(f"/messages/{id}/preview")
    assert preview.headers["Content-Security-Policy"] == INERT
    assert "X-Frame-Options" not in preview.headers
    assert "<h1>Hello</h1>" in preview.source
    assert f'<img src="data:image/png;base64,{b64encode(PIXEL).decode()}">' in preview.source
    plain = await scene.delivered(body=f"{ATTACK}\r\n")
    assert f"<pre>{html.escape(ATTACK)}" in (await viewer.get(f"/messages/{plain}/preview")).source


async def test_content_that_is_gone_or_damaged_is_said_to_be(scene: Scene, operator: Visitor) -> None:
    gone, damaged = await scene.delivered(), await scene.delivered()
    scene.behind_its_back("DELETE FROM bodies WHERE message_id = ?", gone)
    scene.behind_its_back("UPDATE bodies SET content = ? WHERE message_id = ?", b"x", damaged)
    page = await operator.get(f"/messages/{gone}?part=text")
    assert "Its content is not kept any more." in page.text
    assert "Send again" not in page.text
    assert (await operator.get(f"/messages/{gone}/preview")).status == 404
    assert "cannot be sent again" in (await operator.post(f"/messages/{gone}-1/resend")).text
    assert "it is damaged" in (await operator.get(f"/messages/{damaged}?part=text")).text
    assert (await operator.get(f"/messages/{damaged}/source")).status == 400


# Acted on.


async def test_what_waits_is_held_back_retried_and_cancelled(scene: Scene, operator: Visitor) -> None:
    id = await scene.waiting()
    page = await operator.post(f"/messages/{id}/hold")
    assert "It waits until it is retried." in page.text
    assert "held by the operator, until it is retried" in page.text
    page = await operator.post(f"/messages/{id}-1/retry")
    assert "It goes out as soon as it may." in page.text
    assert await scene.relay.status(id, "delivered") == ["delivered"]
    assert "Nothing of it waits." in (await operator.post(f"/messages/{id}/cancel")).text
    assert (await scene.audit("message cancelled")).outcome == "refused"
    other = await scene.waiting()
    assert "It is cancelled." in (await operator.post(f"/messages/{other}/cancel")).text
    assert await scene.relay.status(other, "cancelled") == ["cancelled"]
    entry = await scene.audit("message cancelled")
    assert (entry.operator, entry.subject, entry.outcome) == ("operator", other, "done")


async def test_what_waits_behind_the_first_recipients_is_stopped_with_the_rest(scene: Scene, operator: Visitor) -> None:
    def sent() -> str:
        with scene.relay.smtp(login="person") as client:
            assert client.mail("anna@example.com")[0] == 250
            assert {client.rcpt(f"{number}@many.example")[0] for number in range(23)} == {250}
            return queued_id(client.data(mail(sender="anna@example.com")))

    stopped = {"scope": "credential", "subject": "person"}
    await operator.post("/queue/pause", {**stopped, "reason": "a test"})
    id = await asyncio.to_thread(sent)
    for number in range(1, 21):
        await operator.post(f"/messages/{id}-{number}/cancel")
    assert "Cancel all that waits" in (await operator.get(f"/messages/{id}")).text
    assert "It is cancelled." in (await operator.post(f"/messages/{id}/cancel")).text
    assert "Cancel all that waits" not in (await operator.get(f"/messages/{id}")).text
    await operator.post("/queue/resume", stopped)


async def test_a_mailing_is_stopped_as_a_whole_by_itself_alone(scene: Scene, operator: Visitor) -> None:
    """It may have millions of deliveries, and others are still to be made."""
    id = await scene.waiting()
    scene.behind_its_back("UPDATE messages SET task = 1 WHERE id = ?", id)
    for verb in ("hold", "retry", "cancel"):
        shown = await operator.post(f"/messages/{id}/{verb}", came_from=f"/messages/{id}")
        assert "It is a mailing's: pause that one, or cancel it." in shown.text
    assert await scene.relay.status(id, "queued") == ["queued"]
    assert "It is cancelled." in (await operator.post(f"/messages/{id}-1/cancel")).text


async def test_what_is_over_is_sent_again(scene: Scene, operator: Visitor) -> None:
    id = await scene.delivered(to="again@example.net")
    calls = len(scene.cloud.calls)
    page = await operator.post(f"/messages/{id}-1/resend")
    assert page.url == f"/messages/{id}-2"
    assert "It goes out once more, to again@example.net." in page.text
    assert b"To: again@example.net" in await arrived(scene.relay, scene.cloud, calls + 1)
    assert await scene.relay.status(id, "delivered", "delivered") == ["delivered", "delivered"]
    page = await operator.get(f"/messages/{id}")
    assert f"sent again again@example.net by the operator, after {id}-1" in page.text
    entry = await scene.audit("message sent again")
    assert (entry.subject, entry.detail, entry.outcome) == (f"{id}-1", f"again@example.net {id}-2", "done")
    assert (await scene.relay.told("resent", after=f"{id}-1"))["id"] == f"{id}-2"
    assert (await operator.post(f"/messages/{id}/resend")).status == 404
    async with changing(scene.relay.where) as admin:
        made = await admin.resend(f"{id}-2")
        assert made
        assert (made.id, made.state) == (f"{id}-3", State.QUEUED)
        assert await admin.resend(f"{id}-9") is None


async def test_in_a_playpen_nothing_else_gets_it_again(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION) as (relay, cloud):
        await admit(relay)
        scene = Scene(relay, cloud)
        id = await scene.delivered(to="real@example.net")
        assert await relay.stop() == 0
        await relay.start(RELAY_PLAYPEN__RECIPIENT="simulator")
        async with visiting(relay, "operator") as operator:
            page = await operator.post(f"/messages/{id}-1/resend")
        assert "It goes out once more, to success@simulator.amazonses.com." in page.text
        await arrived(relay, cloud, 2)
        assert [call.recipients for call in cloud.calls] == [("real@example.net",), ("success@simulator.amazonses.com",)]


async def test_who_is_suppressed_gets_nothing_again(scene: Scene, operator: Visitor) -> None:
    async with changing(scene.relay.where) as admin:
        entry = Suppression(address="never@example.net", reason=Reason.MANUAL, source="test", created_at=time.time())
        assert await admin.suppress(entry)
    id = await scene.send(to="never@example.net")
    page = await operator.post(f"/messages/{id}-1/resend")
    assert "never@example.net is suppressed: nothing is sent." in page.text
    assert await scene.relay.status(id, "suppressed", "suppressed") == ["suppressed", "suppressed"]


async def test_a_viewer_acts_on_nothing(scene: Scene, viewer: Visitor) -> None:
    id = await scene.waiting()
    page = await viewer.get(f"/messages/{id}")
    assert "Cancel" not in page.text
    for verb in ("retry", "hold", "cancel", "resend"):
        assert (await viewer.post(f"/messages/{id}/{verb}")).status == 403
    assert await scene.relay.status(id, "queued") == ["queued"]


# Watched.


async def events(stream: aiohttp.StreamReader) -> AsyncIterator[list[dict[str, str]]]:
    while line := await stream.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def test_new_mail_is_told_of_and_what_becomes_of_it(scene: Scene) -> None:
    before = await scene.delivered()
    async with (
        asyncio.timeout(30),
        visiting(scene.relay, "viewer") as visitor,
        visitor.http.get(f"{visitor.base}/messages/tail?after={before}-1") as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        id = await scene.send(to="live@example.net", subject=ATTACK)
        seen: list[dict[str, str]] = []
        async for some in events(answer.content):
            seen += some
            if seen[-1]["status"] == "delivered":
                break
        assert {each["id"] for each in seen} == {f"{id}-1"}
        assert (seen[0]["subject"], seen[0]["sender"], seen[-1]["badge"]) == (ATTACK, "shop@example.com", "good")
        await visitor.post("/logout")
        assert (await answer.content.read()).endswith(b"event: over\ndata:\n\n")


async def test_rows_come_in_by_themselves_and_a_preview_asks_nobody_for_anything(scene: Scene, browser: Browser) -> None:
    id = await scene.delivered(rich())
    async with browsing(browser, scene.relay, "operator", locale="en") as page:
        asked: list[str] = []
        page.on("requestfinished", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: asked.append(f"{request.failure}: {request.url}"))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        await page.goto(f"{base_of(scene.relay)}/messages")
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.get_by_role("button", name="Follow live").click()
        new = await scene.send(to="live@example.net", subject=ATTACK)
        row = page.locator(f"#d-{new}-1")
        await expect(row.get_by_role("link")).to_have_text(ATTACK)
        await expect(row.locator(".badge")).to_have_text("delivered")
        await expect(row.locator("img")).to_have_count(0)
        await row.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(ATTACK)
        await page.goto(f"{base_of(scene.relay)}/messages/{id}")
        await page.locator("iframe").scroll_into_view_if_needed()
        await expect(page.frame_locator("iframe").get_by_role("heading", name="Hello")).to_be_visible()
        await page.frame_locator("iframe").get_by_role("button", name="Go").dispatch_event("click")
        elsewhere = [url for url in asked if base_of(scene.relay) not in url and not url.startswith("data:image/png")]
        assert elsewhere == ["csp: http://192.0.2.1/track.gif"]
        assert [url for url in asked if url.endswith("/x") and not url.startswith("csp: ")] == []
        assert [url for url in asked if url.endswith("/logout")] == []


async def test_everybody_can_use_it(scene: Scene, browser: Browser) -> None:
    id = await scene.waiting()
    look: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "ru-RU"}
    async with browsing(browser, scene.relay, "operator", bypass_csp=True, **look) as page:
        for path in (
            f"/messages/{id}",
            f"/messages/{id}?part=source",
            "/messages?status=delivered&credential=app",
            "/messages?q=x@y.z",
        ):
            await page.goto(base_of(scene.relay) + path)
            assert (path, await violations(page)) == (path, [])
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_without_scripts_it_works_as_well(scene: Scene, browser: Browser) -> None:
    id = await scene.waiting()
    async with browsing(browser, scene.relay, "operator", java_script_enabled=False, locale="en") as page:
        await page.goto(f"{base_of(scene.relay)}/messages")
        await expect(page.get_by_role("button", name="Follow live")).to_be_hidden()
        await page.get_by_role("link", name="Refresh").click()
        await page.get_by_role("searchbox").fill("waits@example.net")
        await page.keyboard.press("Enter")
        await page.locator(f"#d-{id}-1").get_by_role("link").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("status")).to_have_text("It is cancelled.")
