"""kill -9 at the places where a message is between two worlds: for each the exact outcome."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from relay import failpoints
from tests.chaos.clients import Clients, EndedError
from tests.chaos.scene import FULL, OPEN, Scene, scene

TIMES = 50 if FULL else 2
LATER = 6  # so often at most a point is passed before it kills

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


class Killed(NamedTuple):
    """What there was when the relay was dead: the recipients whose content got no reply, the open calls, what SES had."""

    unsure: set[str]
    sending: set[str]
    delivered: set[str]


async def killed_at(found: Scene, clients: Clients, point: str) -> Killed:
    """One run of the relay, which ends at the point. One client, so that one message at most is without a reply.

    What an earlier run left is sent first, and its events are heard: only then new messages come.
    """
    unsure = set(clients.unsure)
    passed = 0 if point in (failpoints.AFTER_INSERT, failpoints.AFTER_COMMIT) else len(found.stored(*OPEN))
    await found.relay.start(RELAY_FAILPOINT=f"{point}:{passed + random.randint(1, LATER)}")
    await found.until(lambda: not found.topic.pending, 10)
    with pytest.raises(EndedError):
        await clients.send(1000)
    assert await asyncio.wait_for(found.relay.ended(), 20) == -signal.SIGKILL
    return Killed(clients.unsure - unsure, found.stored("sending").keys() | set(), set(found.delivered()))


async def test_each_failpoint_has_its_outcome(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        found.topic.shuffle, found.topic.longest_pause = False, 0.1
        await found.relay.stop()
        clients = Clients(found.relay, 1)
        kills = [(point, await killed_at(found, clients, point)) for point in failpoints.ALL * TIMES]
        await found.relay.start()
        await found.settled(60)
        stored, delivered = found.stored(), found.delivered()
        said_so = found.journaled("possible_duplicate")
        repeated = {recipient for recipient, delivery in stored.items() if delivery.id in said_so}
        print(f"{len(kills)} kills, {len(clients.acked)} acked, {len(stored)} stored, {len(repeated)} of them called again")
        assert clients.acked <= stored.keys() == delivered.keys()
        assert set(delivered.values()) == {1}
        for point, killed in kills:
            OUTCOMES[point](killed, stored.keys() | set(), repeated)


def never_was(killed: Killed, stored: set[str], repeated: set[str]) -> None:
    assert killed.unsure
    assert not killed.unsure & stored


def delivered_though_nobody_was_told(killed: Killed, stored: set[str], repeated: set[str]) -> None:
    assert killed.unsure
    assert killed.unsure <= stored


def sent_when_the_doubt_is_over(killed: Killed, stored: set[str], repeated: set[str]) -> None:
    assert (killed.sending - killed.delivered) & repeated


def proven_by_its_event(killed: Killed, stored: set[str], repeated: set[str]) -> None:
    assert killed.sending & killed.delivered
    assert not killed.sending & killed.delivered & repeated


def nothing_is_open(killed: Killed, stored: set[str], repeated: set[str]) -> None:
    assert killed.delivered - killed.sending


OUTCOMES = {
    failpoints.AFTER_INSERT: never_was,
    failpoints.AFTER_COMMIT: delivered_though_nobody_was_told,
    failpoints.BEFORE_CALL: sent_when_the_doubt_is_over,
    failpoints.AFTER_CALL: proven_by_its_event,
    failpoints.AFTER_RECORD: nothing_is_open,
}
