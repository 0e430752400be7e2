"""The newest of the suppression list a part at a time, and where the entries of an address come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from relay.event import EventType
from relay.outcome import Sent
from relay.ports.suppressions import AtSes, Newest, Spot
from relay.store.sql import newest
from relay.store.sql.session import Session
from relay.store.sql.store import SqlStore
from relay.suppression import EVERYWHERE, Filter, Reason, Sought, Suppression, of_credential, of_list
from tests.store.kit import NOW, claim_one, enqueue, event, release, settle, suppression

ALL = Sought()


def numbered(number: int, **changes: str) -> Suppression:
    return replace(suppression(f"a{number:03}@example.net", **changes), created_at=NOW + number // 2)


async def imported(store: SqlStore, *entries: Suppression) -> None:
    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        yield entries

    await store.imports.take(batches(), source="list.csv", again=False, now=NOW)


async def walk(store: SqlStore, wanted: Sought, *, count: int) -> tuple[list[str], int]:
    """All addresses, page by page, and how many pages there were."""
    found: list[str] = []
    page = Newest((), None)
    for number in range(1, 500):
        page = await store.suppressions.newest(wanted, behind=page.rest, count=count)
        assert len(page.entries) <= count
        found += [entry.address for entry in page.entries]
        if page.rest is None:
            return found, number
    raise AssertionError("it never ends")


async def fill(store: SqlStore) -> list[str]:
    """Three that came by themselves at a time, two lists, and one that is still coming in; the addresses in their order."""
    for number in range(7):
        await store.suppressions.add(numbered(number))
    for first in (20, 10):
        await imported(store, *(numbered(number, reason="imported") for number in range(first, first + 5)))
    await store._writer.run(_begin, NOW)
    own = [f"a{number:03}@example.net" for number in range(6, -1, -1)]
    return own + [f"a{number:03}@example.net" for first in (10, 20) for number in range(first + 4, first - 1, -1)]


def _begin(db: Session, items: Sequence[float]) -> list[None]:
    for at in items:
        [(id,)] = db.execute("INSERT INTO imports (source, began_at) VALUES ('x', ?) RETURNING id", (at,)).fetchall()
        db.execute(
            "INSERT INTO suppressions (address_key, scope, reason, import_id, address, source, created_at, note, expires_at)"
            " VALUES ('coming@example.net', '', 'imported', ?, 'coming@example.net', 'x', ?, '', 0)",
            (id, at),
        )
    return [None] * len(items)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 16, 17, 100])
async def test_all_of_the_list_comes_in_its_order_whatever_the_pages(store: SqlStore, count: int) -> None:
    expected = await fill(store)
    found, pages = await walk(store, ALL, count=count)
    assert (found, pages) == (expected, max(1, -(-len(expected) // count)))


async def test_it_is_the_order_of_what_is_listed(store: SqlStore) -> None:
    await fill(store)
    listed = await store.suppressions.listed(Filter(), limit=100)
    found = await store.suppressions.newest(ALL, behind=None, count=100)
    assert {entry.address for entry in found.entries[:7]} == {entry.address for entry in listed[:7]}
    assert sorted(entry.address for entry in found.entries) == sorted(entry.address for entry in listed)


@pytest.mark.parametrize("looked_at", [1, 2, 5, 6])
async def test_of_a_long_list_a_part_is_looked_at_and_nothing_is_missed(
    store: SqlStore, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await fill(store)
    monkeypatch.setattr(newest, "_LOOKED_AT", looked_at)
    only, pages = await walk(store, Sought(text="A003"), count=100)
    assert only == ["a003@example.net"]
    assert pages >= len(expected) // looked_at // 2
    assert (await walk(store, ALL, count=4))[0] == expected


@pytest.mark.parametrize(
    ("wanted", "addresses"),
    [
        (Sought(reason=Reason.COMPLAINT), ["complained"]),
        (Sought(scope=EVERYWHERE), ["listed", "complained", "everywhere"]),
        (Sought(scope=of_credential("app")), ["of app"]),
        (Sought(scopes=of_credential("")), ["of app2", "of app"]),
        (Sought(scopes=of_list(""), text="NEWS"), ["of news"]),
        (Sought(text="%"), []),
    ],
)
async def test_only_what_fits_is_found(store: SqlStore, wanted: Sought, addresses: list[str]) -> None:
    async def add(name: str, number: int, scope: str = EVERYWHERE, **changes: str) -> None:
        entry = suppression(f"{name.replace(' ', '.')}@example.net", **changes)
        await store.suppressions.add(replace(entry, created_at=NOW + number, scope=scope))

    await add("everywhere", 1)
    await add("of app", 2, of_credential("app"))
    await add("of app2", 3, of_credential("app2"))
    await add("of news", 4, of_list("news"))
    await add("complained", 5, reason="complaint")
    await imported(store, suppression("listed@example.net", reason="imported"))
    found = {entry.address for entry in (await store.suppressions.newest(wanted, behind=None, count=10)).entries}
    assert found == {f"{name.replace(' ', '.')}@example.net" for name in addresses}


async def test_a_spot_that_nothing_has_is_a_place_all_the_same(store: SqlStore) -> None:
    await fill(store)
    behind = Spot(0, NOW + 2, "zzz", "", "")
    found = await store.suppressions.newest(ALL, behind=behind, count=2)
    assert [entry.address for entry in found.entries] == ["a005@example.net", "a004@example.net"]
    assert (await store.suppressions.newest(ALL, behind=Spot(1, 0.0, "", "", ""), count=2)) == Newest((), None)


# Where entries come from.


async def test_what_ses_said_of_an_address_is_told_with_the_message(store: SqlStore) -> None:
    made = await enqueue(store, recipient="Reader@example.net")
    await settle(store, await claim_one(store), Sent("0100-abc"))
    told = [
        event(
            EventType.BOUNCE,
            of=made,
            at=NOW + 10,
            ses_message_id="0100-abc",
            bounce_type="Permanent",
            bounce_subtype="General",
            detail="no",
        )
    ]
    told += [event(EventType.DELIVERY, recipient="reader@example.net", at=NOW + number) for number in (4, 20)]
    told += [event(EventType.OPEN, recipient="reader@example.net", at=NOW + 30)]
    for number, each in enumerate(told):
        await store.feedback.record(notification_id=f"n{number}", topic="t", payload="{}", received_at=NOW + 40, events=(each,))
    found = await store.provenance.told("READER@example.net", count=2)
    assert [(each.type, each.at, each.delivery_id) for each in found] == [
        (EventType.DELIVERY, NOW + 20, ""),
        (EventType.BOUNCE, NOW + 10, made.id),
    ]
    assert (found[1].found, found[1].detail) == ("hard", "no")
    assert await store.provenance.deliveries(["0100-abc", "0100-unknown"]) == {"0100-abc": made.id}


async def test_what_is_known_of_the_list_of_ses_is_told(store: SqlStore) -> None:
    assert await store.provenance.at_ses("reader@example.net") == AtSes((), is_to_come=False, is_to_go=False)
    await store.suppressions.add(suppression(reason="hard_bounce"))
    await store.account_list.queue([suppression(reason="hard_bounce")])
    assert await store.provenance.at_ses("READER@example.net") == AtSes((), is_to_come=True, is_to_go=False)
    errand = await store.account_list.due(NOW)
    assert errand
    await store.account_list.done(errand, now=NOW)
    await store.suppressions.remove(release())
    assert await store.provenance.at_ses("reader@example.net") == AtSes(
        ("reader@example.net",), is_to_come=False, is_to_go=True
    )
