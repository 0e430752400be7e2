"""Mailings as people look at them: lists of all logins, how far they have come, and whom they would go to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from relay.contact import ContactDetails
from relay.mailing import Audience, TaskState
from relay.mailing_rules import CannotMove, MailingRules
from relay.model import File
from relay.ports.tasks import Member
from relay.ports.templates import Template
from relay.statistics import ACCEPTED, UNSUBSCRIBED
from relay.store.sql.store import SqlStore
from relay.tokens import Kind, Link
from relay.web.console.audience_counts import AudienceCounts
from relay.web.console.chores import Chores
from tests.store.kit import NOW
from tests.store.test_tasks import MAILING, all_steps, group, started, task

ANYWHERE = 2**62
ANN = ContactDetails(first_name="Ann")


async def test_the_newest_of_all_logins_come_first_and_page_by_page(store: SqlStore) -> None:
    ids = [await store.tasks.add(login, MAILING, Audience(), at=NOW) for login in ("crm", "other", "crm", "other")]
    await store.tasks.move(ids[2], [TaskState.NEW], TaskState.DELETED, at=NOW)
    first = await store.tasks.newest(before=ANYWHERE, count=2)
    rest = await store.tasks.newest(before=first[-1].id, count=2)
    assert [(task.id, task.credential) for task in (*first, *rest)] == [(ids[3], "other"), (ids[1], "other"), (ids[0], "crm")]
    assert first[0].mailing == replace(MAILING, html="")
    assert [task.id for task in await store.tasks.newest(before=ANYWHERE, count=9, credential="crm")] == [ids[0]]


async def test_how_far_several_have_come(store: SqlStore) -> None:
    readers = await group(store, [f"{number}@example.net" for number in range(3)])
    begun, message = await started(store, Audience(groups=(readers,)))
    await all_steps(store, begun, message, 10)
    draft = await store.tasks.add("crm", MAILING, Audience(), at=NOW)
    seen = await store.tasks.progress([begun.id, draft])
    assert [(each.figures.of(ACCEPTED), each.waiting) for each in (seen[begun.id], seen[draft])] == [(3, 3), (0, 0)]


async def test_a_stop_counts_for_what_has_begun_since_it_was_read(store: SqlStore) -> None:
    nobody: Any = None
    rules = MailingRules(tasks=store.tasks, intake=nobody, contacts=nobody, templates=nobody, clock=lambda: NOW)
    begun, _ = await started(store, Audience())
    await rules.move(replace(begun, state=TaskState.CREATED), TaskState.STOPPED)
    assert (await task(store, begun.id)).state is TaskState.STOPPED
    with pytest.raises(CannotMove) as refused:
        await rules.move(begun, TaskState.FINISHED)
    assert refused.value.subject is TaskState.STOPPED


async def test_what_is_changed_while_it_is_counted_is_counted_once_more(store: SqlStore) -> None:
    many = await group(store, [f"{number}@example.net" for number in range(5000)])
    one = await group(store, ["one@example.net"])
    id = await store.tasks.add("crm", MAILING, Audience(groups=(many,)), at=NOW)
    counts = AudienceCounts(tasks=store.tasks, chores=Chores(lambda: NOW), clock=lambda: NOW)
    counts.begin(id)
    await asyncio.sleep(0)  # it has begun to read
    assert await store.tasks.change(id, MAILING, Audience(groups=(one,)))
    assert counts.is_under_way(id)
    counts.begin(id)
    for _ in range(500):
        if not counts.is_under_way(id):
            break
        await asyncio.sleep(0.01)
    task = await store.tasks.get(id)
    assert task
    assert task.reach.contacts == 1


async def test_some_of_an_audience_are_read_in_the_order_of_their_addresses(store: SqlStore) -> None:
    some = await group(store, ["d@example.net", "a@example.net", "c@example.net", ""])
    more = await group(store, ["b@example.net", "a@example.net"])
    away = await group(store, ["c@example.net"])
    id = await store.tasks.add("crm", MAILING, Audience(groups=(some, more), excluded_groups=(away,)), at=NOW)
    found = await store.tasks.some(id, after=("", 0), count=9)
    assert [member.email for member in found] == [f"{letter}@example.net" for letter in "aabd"]
    assert found[2] == Member("b@example.net", found[2].id, "b@example.net", ANN)
    assert await store.tasks.some(id, after=("b@example.net", 0), count=1) == found[2:3]
    assert await store.tasks.some(id, after=found[2][:2], count=9) == found[3:]
    assert await store.tasks.some(id, after=("e", 0), count=9) == ()


async def test_names_are_known_without_what_is_behind_them(store: SqlStore) -> None:
    groups = [await group(store, [], name=name) for name in ("readers", "away")]
    assert await store.contacts.group_names("crm") == dict(zip(groups, ("readers", "away"), strict=True))
    first, second = [await store.templates.add("crm", Template(name=name, html="x")) for name in ("one", "two")]
    await store.templates.put("crm", Template(id=second, name="three"))
    assert await store.templates.names("crm") == {first: "one", second: "three"}
    assert (await store.contacts.group_names("other"), await store.templates.names("other")) == ({}, {})
    id = await store.tasks.add("crm", MAILING, Audience(), at=NOW)
    for name in ("b.txt", "a.txt"):
        await store.tasks.attach(id, File(name, b"x"))
    assert await store.tasks.file_names(id) == ("b.txt", "a.txt")


async def test_who_leaves_by_a_link_is_counted_for_the_mailing(store: SqlStore) -> None:
    begun, message = await started(store, Audience(groups=(await group(store, ["a@example.net", "b@example.net"]),)))
    await all_steps(store, begun, message, 10)
    whom = await store.links.addressee(Link(Kind.UNSUBSCRIBE, message.id, 2))
    assert whom
    assert await store.links.leave(whom, at=NOW)
    assert not await store.links.leave(whom, at=NOW)
    assert (await store.tasks.figures(begun.id)).of(UNSUBSCRIBED) == 1
