"""A claim that PostgreSQL committed, and whose answer never came: no call was begun, so it must not wait for SES's word."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.forwarder import Forwarder
from tests.harness import running_relay
from tests.wire import Wire, logged_in


async def test_what_it_claimed_is_sent_as_soon_as_the_database_is_back(tmp_path: Path, url: str) -> None:
    forwarder = Forwarder(url, loses=3)
    async with running_relay(tmp_path, settings={"RELAY_STORE__URL": await forwarder.start()}) as (relay, cloud):
        async with logged_in(relay.ports["submissions"]) as wire:
            sent = [await accepted(wire) for _ in range(3)]
        for each in sent:  # their lease is over after 160 seconds
            assert await relay.status(each, "delivered") == ["delivered"]
        assert forwarder.loses == 0
        called = [call.tags["relay_id"] for call in cloud.calls]
        assert len(called) == len(set(called))
        assert {line["event"] for line in relay.journal()}.isdisjoint({"in_doubt", "interrupted"})
    await forwarder.stop()


async def accepted(wire: Wire) -> str:
    """What comes while a connection is broken off hears 451, and comes again."""
    while True:
        try:
            return await wire.submit()
        except AssertionError:
            assert (await wire.ask("RSET")).startswith("250 ")
