"""A relay lets go of what is old by itself, and says of a message that its content is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.model import Message
from relay.outcome import Sent
from relay.sandbox.cloud import Cloud
from relay.store.bodies import Spool
from relay.store.sqlite.store import SqliteStore
from tests.harness import CREDENTIALS, Relay, mail
from tests.store.kit import accepted, claim_one, delivery, settle

DAY = 86400.0


async def put(folder: Path, *, days_ago: float, size: int, sent: bool) -> Message:
    """A message of that time, before any relay runs."""
    at, content = time.time() - days_ago * DAY, mail(body="x" * 70 + "\r\n" + "y\r\n" * (size // 3))
    made = accepted(at, content=content)
    store, draft = await SqliteStore.open(folder / "relay.db"), Spool(folder / "spool").draft(made.id)
    draft.write(content)
    await draft.finish()
    await store.queue.enqueue(made, draft.inline, (delivery(made, due_at=at),))
    draft.close(keep=True)
    if sent:
        await settle(store, await claim_one(store, now=at), Sent(f"ses-{made.id}"), now=at)
    await store.close()
    return made


async def forgotten(relay: Relay) -> dict[str, int]:
    for _ in range(100):
        for line in relay.journal():
            if line["event"] == "forgotten":
                return line
        await asyncio.sleep(0.1)
    raise AssertionError("nothing was let go")


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    await made.start()
    yield made
    await made.stop()


async def test_what_is_old_goes_when_the_relay_starts_and_a_message_shows_it(tmp_path: Path, cloud: Cloud) -> None:
    forgot = await put(tmp_path, days_ago=402, size=1000, sent=True)
    old = [await put(tmp_path, days_ago=4, size=size, sent=True) for size in (1000, 100_000)]
    kept = [await put(tmp_path, days_ago=2, size=size, sent=True) for size in (1000, 100_000)]
    relay = Relay(tmp_path, cloud.port)
    await relay.start(*CREDENTIALS)
    counts = await forgotten(relay)
    assert (counts["bodies"], counts["files"], counts["facts"]) == (3, 1, 1)
    assert [path.stem for path in (tmp_path / "spool").glob("*.eml")] == [kept[1].id]
    for message, gone in ((old[0], True), (old[1], True), (kept[0], False)):
        _, shown = await relay.cli("message", "show", message.id)
        assert ("\n  its content is no longer kept\n" in shown) is gone
        assert "to reader@example.net: sent" in shown
    assert (await relay.cli("message", "show", forgot.id, check=False))[0] == 2
    assert await relay.stop() == 0
    assert cloud.accepted == 0


async def test_the_settings_say_how_long(tmp_path: Path, cloud: Cloud) -> None:
    for days_ago in (9, 11):
        await put(tmp_path, days_ago=days_ago, size=100_000, sent=True)
    relay = Relay(tmp_path, cloud.port, RELAY_RETENTION__BODIES_DAYS="10")
    await relay.start(*CREDENTIALS)
    counts = await forgotten(relay)
    assert (counts["bodies"], counts["files"], counts["facts"]) == (1, 1, 0)
    assert await relay.stop() == 0


async def test_an_open_message_is_sent_whatever_its_age(tmp_path: Path, cloud: Cloud) -> None:
    await put(tmp_path, days_ago=500, size=100_000, sent=False)
    relay = Relay(tmp_path, cloud.port)
    await relay.start(*CREDENTIALS)
    for _ in range(100):
        if cloud.accepted:
            break
        await asyncio.sleep(0.1)
    assert cloud.accepted == 1
    assert await relay.stop() == 0
