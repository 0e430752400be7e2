"""What a store of a release that is kept has seen, and what a relay on it must still know and do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from relay.store.bodies import INLINE
from tests.harness import Relay, Settings, arrived, mail, running_relay, submit

BOUNCES = "bounce@simulator.amazonses.com"
BY_HAND = "gone@example.net"
LARGE = mail(subject="Large", body=("y" * 70 + "\r\n") * (INLINE // 50))
KEPT_LONG = {"RELAY_RETRY__LIFETIME_SECONDS": str(30 * 365 * 86400), "RELAY_RETENTION__FACTS_DAYS": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Ids of messages."""

    delivered: str
    bounced: str
    waiting: str
    waiting_large: str

    @classmethod
    def read(cls, file: Path) -> Story:
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")


async def tell(folder: Path, settings: Settings) -> Story:
    """A store with mail that was delivered, bounced and waits, suppressions of both kinds, a paused webhook."""
    async with running_relay(folder, settings=settings) as (relay, _):
        delivered, bounced = await _sent(relay, mail()), await _sent(relay, mail(), to=BOUNCES)
        assert await relay.status(delivered, "delivered") == ["delivered"]
        assert await relay.status(bounced, "bounced hard") == ["bounced hard"]
        await relay.cli("suppression", "add", BY_HAND)
        await relay.cli("webhook", "add", "crm", "https://crm.example.com/events")
        await relay.cli("webhook", "pause", "crm")
        await relay.cli("queue", "pause")
        waiting, large = await _sent(relay, mail(subject="Later")), await _sent(relay, LARGE)
    return Story(delivered=delivered, bounced=bounced, waiting=waiting, waiting_large=large)


async def goes_on(folder: Path, settings: Settings, story: Story) -> None:
    """A relay of this release on such a store."""
    async with running_relay(folder, settings={**settings, **KEPT_LONG}, are_known=True) as (relay, cloud):
        for id, status in ((story.delivered, "delivered"), (story.bounced, "bounced hard")):
            assert await relay.status(id, status) == [status]
        assert not cloud.calls
        await relay.cli("queue", "resume")
        await arrived(relay, cloud, 2)
        await asyncio.sleep(0.5)
        assert sorted(len(call.raw) > INLINE for call in cloud.calls) == [False, True]
        for id in (story.waiting, story.waiting_large):
            assert await relay.status(id, "delivered") == ["delivered"]
        for address in (BOUNCES, BY_HAND):
            assert await relay.status(await _sent(relay, mail(), to=address), "suppressed") == ["suppressed"]
        assert "paused" in (await relay.cli("webhook", "list"))[1]
        assert relay.faults() == []


async def _sent(relay: Relay, content: bytes, to: str = "reader@example.net") -> str:
    def submitted() -> str:
        with relay.smtp() as client:
            return submit(client, content, to=to)

    return await asyncio.to_thread(submitted)
