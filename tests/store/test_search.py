"""Deliveries are found by what is known of them, however few of those that are looked at fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from relay.event import Event, EventType
from relay.lifecycle import Cause
from relay.model import Delivery, Labels, Message, State
from relay.outcome import Never, Sent, Unknown
from relay.ports.search import TOP, Found, Place, Query
from relay.queueing import Selection
from relay.store.sql import search
from relay.store.sql.store import SqlStore
from tests.store.kit import (
    CONTENT,
    LIFETIME,
    NOW,
    accepted,
    claim,
    claim_one,
    delivery,
    event,
    hard_bounce,
    settle,
    suppression,
)

MINUTE = 60.0


async def put(store: SqlStore, minute: int, *, recipients: Sequence[str] = ("reader@example.net",), **changes: Any) -> Message:
    """A message of that minute."""
    at = NOW + minute * MINUTE
    of = replace(accepted(at, minute % 7), **changes)
    made = [delivery(of, number=number, recipient=each, due_at=at) for number, each in enumerate(recipients, 1)]
    await store.queue.enqueue(of, CONTENT, tuple(replace(each, expires_at=at + LIFETIME) for each in made))
    return of


async def sent(store: SqlStore, minute: int, **changes: Any) -> Delivery:
    """A delivery that SES has taken."""
    await put(store, minute, **changes)
    claimed = await claim_one(store, now=NOW + minute * MINUTE)
    await settle(store, claimed, Sent(f"ses-{minute}"), now=NOW + minute * MINUTE + 1)
    return claimed.delivery


async def told(store: SqlStore, *events: Event) -> None:
    for number, each in enumerate(events):
        await store.feedback.record(
            notification_id=f"{each.relay_id}-{each.type}-{number}",
            topic="t",
            payload=f'{{"eventType": "{each.type}"}}',
            received_at=each.at,
            events=(each,),
        )


async def found(store: SqlStore, *, count: int = 100, before: Place = TOP, **said: Any) -> list[str]:
    """The recipients, and that there are no others."""
    result = await store.search.find(Query(**said), before=before, count=count)
    assert result.rest is None
    return [hit.recipient for hit in result.hits]


async def pages(store: SqlStore, query: Query, count: int) -> list[Found]:
    """All of it, a part at a time."""
    all_: list[Found] = [await store.search.find(query, count=count)]
    while all_[-1].rest:
        assert len(all_) < 50
        all_.append(await store.search.find(query, before=all_[-1].rest, count=count))
    return all_


@pytest.fixture
def short_sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three deliveries are looked at, and no more."""
    for steps in ("_STEPS", "_STEPS_BY_WORDS", "_STEPS_BY_STATUS"):
        monkeypatch.setattr(search, steps, (1, 2))


async def test_what_is_found_has_all_that_a_list_shows(store: SqlStore) -> None:
    made = await sent(store, 1, credential="crm", sender="news@example.org", subject="Заказ")
    await told(store, event(EventType.DELIVERY, of=made))
    result = await store.search.find(Query(), count=5)
    [hit] = result.hits
    assert (hit.id, hit.place, hit.recipient, hit.status) == (made.id, (made.message_id, 1), "reader@example.net", "delivered")
    assert (hit.accepted_at, hit.sender, hit.subject, hit.credential) == (NOW + MINUTE, "news@example.org", "Заказ", "crm")
    assert (result.rest, result.looked_to) == (None, 0.0)


async def test_of_an_empty_store_nothing_is_found(store: SqlStore) -> None:
    for said in (
        {},
        {"recipient": "a@example.net"},
        {"statuses": ("bounced hard",)},
        {"statuses": ("failed",)},
        {"words": ("x",)},
    ):
        assert await found(store, **said) == []


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
async def test_pages_have_each_delivery_once_and_the_newest_first(store: SqlStore, count: int) -> None:
    for minute in range(1, 5):
        await put(store, minute, recipients=[f"{minute}{letter}@example.net" for letter in "abc"[:minute]])
    found_ = [hit for page in await pages(store, Query(), count) for hit in page.hits]
    assert [hit.recipient[:2] for hit in found_] == ["4c", "4b", "4a", "3c", "3b", "3a", "2b", "2a", "1a"]


# Whose and for whom.


async def test_a_recipient_is_found_in_any_case_of_letters(store: SqlStore) -> None:
    for minute, recipient in enumerate(["Anna@Example.net", "anna@example.net.pl", "hanna@example.net", "ANNA@EXAMPLE.NET"]):
        await put(store, minute, recipients=[recipient])
    assert await found(store, recipient="anna@EXAMPLE.net") == ["ANNA@EXAMPLE.NET", "Anna@Example.net"]
    assert await found(store, recipient="anna@exam") == []


async def test_addresses_are_found_by_their_beginning(store: SqlStore) -> None:
    for minute, recipient in enumerate(["Anna@Example.net", "anna@example.net.pl", "hanna@example.net", "an@example.net"]):
        await put(store, minute, recipients=[recipient])
    assert await found(store, recipient="anNA*") == ["anna@example.net.pl", "Anna@Example.net"]
    assert await found(store, recipient="anna@example.net.*") == ["anna@example.net.pl"]
    assert await found(store, recipient="%*") == await found(store, recipient="_nna*") == []


async def test_all_recipients_of_a_domain_are_found(store: SqlStore) -> None:
    for minute, recipient in enumerate(["a@Example.net", "b@mail.example.net", "c@example.org"]):
        await put(store, minute, recipients=[recipient])
    assert await found(store, recipient="@example.NET") == ["a@Example.net"]


async def test_a_sender_is_found_by_either_of_its_addresses(store: SqlStore) -> None:
    await put(store, 1, recipients=["1@x.example"], sender="Shop@example.com", header_from="orders@example.org")
    await put(store, 2, recipients=["2@x.example"], sender="shop@myexample.com", header_from="shop@myexample.com")
    assert await found(store, sender="shop@EXAMPLE.com") == ["1@x.example"]
    assert await found(store, sender="orders@example.org") == ["1@x.example"]
    assert await found(store, sender="@Example.com") == ["1@x.example"]
    assert await found(store, sender="@example.org") == ["1@x.example"]
    assert await found(store, sender="@myexample.com") == ["2@x.example"]


async def test_the_mail_of_a_login_is_found(store: SqlStore) -> None:
    await put(store, 1, recipients=["1@x.example"], credential="crm")
    await put(store, 2, recipients=["2@x.example"])
    assert await found(store, credential="crm") == ["1@x.example"]
    assert await found(store, credential="cr") == []


# By the names of it.


async def test_a_message_is_found_by_what_ses_and_its_sender_call_it(store: SqlStore) -> None:
    made = await sent(store, 1, recipients=["1@x.example"], labels=Labels(id="order-1"))
    await put(store, 2, recipients=["2@x.example", "3@x.example"], labels=Labels(id="order-2"))
    assert await found(store, ses_message_id="ses-1") == ["1@x.example"]
    assert await found(store, message_id=made.message_id) == ["1@x.example"]
    assert await found(store, label_id="order-2") == ["3@x.example", "2@x.example"]
    assert await found(store, label_id="order-2", recipient="2@x.example") == ["2@x.example"]
    assert await found(store, label_id="order") == await found(store, ses_message_id="ses") == []
    assert await found(store, label_id="order-2", ses_message_id="ses-1") == []
    assert await found(store, label_id="order-2", message_id=made.message_id) == []


async def test_a_message_is_found_by_words_of_its_subject(store: SqlStore) -> None:
    for minute, subject in enumerate(["Ваш ЗАКАЗ 42 принят", "Your order 42", "Straße 42%", "ваш заказ 43"]):
        await put(store, minute, recipients=[f"{minute}@x.example"], subject=subject)
    assert await found(store, words=("заказ",)) == ["3@x.example", "0@x.example"]
    assert await found(store, words=("42", "ваш")) == ["0@x.example"]
    assert await found(store, words=("STRASSE", "%")) == ["2@x.example"]
    assert await found(store, words=("заказ",), count=1, until=NOW + 3 * MINUTE) == ["0@x.example"]


async def test_a_time_bounds_what_is_found(store: SqlStore) -> None:
    for minute in range(5):
        await put(store, minute, recipients=[f"{minute}@x.example"])
    window: dict[str, Any] = {"since": NOW + MINUTE, "until": NOW + 3 * MINUTE}
    assert await found(store, **window) == ["2@x.example", "1@x.example"]
    assert await found(store, since=NOW + 4 * MINUTE) == ["4@x.example"]
    assert await found(store, until=NOW + MINUTE) == ["0@x.example"]
    assert await found(store, recipient="0@x.example", **window) == []
    assert await found(store, recipient="2@x.example", **window) == ["2@x.example"]


# By what became of it.


async def ended(store: SqlStore) -> dict[str, Delivery]:
    """One of each status, by it."""
    made = {}
    kinds: dict[str, tuple[EventType, dict[str, Any]]] = {
        "delivered": (EventType.DELIVERY, {}),
        "opened": (EventType.OPEN, {}),
        "clicked": (EventType.CLICK, {}),
        "rejected": (EventType.REJECT, {}),
        "delayed": (EventType.DELIVERY_DELAY, {}),
        "unsubscribed": (EventType.SUBSCRIPTION, {"opted_out": ("news",)}),
    }
    for minute, (status, (kind, said)) in enumerate(kinds.items()):
        made[status] = await sent(store, minute, recipients=[f"{status}@x.example"])
        await told(store, event(EventType.SEND, of=made[status]), event(kind, of=made[status], **said))
    for minute, (status, bounce) in enumerate({"bounced hard": "Permanent", "bounced soft": "Transient"}.items(), 10):
        made[status] = await sent(store, minute, recipients=[f"{status.replace(' ', '-')}@x.example"])
        subtype = "MailboxFull" if bounce == "Transient" else "General"
        await told(store, hard_bounce(of=made[status], bounce_type=bounce, bounce_subtype=subtype, feedback_id=status))
    made["complained"] = await sent(store, 12, recipients=["complained@x.example"])
    complaint = event(EventType.COMPLAINT, of=made["complained"], feedback_id="complained")
    await told(store, event(EventType.DELIVERY, of=made["complained"]), complaint)
    made["sent"] = await sent(store, 13, recipients=["sent@x.example"])
    await put(store, 14, recipients=["failed@x.example"])
    await settle(store, await claim_one(store, now=NOW + 14 * MINUTE), Never("no"), now=NOW + 14 * MINUTE)
    await store.suppressions.add(suppression("suppressed@x.example"))
    await put(store, 15, recipients=["suppressed@x.example"])
    await put(store, 16, recipients=["in-doubt@x.example"])
    await settle(store, await claim_one(store, now=NOW + 16 * MINUTE), Unknown("reset"), now=NOW + 16 * MINUTE)
    cancelled = await put(store, 17, recipients=["cancelled@x.example"])
    move = store.desk.move(Cause.CANCELLED, Selection(ids=(cancelled.id,)), now=NOW + 17 * MINUTE)
    assert [len(step) async for step in move] == [1]
    await put(store, 18, recipients=["sending@x.example"])
    await claim_one(store, now=NOW + 18 * MINUTE)
    await put(store, 19, recipients=["queued@x.example"])
    return made


STATUSES = """queued sending cancelled in-doubt suppressed failed sent complained bounced-soft bounced-hard unsubscribed delayed
    rejected clicked opened delivered""".split()


async def test_each_status_finds_what_has_it_and_nothing_else(store: SqlStore) -> None:
    await ended(store)
    recipients = [f"{status}@x.example" for status in STATUSES]
    assert [await found(store, statuses=(each.replace("-", " "),)) for each in STATUSES] == [[each] for each in recipients]
    assert sorted(await found(store)) == sorted(recipients)
    assert await found(store, statuses=("expired",)) == await found(store, statuses=("auto-reply",)) == []
    assert await found(store, statuses=("no status at all",)) == []
    assert await found(store, statuses=("bounced hard", "bounced soft")) == ["bounced-soft@x.example", "bounced-hard@x.example"]
    assert await found(store, statuses=("failed", "opened")) == ["failed@x.example", "opened@x.example"]


@pytest.mark.usefixtures("short_sighted")
async def test_rare_statuses_are_found_behind_all_others(store: SqlStore) -> None:
    await ended(store)
    await claim(store, now=NOW + 20 * MINUTE)
    for minute in range(20, 30):
        await sent(store, minute, recipients=["other@x.example"])
    for status in ("failed", "suppressed", "cancelled", "in doubt", "complained", "bounced soft", "bounced hard"):
        assert len((await store.search.find(Query(statuses=(status,)), count=5)).hits) == 1, status
    for status in STATUSES[2:]:
        some = await pages(store, Query(statuses=(status.replace("-", " "),), until=NOW + 20 * MINUTE), 5)
        assert [hit.recipient for page in some for hit in page.hits] == [f"{status}@x.example"]


async def test_all_that_is_said_must_fit(store: SqlStore) -> None:
    await ended(store)
    assert await found(store, statuses=("failed",), credential="app") == ["failed@x.example"]
    assert await found(store, statuses=("failed",), credential="crm") == []
    assert await found(store, statuses=("bounced hard",), words=("order",)) == ["bounced-hard@x.example"]
    assert await found(store, statuses=("bounced hard",), words=("nothing",)) == []
    assert await found(store, statuses=("opened",), recipient="@x.example") == ["opened@x.example"]
    assert await found(store, statuses=("opened",), recipient="opened@x.example") == ["opened@x.example"]
    assert await found(store, statuses=("opened",), recipient="delivered@x.example") == []
    assert await found(store, statuses=("sending",), sender="@example.com") == ["sending@x.example"]


# How far is looked.


@pytest.mark.usefixtures("short_sighted")
async def test_a_look_ends_after_so_many_and_says_where(store: SqlStore) -> None:
    await put(store, 0, recipients=["first@x.example"], subject="Rare", sender="rare@example.com")
    for minute in range(1, 8):
        await put(store, minute, recipients=[f"{minute}@x.example"])
    for query in (
        Query(words=("rare",)),
        Query(sender="rare@example.com"),
        Query(statuses=("delivered",)),
        Query(credential="no"),
    ):
        result = await store.search.find(query, count=5)
        assert (result.hits, result.looked_to) == ((), NOW + 5 * MINUTE)
        assert result.rest == (accepted(NOW + 5 * MINUTE, 5).id, 1)
    for query in (Query(words=("rare",)), Query(sender="rare@example.com")):
        *before, last = await pages(store, query, 5)
        assert [page.hits for page in before] == [(), ()]
        assert ([hit.recipient for hit in last.hits], last.looked_to) == (["first@x.example"], 0.0)


@pytest.mark.usefixtures("short_sighted")
async def test_what_ses_has_reported_of_is_found_however_old(store: SqlStore) -> None:
    old = await sent(store, 0, recipients=["Anna@x.example"])
    await told(store, event(EventType.SEND, of=old), event(EventType.DELIVERY, of=old))
    unreported = await sent(store, 1, recipients=["bert@x.example"])
    for minute in range(2, 8):
        await sent(store, minute)
    for wanted in ("anna@x.example", "anna*"):
        result = await store.search.find(Query(recipient=wanted), count=5)
        assert [hit.id for hit in result.hits] == [old.id]
        assert result.looked_to == NOW + 5 * MINUTE
        assert (await store.search.find(Query(recipient=wanted, statuses=("delivered",)), count=5)).hits
        assert not (await store.search.find(Query(recipient=wanted, credential="crm"), count=5)).hits
        assert not (await store.search.find(Query(recipient=wanted, since=NOW + MINUTE), count=5)).hits
    assert not (await store.search.find(Query(recipient="bert@x.example"), count=5)).hits
    in_the_end = await pages(store, Query(recipient="bert@x.example"), 5)
    assert [hit.id for page in in_the_end for hit in page.hits] == [unreported.id]


@pytest.mark.usefixtures("short_sighted")
async def test_what_is_not_over_and_what_was_not_sent_is_found_however_old(store: SqlStore) -> None:
    await store.suppressions.add(suppression("gone@x.example"))
    await put(store, 0, recipients=["Gone@x.example"])
    await put(store, 1, recipients=["waits@x.example"])
    await claim(store, now=NOW + MINUTE)
    for minute in range(2, 8):
        await sent(store, minute)
    for wanted in ("gone@x.example", "waits@x.example", "gone*", "wai*"):
        assert [hit.recipient[:3].lower() for hit in (await store.search.find(Query(recipient=wanted), count=5)).hits] == [
            wanted[:3]
        ]


@pytest.mark.usefixtures("short_sighted")
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_an_address_that_gets_much_mail_is_found_in_pages(store: SqlStore, count: int) -> None:
    made = []
    for minute in range(8):
        await sent(store, 2 * minute, recipients=["other@x.example"])
        made.append(await sent(store, 2 * minute + 1, recipients=["much@x.example"]))
        await told(store, event(EventType.SEND, of=made[-1], at=NOW + minute), event(EventType.DELIVERY, of=made[-1]))
    whole = [hit.id for page in await pages(store, Query(recipient="much@x.example"), count) for hit in page.hits]
    assert list(dict.fromkeys(whole)) == [each.id for each in reversed(made)]
    assert whole[: len(made)] == [each.id for each in reversed(made)]


async def test_a_beginning_that_too_many_have_is_looked_for_among_all(
    store: SqlStore, short_sighted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_ALIKE", 3)
    for minute in range(6):
        made = await sent(store, minute, recipients=[f"anna{minute}@x.example"])
        await told(store, event(EventType.SEND, of=made))
    assert len((await store.search.find(Query(recipient="anna*"), count=10)).hits) == 3
    assert [hit.recipient for hit in (await store.search.find(Query(recipient="anna0*"), count=10)).hits] == ["anna0@x.example"]
    assert len({hit.id for page in await pages(store, Query(recipient="anna*"), 10) for hit in page.hits}) == 6


async def test_a_beginning_of_which_too_much_was_not_sent_is_looked_for_among_all(
    store: SqlStore, short_sighted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_ALIKE", 3)
    for minute in range(6):
        await store.suppressions.add(suppression(f"anna{minute}@x.example"))
        await put(store, minute, recipients=[f"Anna{minute}@x.example"])
    assert len((await store.search.find(Query(recipient="anna*"), count=10)).hits) == 3
    assert [hit.recipient for hit in (await store.search.find(Query(recipient="anna0*"), count=10)).hits] == ["Anna0@x.example"]
    assert len({hit.id for page in await pages(store, Query(recipient="anna*"), 10) for hit in page.hits}) == 6


@pytest.mark.usefixtures("short_sighted")
async def test_what_is_called_is_found_behind_all_that_waits(store: SqlStore) -> None:
    await put(store, 0, recipients=["in-doubt@x.example"])
    await settle(store, await claim_one(store, now=NOW), Unknown("reset"), now=NOW)
    await put(store, 1, recipients=["sending@x.example"])
    await claim_one(store, now=NOW + MINUTE)
    for minute in range(2, 8):
        await put(store, minute)
    for status in ("in doubt", "sending"):
        result = await store.search.find(Query(statuses=(status,)), count=5)
        assert [hit.status for hit in result.hits] == [status]
        assert result.rest is None
    before: Place = (await store.search.find(Query(statuses=("sending",)), count=5)).hits[0].place
    assert not (await store.search.find(Query(statuses=("sending",)), before=before, count=5)).hits


# What is watched, and what was reported.


async def test_the_newest_are_seen_with_a_few_recipients_of_each(store: SqlStore) -> None:
    for minute in range(4):
        await put(store, minute, recipients=[f"{minute}-{number}@x.example" for number in range(30 if minute == 2 else 1)])
    seen = await store.search.newest(since=NOW + MINUTE, count=2)
    assert [hit.recipient for hit in seen] == ["3-0@x.example", *(f"2-{number}@x.example" for number in range(20))]
    assert {hit.status for hit in seen} == {State.QUEUED}
    assert await store.search.newest(since=NOW + 4 * MINUTE, count=9) == ()


async def test_reports_are_there_as_they_were_posted(store: SqlStore) -> None:
    first, second = await sent(store, 1), await sent(store, 2)
    await told(store, event(EventType.DELIVERY, of=first, at=NOW + 9), event(EventType.SEND, of=first, at=NOW + 8))
    await told(store, hard_bounce(of=second))
    one, two = await store.search.reports([first.id], count=9)
    assert (one.delivery_id, one.at, one.what, one.posted) == (first.id, NOW + 8, "send", b'{"eventType": "send"}')
    assert two.what == "delivery"
    [bounce] = await store.search.reports([second.id], count=9)
    assert (bounce.what, bounce.found, bounce.recipient) == ("bounce", "hard", "reader@example.net")
    assert len(await store.search.reports([first.id, second.id], count=9)) == 3
    assert [each.what for each in await store.search.reports([first.id, second.id], count=1)] == ["bounce"]
    assert [count async for count in store.retention.notifications(NOW + 9999)] == [3]
    assert [each.posted for each in await store.search.reports([first.id], count=9)] == [b"", b""]
