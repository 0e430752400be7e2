"""SES answers wrongly, late or not at all: everything is delivered, and what SES took all the same is not sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.sandbox.faults import Faults, SesError
from tests.chaos.clients import SMALL, Clients
from tests.chaos.scene import FULL, Scene, scene, twice

MESSAGES = 500 if FULL else 20
CLIENTS = 5
# Events come later than the next try of what is tried again at once, and before a doubt is over.
WAITS = {"RELAY_SES__READ_TIMEOUT_SECONDS": "1", "RELAY_RETRY__IN_DOUBT_SECONDS": "20" if FULL else "6"}
EVENT_SECONDS = 2.0

# An internal error, silence and an answer that cannot be read leave open whether the message was taken.
FAULTS = {
    "error": Faults(error=SesError(500, "InternalServiceErrorException", "sorry")),
    "lie": Faults(error=SesError(500, "InternalFailure", "sorry"), taken=True),
    "away": Faults(error=SesError(503, "ServiceUnavailableException", "later")),
    "fast": Faults(error=SesError(429, "TooManyRequestsException", "Maximum sending rate exceeded.")),
    "before": Faults(reset="before"),
    "within": Faults(reset="within"),
    "after": Faults(reset="after"),
    "hang": Faults(hang=3600.0),
    "late": Faults(late=3.0),
    "half": Faults(answer=b'{"MessageId": "01'),
    "empty": Faults(answer=b"{}"),
}
TAKEN = {"lie", "after", "late", "half", "empty"}

pytestmark = pytest.mark.timeout(1200 if FULL else 120)


async def send(found: Scene, kind: str) -> Clients:
    clients = Clients(found.relay, CLIENTS, name=f"{kind}-", body=SMALL)
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(clients.send(MESSAGES // CLIENTS))
    return clients


async def send_into(found: Scene, kind: str) -> Clients:
    """Each message meets the fault at its first call. Where the body is not read, the calls are counted instead."""
    fault = FAULTS[kind]
    found.cloud.plan.append(fault)
    fault.times = MESSAGES
    if fault.reset not in ("before", "within"):
        fault.pattern = f'"{kind}-[0-9]+@.*"relay_try", "Value": "1"'.encode()
    clients = await send(found, kind)
    await found.until(lambda: fault.struck == MESSAGES, 60)
    return clients


async def test_whatever_ses_does_every_message_is_delivered_once(tmp_path: Path) -> None:
    async with scene(tmp_path, settings=WAITS) as found:
        found.topic.delay = EVENT_SECONDS
        clients = [await send_into(found, kind) for kind in ("before", "within")]
        clients += await asyncio.gather(*(send_into(found, kind) for kind in FAULTS if kind not in ("before", "within")))
        await found.settled(180)
        stored, delivered = found.stored(), found.delivered()
        print(f"{len(FAULTS)} faults, {len(stored)} stored, {len(delivered)} delivered, {sum(twice(delivered).values())} twice")
        assert set().union(*(client.acked for client in clients)) == delivered.keys() == stored.keys()
        assert len(stored) == len(FAULTS) * MESSAGES
        assert set(delivered.values()) == {1}
        for kind in FAULTS:
            calls = {delivery.attempt for recipient, delivery in stored.items() if recipient.startswith(f"{kind}-")}
            assert (calls == {1}) == (kind in TAKEN), (kind, calls)
