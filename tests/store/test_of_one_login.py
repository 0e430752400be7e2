"""What the store shows and changes for one login alone: its queue, its own hold, the suppressions that it may see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from relay.holds import Holder
from relay.lifecycle import NEVER
from relay.model import Labels, State
from relay.outcome import Hold, HoldScope, Sent, Unknown
from relay.queueing import QueueStatus
from relay.store.sql.store import SqlStore
from relay.suppression import EVERYWHERE, Filter, Reason, Suppression, of_credential, of_list
from tests.store.kit import CONTENT, NOW, accepted, claim, delivery, enqueue, settle, suppression

OWN_HOLD = Hold(HoldScope.CREDENTIAL, "paused by its own login", NEVER, "app")


async def status(store: SqlStore, login: str = "app") -> QueueStatus:
    return await store.desk.status_of(login, now=NOW)


def waiting(found: QueueStatus) -> list[tuple[str, str, int, int]]:
    return [(each.flow.lane, each.flow.identity, each.open, each.due) for each in found.flows]


async def test_nothing_waits_of_a_login_that_has_sent_nothing(store: SqlStore) -> None:
    await enqueue(store, credential="other")
    found = await status(store)
    assert (dict(found.states), found.flows, found.oldest_at, found.holds) == ({"queued": 0}, (), 0.0, ())


async def test_what_waits_of_a_login_is_counted_by_state_and_flow(store: SqlStore) -> None:
    for number, credential in enumerate(("app", "app", "app", "other", "other"), 1):
        await enqueue(store, number, credential=credential)
    await enqueue(store, 6, labels=Labels(list="news"), due_at=NOW + 60, sender="news@example.org")
    [first, second, *_] = sorted(await claim(store, limit=5), key=lambda each: each.delivery.id)
    await settle(store, first, Sent("ses-1"))
    await settle(store, second, Unknown("reset"))
    assert dict((await status(store)).states) == {"queued": 1, "sending": 1, "in_doubt": 1}
    assert dict((await status(store, "other")).states) == {"queued": 0, "sending": 2}
    assert sorted((identity, open, due) for _, identity, open, due in waiting(await status(store))) == [
        ("example.com", 2, 0),
        ("example.org", 1, 0),
    ]
    whole = await store.desk.status(now=NOW)
    assert sum(each.open for each in whole.flows) == 5
    assert whole.states == {"queued": 1, "sending": 3, "in_doubt": 1}


async def test_the_oldest_is_that_of_the_login(store: SqlStore) -> None:
    for at, credential in ((NOW, "other"), (NOW + 10, "app"), (NOW + 20, "app")):
        made = replace(accepted(at), credential=credential)
        await store.queue.enqueue(made, CONTENT, (delivery(made),))
    assert (await status(store)).oldest_at == NOW + 10
    assert (await status(store, "other")).oldest_at == NOW


async def test_holds_that_stop_any_of_its_mail_are_shown(store: SqlStore) -> None:
    await enqueue(store)
    holds = (
        Hold(HoldScope.IDENTITY, "x", NEVER, "example.com"),
        Hold(HoldScope.IDENTITY, "x", NEVER, "example.org"),
        Hold(HoldScope.CREDENTIAL_BULK, "x", NEVER, "app"),
        Hold(HoldScope.CREDENTIAL, "x", NEVER, "other"),
        Hold(HoldScope.CONFIGURATION_SET, "x", NEVER, ""),
        Hold(HoldScope.TASK, "x", NEVER, "7"),
    )
    for hold in holds:
        await store.desk.hold(hold, now=NOW)
    assert [(hold.scope, hold.subject) for hold in (await status(store)).holds] == [
        (HoldScope.IDENTITY, "example.com"),
        (HoldScope.CREDENTIAL_BULK, "app"),
        (HoldScope.CONFIGURATION_SET, ""),
    ]
    await store.desk.hold(Hold(HoldScope.ACCOUNT, "x", NEVER), now=NOW)
    assert [hold.scope for hold in (await status(store, "nobody")).holds] == [HoldScope.ACCOUNT]


async def test_a_hold_of_its_own_stops_its_mail_and_ends_without_those_of_others(store: SqlStore) -> None:
    await store.desk.hold(Hold(HoldScope.CREDENTIAL, "maintenance", NEVER, "app"), now=NOW)
    assert await store.desk.hold(OWN_HOLD, now=NOW, holder=Holder.LOGIN)
    assert not await store.desk.hold(OWN_HOLD, now=NOW, holder=Holder.LOGIN)
    await enqueue(store)
    assert await claim(store) == ()
    [lifted] = await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW + 1, holder=Holder.LOGIN)
    assert (lifted.holder, lifted.ended_at) == (Holder.LOGIN, NOW + 1)
    assert await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW + 1, holder=Holder.LOGIN) == ()
    assert await claim(store) == ()
    assert [each.holder for each in await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW + 2)] == [Holder.OPERATOR]
    assert len(await claim(store)) == 1


async def test_whoever_lifts_all_lifts_that_of_the_login_too(store: SqlStore) -> None:
    await store.desk.hold(OWN_HOLD, now=NOW, holder=Holder.LOGIN)
    assert [each.holder for each in await store.desk.lift(HoldScope.CREDENTIAL, "app", now=NOW)] == [Holder.LOGIN]


async def put(store: SqlStore, address: str, scope: str = EVERYWHERE, *, at: float = NOW) -> None:
    await store.suppressions.add(replace(suppression(address), scope=scope, created_at=at))


async def test_a_login_sees_no_suppressions_of_others(store: SqlStore) -> None:
    scopes = (EVERYWHERE, of_credential("app"), of_credential("apple"), of_credential("other"), of_list("news"))
    for number, scope in enumerate(scopes):
        await put(store, f"r{number}@example.net", scope, at=NOW + number)
    own, anybodys = Filter(credential="app"), Filter()
    assert [entry.scope for entry in await store.suppressions.listed(own, limit=9)] == [
        of_list("news"),
        of_credential("app"),
        EVERYWHERE,
    ]
    assert len(await store.suppressions.listed(anybodys, limit=9)) == 5
    assert await store.suppressions.listed(Filter(credential="app", scope=of_credential("other")), limit=9) == ()
    [page] = [page async for page in store.suppressions.pages(own, now=NOW)]
    assert [entry.address for entry in page] == ["r0@example.net", "r1@example.net", "r4@example.net"]


async def test_pages_go_on_behind_an_address_with_all_of_its_entries(store: SqlStore) -> None:
    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        yield [replace(suppression("b@example.net"), reason=Reason.IMPORTED), suppression("c@example.net")]

    for address, scope in (("a@example.net", EVERYWHERE), ("b@example.net", EVERYWHERE), ("b@example.net", of_list("zzz"))):
        await put(store, address, scope)
    await store.imports.take(batches(), source="list.csv", again=False, now=NOW)

    async def behind(after: str) -> list[str]:
        pages = store.suppressions.pages(Filter(), now=NOW, after=after)
        return [entry.address async for page in pages for entry in page]

    assert await behind("") == ["a@example.net", *["b@example.net"] * 3, "c@example.net"]
    assert await behind("a@example.net") == [*["b@example.net"] * 3, "c@example.net"]
    assert await behind("b@example.net") == ["c@example.net"]
    assert await behind("c@example.net") == []


async def test_what_it_had_accepted_is_counted_as_its_limits_count_it(store: SqlStore) -> None:
    several, first_only, mailing, old = (accepted(NOW + at, number) for number, at in enumerate((0, 1, 2, -1)))
    ignored = replace(delivery(first_only, number=2), state=State.IGNORED)
    for message, deliveries in (
        (several, tuple(delivery(several, number=number) for number in (1, 2, 3))),
        (first_only, (delivery(first_only), ignored)),
        (replace(mailing, credential="crm", task=7), tuple(delivery(mailing, number=number) for number in (1, 2))),
        (old, (delivery(old),)),
    ):
        await store.queue.enqueue(message, CONTENT, deliveries)
    assert await store.credentials.accepted_since(NOW) == {"app": 4, "crm": 1}
