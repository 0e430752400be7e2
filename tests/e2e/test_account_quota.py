"""The account's quota of 24 hours: bulk mail leaves the last tenth to the rest, and what is beyond waits without a call."""

from __future__ import annotations

import asyncio
from pathlib import Path

from relay.sandbox.cloud import Cloud
from tests.harness import Relay, arrived, mail, running_relay, submit

QUOTA = 20
BULK = "X-Relay-Class: marketing\r\n"


async def send(relay: Relay, count: int, extra: str = "") -> None:
    def session() -> None:
        with relay.smtp() as client:
            for _ in range(count):
                submit(client, mail(extra=extra))

    await asyncio.to_thread(session)


async def test_bulk_mail_leaves_the_last_tenth_and_nothing_is_sent_beyond_the_quota(tmp_path: Path) -> None:
    async with running_relay(tmp_path, far_side=lambda: Cloud(quota=QUOTA)) as (relay, cloud):
        await relay.told("account", quota=QUOTA)
        await send(relay, QUOTA, BULK)
        await relay.told("lanes_open", lanes=["transactional"])
        await arrived(relay, cloud, QUOTA * 9 // 10)
        assert cloud.accepted == QUOTA * 9 // 10
        await send(relay, 5)
        await relay.told("lanes_open", lanes=[])
        await arrived(relay, cloud, QUOTA)
        assert cloud.accepted == QUOTA
        await relay.stop()
        cloud.account.quota = 2 * QUOTA
        await relay.start()
        await arrived(relay, cloud, QUOTA + 5)
        assert not any(line["event"] in ("held", "retry") for line in relay.journal())


async def test_where_others_use_the_account_too_ses_says_so_and_the_mail_waits(tmp_path: Path) -> None:
    async with running_relay(tmp_path, far_side=lambda: Cloud(quota=QUOTA)) as (relay, cloud):
        await relay.told("account", quota=QUOTA)
        cloud.account.sent = QUOTA
        await send(relay, 3)
        await relay.told("held", scope="account")
        assert cloud.accepted == 0
        assert "Daily message quota exceeded" in (await relay.cli("queue", "status"))[1]
