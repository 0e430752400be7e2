"""What is kept of an address is told and erased, through a relay that runs; and nothing of it is left on the disk."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from relay.credential import Scope
from relay.sandbox.cloud import Cloud
from tests.e2e.api import api_of
from tests.e2e.console import admit, visiting
from tests.harness import CREDENTIALS, CRM, Relay, mail, running_relay

KEYS = f"1:{base64.b64encode(b'k' * 32).decode()}"
READER = "grace.hopper@example.net"
BOUNCED = "bounce+grace.hopper@simulator.amazonses.com"
OTHER = "reader@example.net"
LARGE = "x" * 70 + "\r\n" + "y\r\n" * 40_000

Scene = tuple[Relay, Cloud]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path, settings={"RELAY_SECRETS__KEYS": KEYS}) as made:
        yield made


async def send(relay: Relay, *to: str, login: str = "app", sender: str = "shop@example.com", body: str = "Hello\r\n") -> str:
    def session() -> str:
        with relay.smtp(login=login) as client:
            assert client.mail(sender)[0] == 250
            for one in to:
                assert client.rcpt(one)[0] == 250
            code, text = client.data(mail(to=", ".join(to), sender=sender, body=body))
            assert code == 250
            return text.decode().rpartition(" ")[2]

    return await asyncio.to_thread(session)


def opened(who: str, ses_id: str, kind: str = "Open") -> str:
    """As SES posts it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    seen = {"ipAddress": "192.0.2.7", "timestamp": now, "userAgent": "Mail/7"}
    bounce = {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": who}],
        "timestamp": now,
        "feedbackId": "f-1",
    }
    named = {"timestamp": now, "messageId": ses_id, "destination": [who], "tags": {}}
    return json.dumps({"eventType": kind, "mail": named, kind.lower(): seen if kind == "Open" else bounce})


async def heard(cloud: Cloud, post: str) -> None:
    assert cloud.topic
    before = cloud.topic.posted
    cloud.topic.publish(post)
    for _ in range(500):
        if cloud.topic.posted > before:
            break
        await asyncio.sleep(0.02)
    assert cloud.topic.posted > before


async def ses_id(relay: Relay, message_id: str) -> str:
    life = await relay.life(message_id)
    assert life
    with closing(sqlite3.connect(relay.path)) as db:
        return str(db.execute("SELECT ses_message_id FROM deliveries WHERE message_id = ?", (message_id,)).fetchone()[0])


async def export(relay: Relay, who: str, file: Path) -> dict[str, Any]:
    await relay.cli("address", "export", who, "--output", str(file))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def on_disk(folder: Path, *words: str) -> list[str]:
    """Files of the store that have one of these in them, in any case."""
    files = [
        path for path in folder.rglob("*") if path.is_file() and (path.name.startswith("relay.db") or path.suffix == ".eml")
    ]
    assert len(files) > 0
    return [path.name for path in files for word in words if word.encode() in path.read_bytes().lower()]


async def test_a_reader_is_told_all_erased_and_gone_from_the_disk(scene: Scene, tmp_path: Path) -> None:
    relay, cloud = scene
    first = await send(relay, READER)
    large = await send(relay, READER, body=LARGE)
    several = await send(relay, READER, OTHER, login="person", sender="anna@example.com")
    for message_id in (first, large):
        assert await relay.status(message_id, "delivered") == ["delivered"]
    assert await relay.status(several, "delivered", "delivered") == ["delivered"] * 2
    known = await ses_id(relay, first)
    await heard(cloud, opened(READER, known))
    await relay.cli("suppression", "add", READER, "--note", "asked by phone")

    found = await export(relay, READER, tmp_path / "export.json")
    assert (tmp_path / "export.json").stat().st_mode & 0o777 == 0o600
    assert {(each["message"]["subject"], each["state"]) for each in found["deliveries"]} == {("Order 42", "sent")}
    assert len(found["deliveries"]) == 3
    assert ["to", READER] in found["deliveries"][0]["message"]["headers"]
    assert [each["payload"]["open"]["ipAddress"] for each in found["notifications"] if "open" in each["payload"]] == [
        "192.0.2.7"
    ]
    assert {each["type"] for each in found["events"]} >= {"send", "delivery", "open"}
    assert found["suppressions"][0]["note"] == "asked by phone"

    _, would = await relay.cli("address", "erase", READER, "--dry-run")
    assert "3 deliveries" in would
    assert await export(relay, READER, tmp_path / "export.json") | {"at": ""} == found | {"at": ""}
    status, refused = await relay.cli("address", "erase", READER, answer="n\n", check=False)
    assert (status, "cannot be taken back" in refused) == (1, True)
    _, done = await relay.cli("address", "erase", READER, answer="y\n")
    assert "3 deliveries" in done
    mark = done.rpartition(" ")[2].strip()
    assert mark in (await relay.cli("address", "erased"))[1]
    assert set(await export(relay, READER, tmp_path / "export.json")) == {"address", "at"}
    assert await relay.status(several, "delivered") == ["delivered"]

    # What SES tells late.
    await heard(cloud, opened(READER, known))
    assert set(await export(relay, READER, tmp_path / "export.json")) == {"address", "at"}

    # It is still kept from mail, and the look-up says so without knowing why.
    status, checked = await relay.cli("suppression", "check", READER, check=False)
    assert (status, ", from erased" in checked) == (1, True)
    assert await relay.stop() == 0
    assert on_disk(tmp_path, READER) == []
    assert on_disk(tmp_path, OTHER) != []
    assert [line["mark"] for line in relay.journal() if line["event"] == "address_erased"] == [mark]

    await relay.start()
    stopped = await send(relay, READER)
    assert await relay.status(stopped, "suppressed") == ["suppressed"]
    assert (await relay.cli("suppression", "remove", READER))[1] == f"{READER}: may be mailed again\n"
    assert await relay.status(await send(relay, READER), "sent") == ["sent"]  # its webhook has another port now


async def test_a_late_bounce_keeps_an_erased_address_from_mail_and_nothing_else(scene: Scene, tmp_path: Path) -> None:
    relay, cloud = scene
    sent = await send(relay, READER)
    assert await relay.status(sent, "delivered") == ["delivered"]
    known = await ses_id(relay, sent)
    await relay.cli("address", "erase", READER, "--yes")
    await heard(cloud, opened(READER, known, "Bounce"))
    assert set(await export(relay, READER, tmp_path / "export.json")) == {"address", "at"}
    status, checked = await relay.cli("suppression", "check", READER, check=False)
    assert (status, "hard_bounce" in checked) == (1, True)


async def test_a_kill_in_the_middle_leaves_nothing_that_a_second_run_does_not_find(scene: Scene, tmp_path: Path) -> None:
    relay, _ = scene
    for body in ("Hello\r\n", LARGE, "Hello\r\n"):
        assert await relay.status(await send(relay, READER, body=body), "delivered") == ["delivered"]
    bounced = await send(relay, BOUNCED)
    assert await relay.status(bounced, "bounced hard") == ["bounced hard"]
    for who in (READER, BOUNCED):
        await relay.stop()
        await relay.start(RELAY_FAILPOINT="in-erasure")
        status, said = await relay.cli("address", "erase", who, "--yes", check=False)
        assert (status, "does not answer" in said) == (2, True)
        await relay.ended()
        _, shown = await relay.cli("address", "erased")
        assert "erase it again" in shown
        await relay.start()
        await relay.cli("address", "erase", who, "--yes")
    assert "erase it again" not in (await relay.cli("address", "erased"))[1]
    assert (await relay.cli("suppression", "check", BOUNCED, check=False))[0] == 1
    assert await relay.stop() == 0
    assert on_disk(tmp_path, READER, BOUNCED) == []
    assert list((tmp_path / "spool").rglob("*.eml")) == []


async def test_the_same_by_the_http_api(tmp_path: Path) -> None:
    without = replace(CRM, name="without", scopes=frozenset(Scope) - {Scope.PRIVACY})
    settings = {"RELAY_SECRETS__KEYS": KEYS}
    async with (
        running_relay(tmp_path, *CREDENTIALS, CRM, without, settings=settings) as (relay, _),
        api_of(relay) as api,
        api_of(relay, "without") as other,
    ):
        assert await relay.status(await send(relay, READER), "delivered") == ["delivered"]
        path = f"/Addresses/{READER}"
        assert (await other.get(path)).status == (await other.delete(path)).status == 403
        assert ((await api.get(f"{path}?After=x")).status, (await api.get("/Addresses/nobody")).code) == (400, "invalid_email")
        kinds, after = set[str](), ""
        while after is not None:
            reply = await api.get(f"{path}?After={after}" if after else path)
            kinds |= {each["Kind"] for each in reply.result["Records"]}
            after = reply.result["After"]
        assert {"deliveries", "events", "notifications"} == kinds
        gone = await api.delete(f"{path}?Suppress=true")
        assert (gone.status, gone.result["Erased"]["deliveries"], gone.result["Cancelled"]) == (200, 1, 0)
        assert (await api.get(path)).result == {"Records": [], "After": None}
        [told] = [line for line in relay.journal() if line["event"] == "address_erased"]
        assert (told["mark"], told["by"]) == (gone.result["Mark"], "login crm")
        assert (await relay.cli("suppression", "check", READER, check=False))[0] == 1


async def test_the_same_in_the_console_and_the_audit_log_keeps_the_mark_alone(scene: Scene) -> None:
    relay, _ = scene
    await admit(relay)
    assert await relay.status(await send(relay, READER), "delivered") == ["delivered"]
    page, form = f"/suppressions/address?address={READER}", {"address": READER, "again": READER, "suppress": "on"}
    erase, file = "/suppressions/address/erase", f"/suppressions/address/export?address={READER}"
    async with visiting(relay, "operator") as visitor:
        assert "Erase it" not in (await visitor.get(page)).text
        assert (await visitor.get(file)).status == (await visitor.post(erase, form)).status == 403
    async with visiting(relay) as visitor:
        assert "Erase it" in (await visitor.get(page)).text
        found = await visitor.get(file)
        assert (found.status, len(json.loads(found.source)["deliveries"])) == (200, 1)
        assert "cannot be brought back" in (await visitor.get(f"{erase}?address={READER}")).text
        wrong = await visitor.post(erase, {**form, "again": OTHER}, came_from=page)
        assert "Write the address once more." in wrong.text
        assert "All of it is erased." in (await visitor.post(erase, form, came_from=page)).text
        assert set(json.loads((await visitor.get(file)).source)) == {"address", "at"}
    with closing(sqlite3.connect(relay.path)) as db:
        noted = db.execute("SELECT subject, detail, outcome FROM audit WHERE action = 'address erased' ORDER BY id").fetchall()
    assert READER not in repr(noted)
    assert [(subject[:2], outcome) for subject, _, outcome in noted] == [("", "refused"), ("1:", "done")]
    assert (await relay.cli("suppression", "check", READER, check=False))[0] == 1


async def test_without_a_relay_that_runs_and_without_a_key(tmp_path: Path) -> None:
    cloud = Cloud()
    relay = Relay(tmp_path, await cloud.start())
    await relay.start(*CREDENTIALS)
    assert await relay.status(await send(relay, READER), "delivered", "sent") in (["sent"], ["delivered"])
    status, said = await relay.cli("address", "erase", READER, "--yes", check=False)
    assert (status, "`relay key new`" in said) == (2, True)
    await relay.stop()
    relay.settings["RELAY_SECRETS__KEYS"] = KEYS
    _, said = await relay.cli("address", "erase", READER, "--suppress", "--yes")
    assert said.startswith(f"{READER}: ")
    assert on_disk(tmp_path, READER) == []
    assert (await relay.cli("suppression", "check", READER, check=False))[0] == 1

    # A store of before comes back, and what is known of erased addresses lay beside it.
    list_of_marks = tmp_path / "erased"
    await relay.cli("address", "erased", "--output", str(list_of_marks))
    for file in tmp_path.glob("relay.db*"):
        file.unlink()
    await relay.start(*CREDENTIALS)
    again = await send(relay, READER)
    assert await relay.status(again, "sent") == ["sent"]
    status, said = await relay.cli("address", "erase-again", str(list_of_marks), check=False)
    assert (status, "stop it first" in said) == (2, True), said
    await relay.stop()
    _, said = await relay.cli("address", "erase-again", str(list_of_marks))
    assert said == "1 were erased before; of 1 of them something was kept here, and is erased\n"
    assert on_disk(tmp_path, READER) == []
    assert (await relay.cli("suppression", "check", READER, check=False))[0] == 1
    await cloud.stop()


async def test_on_postgresql_beside_a_relay_that_runs(tmp_path: Path, url: str) -> None:
    settings = {"RELAY_SECRETS__KEYS": KEYS, "RELAY_STORE__URL": url}
    async with running_relay(tmp_path, settings=settings) as (relay, cloud):
        for body in ("Hello\r\n", LARGE):
            assert await relay.status(await send(relay, READER, body=body), "delivered") == ["delivered"]
        assert READER in dumped(url)
        assert len((await export(relay, READER, tmp_path / "export.json"))["deliveries"]) == 2
        await relay.cli("address", "erase", READER, "--suppress", "--yes")
        await heard(cloud, opened(READER, "of-one-that-is-gone"))
        assert READER not in dumped(url)
        assert await relay.status(await send(relay, READER), "suppressed") == ["suppressed"]


def dumped(url: str) -> str:
    """All rows of all tables, content as text."""
    with psycopg.connect(url) as db:
        names = [name for (name,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return repr([db.execute(f"SELECT * FROM {name}".encode()).fetchall() for name in names]).lower()
