"""Whose links are, and what he does with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from relay.bounces import BounceRules
from relay.event import EventType
from relay.links import Addressee
from relay.model import Edit, Labels
from relay.outcome import Sent
from relay.store.sql.store import SqlStore
from relay.suppression import Reason, Suppression, of_credential, of_list
from relay.tokens import Kind, Link
from tests.store.kit import CONTENT, NOW, claim, delivery, enqueue, event, message, settle, suppressed, suppression

READER = Addressee(address="Reader@example.net", credential="app", sender="shop@example.com", list="")


async def test_a_link_is_its_recipients(store: SqlStore) -> None:
    made = message()
    await store.queue.enqueue(made, CONTENT, (delivery(made), delivery(made, number=2, recipient="other@example.net")))
    found = await store.links.addressee(Link(Kind.UNSUBSCRIBE, made.id, 2))
    assert found
    assert (found.address, found.credential, found.scope) == ("other@example.net", made.credential, of_credential("app"))
    assert await store.links.addressee(Link(Kind.UNSUBSCRIBE, made.id, 3)) is None


async def test_leaving_counts_once_and_can_be_taken_back(store: SqlStore) -> None:
    assert await store.links.leave(READER, at=NOW)
    assert not await store.links.leave(READER, at=NOW + 1)
    assert await store.links.has_left(READER, now=NOW + 2)
    [entry] = (await store.suppressions.find(["reader@example.net"])).entries("reader@example.net")
    assert (entry.reason, entry.scope, entry.source) == (Reason.UNSUBSCRIBED, of_credential("app"), "link in mail")
    assert await store.links.come_back(READER, at=NOW + 3)
    assert not await store.links.come_back(READER, at=NOW + 4)
    assert not await store.links.has_left(READER, now=NOW + 5)
    assert await store.links.leave(READER, at=NOW + 6)


async def test_coming_back_takes_away_no_other_reason(store: SqlStore) -> None:
    await store.suppressions.add(suppression(reason="hard_bounce"))
    await store.links.leave(READER, at=NOW)
    await store.links.come_back(READER, at=NOW + 1)
    assert (await suppressed(store, "reader@example.net"))["reader@example.net"].reason is Reason.HARD_BOUNCE


async def test_who_was_on_an_imported_list_can_come_back_as_well(store: SqlStore) -> None:
    async def batches() -> AsyncIterator[Sequence[Suppression]]:
        yield [replace(suppression("reader@example.net", reason="unsubscribed"), scope=READER.scope)]

    await store.imports.take(batches(), source="list.csv", again=False, now=NOW)
    assert await store.links.has_left(READER, now=NOW + 1)
    assert await store.links.come_back(READER, at=NOW + 2)
    assert not await store.links.has_left(READER, now=NOW + 3)


def test_a_list_is_a_scope_of_its_own() -> None:
    assert Addressee(address="a", credential="app", sender="s", list="news").scope == of_list("news")


async def test_links_of_messages_that_were_let_go_are_known(store: SqlStore) -> None:
    with_links, without = message(1), message(2)
    with_links = replace(with_links, edits=(Edit(0, 0, b"x", links=("Unsubscribe",)),))
    for made in (with_links, without):
        await store.queue.enqueue(made, CONTENT, (delivery(made),))
    for claimed in await claim(store):
        await settle(store, claimed, Sent(f"ses-{claimed.message.id}"))
    far = NOW + 1000 * 86400
    assert [count async for count in store.retention.bodies(far) if count]
    assert [count async for count in store.retention.facts(far) if count]
    assert await store.messages.show(with_links.id) is None
    found = await store.links.addressee(Link(Kind.UNSUBSCRIBE, with_links.id, 1))
    assert found
    assert found.address == delivery(with_links).recipient
    assert await store.links.addressee(Link(Kind.UNSUBSCRIBE, without.id, 1)) is None


async def test_the_mail_of_a_link_is_there_as_long_as_its_content(store: SqlStore) -> None:
    small, large = message(1), replace(message(2), edits=(Edit(0, 0, b"x", links=("WebVersion",), footer=b"y", footer_at=7),))
    await store.queue.enqueue(small, CONTENT, (delivery(small),))
    await store.queue.enqueue(large, None, (delivery(large),))
    for made, content in ((small, CONTENT), (large, None)):
        found = await store.links.mail(Link(Kind.WEB_VERSION, made.id, 1))
        assert found
        assert (found.message, found.content) == (made, content)
    assert await store.links.mail(Link(Kind.WEB_VERSION, small.id, 2)) is None
    for claimed in await claim(store):
        await settle(store, claimed, Sent(f"ses-{claimed.message.id}"))
    for steps, left in ((store.retention.bodies, [False, True]), (store.retention.web_versions, [False, False])):
        assert [count async for count in steps(NOW + 100 * 86400) if count] == [1]
        links = [Link(Kind.WEB_VERSION, made.id, 1) for made in (small, large)]
        assert [await store.links.mail(link) is not None for link in links] == left
        assert await store.links.addressee(links[0])


async def delivered(store: SqlStore, number: int, *, list: str, credential: str = "app") -> None:
    """A message of a list that reached the reader."""
    made = await enqueue(store, number, credential=credential, labels=Labels(list=list))
    (claimed,) = await claim(store)
    await settle(store, claimed, Sent(f"ses-{number}"))
    said = event(EventType.DELIVERY, of=made, ses_message_id=f"ses-{number}", recipient="READER@example.net")
    await store.feedback.record(
        notification_id=f"n{number}", topic="t", payload="{}", received_at=NOW, events=(said,), rules=BounceRules()
    )


async def test_a_reader_chooses_among_the_lists_whose_mail_reached_him(store: SqlStore) -> None:
    for number, name in enumerate(("news", "offers", "news", ""), 1):
        await delivered(store, number, list=name)
    await delivered(store, 5, list="of another login", credential="other")
    await enqueue(store, 6, labels=Labels(list="not yet delivered"))
    assert await store.links.lists(READER, now=NOW) == {"news": True, "offers": True}
    assert await store.links.lists(replace(READER, list="this one"), now=NOW) == {
        "news": True,
        "offers": True,
        "this one": True,
    }
    await store.links.leave(replace(READER, list="offers"), at=NOW)
    assert await store.links.lists(READER, now=NOW + 1) == {"news": True, "offers": False}
    await store.links.leave(READER, at=NOW)
    assert await store.links.lists(READER, now=NOW + 1) == {"news": False, "offers": False}
