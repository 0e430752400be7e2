"""Mail that nobody wants after a moment: it is not sent then, whatever kept it back."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import SesError
from tests.harness import Relay, mail, submit


def expiring(at: float, extra: str = "") -> bytes:
    return mail(extra=f"X-Relay-Expires-At: {formatdate(at)}\r\n{extra}")


async def test_a_retry_that_would_come_too_late_ends_the_message(relay: Relay, cloud: Cloud) -> None:
    at = int(time.time()) + 30  # the first wait is a minute
    cloud.faults.times, cloud.faults.error = 1, SesError(503, "ServiceUnavailableException", "later")
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, expiring(at))
    assert await relay.status(message_id, "expired") == ["expired"]
    life = await relay.life(message_id)
    assert life
    assert (life.message.labels.expires_at, life.deliveries[0].expires_at) == (at, at)
    _, shown = await relay.cli("message", "show", message_id)
    assert "\n  not after 20" in shown
    assert (cloud.faults.times, cloud.accepted) == (0, 0)


async def test_a_message_whose_moment_passed_while_the_relay_was_down_is_not_sent(relay: Relay, cloud: Cloud) -> None:
    at = int(time.time()) + 3
    with relay.smtp() as client:
        over = await asyncio.to_thread(submit, client, expiring(at + 1, f"X-Relay-Send-At: {formatdate(at)}\r\n"))
        wanted = await asyncio.to_thread(submit, client, expiring(at + 60, f"X-Relay-Send-At: {formatdate(at)}\r\n"))
    await relay.stop()
    await asyncio.sleep(at + 1.1 - time.time())
    await relay.start()
    assert await relay.status(over, "expired") == ["expired"]
    for _ in range(100):
        if cloud.calls:
            break
        await asyncio.sleep(0.1)
    assert [call.tags["relay_id"].partition("-")[0] for call in cloud.calls] == [wanted]
    assert b"X-Relay" not in cloud.calls[0].raw
