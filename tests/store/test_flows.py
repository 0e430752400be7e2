"""Flows: their counters are always true, and they take turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest

from relay import lifecycle
from relay.credential import MessageClass
from relay.lifecycle import NEVER, Cause
from relay.model import Claimed, Labels, Lane, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.queueing import Round, Selection
from relay.store.sql.store import SqlStore
from relay.turns import Turns
from tests.store.kit import (
    CONTENT,
    LEASE,
    LIFETIME,
    NO_LABELS,
    NOW,
    PATIENCE,
    claims,
    column,
    delivery,
    enqueue,
    event,
    message,
    rows,
    suppression,
)

BULK = Labels(message_class=MessageClass.MARKETING)
OUTCOMES: tuple[Outcome, ...] = (
    Sent("ses-1"),
    Later("503"),
    SlowDown("rate"),
    Never("400"),
    Unknown("reset"),
    Hold(HoldScope.CREDENTIAL, "paused", 60.0, "b"),
    Hold(HoldScope.DELIVERY, "damaged", 60.0),
)


class Mix:
    """All verbs of the queue in random order, on random deliveries; time goes on meanwhile."""

    def __init__(self, store: SqlStore, random: Random) -> None:
        self._store = store
        self._random = random
        self._now = NOW
        self._number = 0
        self._ids: list[str] = []
        self._calls: list[Claimed] = []

    @property
    def verbs(self) -> dict[Callable[[], Awaitable[object]], int]:
        """Each with its weight."""
        return {
            self.enqueue: 20,
            self.claim: 12,
            self.settle: 20,
            self.record: 5,
            self.move: 6,
            self.suppress: 1,
            self.hold: 2,
            self.lift: 3,
            self.chores: 3,
            self.shift: 1,
        }

    async def step(self) -> None:
        (verb,) = self._random.choices(list(self.verbs), list(self.verbs.values()))
        self._now += self._random.choice((0.0, 1.0, 60.0, 3600.0))
        await verb()

    async def enqueue(self) -> None:
        self._number += 1
        random = self._random
        content = CONTENT + b"x" * random.randrange(200)
        labels = random.choice((NO_LABELS, BULK, Labels(configuration_set="tracked"), Labels(expires_at=self._now + 600)))
        one = message(
            self._number,
            content=content,
            credential=random.choice("abc"),
            sender=f"shop@{random.choice('xy')}.example",
            labels=labels,
        )
        wanted = tuple(
            replace(
                delivery(one, number=number, recipient=f"reader{random.randrange(30)}@example.net", due_at=self._now),
                state=random.choice((State.QUEUED, State.QUEUED, State.QUEUED, State.IGNORED)),
                expires_at=labels.expires_at or self._now + LIFETIME,
            )
            for number in range(1, random.randrange(1, 5) + 1)
        )
        self._ids += [each.id for each in wanted]
        await self._store.queue.enqueue(replace(one, accepted_at=self._now), content, wanted)

    async def claim(self) -> None:
        some = await claims(self._store, limit=self._random.randrange(1, 20), now=self._now)
        self._calls += some.claimed

    async def settle(self) -> None:
        """Some results come twice, and some late."""
        if self._calls:
            call = self._random.choice(self._calls)
            if self._random.random() < 0.8:
                self._calls.remove(call)
            outcome = self._random.choice(OUTCOMES)
            done = lifecycle.settle(call, outcome, now=self._now, chance=self._random.random(), patience=PATIENCE)
            await self._store.queue.settle(done)

    async def record(self) -> None:
        """An event about any delivery, whatever became of it."""
        if self._ids:
            notification, relay_id = f"n-{self._random.random()}", self._random.choice(self._ids)
            fact = event(relay_id=relay_id, at=self._now, feedback_id=notification)
            await self._store.feedback.record(
                notification_id=notification, topic="t", payload="{}", received_at=self._now, events=(fact,)
            )

    async def move(self) -> None:
        cause = self._random.choice((Cause.RETRIED, Cause.HELD_BACK, Cause.CANCELLED))
        meant = self._random.choice((Selection(ids=tuple(self._ids[-3:])), Selection(credential="a")))
        async for _ in self._store.desk.move(cause, meant, now=self._now):
            pass

    async def suppress(self) -> None:
        await self._store.suppressions.add(suppression(f"reader{self._random.randrange(30)}@example.net"))

    async def hold(self) -> None:
        await self._store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", NEVER, self._random.choice("abc")), now=self._now)

    async def lift(self) -> None:
        for credential in "abc":
            await self._store.desk.lift(HoldScope.CREDENTIAL, credential, now=self._now)

    async def chores(self) -> None:
        self._now += self._random.choice((LEASE, PATIENCE.in_doubt, LIFETIME))
        await self._store.queue.rescue(now=self._now, everything=self._random.random() < 0.3, patience=PATIENCE)
        await self._store.queue.decide(now=self._now)
        await self._store.queue.expire(now=self._now, max_hold=LIFETIME)

    async def shift(self) -> None:
        seconds = self._random.choice((-7200.0, 7200.0))
        self._now += seconds
        await self._store.queue.shift(seconds)


COUNTED = "SELECT flow, sum(open), sum(octets) FROM loads GROUP BY flow ORDER BY flow"
RECOUNTED = """SELECT f.id, count(d.message_id), coalesce(sum(m.size), 0) FROM flows f
    LEFT JOIN deliveries d ON d.flow = f.id AND d.state IN ('queued', 'sending', 'in_doubt')
    LEFT JOIN messages m ON m.id = d.message_id GROUP BY f.id ORDER BY f.id"""


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_open_of_each_flow_is_counted_truly_after_whatever_happened(store: SqlStore, seed: int) -> None:
    mix, most, seen = Mix(store, Random(seed)), 0, set[str]()
    for _ in range(100):
        for _ in range(6):
            await mix.step()
        counted = await rows(store, COUNTED)
        assert counted == await rows(store, RECOUNTED)
        most = max(most, sum(count for _, count, _ in counted))
        seen |= set(await column(store, "SELECT DISTINCT state FROM deliveries"))
    assert (len(counted) > 10, most > 20) == (True, True)
    assert seen == {state.value for state in State}


# Turns.


async def crowd(store: SqlStore, credential: str, count: int, *, number: int, labels: Labels = NO_LABELS) -> None:
    """So many deliveries, in messages of 500."""
    for first in range(0, count, 500):
        one = message(number + first // 500, credential=credential, labels=labels)
        some = range(1, min(500, count - first) + 1)
        await store.queue.enqueue(one, CONTENT, tuple(delivery(one, number=n, recipient=f"r{n}@example.net") for n in some))


async def taken(store: SqlStore, turns: Turns, *, limit: int, by: str, rounds: int = 1) -> dict[str, int]:
    """What was claimed in so many rounds, by credential or lane."""
    found: Counter[str] = Counter()
    for _ in range(rounds):
        round = Round(limit=limit, now=NOW, lease_until=NOW + LEASE, lifetime=LIFETIME, turns=turns)
        for each in (await store.queue.claim(round)).claimed:
            found[each.message.credential if by == "credential" else each.message.labels.lane] += 1
    return dict(found)


async def test_a_single_mail_behind_50_000_of_another_login_is_in_the_next_claim(store: SqlStore) -> None:
    await crowd(store, "crm", 50_000, number=1)
    turns = Turns()
    assert await taken(store, turns, limit=14, by="credential", rounds=3) == {"crm": 42}
    await enqueue(store, 900, credential="shop")
    assert await taken(store, turns, limit=1, by="credential") == {"shop": 1}
    for number in range(901, 910):
        await enqueue(store, number, credential="shop")
        assert await taken(store, turns, limit=2, by="credential") == {"shop": 1, "crm": 1}


async def test_single_mails_of_many_logins_are_all_in_the_next_claim_beside_a_crowd(store: SqlStore) -> None:
    await crowd(store, "crm", 5000, number=1)
    turns = Turns()
    await taken(store, turns, limit=100, by="credential")
    for number in range(900, 909):
        await enqueue(store, number, credential=f"shop {number}")
    found = await taken(store, turns, limit=14, by="credential")
    assert found == {"crm": 5} | {f"shop {number}": 1 for number in range(900, 909)}


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
async def test_two_logins_share_equally(store: SqlStore, limit: int) -> None:
    await crowd(store, "crm", 500, number=1)
    await crowd(store, "shop", 500, number=100)
    found = await taken(store, Turns(), limit=limit, by="credential", rounds=8)
    assert sum(found.values()) == 8 * limit
    assert abs(found["crm"] - found["shop"]) <= 1


@pytest.mark.parametrize("limit", [1, 5, 100])
async def test_mail_that_somebody_waits_for_has_four_turns_to_one_of_mail_to_many(store: SqlStore, limit: int) -> None:
    await crowd(store, "shop", 500, number=1)
    await crowd(store, "news", 500, number=100, labels=BULK)
    found = await taken(store, Turns(), limit=limit, by="lane", rounds=100 // limit)
    assert found == {Lane.TRANSACTIONAL: 80, Lane.BULK: 20}


async def test_what_one_login_does_not_use_the_others_get_in_the_same_claim(store: SqlStore) -> None:
    await crowd(store, "crm", 500, number=1)
    await crowd(store, "shop", 3, number=100)
    await crowd(store, "news", 7, number=200, labels=BULK)
    assert await taken(store, Turns(), limit=200, by="credential") == {"crm": 190, "shop": 3, "news": 7}


async def test_a_lane_that_is_shut_waits_and_the_other_has_all_turns(store: SqlStore) -> None:
    await crowd(store, "shop", 5, number=1)
    await crowd(store, "news", 5, number=100, labels=BULK)
    some = await claims(store, lanes=(Lane.TRANSACTIONAL,))
    assert {each.message.credential for each in some.claimed} == {"shop"}
    assert (await claims(store, lanes=(Lane.TRANSACTIONAL,))).claimed == ()
    assert (await claims(store, lanes=())).claimed == ()
    assert {each.message.credential for each in (await claims(store, lanes=(Lane.BULK,))).claimed} == {"news"}


async def test_a_lane_that_is_shut_sends_no_probe(store: SqlStore) -> None:
    await enqueue(store, 1, labels=BULK)
    (first,) = (await claims(store)).claimed
    hold = Hold(HoldScope.ACCOUNT, "paused", 60.0)
    await store.queue.settle(lifecycle.settle(first, hold, now=NOW, chance=0.5, patience=PATIENCE))
    assert (await claims(store, now=NOW + 60, lanes=(Lane.TRANSACTIONAL,))).claimed == ()
    await enqueue(store, 2)
    probe = await claims(store, now=NOW + 60, lanes=(Lane.TRANSACTIONAL,))
    assert [each.message.id for each in probe.claimed] == [message(2).id]
