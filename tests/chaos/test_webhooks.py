"""Webhooks of a relay that is killed three times, told to a receiver that fails, hangs, cuts off and is away for a while: each
event arrives at least once, and each delivery's in their order.

A scaled version runs with all tests; `make chaos` (RELAY_CHAOS=full) tells 10,000 events.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from relay.control.client import ControlClient
from relay.webhooks.webhook import Webhook
from tests.harness import Relay, mail, running_relay, submit
from tests.receiver import Heard, receiving

FULL = os.environ.get("RELAY_CHAOS") == "full"
MESSAGES, CLIENTS = (5_000, 10) if FULL else (210, 3)
SETTINGS = {
    "RELAY_WEBHOOKS__TIMEOUT_SECONDS": "1",
    "RELAY_WEBHOOKS__DELAYS_SECONDS": "1,1,2",
    "RELAY_RETRY__IN_DOUBT_SECONDS": "3",
    "RELAY_SES__READ_TIMEOUT_SECONDS": "5",
}

pytestmark = pytest.mark.timeout(1800 if FULL else 240)


def send(relay: Relay, count: int) -> list[str]:
    with relay.smtp() as client:
        return [f"{submit(client, mail())}-1" for _ in range(count)]


def told(heard: list[Heard]) -> dict[str, list[int]]:
    """The events of each delivery in the order in which they were taken for the first time."""
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for each in heard:
        for event in json.loads(each.body)["events"]:
            found[event["message_id"]].setdefault(event["id"])
    return {delivery: list(events) for delivery, events in found.items()}


async def test_each_event_arrives_and_those_of_a_delivery_in_their_order(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings=SETTINGS) as (relay, cloud), receiving() as receiver:
        webhook = Webhook(name="crm", url=receiver.url, most=5, is_private=True)
        await ControlClient(relay.where.control).put_webhook(webhook)
        share = MESSAGES // CLIENTS
        sent = [
            id for ids in await asyncio.gather(*(asyncio.to_thread(send, relay, share) for _ in range(CLIENTS))) for id in ids
        ]
        receiver.failing, receiver.hanging, receiver.resetting = 0.3, 0.02, 0.05
        for number in range(3):
            await asyncio.sleep(1.5)
            await relay.kill()
            await relay.start()
            if cloud.topic:
                cloud.topic.endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
            if number == 1:
                await receiver.stop()
                await asyncio.sleep(2)
                await receiver.start()

        def all_told() -> bool:
            found = told(receiver.taken)
            return all(len(found.get(delivery, ())) >= 2 for delivery in sent)

        await receiver.when(all_told, within=1500 if FULL else 120)
        found = told(receiver.taken)
        assert set(found) == set(sent)
        assert all(events == sorted(events) for events in found.values())
        assert len(receiver.heard) > len(receiver.taken)
