"""What the relay counts, as an operator reads it."""

from __future__ import annotations

import asyncio
import json
import smtplib
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.harness import Relay, mail, running_relay, submit

BOUNCE = "bounce@simulator.amazonses.com"


def metrics(relay: Relay) -> str:
    with urlopen(f"http://127.0.0.1:{relay.ports['private']}/metrics") as answer:
        text: str = answer.read().decode()
        return text


def under_review() -> Cloud:
    """An account that SES looks at."""
    cloud = Cloud()
    cloud.account.enforcement = "PROBATION"
    return cloud


async def stats(relay: Relay, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((await relay.cli("stats", "--json", *words))[1])
    return rows


async def counted(relay: Relay, name: str, *words: str) -> list[dict[str, Any]]:
    """The rows, once the name is in one of them."""
    for _ in range(50):
        rows = await stats(relay, *words)
        if any(name in row["counts"] for row in rows):
            return rows
        await asyncio.sleep(0.2)
    raise AssertionError(rows)


async def test_mail_refusals_and_events_are_counted_and_told(relay: Relay, cloud: Cloud) -> None:
    assert (await relay.cli("stats"))[1] == "Nothing was counted.\n"

    def session() -> list[str]:
        with relay.smtp() as client:
            assert client.mail("boss@example.org")[0] == 554
            sent = [submit(client, mail(extra="X-Relay-Campaign: spring\r\n")) for _ in range(3)]
            return [*sent, submit(client, mail(), to=BOUNCE)]

    *delivered, bounced = await asyncio.to_thread(session)
    for each in delivered:
        assert await relay.status(each, "delivered") == ["delivered"]
    assert await relay.status(bounced, "bounced hard") == ["bounced hard"]
    (row,) = await counted(relay, "refused.sender_not_allowed")
    counts = {name: count for name, count in row["counts"].items() if not name.startswith("latency")}
    assert counts == {"accepted": 4, "sent": 4, "delivered": 3, "bounced.hard.simulated": 1, "refused.sender_not_allowed": 1}
    assert (row["delivery_rate"], row["bounce_rate"], row["complaint_rate"]) == (0.75, 0.25, 0.0)
    assert 0 < row["latency_seconds"]["p50"] <= row["latency_seconds"]["p99"] < 30
    assert [(row["campaign"], row["counts"]["sent"]) for row in await stats(relay, "--by", "campaign")] == [
        ("spring", 3),
        ("", 1),
    ]
    assert await stats(relay, "--credential", "nobody") == []
    _, table = await relay.cli("stats", "--by", "credential")
    (line,) = [line for line in table.splitlines() if " app " in line]
    assert [cell.strip() for cell in line.strip("│").split("│")][:12] == [
        *("app", "4", "1", "0", "4", "3", "1", "0", "0", "0"),
        *("75.00", "25.00"),
    ]


async def test_what_was_refused_last_is_counted_at_the_stop_and_what_was_refused_before_a_login_as_well(relay: Relay) -> None:
    def session() -> None:
        with relay.smtp(login="") as client:
            assert client.mail("shop@example.com")[0] == 554
        with pytest.raises(smtplib.SMTPAuthenticationError):
            relay.smtp(login="nobody")  # which tries both mechanisms

    await asyncio.to_thread(session)
    await relay.stop()
    (row,) = await stats(relay, "--by", "credential")
    assert row["credential"] == ""
    assert row["counts"] == {"refused.not_authenticated": 1, "refused.wrong_login": 2}


async def test_what_stands_badly_is_told_at_the_start_and_pauses_nothing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "relay.db")
    await store.counters.count([("sent", "app", time.time(), 2000), ("complained", "app", time.time(), 30)])
    await store.close()
    settings = {"RELAY_REPUTATION__PAUSE_BULK": "true", "RELAY_ALARMS__AFTER_SECONDS": "1"}
    async with running_relay(tmp_path, far_side=under_review, settings=settings) as (relay, _):
        assert (await relay.told("account_standing"))["enforcement"] == "PROBATION"
        line = await relay.told("reputation", scope="credential")
        assert (line["name"], line["measure"], line["standing"], line["rate"]) == ("app", "complained", "pause", 0.015)
        shown = await asyncio.to_thread(metrics, relay)
        assert 'relay_reputation_level{measure="complained",name="app",scope="credential"} 2.0' in shown
        assert "relay_account_healthy 0.0" in shown
        assert "relay_feedback_silent 0.0" in shown
        assert [line["event"] for line in relay.journal() if line["event"] == "paused"] == []
        standing = {
            'relay_alarm{alarm="account_standing"} 1.0',
            'relay_alarm{alarm="complaints"} 3.0',  # of the account, the login, and senders without a domain
        }
        for _ in range(100):
            if standing <= {*(shown := await asyncio.to_thread(metrics, relay)).splitlines()}:
                break
            await asyncio.sleep(0.1)
        assert standing <= {*shown.splitlines()}
        status, said = await relay.cli("alarms", check=False)
        assert status == 1
        assert [word for word in ("PROBATION", "1.50 %", "docs/alarms.md#complaints") if word not in said] == []
