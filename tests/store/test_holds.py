"""What holds stop, how they are probed, and how they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.holds import Holder
from relay.lifecycle import Patience
from relay.lifecycle import settle as settlement
from relay.model import Delivery, Labels, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.queueing import Settled
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LEASE,
    LIFETIME,
    NOW,
    PATIENCE,
    claim,
    claim_one,
    delivery,
    enqueue,
    message,
    rows,
    settle,
    stored,
)


async def ids(store: SqlStore, *, limit: int = 100, now: float = NOW) -> list[str]:
    return [claimed.delivery.id for claimed in await claim(store, limit=limit, now=now)]


async def hold(store: SqlStore, scope: HoldScope, subject: str = "", *, seconds: float = 600.0) -> None:
    """By an answer of SES to the one delivery that is due."""
    await settle(store, await claim_one(store), Hold(scope, "paused", seconds, subject), now=NOW)


SUBJECTS = {
    HoldScope.ACCOUNT: "",
    HoldScope.IDENTITY: "example.com",
    HoldScope.CONFIGURATION_SET: "",
    HoldScope.CREDENTIAL: "app",
}
STOPPING = list(SUBJECTS.items())


@pytest.mark.parametrize(("scope", "subject"), STOPPING)
async def test_a_hold_stops_all_that_it_covers_until_its_time_is_over(store: SqlStore, scope: HoldScope, subject: str) -> None:
    await enqueue(store)
    await hold(store, scope, subject)
    await enqueue(store, 2)
    assert await ids(store, now=NOW + 599) == []


async def other_set(store: SqlStore, number: int) -> Delivery:
    made = replace(message(number), labels=Labels(configuration_set="other"))
    (stored,) = await store.queue.enqueue(made, CONTENT, (delivery(made),))
    return stored


async def test_a_held_identity_stops_its_own_domain_only_in_any_spelling(store: SqlStore) -> None:
    held = await enqueue(store, 1, sender="shop@Example.COM")
    await hold(store, HoldScope.IDENTITY, "example.com")
    free = await enqueue(store, 2, sender="shop@mail.example.com")
    assert await ids(store, now=NOW + 1) == [free.id]
    assert await ids(store, now=NOW + 600) == [held.id]


async def test_a_held_configuration_set_stops_itself_only(store: SqlStore) -> None:
    await enqueue(store)
    await hold(store, HoldScope.CONFIGURATION_SET, "")
    free = await other_set(store, 2)
    assert await ids(store, now=NOW + 1) == [free.id]


async def test_a_held_delivery_does_not_use_up_the_limit(store: SqlStore) -> None:
    await enqueue(store, 1, due_at=NOW - 9)
    await hold(store, HoldScope.IDENTITY, "example.com")
    free = await enqueue(store, 2, sender="shop@example.org", due_at=NOW + 1)
    assert await ids(store, limit=1, now=NOW + 2) == [free.id]


async def test_a_hold_of_one_delivery_stops_no_other(store: SqlStore) -> None:
    held = await enqueue(store, 1)
    await hold(store, HoldScope.DELIVERY)
    free = await enqueue(store, 2)
    assert await ids(store, now=NOW + 599) == [free.id]
    assert await ids(store, now=NOW + 600) == [held.id]


async def test_a_shorter_hold_does_not_cut_a_longer_one_short(store: SqlStore) -> None:
    await enqueue(store, 1)
    await enqueue(store, 2)
    first, second = await claim(store)
    await settle(store, first, Hold(HoldScope.ACCOUNT, "paused", 600.0), now=NOW)
    await settle(store, second, Hold(HoldScope.ACCOUNT, "paused", 10.0), now=NOW + 1)
    assert await claim(store, now=NOW + 599) == ()
    assert len(await claim(store, now=NOW + 600)) == 1


# The probe.


async def held_five(store: SqlStore) -> None:
    """Five are due, and the account is held until NOW + 600."""
    await enqueue(store)
    await hold(store, HoldScope.ACCOUNT)
    for number in range(2, 6):
        await enqueue(store, number)


async def test_when_a_hold_is_over_one_call_probes_it_and_no_other_goes_out(store: SqlStore) -> None:
    await held_five(store)
    assert len(await claim(store, now=NOW + 600)) == 1
    assert await claim(store, now=NOW + 601) == ()


@pytest.mark.parametrize("outcome", [Sent("ses-1"), Never("invalid content")])
async def test_a_probe_that_ses_answers_ends_the_hold(store: SqlStore, outcome: Outcome) -> None:
    await held_five(store)
    await settle(store, await claim_one(store, now=NOW + 600), outcome, now=NOW + 601)
    assert len(await claim(store, now=NOW + 601)) == 4
    assert (await store.desk.status(now=NOW + 602)).holds == ()


async def test_a_probe_that_meets_the_hold_again_renews_it(store: SqlStore) -> None:
    await held_five(store)
    probe = await claim_one(store, now=NOW + 600)
    await settle(store, probe, Hold(HoldScope.ACCOUNT, "still paused", 600.0), now=NOW + 601)
    assert await claim(store, now=NOW + 1200) == ()
    (standing,) = (await store.desk.status(now=NOW + 1200)).holds
    assert (standing.reason, standing.since, standing.until) == ("still paused", NOW, NOW + 1201)
    assert len(await claim(store, now=NOW + 1201)) == 1


async def test_the_longer_a_hold_stands_the_rarer_are_its_probes(store: SqlStore) -> None:
    await enqueue(store)
    now, waits = NOW, []
    for _ in range(60):
        await settle(store, await claim_one(store, now=now), Hold(HoldScope.ACCOUNT, "no connection", 5.0), now=now)
        (standing,) = (await store.desk.status(now=now)).holds
        waits.append(standing.until - now)
        now = standing.until
    assert waits[:5] == [5.0] * 5
    assert waits == sorted(waits)
    assert max(waits) == 300.0


@pytest.mark.parametrize("outcome", [Later("503"), SlowDown("rate"), Unknown("reset")])
async def test_a_probe_that_proves_nothing_is_followed_by_another_soon(store: SqlStore, outcome: Outcome) -> None:
    await held_five(store)
    await settle(store, await claim_one(store, now=NOW + 600), outcome, now=NOW + 601)
    assert await claim(store, now=NOW + 602) == ()
    assert len(await claim(store, now=NOW + 610)) == 1
    assert await claim(store, now=NOW + 611) == ()


async def test_a_probe_that_never_comes_back_is_followed_by_another(store: SqlStore) -> None:
    await held_five(store)
    await claim_one(store, now=NOW + 600)
    assert await claim(store, now=NOW + 600 + LEASE - 1) == ()
    assert len(await claim(store, now=NOW + 600 + LEASE)) == 1


async def test_a_probe_whose_claim_nobody_heard_of_is_followed_by_another_soon(store: SqlStore) -> None:
    await held_five(store)
    await claim_one(store, now=NOW + 600)
    await store.queue.let_go(NOW + 600 + LEASE, now=NOW + 601)
    assert await claim(store, now=NOW + 602) == ()
    assert len(await claim(store, now=NOW + 610)) == 1


async def test_a_call_that_was_open_when_the_hold_came_does_not_end_it(store: SqlStore) -> None:
    for number in range(1, 4):
        await enqueue(store, number)
    first, second, third = await claim(store)
    await settle(store, first, Hold(HoldScope.ACCOUNT, "paused", 600.0), now=NOW)
    await settle(store, second, Sent("ses-2"), now=NOW + 1)
    await settle(store, third, Later("503"), now=NOW + 1)
    assert await claim(store, now=NOW + 599) == ()


async def test_under_two_holds_the_probe_waits_for_both_and_ends_both(store: SqlStore) -> None:
    await enqueue(store, 1)
    await enqueue(store, 2)
    first, second = await claim(store)
    await settle(store, first, Hold(HoldScope.ACCOUNT, "paused", 600.0), now=NOW)
    await settle(store, second, Hold(HoldScope.IDENTITY, "not verified", 900.0, "example.com"), now=NOW)
    assert await claim(store, now=NOW + 899) == ()
    await settle(store, await claim_one(store, now=NOW + 900), Sent("ses-1"), now=NOW + 901)
    assert (await store.desk.status(now=NOW + 902)).holds == ()


async def test_two_domains_under_one_hold_share_one_probe_and_under_two_have_one_each(store: SqlStore) -> None:
    await enqueue(store, 1, sender="shop@example.com")
    await enqueue(store, 2, sender="shop@example.org")
    for claimed in await claim(store):
        domain = claimed.message.sender.partition("@")[2]
        await settle(store, claimed, Hold(HoldScope.IDENTITY, "not verified", 600.0, domain), now=NOW)
    assert len(await claim(store, now=NOW + 600)) == 2


# The operator's.


async def test_the_operator_s_hold_has_no_probe_and_ends_when_it_is_lifted(store: SqlStore) -> None:
    await enqueue(store)
    assert await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW)
    assert not await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW + 1)
    assert await claim(store, now=NOW + LIFETIME) == ()
    assert len(await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + LIFETIME)) == 1
    assert await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + LIFETIME) == ()
    assert len(await claim(store, now=NOW + LIFETIME)) == 1


async def test_lifting_ends_what_ses_held_there_as_well_and_nothing_elsewhere(store: SqlStore) -> None:
    await enqueue(store)
    await hold(store, HoldScope.IDENTITY, "example.com")
    await store.desk.hold(Hold(HoldScope.IDENTITY, "maintenance", 1e18, "example.com"), now=NOW)
    await store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", 1e18, "app"), now=NOW)
    lifted = await store.desk.lift(HoldScope.IDENTITY, "example.com", now=NOW + 1)
    assert {(each.holder, each.reason, each.ended_at) for each in lifted} == {
        (Holder.SES, "paused", NOW + 1),
        (Holder.OPERATOR, "maintenance", NOW + 1),
    }
    assert await claim(store, now=NOW + 2) == ()
    assert len(await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW + 3)) == 1
    assert len(await claim(store, now=NOW + 4)) == 1


# Patience.


async def test_while_it_was_held_the_patience_with_a_delivery_did_not_run_out(store: SqlStore) -> None:
    first = await enqueue(store)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW + 10)
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + LIFETIME)
    claimed = await claim_one(store, now=NOW + LIFETIME + 1)
    assert (claimed.delivery.expires_at, claimed.held) == (NOW + LIFETIME, LIFETIME - 10)
    done = settlement(claimed, Later("503"), now=NOW + LIFETIME + 1, chance=0.5, patience=Patience())
    assert await store.queue.settle(done) is Settled.IN_TIME
    assert (await stored(store, first)).state is State.QUEUED


async def test_a_hold_of_others_gives_a_delivery_no_time(store: SqlStore) -> None:
    await enqueue(store)
    await store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", 1e18, "other"), now=NOW + 10)
    assert (await claim_one(store, now=NOW + 100)).held == 0


async def test_what_was_held_for_too_long_expires(store: SqlStore) -> None:
    first = await enqueue(store)
    later = await enqueue(store, 2, due_at=NOW)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW)
    assert await store.queue.expire(now=NOW + LIFETIME + 99, max_hold=100.0) == ()
    expired = await store.queue.expire(now=NOW + LIFETIME + 100, max_hold=100.0)
    assert [(each.id, each.state, each.reason) for each in expired] == [
        (each.id, State.EXPIRED, "held too long") for each in (first, later)
    ]
    assert await store.queue.expire(now=NOW + LIFETIME + 100, max_hold=100.0) == ()
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + LIFETIME + 100)
    assert await claim(store, now=NOW + LIFETIME + 101) == ()


async def test_a_doubt_of_mail_that_was_held_has_its_time_as_well(store: SqlStore) -> None:
    await enqueue(store)
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "an outage", 1e18), now=NOW + 1)
    later = NOW + LIFETIME + 1000
    await store.desk.lift(HoldScope.ACCOUNT, "", now=later)
    await settle(store, await claim_one(store, now=later), Unknown("no answer"), now=later)
    [doubt] = await store.queue.decide(now=later + PATIENCE.in_doubt)
    assert doubt.delivery.state is State.QUEUED


async def test_what_fits_two_reasons_to_expire_ends_once(store: SqlStore) -> None:
    held = [await enqueue(store, number) for number in (1, 2)]
    unverified = Hold(HoldScope.IDENTITY, "not verified", 300.0, "example.com", bounded=True)
    await settle(store, (await claim(store, limit=1))[0], unverified, now=NOW)
    expired = await store.queue.expire(now=NOW + 2 * LIFETIME, max_hold=LIFETIME)
    assert {(each.id, each.reason) for each in expired} == {(each.id, "held too long") for each in held}
    assert len(expired) == 2
    assert await rows(store, "SELECT sum(open) FROM loads") == [(0,)]
    assert await rows(store, "SELECT sum(count) FROM counters WHERE name = 'expired'") == [(2,)]


async def test_a_hold_is_bounded_as_what_was_said_last_is(store: SqlStore) -> None:
    held = [await enqueue(store, number) for number in (1, 2)]
    unverified = Hold(HoldScope.IDENTITY, "not verified", 300.0, "example.com", bounded=True)
    await settle(store, (await claim(store, limit=1))[0], unverified, now=NOW)
    probe = await claim_one(store, now=NOW + 301)
    await settle(store, probe, replace(unverified, reason="no MX", bounded=False), now=NOW + 301)
    assert await store.queue.expire(now=NOW + LIFETIME, max_hold=LIFETIME) == ()
    assert len(held) == 2


@pytest.mark.parametrize("jump", [-2 * 86400.0, 2 * 86400.0])
async def test_the_time_under_a_hold_is_the_same_when_the_clock_jumps_meanwhile(store: SqlStore, jump: float) -> None:
    await enqueue(store)
    for begin, end in ((5, 15), (20, 30 + jump)):
        await store.desk.hold(Hold(HoldScope.ACCOUNT, "maintenance", 1e18), now=NOW + begin)
        if begin == 20:
            await store.queue.shift(jump)
        await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW + end)
    assert (await claim_one(store, now=NOW + jump + 40)).held == pytest.approx(20.0)


async def test_under_a_bounded_hold_all_go_when_their_own_time_is_over(store: SqlStore) -> None:
    held = [await enqueue(store, number) for number in (1, 2, 3)]
    free = await enqueue(store, 4, sender="shop@example.org")
    first, *_ = await claim(store, limit=1)
    unverified = Hold(HoldScope.IDENTITY, "not verified", 300.0, "example.com", bounded=True)
    await settle(store, first, unverified, now=NOW)
    late = NOW + LIFETIME
    assert await store.queue.expire(now=late - 1, max_hold=LIFETIME) == ()
    expired = await store.queue.expire(now=late, max_hold=LIFETIME)
    assert {(each.id, each.state, each.reason) for each in expired} == {(d.id, State.EXPIRED, "not verified") for d in held}
    assert await ids(store, now=late) == [free.id]
