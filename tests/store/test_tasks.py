"""Mailings in the store: who is reached, and the steps in which an audience becomes deliveries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from relay.contact import Contact, ContactDetails
from relay.errors import StoreRefuses
from relay.lifecycle import Cause
from relay.mailing import Audience, Mailing, Reach, Task, TaskState
from relay.model import Edit, File, Message, Place, Receipt, State
from relay.outcome import HoldScope
from relay.ports.tasks import Pace, Step
from relay.queueing import Selection
from relay.store.sql.store import SqlStore
from relay.writing.merging import RECIPIENT
from tests.store.kit import NOW, accepted, claim, suppression

MAILING = Mailing(name="spring", sender="news@example.com", sender_name="Shop", subject="News", html="<p>Hello</p>")
PACE = Pace(now=NOW, lifetime=1000.0, start_at=NOW)
CONTENT = b"From: news@example.com\r\n\r\nHello\r\n"


async def group(store: SqlStore, addresses: Sequence[str], *, owner: str = "crm", name: str = "readers") -> int:
    made = await store.contacts.add_group(owner, name=name, description="", at=NOW)
    contacts = [
        Contact(group_id=made, email=address, phone="" if address else "491234567", details=ContactDetails(first_name="Ann"))
        for address in addresses
    ]
    assert await store.contacts.take(owner, made, f"import {made}", contacts, uploaded=len(contacts), at=NOW)
    return made


async def started(store: SqlStore, audience: Audience, *, mailing: Mailing = MAILING) -> tuple[Task, Message]:
    return await begin(store, await store.tasks.add("crm", mailing, audience, at=NOW))


async def begin(store: SqlStore, id: int) -> tuple[Task, Message]:
    assert await store.tasks.move(id, [TaskState.NEW], TaskState.CREATED, at=NOW)
    edits = (Edit(0, 4, fields=("FirstName", RECIPIENT), place=Place.HEADER),)
    message = accepted(NOW, id, sender="news@example.com", content=CONTENT)
    message = replace(message, credential="crm", task=id, edits=edits)
    await store.queue.enqueue(message, CONTENT, ())
    assert await store.tasks.begin(id, message.id)
    return await task(store, id), message


async def task(store: SqlStore, id: int) -> Task:
    found = await store.tasks.get(id)
    assert found
    return found


async def all_steps(store: SqlStore, begun: Task, message: Message, count: int) -> list[Step]:
    steps: list[Step] = []
    while not (await task(store, begun.id)).is_whole:
        steps.append(await store.tasks.expand(await task(store, begun.id), message, count=count, pace=PACE))
        assert len(steps) < 100
    return steps


def to(steps: Sequence[Step]) -> list[str]:
    return [delivery.recipient for step in steps for delivery in step.made]


@pytest.mark.parametrize("count", [1, 2, 3, 100])
async def test_each_address_is_reached_once_whatever_the_steps(store: SqlStore, count: int) -> None:
    one = await group(store, ["a@x.example", "B@x.example", "c@x.example", "a@X.example", ""])
    two = await group(store, ["b@x.example", "d@x.example", "e@x.example"])
    out = await group(store, ["c@x.example"])
    begun, message = await started(store, Audience(groups=(one, two), excluded_groups=(out,)))
    assert await store.tasks.reach(begun.id, now=NOW) == Reach(contacts=7, duplicates=2, excluded=1, unsubscribed=0)
    steps = await all_steps(store, begun, message, count)
    assert sorted(address.lower() for address in to(steps)) == [f"{letter}@x.example" for letter in "abde"]
    assert [delivery.number for step in steps for delivery in step.made] == [1, 2, 3, 4]
    assert (await task(store, begun.id)).is_whole
    assert await store.tasks.open(begun.id) == 4


async def test_duplicates_are_sent_to_where_that_is_wanted(store: SqlStore) -> None:
    one = await group(store, ["a@x.example", "a@x.example"])
    begun, message = await started(store, Audience(groups=(one,)), mailing=replace(MAILING, sends_duplicates=True))
    assert await store.tasks.reach(begun.id, now=NOW) == Reach(contacts=2, duplicates=0, excluded=0, unsubscribed=0)
    assert to(await all_steps(store, begun, message, 1)) == ["a@x.example", "a@x.example"]


async def test_single_contacts_in_and_out(store: SqlStore) -> None:
    one = await group(store, [f"{number}@x.example" for number in range(5)])
    contacts, _ = await store.contacts.of_group("crm", one, skipped=0, count=10)
    ids = {contact.email: contact.id for contact in contacts}
    audience = Audience(contacts=(ids["1@x.example"], ids["3@x.example"]), excluded_contacts=(ids["3@x.example"],))
    begun, message = await started(store, audience)
    assert to(await all_steps(store, begun, message, 100)) == ["1@x.example"]
    assert await store.tasks.audience(begun.id) == audience


async def test_single_contacts_are_in_and_out_by_the_addresses_that_they_have_when_it_begins(store: SqlStore) -> None:
    one = await group(store, ["in@x.example", "out@x.example", "stays@x.example"])
    (came, left, _), _ = await store.contacts.of_group("crm", one, skipped=0, count=10)
    audience = Audience(groups=(one,), contacts=(came.id,), excluded_contacts=(left.id,))
    id = await store.tasks.add("crm", MAILING, audience, at=NOW)
    for contact, email in ((came, "came@x.example"), (left, "left@x.example")):
        assert await store.contacts.change("crm", replace(contact, email=email), was=contact)
    assert await store.tasks.reach(id, now=NOW) == Reach(contacts=3, excluded=1)
    begun, message = await begin(store, id)
    assert to(await all_steps(store, begun, message, 100)) == ["came@x.example", "stays@x.example"]


async def test_a_single_contact_whose_address_changes_as_it_begins_gets_it_there(store: SqlStore) -> None:
    one = await group(store, ["old@x.example"])
    ((contact,), _) = await store.contacts.of_group("crm", one, skipped=0, count=10)
    id = await store.tasks.add("crm", MAILING, Audience(contacts=(contact.id,)), at=NOW)
    assert await store.contacts.change("crm", replace(contact, email="new@x.example"), was=contact)
    begun, message = await begin(store, id)
    assert to(await all_steps(store, begun, message, 100)) == ["new@x.example"]


async def test_contacts_of_another_login_are_nobody(store: SqlStore) -> None:
    theirs = await group(store, ["a@x.example"], owner="other")
    contacts, _ = await store.contacts.of_group("other", theirs, skipped=0, count=10)
    begun, message = await started(store, Audience(contacts=(contacts[0].id,)))
    assert to(await all_steps(store, begun, message, 100)) == []


async def test_who_must_not_be_mailed_ends_before_he_begins(store: SqlStore) -> None:
    one = await group(store, ["a@x.example", "b@x.example"])
    await store.suppressions.add(suppression("a@x.example"))
    begun, message = await started(store, Audience(groups=(one,)))
    assert (await store.tasks.reach(begun.id, now=NOW)).unsubscribed == 1
    [step] = await all_steps(store, begun, message, 100)
    assert {delivery.recipient: delivery.state for delivery in step.made} == {
        "a@x.example": State.SUPPRESSED,
        "b@x.example": State.QUEUED,
    }
    figures = await store.tasks.figures(begun.id)
    assert (figures.of("accepted"), figures.of("suppressed")) == (2, 1)


async def test_two_that_do_the_same_step_do_it_once(store: SqlStore) -> None:
    one = await group(store, [f"{number}@x.example" for number in range(10)])
    begun, message = await started(store, Audience(groups=(one,)))
    steps = await asyncio.gather(*(store.tasks.expand(begun, message, count=4, pace=PACE) for _ in range(3)))
    assert sorted(len(step.made) for step in steps) == [0, 0, 4]


async def test_what_is_stopped_is_held_and_goes_on(store: SqlStore) -> None:
    one = await group(store, ["a@x.example"])
    begun, message = await started(store, Audience(groups=(one,)))
    await all_steps(store, begun, message, 100)
    assert await store.tasks.move(begun.id, [TaskState.STARTED], TaskState.STOPPED, at=NOW)
    [hold] = (await store.desk.status(now=NOW)).holds
    assert (hold.scope, hold.subject) == (HoldScope.TASK, str(begun.id))
    assert not await claim(store, now=NOW + 1)
    assert not (await store.tasks.expand(begun, message, count=4, pace=PACE)).made
    assert await store.tasks.move(begun.id, [TaskState.STOPPED], TaskState.STARTED, at=NOW)
    assert len(await claim(store, now=NOW + 2)) == 1


@pytest.mark.parametrize("end", [TaskState.CANCELED, TaskState.DELETED])
@pytest.mark.parametrize("between", [[], [TaskState.STOPPED]])
async def test_what_is_given_up_is_held_until_it_is_cleared_away(
    store: SqlStore, end: TaskState, between: list[TaskState]
) -> None:
    one = await group(store, ["a@x.example"])
    begun, message = await started(store, Audience(groups=(one,)))
    await all_steps(store, begun, message, 100)
    state = TaskState.STARTED
    for to_state in (*between, end):
        assert await store.tasks.move(begun.id, [state], to_state, at=NOW)
        assert not await claim(store, now=NOW + 1)
        state = to_state
    [still] = await store.tasks.at_work(now=NOW)
    assert (still.id, still.state) == (begun.id, end)
    async for _ in store.desk.move(Cause.CANCELLED, Selection(task=begun.id), now=NOW):
        pass
    await store.tasks.end(begun.id, at=NOW)
    assert (await store.desk.status(now=NOW)).holds == ()
    assert await store.tasks.at_work(now=NOW) == ()


async def test_what_is_given_up_after_its_end_is_held_no_more(store: SqlStore) -> None:
    begun, _ = await started(store, Audience())
    for states, to_state in (([TaskState.STARTED], TaskState.FINISHED), ([TaskState.FINISHED], TaskState.DELETED)):
        assert await store.tasks.move(begun.id, states, to_state, at=NOW)
    assert (await store.desk.status(now=NOW)).holds == ()
    assert await store.tasks.at_work(now=NOW) == ()


async def test_texts_are_whole_where_one_is_asked_for(store: SqlStore) -> None:
    mailing = replace(MAILING, html="x" * 3000, text="y" * 3000)
    id = await store.tasks.add("crm", mailing, Audience(), at=NOW)
    assert (await task(store, id)).mailing == mailing
    [listed], _ = await store.tasks.of("crm", skipped=0, count=10)
    assert (len(listed.mailing.html), len(listed.mailing.text)) == (1000, 1000)
    assert await store.tasks.change(id, replace(mailing, html="z"), None)
    assert (await task(store, id)).mailing.html == "z"
    await store.tasks.move(id, [TaskState.NEW], TaskState.CREATED, at=NOW)
    [at_work] = await store.tasks.at_work(now=NOW)
    assert at_work.mailing == replace(mailing, html="", text="")


async def test_what_had_not_begun_is_created_again_when_it_goes_on(store: SqlStore) -> None:
    id = await store.tasks.add("crm", replace(MAILING, start_at=NOW + 1000), Audience(), at=NOW)
    for states, to_state, then in (
        ([TaskState.NEW], TaskState.CREATED, TaskState.CREATED),
        ([TaskState.CREATED], TaskState.STOPPED, TaskState.STOPPED),
        ([TaskState.STOPPED], TaskState.STARTED, TaskState.CREATED),
    ):
        assert await store.tasks.move(id, states, to_state, at=NOW)
        assert (await task(store, id)).state is then
    assert await store.tasks.at_work(now=NOW) == ()
    assert [each.id for each in await store.tasks.at_work(now=NOW + 1000)] == [id]


async def test_values_are_those_that_the_message_asks_for(store: SqlStore) -> None:
    one = await group(store, ["a@x.example"])
    begun, message = await started(store, Audience(groups=(one,)))
    [step] = await all_steps(store, begun, message, 100)
    assert json.loads(step.made[0].fields) == {"FirstName": "Ann", RECIPIENT: '"Ann" <a@x.example>'}


async def test_spread_over_a_time_and_into_a_playpen(store: SqlStore) -> None:
    one = await group(store, [f"{number}@x.example" for number in range(3)])
    begun, message = await started(store, Audience(groups=(one,)))
    pace = Pace(now=NOW + 15, lifetime=100.0, start_at=NOW, every=10.0, playpen="all@playpen.example")
    made = (await store.tasks.expand(begun, message, count=10, pace=pace)).made
    assert [delivery.due_at - NOW for delivery in made] == [15.0, 15.0, 20.0]
    assert {delivery.recipient for delivery in made} == {"all@playpen.example"}


async def test_only_a_new_task_is_changed(store: SqlStore) -> None:
    one = await group(store, ["a@x.example"])
    id = await store.tasks.add("crm", MAILING, Audience(groups=(one,)), at=NOW)
    assert await store.tasks.attach(id, File(name="a.txt", data=b"a\0b"))
    assert await store.tasks.files(id) == (File(name="a.txt", data=b"a\0b"),)
    assert await store.tasks.change(id, replace(MAILING, subject="other"), None)
    assert (await task(store, id)).mailing.subject == "other"
    assert (await store.tasks.audience(id)).groups == (one,)
    assert await store.tasks.change(id, MAILING, Audience())
    assert await store.tasks.audience(id) == Audience()
    assert await store.tasks.detach(id)
    await store.tasks.move(id, [TaskState.NEW], TaskState.CREATED, at=NOW)
    assert not await store.tasks.change(id, MAILING, None)
    assert not await store.tasks.attach(id, File(name="a.txt", data=b"a"))
    assert not await store.tasks.detach(id)


async def test_a_key_is_used_once_by_a_login(store: SqlStore) -> None:
    receipt = Receipt("k-1", b"request")
    id = await store.tasks.add("crm", MAILING, Audience(), at=NOW, receipt=receipt)
    with pytest.raises(StoreRefuses):
        await store.tasks.add("crm", MAILING, Audience(), at=NOW, receipt=receipt)
    found = await store.receipts.find("crm", "k-1")
    assert found == (b"request", str(id))
    assert await store.receipts.find("other", "k-1") is None
    assert [each.id for each in (await store.tasks.of("crm", skipped=0, count=10))[0]] == [id]


async def test_what_ended_long_ago_goes_step_by_step_and_its_links_stay(store: SqlStore) -> None:
    one = await group(store, [f"{number}@x.example" for number in range(250)])
    begun, message = await started(store, Audience(groups=(one,)))
    await all_steps(store, begun, message, 100)
    await store.tasks.end(begun.id, at=NOW)
    gone = [count async for count in store.retention.tasks(NOW + 1)]
    assert gone == [100, 100, 50, 1]
    assert await store.tasks.get(begun.id) is None
    assert (await store.tasks.figures(begun.id)).counts == {}


async def test_a_group_that_is_gone_is_nobody_else_s(store: SqlStore) -> None:
    """Its number is not given again: whoever makes the next group is not mailed by another's mailing."""
    mine = await group(store, ["own@x.example"])
    begun, message = await started(store, Audience(groups=(mine,)))
    assert await store.contacts.remove_group("crm", mine)
    await group(store, ["secret@x.example"], owner="shop", name="customers")
    assert await store.tasks.reach(begun.id, now=NOW) == Reach(contacts=0, duplicates=0, excluded=0, unsubscribed=0)
    assert to(await all_steps(store, begun, message, 10)) == []
