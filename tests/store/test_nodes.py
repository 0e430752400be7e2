"""Several nodes on one PostgreSQL database: who is there, who leads, what they count, what they may send together."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic

import pytest

from relay.errors import StoreRefuses
from relay.holds import Holder
from relay.identities import Identity, IdentityState, KnownIdentities
from relay.mailing import Audience, TaskState
from relay.model import File, Lane
from relay.outcome import Hold, HoldScope
from relay.ports.nodes import Node, Shared, Used
from relay.rate import Account, Grant
from relay.statistics import Wanted
from relay.store.postgres.nodes import LEASE, VANISHED
from relay.store.postgres.store import PostgresStore
from relay.usage import Usage
from tests.store.kit import LEASE as CALL_LEASE
from tests.store.kit import NOW, change, claim, enqueue, rows
from tests.store.test_tasks import MAILING

IDENTITY = Identity(name="example.com", state=IdentityState.VERIFIED, since=NOW, looked_at=NOW)
Three = tuple[tuple[PostgresStore, Shared], ...]

ONE, TWO, THREE = (
    Node(id=id, name=f"node-{id}", roles=("smtp", "upkeep"), release="1", started_at=NOW) for id in ("one", "two", "three")
)


@pytest.fixture
async def three(url: str) -> AsyncIterator[Three]:
    """Stores on one database, and what they share."""
    async with AsyncExitStack() as opened:
        stores = [await PostgresStore.open(url) for _ in range(3)]
        for store in stores:
            opened.push_async_callback(store.close)
        yield tuple((store, store.shared) for store in stores if store.shared)


@pytest.fixture
def shared(postgres_store: PostgresStore) -> Shared:
    assert postgres_store.shared
    return postgres_store.shared


async def beat(shared: Shared, node: Node, at: float, *, may_lead: bool = True) -> str:
    """Who leads then."""
    return (await shared.nodes.beat(node, now=at, may_lead=may_lead)).leader


# Who is there.


async def test_each_node_has_a_number_of_its_own_and_the_smallest_that_is_free(
    shared: Shared, postgres_store: PostgresStore
) -> None:
    for node in (ONE, TWO, THREE):
        await shared.nodes.join(node, now=NOW)
    await shared.nodes.leave(TWO)
    await shared.nodes.join(replace(TWO, id="four"), now=NOW)
    await shared.nodes.join(replace(TWO, id="five"), now=NOW)
    numbers = dict(await rows(postgres_store, "SELECT id, writer FROM nodes"))
    assert numbers == {"one": 1, "three": 3, "four": 2, "five": 4}


async def test_nodes_that_join_at_once_get_different_numbers(postgres_store: PostgresStore, shared: Shared) -> None:
    await asyncio.gather(*(shared.nodes.join(replace(ONE, id=str(number)), now=NOW) for number in range(20)))
    assert {number for (number,) in await rows(postgres_store, "SELECT writer FROM nodes")} == set(range(1, 21))


async def test_the_roster_says_what_each_does_and_when_it_was_seen(shared: Shared) -> None:
    await shared.nodes.join(ONE, now=NOW)
    await shared.nodes.join(replace(TWO, hears=False), now=NOW + 1)
    await beat(shared, ONE, NOW + 5)
    roster = await shared.nodes.roster(now=NOW + 6)
    assert roster.nodes == (replace(ONE, seen_at=NOW + 5), replace(TWO, seen_at=NOW + 1, hears=False))
    assert roster.leader == "one"


# Who leads.


async def test_the_first_that_may_leads_until_it_is_silent_for_too_long(shared: Shared) -> None:
    for node in (ONE, TWO):
        await shared.nodes.join(node, now=NOW)
    assert await beat(shared, ONE, NOW) == "one"
    assert await beat(shared, TWO, NOW + 1) == "one"
    assert await beat(shared, ONE, NOW + LEASE - 1) == "one"
    assert await beat(shared, TWO, NOW + 2 * LEASE - 2) == "one"
    assert await beat(shared, TWO, NOW + 2 * LEASE) == "two"
    assert await beat(shared, ONE, NOW + 2 * LEASE) == "two"


async def test_who_may_not_lead_does_not(shared: Shared) -> None:
    await shared.nodes.join(ONE, now=NOW)
    assert await beat(shared, ONE, NOW, may_lead=False) == ""


async def test_who_stops_in_good_order_leaves_the_lead_at_once(shared: Shared) -> None:
    for node in (ONE, TWO):
        await shared.nodes.join(node, now=NOW)
    await beat(shared, ONE, NOW)
    await shared.nodes.leave(ONE)
    assert await beat(shared, TWO, NOW) == "two"


async def test_of_many_that_want_to_lead_at_once_one_does(three: Three) -> None:
    nodes = [(shared, replace(ONE, id=str(number))) for number, (_, shared) in enumerate(three)]
    for shared, node in nodes:
        await shared.nodes.join(node, now=NOW)
    for turn in range(10):
        at = NOW + turn * 2 * LEASE
        leaders = set(await asyncio.gather(*(beat(shared, node, at) for shared, node in nodes)))
        assert len(leaders - {""}) == 1


async def test_who_was_silent_for_too_long_has_vanished_and_is_there_again_with_its_next_sign_of_life(shared: Shared) -> None:
    for node in (ONE, TWO):
        await shared.nodes.join(node, now=NOW)
    assert (await shared.nodes.beat(ONE, now=NOW + VANISHED, may_lead=True)).vanished == ()
    roster = await shared.nodes.beat(ONE, now=NOW + VANISHED + 1, may_lead=True)
    assert [node.id for node in roster.vanished] == ["two"]
    assert [node.id for node in roster.nodes] == ["one"]
    assert [node.id for node in (await shared.nodes.beat(TWO, now=NOW + VANISHED + 2, may_lead=True)).nodes] == ["one", "two"]


# What they count.


async def test_what_nodes_count_is_one_sum_and_each_has_its_own_rows(three: Three) -> None:
    for number, (_, shared) in enumerate(three):
        await shared.nodes.join(replace(ONE, id=str(number)), now=NOW)
    stores = [store for store, _ in three]
    await asyncio.gather(*(enqueue(store, 10 * n + m) for n, store in enumerate(stores) for m in range(n + 1)))
    assert await rows(stores[0], "SELECT writer, count FROM counters ORDER BY 1") == [(1, 1), (2, 2), (3, 3)]
    assert await rows(stores[0], "SELECT writer, open FROM loads ORDER BY 1") == [(1, 1), (2, 2), (3, 3)]
    sums = await stores[0].counters.sums(Wanted(since=0.0, until=NOW + 86400))
    assert sums[""].of("accepted") == 6
    assert (await stores[0].backlog.waiting(now=NOW)).rows == 6


async def test_rows_of_nodes_are_folded_into_one_by_and_by(postgres_store: PostgresStore, shared: Shared) -> None:
    for node in (ONE, TWO):
        await shared.nodes.join(node, now=NOW)
        await enqueue(postgres_store, 1 if node is ONE else 2)
    before = await rows(postgres_store, "SELECT sum(open), sum(octets), max(newest) FROM loads")
    await postgres_store.retention.flows_and_holds(NOW)
    assert await rows(postgres_store, "SELECT writer FROM loads") == [(0,)]
    assert await rows(postgres_store, "SELECT sum(open), sum(octets), max(newest) FROM loads") == before


# What they may send together.


async def told(shared: Shared, rate: float, *, quota: float = -1.0, sent: float = 0.0) -> None:
    await shared.nodes.join(ONE, now=NOW)
    await shared.allowance.told(Account(rate=rate, quota=quota, sent=sent, at=NOW))


async def test_what_is_attached_to_a_mailing_by_several_is_all_there(three: Three) -> None:
    task_id = await three[0][0].tasks.add("crm", MAILING, Audience(), at=NOW)
    files = [(store, File(f"{node}-{number}", b"x")) for node, (store, _) in enumerate(three) for number in range(10)]
    assert await asyncio.gather(*(store.tasks.attach(task_id, file) for store, file in files)) == [True] * 30
    assert sorted(await three[0][0].tasks.file_names(task_id)) == sorted(file.name for _, file in files)
    assert await three[1][0].tasks.move(task_id, [TaskState.NEW], TaskState.CREATED, at=NOW)
    assert not await three[2][0].tasks.detach(task_id)
    assert not await three[2][0].tasks.attach(task_id, File("late", b"x"))


async def test_before_ses_has_said_anything_one_recipient_a_second_is_allowed(shared: Shared) -> None:
    await shared.nodes.join(ONE, now=NOW)
    assert (await shared.allowance.take(10)).recipients == 1
    assert (await shared.allowance.take(10)).recipients == 0
    assert 0.5 < shared.allowance.seconds_to_next() <= 1.0


@pytest.mark.parametrize("rate", [14.0, 200.0])
async def test_several_together_take_what_the_account_may_and_no_more(three: Three, rate: float) -> None:
    await told(three[0][1], rate)
    await change(three[0][0], "UPDATE allowance SET tokens = 0, at = extract(epoch FROM clock_timestamp())")
    began = monotonic()

    async def taken(shared: Shared) -> int:
        count = 0
        while monotonic() < began + 3.0:
            count += (await shared.allowance.take(7)).recipients
            await asyncio.sleep(min(0.05, shared.allowance.seconds_to_next()))
        return count

    total = sum(await asyncio.gather(*(taken(shared) for _, shared in three)))
    allowed = rate * (monotonic() - began)
    assert allowed * 0.95 - 2 <= total <= allowed * 1.05 + 1


async def test_what_is_given_back_is_there_for_others(shared: Shared) -> None:
    await told(shared, 10.0, quota=100.0)
    assert (await shared.allowance.take(50)).recipients == 10
    assert (await shared.allowance.take(50)).recipients == 0
    await shared.allowance.give_back(tokens=10, calls=10)
    assert (await shared.allowance.take(50)).recipients == 10


async def test_the_day_s_quota_is_of_all_and_its_last_tenth_of_mail_that_somebody_waits_for(shared: Shared) -> None:
    await told(shared, 1000.0, quota=100.0, sent=80.0)
    assert await shared.allowance.take(7) == Grant(7, tuple(Lane))
    assert await shared.allowance.take(7) == Grant(3, tuple(Lane))
    assert await shared.allowance.take(50) == Grant(10, (Lane.TRANSACTIONAL,))
    assert await shared.allowance.take(50) == Grant(0, ())
    await shared.allowance.told(Account(rate=1000.0, quota=100.0, sent=10.0, at=NOW))
    assert (await shared.allowance.take(50)).lanes == tuple(Lane)


async def test_a_quota_that_ses_told_long_ago_stops_nobody(shared: Shared, postgres_store: PostgresStore) -> None:
    await told(shared, 1000.0, quota=100.0, sent=100.0)
    now = shared.clock()
    for seconds, expected in ((3590, Grant(0, ())), (3610, Grant(7, tuple(Lane)))):
        await postgres_store.account.put(Account(rate=1000.0, quota=100.0, sent=100.0, at=now - seconds))
        assert await shared.allowance.take(7) == expected


async def test_who_is_throttled_slows_all_down_and_the_rate_is_regained(shared: Shared, postgres_store: PostgresStore) -> None:
    await told(shared, 100.0)
    await shared.allowance.take(0)
    for _ in range(20):
        await shared.allowance.slow_down()
    await change(postgres_store, "UPDATE allowance SET at = at + 3600")  # nothing flows in, however long this takes
    assert (await shared.allowance.take(50)).recipients == 0
    await change(postgres_store, "UPDATE allowance SET at = at - 1")
    assert (await shared.allowance.take(50)).recipients in range(10, 14)  # a tenth, and what is regained in a second
    await change(postgres_store, "UPDATE allowance SET at = at - 60, tokens = 0")
    assert (await shared.allowance.take(500)).recipients == 100


async def test_an_account_that_may_send_nothing_sends_nothing(shared: Shared, postgres_store: PostgresStore) -> None:
    await told(shared, 0.0)
    await shared.allowance.take(1)
    await change(postgres_store, "UPDATE allowance SET at = at - 100")
    assert (await shared.allowance.take(1)).recipients == 0
    assert shared.allowance.seconds_to_next() == float("inf")


# Limits.


def usage(shared: Shared, node: str, heard: Counter[str]) -> Usage:
    def hear(key: str, count: int) -> None:
        heard[key] += count

    return Usage(store=shared.usage, node=node, clock=lambda: NOW, hear={"accepted": hear})


async def test_a_node_hears_what_others_count_once_and_not_what_it_counts_itself(shared: Shared) -> None:
    heard = Counter[str](), Counter[str]()
    one, two = (usage(shared, node, counts) for node, counts in zip(("one", "two"), heard, strict=True))
    one.note("accepted", "app", 3)
    two.note("accepted", "app")
    for _ in range(3):
        await one.exchange()
        await two.exchange()
    one.note("accepted", "app", -1)
    one.note("accepted", "crm", 2)
    one.note("unheard", "of")
    for _ in range(2):
        await one.exchange()
        await two.exchange()
    assert heard == ({"app": 1}, {"app": 2, "crm": 2})


async def test_what_was_told_before_a_node_began_is_not_heard(shared: Shared) -> None:
    await shared.usage.tell("one", [Used("accepted", "app", int(NOW) - 3600, 9)], now=NOW)
    heard = Counter[str]()
    await usage(shared, "two", heard).exchange()
    assert not heard


async def test_what_the_database_does_not_take_is_in_nobody_s_way(shared: Shared) -> None:
    heard = Counter[str]()
    one, two = usage(shared, "one", Counter()), usage(shared, "two", heard)
    one.note("accepted", random.Random(1).randbytes(4000).hex())
    with pytest.raises(StoreRefuses):
        await one.exchange()
    one.note("accepted", "app")
    await one.exchange()
    await two.exchange()
    assert heard == {"app": 1}


async def test_old_periods_are_forgotten(shared: Shared, postgres_store: PostgresStore) -> None:
    await shared.usage.tell("one", [Used("accepted", "app", int(NOW) - 7200, 9), Used("accepted", "app", int(NOW), 1)], now=NOW)
    await usage(shared, "two", Counter()).exchange()
    assert await rows(postgres_store, "SELECT period FROM usage") == [(int(NOW),)]


# Large content.


async def test_content_in_pieces_comes_back_in_order_and_goes_whole(shared: Shared) -> None:
    pieces = [bytes([number]) * 1000 for number in range(5)]
    await shared.content.put("m1", pieces)
    await shared.content.put("m2", [b"x"])
    assert [piece async for piece in shared.content.pieces("m1")] == pieces
    assert await shared.content.listed() == ("m1", "m2")
    await shared.content.remove(["m1"])
    assert await shared.content.listed() == ("m2",)
    assert [piece async for piece in shared.content.pieces("m1")] == []


async def test_strays_are_those_that_no_message_was_stored_for(shared: Shared, postgres_store: PostgresStore) -> None:
    stored = await enqueue(postgres_store, 1)
    await shared.content.put(stored.message_id, [b"x"])
    await shared.content.put(f"{2:026}", [b"x"])
    await shared.content.put("7" * 26, [b"x"])
    assert await shared.content.strays("5") == (f"{2:026}",)


# Time.


async def test_the_time_is_the_database_server_s(shared: Shared, postgres_store: PostgresStore) -> None:
    await shared.clock.look()
    ((there,),) = await rows(postgres_store, "SELECT CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)")
    assert abs(shared.clock() - there) < 0.5


# What stands, and what is known.


async def test_of_nodes_that_would_probe_a_hold_at_once_one_does(three: Three) -> None:
    stores = [store for store, _ in three]
    for number in range(6):
        await enqueue(stores[0], number)
    await stores[0].desk.hold(Hold(HoldScope.IDENTITY, "throttled", 5.0, "example.com"), now=NOW, holder=Holder.SES)
    assert await claim(stores[0], now=NOW + 1) == ()
    for turn in range(3):
        later = NOW + 10 + turn * 2 * CALL_LEASE
        claimed = await asyncio.gather(*(claim(store, now=later) for store in stores))
        assert [len(each) for each in claimed].count(1) == 1
        assert sum(len(each) for each in claimed) == 1


async def test_identities_have_another_mark_when_something_else_is_known(postgres_store: PostgresStore) -> None:
    marks = [await postgres_store.identities.mark()]
    for known in (KnownIdentities(at=NOW, identities=()), KnownIdentities(at=NOW, identities=(IDENTITY,))):
        await postgres_store.identities.put(known)
        marks.append(await postgres_store.identities.mark())
    assert len(set(map(str, marks))) == 3
    assert await postgres_store.identities.mark() == marks[-1]
