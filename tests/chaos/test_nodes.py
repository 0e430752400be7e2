"""Three nodes on one PostgreSQL: killed at random, stopped in good order one by one, together no faster than the account."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from relay.sandbox.faults import Faults, SesError
from tests.chaos.clients import SMALL, Clients
from tests.chaos.cluster import LEASE, at_work, codes, many
from tests.chaos.scene import FULL
from tests.chaos.test_sigterm import LIMIT_SECONDS, stopped

CLIENTS = 20 if FULL else 6
PACE = 0.1 if FULL else 0.15
KILLING_SECONDS = 180 if FULL else 10
ROUNDS = 2 if FULL else 1
RATE, QUEUED = (50, 6000) if FULL else (20, 400)
SETTLED = LEASE + 90

pytestmark = pytest.mark.timeout(3600 if FULL else 240)


async def test_kill_9_of_nodes_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path, url: str) -> None:
    async with many(tmp_path, url) as found:
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.2
        clients, kills, open_calls = Clients(found, CLIENTS, pace=PACE), 0, set[str]()
        async with at_work(clients):
            ends = time.monotonic() + KILLING_SECONDS
            while time.monotonic() < ends or (not open_calls and time.monotonic() < ends + 60):
                await asyncio.sleep(random.uniform(0.3, 3.0))
                victims = random.sample(found.relays, random.choice((1, 1, 2)))
                await asyncio.gather(*(relay.kill() for relay in victims))
                kills += len(victims)
                open_calls |= found.stored("sending").keys()
                await asyncio.sleep(random.uniform(0.0, 2.0))
                await asyncio.gather(*(relay.start() for relay in victims))
        await found.verdict(clients, within=SETTLED)
        print(f"{kills} kills, {len(open_calls)} calls open after one")
        assert open_calls


async def test_a_rolling_restart_under_load_is_seen_by_nobody_but_as_a_new_connection(tmp_path: Path, url: str) -> None:
    async with many(tmp_path, url) as found:
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.2
        clients, seconds = Clients(found, CLIENTS, pace=PACE), []
        async with at_work(clients):
            for relay in found.relays * ROUNDS:
                await asyncio.sleep(1)
                seconds.append(await stopped(relay))
                await asyncio.sleep(0.5)
                await relay.start()
        print(f"{len(seconds)} stops, the longest {max(seconds):.1f} s,", end=" ")
        assert max(seconds) < LIMIT_SECONDS
        await found.verdict(clients, within=30)
        assert codes(clients.refused).keys() <= {"421", "451"}
        assert {delivery.attempt for delivery in found.stored().values()} == {1}
        assert found.journaled("in_doubt", "interrupted") == set()


class Throttling(Faults):
    """SES as it is with an account: so many a second, and for a short time twice as many."""

    __slots__ = ("_at", "_tokens")

    def __init__(self) -> None:
        super().__init__(error=SesError(429, "TooManyRequestsException", "Maximum sending rate exceeded."))
        self._tokens, self._at = 2.0 * RATE, time.monotonic()

    def strikes(self, request: bytes) -> bool:
        now = time.monotonic()
        self._tokens, self._at = min(2.0 * RATE, self._tokens + (now - self._at) * RATE), now
        is_too_much = self._tokens < 1
        self._tokens -= not is_too_much
        self.struck += is_too_much
        return is_too_much

    def cuts_short(self) -> bool:
        return False


async def test_all_nodes_together_send_at_the_rate_of_the_account(tmp_path: Path, url: str) -> None:
    async with many(tmp_path, url, rate=RATE, keep_bodies=True) as found:
        found.cloud.plan.append(throttling := Throttling())
        clients = [Clients(found, 1, body=SMALL, name=f"r{number}-") for number in range(10)]
        await found.relays[0].cli("queue", "pause")  # so that there is always enough to send, however slowly it comes in
        await asyncio.gather(*(each.send(QUEUED // 10) for each in clients))
        await found.relays[0].cli("queue", "resume")
        await found.verdict(*clients, within=QUEUED / RATE + 30)
        at = sorted(call.at.timestamp() for call in found.cloud.calls)
        steady = [moment for moment in at if at[0] + 3 <= moment <= at[-1] - 2]
        seconds = steady[-1] - steady[0]
        rate = (len(steady) - 1) / seconds
        fullest = max(Counter(int(moment - at[0]) for moment in at).values())
        gap = max(later - sooner for sooner, later in pairwise(steady))
        said = f"{rate:.2f} a second of {RATE} over {seconds:.0f} s, at most {fullest} in one, {gap:.2f} s apart"
        senders = Counter(line["node"] for relay in found.relays for line in relay.journal() if line["event"] == "sent")
        print(f"{said}; {throttling.struck} throttled; {dict(senders)}")
        # A second's worth may be saved, and what a busy machine left over before this window is sent in it.
        assert 0.95 * RATE <= rate <= 1.05 * RATE + RATE / seconds
        assert throttling.struck <= QUEUED / 300
        assert len(senders) == 3
