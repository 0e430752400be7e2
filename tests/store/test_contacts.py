"""Contacts and their groups, imports of them, and who has unsubscribed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from relay.contact import Contact, ContactDetails
from relay.errors import Malformed
from relay.model import Labels
from relay.outcome import Sent
from relay.ports.contacts import MOST_FIELDS, DuplicatesIn, Progress
from relay.store.sql.store import SqlStore
from relay.suppression import EVERYWHERE, Reason, Suppression, of_credential, of_list
from tests.store.kit import CONTENT, NOW, Opener, claim, column, delivery, enqueue, message, settle, suppression

BOTH = DuplicatesIn.IMPORT | DuplicatesIn.GROUPS


async def group_of(store: SqlStore, credential: str = "app", name: str = "Readers") -> int:
    return await store.contacts.add_group(credential, name=name, description="", at=NOW)


def contact(group_id: int, email: str = "ann@example.net", *, phone: str = "", **fields: str) -> Contact:
    details = ContactDetails(first_name="Ann", fields=tuple(fields.items()))
    return Contact(group_id=group_id, email=email, phone=phone, details=details)


def many(group_id: int, count: int, *, first: int = 0) -> list[Contact]:
    return [contact(group_id, f"reader{number:05}@example.net", Code=str(number)) for number in range(first, first + count)]


async def taken(store: SqlStore, group_id: int, import_id: str, *emails: str, phone: str = "") -> bool:
    contacts = [contact(group_id, email, phone=phone) for email in emails]
    return await store.contacts.take("app", group_id, import_id, contacts, uploaded=len(contacts), at=NOW)


async def emails(store: SqlStore, group_id: int) -> list[str]:
    found, total = await store.contacts.of_group("app", group_id, skipped=0, count=1000)
    assert total == len(found)
    return [each.email for each in found]


async def fields(store: SqlStore, group_id: int) -> list[str]:
    [text] = await column(store, "SELECT fields FROM contact_groups WHERE id = ?", (group_id,))
    return list(json.loads(text))


async def test_a_group_is_its_logins_alone(store: SqlStore) -> None:
    id, other = await group_of(store), await group_of(store, "other")
    [found] = await store.contacts.groups("app")
    assert (found.id, found.name, found.description, found.created_at, found.size) == (id, "Readers", "", NOW, 0)
    assert await store.contacts.group("app", id) == found
    assert await store.contacts.group("app", other) is None
    assert not await store.contacts.change_group("app", other, name="Mine", description="")
    assert not await store.contacts.remove_group("app", other)
    assert await store.contacts.add("app", contact(other)) == 0
    assert [each.name for each in await store.contacts.groups("other")] == ["Readers"]
    assert await store.contacts.change_group("app", id, name="Writers", description="of books")
    [changed] = await store.contacts.groups("app")
    assert (changed.name, changed.description) == ("Writers", "of books")


async def test_a_contact_comes_back_as_it_was_stored(store: SqlStore) -> None:
    id = await group_of(store)
    details = ContactDetails(
        first_name="Анна", middle_name="B.", last_name="C", gender=2, born="1961-04-12", extra_1="x", extra_2="y",
        fields=(("Code", "42"), ("City", "Omsk")),
    )  # fmt: skip
    new = Contact(group_id=id, email="Ann@Example.net", phone="79161234567", details=details)
    number = await store.contacts.add("app", new)
    assert await store.contacts.get("app", number) == replace(new, id=number)
    assert await store.contacts.get("other", number) is None
    [found] = await store.contacts.groups("app")
    assert found.size == 1


async def test_contacts_are_found_by_address_and_by_phone(store: SqlStore) -> None:
    first, second, other = await group_of(store), await group_of(store), await group_of(store, "other")
    for id, login in ((first, "app"), (second, "app"), (other, "other")):
        await store.contacts.add(login, contact(id, "Ann@example.net", phone="79161234567"))
    await store.contacts.add("app", contact(first, "", phone="79160000000"))
    for text in ("ann@EXAMPLE.net", "79161234567", "+79161234567"):
        found, total = await store.contacts.find("app", text, skipped=0, count=10)
        assert ([each.group_id for each in found], total) == ([first, second], 2)
        [last], total = await store.contacts.find("app", text, skipped=1, count=1)
        assert (last.group_id, total) == (second, 2)
        assert await store.contacts.find("app", text, skipped=2, count=1) == ((), 2)
    for text in ("", "bob@example.net", "7916"):
        assert await store.contacts.find("app", text, skipped=0, count=10) == ((), 0)


async def test_a_group_is_read_by_its_addresses(store: SqlStore) -> None:
    id = await group_of(store)
    for email in ("c@example.net", "A@example.net", "b@example.net"):
        await store.contacts.add("app", contact(id, email))
    found, total = await store.contacts.of_group("app", id, skipped=1, count=1)
    assert ([each.email for each in found], total) == (["b@example.net"], 3)
    assert await store.contacts.of_group("other", id, skipped=0, count=10) == ((), 0)


async def test_a_change_is_of_what_was_read(store: SqlStore) -> None:
    id = await group_of(store)
    number = await store.contacts.add("app", contact(id))
    was = await store.contacts.get("app", number)
    assert was
    changed = replace(was, email="bob@example.net", phone="79161234567", details=ContactDetails(fields=(("City", "Omsk"),)))
    assert not await store.contacts.change("other", changed, was=was)
    assert await store.contacts.change("app", changed, was=was)
    assert not await store.contacts.change("app", replace(was, email="eve@example.net"), was=was)
    assert await store.contacts.get("app", number) == changed
    assert await store.contacts.find("app", "bob@example.net", skipped=0, count=1) == ((changed,), 1)
    assert not await store.contacts.remove("other", number)
    assert await store.contacts.remove("app", number)
    assert not await store.contacts.remove("app", number)
    assert not await store.contacts.change("app", was, was=changed)


async def test_names_of_merge_fields_only_grow(store: SqlStore) -> None:
    id = await group_of(store)
    assert await fields(store, id) == []
    number = await store.contacts.add("app", contact(id, Code="1"))
    was = await store.contacts.get("app", number)
    assert was
    assert await store.contacts.change("app", replace(was, details=ContactDetails(fields=(("City", "Omsk"),))), was=was)
    await store.contacts.take("app", id, "i", [contact(id, Size="L"), contact(id, Code="2")], uploaded=2, at=NOW)
    assert await fields(store, id) == ["City", "Code", "Size"]
    await store.contacts.remove("app", number)
    assert await fields(store, id) == ["City", "Code", "Size"]


async def test_a_group_has_so_many_merge_fields_at_most(store: SqlStore) -> None:
    id = await group_of(store)
    names = {f"Field{number}": "x" for number in range(MOST_FIELDS)}
    number = await store.contacts.add("app", contact(id, **names))
    was = await store.contacts.get("app", number)
    assert was
    one_more = contact(id, OneMore="x")
    with pytest.raises(Malformed, match=str(MOST_FIELDS)):
        await store.contacts.add("app", one_more)
    with pytest.raises(Malformed):
        await store.contacts.change("app", replace(was, details=one_more.details), was=was)
    with pytest.raises(Malformed):
        await store.contacts.take("app", id, "i", [one_more], uploaded=1, at=NOW)
    assert await store.contacts.progress("app", "i") is None
    assert await emails(store, id) == [was.email]


async def test_a_group_goes_with_all_its_contacts(store: SqlStore) -> None:
    id, other = await group_of(store), await group_of(store)
    await store.contacts.take("app", id, "i", many(id, 1100), uploaded=1100, at=NOW)
    await store.contacts.add("app", contact(other))
    assert await store.contacts.remove_group("app", id)
    assert not await store.contacts.remove_group("app", id)
    assert await column(store, "SELECT group_id FROM contacts") == [other]
    assert [each.id for each in await store.contacts.groups("app")] == [other]
    assert not await taken(store, id, "late", "ann@example.net")


async def test_an_import_grows_and_says_how_far_it_is(store: SqlStore) -> None:
    id = await group_of(store)
    assert await store.contacts.progress("app", "i") is None
    assert await store.contacts.take("app", id, "i", many(id, 700), uploaded=702, at=NOW)
    assert await store.contacts.progress("app", "i") == Progress(702, 702)
    assert await store.contacts.take("app", id, "i", many(id, 3, first=700), uploaded=5, at=NOW)
    assert await store.contacts.progress("app", "i") == Progress(707, 707)
    assert await store.contacts.progress("other", "i") is None
    assert await store.contacts.take("app", id, "none of it", [], uploaded=2, at=NOW)
    assert await store.contacts.progress("app", "none of it") == Progress(2, 2)
    [found] = await store.contacts.groups("app")
    assert found.size == 703
    assert len(await column(store, "SELECT DISTINCT email FROM contacts WHERE import_id = 'i'")) == 703


async def test_an_import_is_of_one_login_and_one_group(store: SqlStore) -> None:
    id, second, other = await group_of(store), await group_of(store), await group_of(store, "other")
    assert await taken(store, id, "i", "ann@example.net")
    assert not await taken(store, second, "i", "ann@example.net")
    assert not await taken(store, other, "j", "ann@example.net")
    assert not await store.contacts.take("other", other, "i", [contact(other)], uploaded=1, at=NOW)
    assert await store.contacts.progress("app", "i") == Progress(1, 1)
    assert await store.contacts.progress("app", "j") is None
    assert await column(store, "SELECT count(*) FROM contacts") == [1]


async def test_duplicates_of_an_import_go(store: SqlStore) -> None:
    id, second = await group_of(store), await group_of(store)
    await store.contacts.add("app", contact(id, "old@example.net"))
    await taken(store, id, "before", "older@example.net")
    await store.contacts.add("app", contact(second, "there@example.net"))
    await taken(
        store, id, "i", "new@example.net", "OLD@example.net", "there@example.net", "new@example.net", "New@example.net",
        "older@example.net", "fresh@example.net", "",
    )  # fmt: skip
    found = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=BOTH, groups=[second])
    assert found
    assert (found.in_group, found.in_other_groups) == (2, 1)
    [(repeated, times)] = found.in_import
    assert (repeated.email.lower(), times) == ("new@example.net", 2)
    left = ["", "fresh@example.net", "new@example.net", "old@example.net", "older@example.net"]
    assert await emails(store, id) == left
    assert await emails(store, second) == ["there@example.net"]
    again = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=BOTH, groups=[second])
    assert again == (0, 0, ())


async def test_duplicates_are_looked_for_where_it_is_said(store: SqlStore) -> None:
    id = await group_of(store)
    await store.contacts.add("app", contact(id, "old@example.net"))
    await taken(store, id, "i", "old@example.net", "new@example.net", "new@example.net")
    for where, by_phone in ((DuplicatesIn(0), False), (BOTH, True)):
        assert await store.contacts.remove_duplicates("app", id, "i", by_phone=by_phone, where=where, groups=[]) == (0, 0, ())
    inside = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=DuplicatesIn.IMPORT, groups=[])
    assert inside
    assert (inside.in_group, [times for _, times in inside.in_import]) == (0, [1])
    outside = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=DuplicatesIn.GROUPS, groups=[])
    assert outside == (1, 0, ())
    assert await emails(store, id) == ["new@example.net", "old@example.net"]


async def test_duplicates_are_found_by_phone(store: SqlStore) -> None:
    id = await group_of(store)
    await store.contacts.add("app", contact(id, "old@example.net", phone="79161234567"))
    await taken(store, id, "i", "a@example.net", "b@example.net", phone="79161234567")
    await taken(store, id, "j", "a@example.net", phone="79160000000")
    found = await store.contacts.remove_duplicates("app", id, "i", by_phone=True, where=BOTH, groups=[])
    assert found == (2, 0, ())
    assert await emails(store, id) == ["a@example.net", "old@example.net"]


async def test_only_duplicates_of_ones_own_are_removed(store: SqlStore) -> None:
    id, other = await group_of(store), await group_of(store, "other")
    await store.contacts.add("other", contact(other))
    await taken(store, id, "i", "ann@example.net")
    assert await store.contacts.remove_duplicates("other", id, "i", by_phone=False, where=BOTH, groups=[]) is None
    assert await store.contacts.remove_duplicates("app", other, "i", by_phone=False, where=BOTH, groups=[]) is None
    assert await store.contacts.remove_duplicates("app", id, "j", by_phone=False, where=BOTH, groups=[]) is None
    found = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=BOTH, groups=[other])
    assert found == (0, 0, ())
    assert await emails(store, id) == ["ann@example.net"]


async def test_duplicates_go_in_small_steps_and_the_first_stays(store: SqlStore) -> None:
    id = await group_of(store)
    for _ in range(2):
        await store.contacts.take("app", id, "i", many(id, 600), uploaded=600, at=NOW)
    found = await store.contacts.remove_duplicates("app", id, "i", by_phone=False, where=BOTH, groups=[])
    assert found
    assert len(found.in_import) == 600
    assert {times for _, times in found.in_import} == {1}
    [first] = await column(store, "SELECT max(id) - min(id) FROM contacts")
    assert (first, len(await emails(store, id))) == (599, 600)


async def test_two_imports_do_not_remove_each_others_contacts(another: Opener) -> None:
    store, other = await another(), await another()
    first, second = await group_of(store), await group_of(store)
    for id, import_id in ((first, "i"), (second, "j")):
        await store.contacts.take("app", id, import_id, many(id, 400), uploaded=400, at=NOW)
    found = await asyncio.gather(
        store.contacts.remove_duplicates("app", first, "i", by_phone=False, where=BOTH, groups=[second]),
        other.contacts.remove_duplicates("app", second, "j", by_phone=False, where=BOTH, groups=[first]),
    )
    assert sum(each.in_other_groups for each in found if each) == 400
    assert len(set(await column(store, "SELECT email FROM contacts"))) == 400


async def test_names_that_two_nodes_bring_at_once_are_all_kept(another: Opener) -> None:
    stores = [await another(), await another()]
    id = await group_of(stores[0])
    await asyncio.gather(
        *(stores[n % 2].contacts.add("app", contact(id, f"{n}@example.net", **{f"F{n}": "x"})) for n in range(40))
    )
    assert await fields(stores[0], id) == sorted(f"F{number}" for number in range(40))
    assert len(await emails(stores[0], id)) == 40


async def test_an_import_that_meets_the_end_of_its_group_leaves_nothing(another: Opener) -> None:
    store, other = await another(), await another()
    id = await group_of(store)
    await store.contacts.take("app", id, "i", many(id, 2000), uploaded=2000, at=NOW)
    await asyncio.gather(
        store.contacts.take("app", id, "j", many(id, 2000), uploaded=2000, at=NOW), other.contacts.remove_group("app", id)
    )
    await store.contacts.remove_group("app", id)
    assert await column(store, "SELECT count(*) FROM contacts") == [0]
    assert await store.contacts.groups("app") == ()


async def test_ten_thousand_contacts_take_less_than_two_seconds(store: SqlStore, engine: str) -> None:
    id = await group_of(store)
    contacts = many(id, 10_000)
    began = time.perf_counter()
    assert await store.contacts.take("app", id, "i", contacts, uploaded=10_000, at=NOW)
    took = time.perf_counter() - began
    assert took < (2.0 if engine == "sqlite" else 10.0)


def left(address: str, scope: str, *, at: float = NOW, source: str = "link in mail") -> Suppression:
    return replace(suppression(address, reason="unsubscribed"), scope=scope, created_at=at, source=source)


async def names(store: SqlStore, credential: str = "app", *, now: float = NOW) -> list[str]:
    found, total = await store.contacts.unsubscribed(credential, now=now, skipped=0, count=100)
    assert total == len(found)
    return [each.address for each in found]


async def test_who_has_unsubscribed_from_a_login_its_lists_or_everything(store: SqlStore) -> None:
    await enqueue(store, 1, labels=Labels(list="news"))
    await enqueue(store, 2, credential="other", labels=Labels(list="theirs"))
    for address, scope in (
        ("Bob@example.net", of_credential("app")),
        ("ann@example.net", EVERYWHERE),
        ("cid@example.net", of_list("news")),
        ("dan@example.net", of_credential("other")),
        ("eve@example.net", of_list("theirs")),
    ):
        await store.suppressions.add(left(address, scope))
    await store.suppressions.add(suppression("hard@example.net", reason="hard_bounce"))
    assert await names(store) == ["ann@example.net", "Bob@example.net", "cid@example.net"]
    assert await names(store, "other") == ["ann@example.net", "dan@example.net", "eve@example.net"]
    assert await names(store, "nobody") == ["ann@example.net"]
    [found], total = await store.contacts.unsubscribed("app", now=NOW, skipped=1, count=1)
    assert (found.address, found.source, found.created_at, total) == ("Bob@example.net", "link in mail", NOW, 3)


async def test_who_has_unsubscribed_twice_is_told_once(store: SqlStore) -> None:
    await store.suppressions.add(left("ann@example.net", EVERYWHERE, at=NOW + 1, source="cli"))
    await store.suppressions.add(left("ann@example.net", of_credential("app")))
    [found], total = await store.contacts.unsubscribed("app", now=NOW, skipped=0, count=100)
    assert (found.created_at, found.source, total) == (NOW, "link in mail", 1)


async def test_only_what_stands_counts_as_unsubscribed(store: SqlStore) -> None:
    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        yield [replace(left("listed@example.net", EVERYWHERE), reason=Reason.UNSUBSCRIBED)]
        assert await names(store) == ["short@example.net"]  # that of an import that is not finished does not count

    await store.suppressions.add(replace(left("short@example.net", EVERYWHERE), expires_at=NOW + 10))
    await store.imports.take(batches(), source="list.csv", again=False, now=NOW)
    assert await names(store) == ["listed@example.net", "short@example.net"]
    assert await names(store, now=NOW + 11) == ["listed@example.net"]


async def test_who_got_a_message_and_has_unsubscribed(store: SqlStore) -> None:
    made = replace(message(), labels=Labels(list="news"))
    recipients = ["Ann@example.net", "bob@example.net", "cid@example.net", "dan@example.net", "eve@example.net"]
    await store.queue.enqueue(
        made, CONTENT, tuple(delivery(made, number=n, recipient=each) for n, each in enumerate(recipients, 1))
    )
    for claimed in await claim(store):
        if claimed.delivery.recipient != "eve@example.net":
            await settle(store, claimed, Sent(f"ses-{claimed.delivery.number}"))
    for address, scope in (
        ("ann@example.net", of_credential("app")),
        ("ann@example.net", EVERYWHERE),
        ("bob@example.net", of_credential("other")),
        ("cid@example.net", of_list("news")),
        ("dan@example.net", EVERYWHERE),
        ("eve@example.net", EVERYWHERE),
        ("stranger@example.net", EVERYWHERE),
    ):
        await store.suppressions.add(left(address, scope))
    found = await store.contacts.unsubscribed_of(made.id, now=NOW, last=10)
    assert [each.address for each in found] == ["ann@example.net", "cid@example.net", "dan@example.net"]
    assert await store.contacts.unsubscribed_of(made.id, now=NOW, last=2) == found[:2]
    assert await store.contacts.unsubscribed_of("", now=NOW, last=2) == ()
