"""A login whose mail bounces too much: its bulk mail waits for an operator, and all other mail goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.sandbox import mailbox
from tests.harness import APPLICATION, Relay, arrived, mail, running_relay, submit

BAD = {"RELAY_REPUTATION__VOLUME": "4", "RELAY_REPUTATION__PAUSE_BULK": "true"}
NEWS = "X-Relay-Class: marketing\r\n"
LOOK = 60.0  # seconds between looks at the rates; what stands at the first one pauses nothing


def send(relay: Relay, *recipients: str, extra: str = "") -> list[str]:
    with relay.smtp() as client:
        return [submit(client, mail(to=recipient, extra=extra), to=recipient) for recipient in recipients]


async def test_bulk_mail_of_a_bad_sender_waits_until_somebody_resumes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_relay(tmp_path, APPLICATION, settings=BAD) as (relay, cloud):
        bad = [f"bounce+{number}@example.net" for number in range(4)]
        with monkeypatch.context() as far_side:
            far_side.setattr(mailbox, "events_for", lambda *_, **__: ("send", "bounce"))
            await asyncio.to_thread(send, relay, *bad)
            assert (await relay.told("paused", within=LOOK + 15))["subject"] == "app"
        [news] = await asyncio.to_thread(send, relay, "reader@example.net", extra=NEWS)
        [order] = await asyncio.to_thread(send, relay, "reader@example.net")
        assert await relay.status(order, "delivered") == ["delivered"]
        await arrived(relay, cloud, 5)
        assert await relay.status(news, "queued") == ["queued"]
        assert "100.00 % bounced.hard of 4 in 24 hours" in (await relay.cli("queue", "status"))[1].replace("\n", " ")
        await relay.cli("queue", "resume", "--credential", "app")
        assert await relay.status(news, "delivered") == ["delivered"]
        assert len(cloud.calls) == 6
