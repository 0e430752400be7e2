"""A queue of 1,000,000: claims, storing, settling and the start of the relay take no longer for it.

A scaled version runs with all tests; `make chaos` (RELAY_CHAOS=full) runs the figures of docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import pytest

from relay.outcome import Hold, HoldScope, Sent
from relay.queueing import Round
from relay.store.sqlite.store import SqliteStore
from relay.turns import Turns
from tests.harness import APPLICATION, arrived, mail, running_relay
from tests.store.kit import accepted, database, delivery, settle

FULL = os.environ.get("RELAY_CHAOS") == "full"
COUNT, FLOWS = (1_000_000, 1_000) if FULL else (20_000, 100)
HELD = COUNT * 9 // 10  # of one flow
GROUP = 200
CLAIMED = 12  # what a dispatcher asks for, when a quarter of 50 calls came back
ROUNDS = 200 if FULL else 50
CONTENT = mail()
HOUR = 3600.0

pytestmark = pytest.mark.timeout(1800 if FULL else 120)


@dataclass
class Backlog:
    """A store on disk. At `first` only the largest flow has something due, at `then` all have."""

    folder: Path
    first: float
    then: float

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[SqliteStore]:
        store = await SqliteStore.open(database(self.folder))
        try:
            yield store
        finally:
            await store.close()

    async def put(self, store: SqliteStore, numbers: Iterable[int]) -> None:
        """At once. The first nine of ten of all are of the largest flow, and older than the others."""
        await asyncio.gather(*(self._put(store, number) for number in numbers))

    async def _put(self, store: SqliteStore, number: int) -> None:
        is_large = number < HELD
        due_at = (self.first if is_large else self.then) - HOUR / 2 + number * HOUR / 4 / COUNT
        sender = "shop@held.example" if is_large else f"shop@{number % (FLOWS - 1)}.example"
        made = accepted(due_at, number, sender=sender, content=CONTENT)
        await store.queue.enqueue(made, CONTENT, (delivery(made, recipient=f"{number}@example.net", due_at=due_at),))


def backlog_in(folder: Path) -> Backlog:
    now = time.time()
    return Backlog(folder, first=now - 3 * HOUR, then=now - HOUR)


@pytest.fixture(scope="module")
async def backlog(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backlog]:
    made, began = backlog_in(tmp_path_factory.mktemp("backlog")), time.monotonic()
    async with made.opened() as store:
        for first in range(0, COUNT, GROUP):
            await made.put(store, range(first, first + GROUP))
    size = database(made.folder).stat().st_size
    print(f"\n{COUNT:,} stored in {time.monotonic() - began:.0f} s, {size / 1e6:,.0f} MB")
    yield made
    shutil.rmtree(made.folder)  # pytest would keep the last three


Clock = Callable[[], float]


class Times(list[float]):
    """Milliseconds of one verb, called over and over."""

    @contextmanager
    def taken(self, clock: Clock = time.perf_counter) -> Iterator[None]:
        began = clock()
        yield
        self.append(1000 * (clock() - began))

    @property
    def p99(self) -> float:
        return quantiles(self, n=100)[98]

    def __str__(self) -> str:
        return f"median {median(self):.1f} ms, p99 {self.p99:.1f} ms"


async def claim_and_settle(store: SqliteStore, now: float, clock: Clock = time.perf_counter) -> tuple[Times, Times, int]:
    """What claims took and what settling each took, and how many flows had a turn."""
    turns, claiming, settling, senders = Turns(), Times(), Times(), set()
    for _ in range(ROUNDS):
        with claiming.taken(clock):
            this = Round(limit=CLAIMED, now=now, lease_until=now + 60, lifetime=3 * 86400.0, turns=turns)
            found = (await store.queue.claim(this)).claimed
        with settling.taken(clock):
            await asyncio.gather(*(settle(store, each, Sent(each.delivery.id), now=now) for each in found))
        assert len(found) == CLAIMED
        senders |= {each.message.sender for each in found}
    return claiming, settling, len(senders)


def check(what: str, times: Times) -> None:
    print(f"claim of {CLAIMED} out of {COUNT:,}, {what}: {times}")
    assert min(times) < 20
    if FULL:
        assert times.p99 < 20


async def test_a_claim_out_of_one_large_flow_is_quick(backlog: Backlog) -> None:
    async with backlog.opened() as store:
        claiming, _, flows = await claim_and_settle(store, backlog.first)
    assert flows == 1
    check("one flow due", claiming)


async def test_a_claim_out_of_many_flows_is_quick_also_beside_a_large_one_that_is_held(backlog: Backlog) -> None:
    async with backlog.opened() as store:
        from_all, _, flows = await claim_and_settle(store, backlog.then)
        assert flows == FLOWS
        await store.desk.hold(Hold(HoldScope.IDENTITY, "by hand", 1e9, "held.example"), now=backlog.then)
        beside, _, flows = await claim_and_settle(store, backlog.then)
        await store.desk.lift(HoldScope.IDENTITY, "held.example", now=backlog.then)
        assert flows == FLOWS - 1
    print(f"{FLOWS:,} flows due: {from_all}; and {HELD:,} messages held: {beside}")
    check(f"{FLOWS:,} flows due", from_all)
    check(f"{FLOWS:,} flows due, {HELD:,} messages held", beside)


async def test_storing_and_settling_cost_as_much_as_in_an_empty_store(backlog: Backlog, tmp_path: Path) -> None:
    """In processor time, and side by side: what else the machine does is in neither, or in both."""
    empty = backlog_in(tmp_path)
    storing: dict[str, Times] = {"in an empty store": Times(), f"beside {COUNT:,}": Times()}
    settling: dict[str, Times] = {}
    async with empty.opened() as few, backlog.opened() as many:
        for first in range(COUNT, COUNT + ROUNDS * GROUP // 2, GROUP):
            for times, one, store in zip(storing.values(), (empty, backlog), (few, many), strict=True):
                with times.taken(time.process_time):
                    await one.put(store, range(first, first + GROUP))
        for where, store in zip(storing, (few, many), strict=True):
            _, settling[where], _ = await claim_and_settle(store, backlog.then + HOUR, time.process_time)
    for what, seen in ((f"{GROUP} stored", storing), (f"{CLAIMED} settled", settling)):
        print(f"{what}: {', '.join(f'{where} {times}' for where, times in seen.items())}")
        less, more = map(median, seen.values())
        assert more < 2 * less


async def test_the_relay_starts_on_it_and_sends(backlog: Backlog) -> None:
    began = time.monotonic()
    async with running_relay(backlog.folder, APPLICATION) as (relay, cloud):
        doors = time.monotonic() - began
        await arrived(relay, cloud, 1)
        sent = time.monotonic() - began
    print(f"started on {COUNT:,}: doors open after {doors:.1f} s, the first message sent after {sent:.1f} s")
    assert max(doors, sent) < 10
