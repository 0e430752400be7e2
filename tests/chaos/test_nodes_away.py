"""Nodes that are gone, stand still, or cannot reach the database: the others go on, and take over what they had claimed."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.sandbox.faults import Faults
from tests.chaos.clients import SMALL, Clients
from tests.chaos.cluster import LEASE, ManyScene, at_work, codes, halt, many, resume
from tests.chaos.forwarder import Forwarder
from tests.chaos.scene import FULL
from tests.harness import Relay

ROUNDS = 20 if FULL else 1
MANY = 6 if FULL else 3  # clients at all nodes
CUTS = (32, 45, 60) if FULL else (32,)  # seconds: longer than a lease as well
CALL = 8.0  # seconds: longer than any call
WAIT_SECONDS = 15.0
SETTLED = LEASE + 90
IDLE = """SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
    AND state_change < clock_timestamp() - interval '{} s'"""

pytestmark = pytest.mark.timeout(3600 if FULL else 240)


def own_clients(found: ManyScene) -> dict[Relay, Clients]:
    """Some for each node, that know no other."""
    return {relay: Clients(relay, 3, pace=0.2, body=SMALL, name=f"n{number}-") for number, relay in enumerate(found.relays)}


async def halted_in_a_transaction(found: ManyScene, relay: Relay) -> None:
    """SIGSTOP, again until it has hit one. What it has locked is locked."""
    for _ in range(200):
        halt(relay)
        await asyncio.sleep(0.4)
        if found.rows(IDLE.format(0.3)):
            await asyncio.sleep(0.8)
            if found.rows(IDLE.format(1)):  # another node's would have gone on
                return
        resume(relay)
        await asyncio.sleep(random.uniform(0.05, 0.2))
    raise AssertionError("it had no transaction")


def claims(found: ManyScene) -> set[tuple[str, int]]:
    return {(delivery.id, delivery.attempt) for delivery in found.stored("sending").values()}


async def taken_over(found: ManyScene, began: float) -> tuple[int, float]:
    """How many were claimed by who is away, and the seconds until none of these was `sending` any more."""
    claimed = claims(found)
    await asyncio.sleep(CALL)
    claimed &= claims(found)
    await found.until(lambda: not claimed & claims(found), LEASE + 60 - (time.monotonic() - began))
    return len(claimed), time.monotonic() - began


async def test_a_node_that_is_killed_and_one_that_stands_still(tmp_path: Path, url: str) -> None:
    async with many(tmp_path, url) as found:
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.3
        clients, own = Clients(found, MANY, pace=0.1), own_clients(found)
        async with at_work(clients, *own.values()):
            await asyncio.sleep(2)
            seen = [await one_is_killed_one_stands_still(found, own) for _ in range(ROUNDS)]
        await found.verdict(clients, *own.values(), within=SETTLED)
        counts, seconds, waits = zip(*seen, strict=True)
        said = f"taken over after {min(seconds):.1f} to {max(seconds):.1f} s"
        print(f"{ROUNDS} killed, {ROUNDS} stopped, {sum(counts)} claims, {said}; others waited {max(waits):.1f} s at most")
        assert sum(counts) > 0


async def one_is_killed_one_stands_still(found: ManyScene, own: dict[Relay, Clients]) -> tuple[int, float, float]:
    """Claims they had, seconds until others had them, the longest wait of a client at the third node.

    Of their calls some were taken by SES, and some were not.
    """
    killed, stopped, third = random.sample(found.relays, 3)
    found.cloud.plan[:-1] = [unanswered := Faults(until=math.inf, pattern=rb"[05]@example.net", hang=86400.0)]
    await asyncio.sleep(0.5)
    await halted_in_a_transaction(found, stopped)
    began, replies = time.monotonic(), len(own[third].seconds)
    try:
        await killed.kill()
        unanswered.until = 0.0
        sent, acked = found.cloud.accepted, len(own[third].acked)
        count, took = await taken_over(found, began)
        await asyncio.sleep(LEASE + 3 - (time.monotonic() - began))
        assert found.cloud.accepted > sent + 100
        assert len(own[third].acked) > acked + 100
        longest = max(own[third].seconds[replies:])
        assert longest < WAIT_SECONDS
    finally:
        resume(stopped)
    await killed.start()
    await asyncio.sleep(3)
    return count, took, longest


@pytest.mark.parametrize("seconds", CUTS)
async def test_a_node_that_is_cut_off_from_the_database(tmp_path: Path, url: str, seconds: int) -> None:
    async with AsyncExitStack() as parts:
        forwarders = []
        for _ in range(3):
            forwarders.append(Forwarder(url))
            parts.push_async_callback(forwarders[-1].stop)
        urls = [{"RELAY_STORE__URL": await forwarder.start()} for forwarder in forwarders]
        found = await parts.enter_async_context(many(tmp_path, url, *urls))
        found.cloud.faults.until, found.cloud.faults.late = time.monotonic() + 86400, 0.3
        clients, own = Clients(found, MANY, pace=0.1), own_clients(found)
        async with at_work(clients, *own.values()):
            await asyncio.sleep(2)
            await cut_off(found, own, forwarders, seconds)
        await found.verdict(clients, *own.values(), within=SETTLED)


async def cut_off(found: ManyScene, own: dict[Relay, Clients], forwarders: list[Forwarder], seconds: int) -> None:
    """Who does the chores."""
    leader = await led_by(found, lambda name: bool(name))
    number = int(leader[-1]) - 1
    cut, others = own[found.relays[number]], [own[relay] for relay in found.relays if relay.folder.name != leader]
    forwarders[number].cut()
    began, sent, acked = time.monotonic(), found.cloud.accepted, [len(each.acked) for each in others]
    new = await led_by(found, lambda name: name not in ("", leader))
    print(f"{new} leads after {time.monotonic() - began:.1f} s;", end=" ")
    await asyncio.sleep(seconds - (time.monotonic() - began))
    assert found.cloud.accepted > sent + 50
    assert all(len(each.acked) > before + 50 for each, before in zip(others, acked, strict=True))
    assert codes(cut.refused).keys() == {"451"}
    forwarders[number].mend()
    began, before = time.monotonic(), len(cut.acked)
    await found.until(lambda: len(cut.acked) > before, 15)
    print(f"451 {sum(cut.refused.values())} times, taken again {time.monotonic() - began:.1f} s after it could be", end="; ")
    print(f"its clients waited {max(cut.seconds):.1f} s at most, others {max(max(each.seconds) for each in others):.1f}")
    assert max(max(each.seconds) for each in others) < WAIT_SECONDS
    await asyncio.sleep(2)


async def led_by(found: ManyScene, is_it: Callable[[str], bool]) -> str:
    """The leader's name, once it is one of these."""
    ends = time.monotonic() + 60
    while not is_it(name := leader(found)):
        assert time.monotonic() < ends
        await asyncio.sleep(0.2)
    return name


def leader(found: ManyScene) -> str:
    names = found.rows("SELECT name FROM nodes JOIN leader ON node = id WHERE until > extract(epoch FROM clock_timestamp())")
    return str(names[0][0]) if names else ""


async def test_a_node_that_is_told_to_stop_while_it_is_cut_off_ends_in_time(tmp_path: Path, url: str) -> None:
    forwarder = Forwarder(url)
    try:
        own_way = {"RELAY_STORE__URL": await forwarder.start()}
        async with many(tmp_path, url, {}, own_way) as found:
            cut = found.relays[1]
            clients = Clients(found, MANY, pace=0.1)
            async with at_work(clients):
                await asyncio.sleep(2)
                forwarder.cut()
                await asyncio.sleep(2)
                began = time.monotonic()
                cut.terminate()
                assert await asyncio.wait_for(cut.ended(), 60) == 0
                print(f"ended after {(took := time.monotonic() - began):.1f} s")
                forwarder.mend()
                await cut.start()
            await found.verdict(clients, within=SETTLED)
            assert took < 35
    finally:
        await forwarder.stop()
