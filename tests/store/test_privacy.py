"""All that is kept of an address, told and erased, on both databases; and what stays of it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from relay.account_list import Listed
from relay.contact import Contact, ContactDetails
from relay.erasure import Erased, Erasure, Kept, MarkedAddress, Marks
from relay.errors import CannotErase, StoreUnavailable
from relay.event import EventType
from relay.mailing import Audience
from relay.model import Delivery, Labels, State
from relay.outcome import Sent, Unknown
from relay.ports.privacy import BEGINNING, Cursor
from relay.privacy import Eraser, Export, Told
from relay.store.bodies import Spool
from relay.store.postgres.store import PostgresStore
from relay.store.sql import personal
from relay.store.sql.erased import Asked
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from relay.suppression import Reason, of_list
from relay.webhooks.webhook import Webhook
from tests.store.kit import (
    CONTENT,
    NOW,
    change,
    claim,
    column,
    delivery,
    enqueue,
    event,
    hard_bounce,
    message,
    release,
    rows,
    settle,
    suppressed,
    suppression,
)
from tests.store.test_feedback import record
from tests.store.test_tasks import MAILING

WHO, OTHER = "Reader@example.net", "other@example.net"
KEY = Marks({1: b"1" * 32})


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[SqlStore]:
    """One that knows erased addresses."""
    opened = await open_with(place, KEY)
    yield opened
    await opened.close()


async def open_with(place: Path | str, marks: Marks) -> SqlStore:
    if isinstance(place, Path):
        return await SqliteStore.open(place, marks=marks)
    return await PostgresStore.open(place, marks=marks)


class NoFiles:
    """Remembers what was to be removed."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    async def listed(self) -> tuple[str, ...]:
        return ()

    async def remove(self, message_ids: Any) -> None:
        self.removed += message_ids


def eraser(store: SqlStore, files: NoFiles | None = None, marks: Marks = KEY) -> Eraser:
    return Eraser(store=store.erasing, files=files or NoFiles(), marks=marks, clock=lambda: NOW + 50, pause=0)


async def erase(store: SqlStore, address: str = WHO, **more: Any) -> Erased:
    return await eraser(store).erase(Erasure(address=address, source="test", **more))


async def told(store: SqlStore, folder: Path, address: str = WHO) -> list[Told]:
    export = Export(store=store.personal, bodies=Spool(folder))
    return [each async for each in export.all(address)]


async def sent(store: SqlStore, number: int = 1, recipient: str = WHO, *, labels: Labels | None = None) -> Delivery:
    made = await enqueue(store, number, recipient=recipient, labels=labels or Labels())
    for claimed in await claim(store):
        await settle(store, claimed, Sent(f"ses-{claimed.delivery.message_id}"))
    return made


async def everything(store: SqlStore) -> str:
    """All rows of all tables, as text."""
    if isinstance(store, SqliteStore):
        tables = await column(store, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    else:
        tables = await column(store, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    return repr([(table, await rows(store, f"SELECT * FROM {table}")) for table in tables])


async def fill(store: SqlStore) -> None:
    """Something of every kind about WHO, and the like about OTHER."""
    await store.webhooks.put(Webhook(name="crm", url="https://crm.example.com/"))
    for number, who in ((1, WHO), (2, OTHER)):
        one = await sent(store, number, who)
        told = [event(EventType.OPEN, of=one, ses_message_id="s", user_agent="Mail"), hard_bounce(of=one, feedback_id=who)]
        payload = json.dumps({"mail": {"destination": [who]}, "open": {"ipAddress": "192.0.2.7"}})
        await record(store, *told, notification_id=who, payload=payload)
        await store.suppressions.add(suppression(who))
        await store.suppressions.remove(replace(release(who), scope=of_list("news")))
        group = await store.contacts.add_group("app", name="Readers", description="", at=NOW)
        await store.contacts.add("app", Contact(group_id=group, email=who, phone="7", details=ContactDetails(first_name="Ann")))
        await change(store, "INSERT INTO old_links VALUES (?,1,?,'app','shop@example.com','')", (f"old-{number}", who))
        await change(store, "INSERT INTO account_list VALUES (?,?)", (who.lower(), who))
        await change(store, "INSERT INTO receipts VALUES ('app',?,?,?,1)", (who, b"f", json.dumps({"Email": who})))
        values = ("at, operator, peer, action, subject, detail, outcome", f"1,'anna','','address suppressed','{who}','',''")
        await change(store, f"INSERT INTO audit ({values[0]}) VALUES ({values[1]})")
        columns = "webhook, at, seconds, notices, status, failure, request, answer"
        await change(
            store, f"INSERT INTO webhook_requests ({columns}) VALUES ('crm',1,1,1,200,'',?,'')", (f'{{"to":"{who}"}}',)
        )
        columns = "id, queue, sent_at, received_at, reason, body"
        await change(store, f"INSERT INTO quarantine ({columns}) VALUES (?,'q',1,1,'r',?)", (who, f'"{who}"'.encode()))
        columns = "scope, subject, holder, reason, bounded, since, until, ended_at"
        stood = (f"{who} is not verified", NOW)
        await change(store, f"INSERT INTO holds ({columns}) VALUES ('account','','ses',?,0,1,1,?)", stood)
        [contact] = await column(store, "SELECT id FROM contacts WHERE email = ?", (who,))
        task = await store.tasks.add("app", MAILING, Audience(contacts=(contact,)), at=NOW)
        await change(store, "UPDATE tasks SET last_key = ?, is_whole = 1, ended_at = 1 WHERE id = ?", (who.lower(), task))
    after, upto, facts = await store.notices.unread(count=100)
    await store.notices.spread(after, upto, [("crm", fact) for fact in facts], at=NOW)


KINDS = {
    "deliveries", "events", "notifications", "suppressions", "suppression_history", "ses_account_list", "contacts", "mailings",
    "ses_account_list_errands", "mailings_being_made", "links", "answers_of_the_api", "requests_of_webhooks", "quarantine",
    "holds", "audit",
}  # fmt: skip


async def test_all_of_an_address_is_told_and_nothing_of_others(store: SqlStore, tmp_path: Path) -> None:
    await fill(store)
    await change(store, "INSERT INTO account_list_errands VALUES (?,?,'',0,0)", (WHO.lower(), WHO))
    found = await told(store, tmp_path)
    assert {each.kind for each in found} == KINDS == {place.kind for place in personal.PLACES}
    said = json.dumps([each.facts for each in found])
    assert OTHER not in said
    [of] = [each.facts for each in found if each.kind == "deliveries"]
    assert of["message"]["headers"] == [["from", "shop@example.com"]]
    assert (of["state"], of["message"]["subject"], len(of["notices"])) == ("sent", "Order 42", 2)
    [payload] = [each.facts["payload"] for each in found if each.kind == "notifications"]
    assert payload["open"]["ipAddress"] == "192.0.2.7"


async def test_all_of_an_address_is_erased_and_nothing_of_others(store: SqlStore, tmp_path: Path) -> None:
    await fill(store)
    others = Counter(each.kind for each in await told(store, tmp_path, OTHER))
    done = await erase(store)
    assert set(done.counts) == KINDS - {"ses_account_list_errands", "suppressions"} | {"notices"}
    assert WHO.lower() not in (await everything(store)).lower()
    assert Counter(each.kind for each in await told(store, tmp_path, OTHER)) == others
    assert (await rows(store, "SELECT count(*) FROM messages"))[0][0] == 1
    assert await told(store, tmp_path) == []
    assert (await rows(store, "SELECT count(*) FROM audit"))[0][0] == 2


async def test_what_was_suppressed_stays_so(store: SqlStore) -> None:
    await sent(store)
    await store.suppressions.add(suppression(WHO, reason="complaint"))
    await erase(store)
    found = await suppressed(store, WHO, "reader@EXAMPLE.net", OTHER)
    assert {(each.reason, each.source, each.created_at) for each in found.values()} == {(Reason.COMPLAINT, "erased", NOW)}
    assert OTHER not in found
    assert (await enqueue(store, 2, recipient=WHO)).state is State.SUPPRESSED


async def test_what_waited_and_was_suppressed_by_a_mark_since_is_not_claimed(store: SqlStore) -> None:
    await erase(store, suppress=True)
    waiting = await enqueue(store, 2, recipient=OTHER)
    await change(store, "UPDATE deliveries SET recipient = ? WHERE message_id = ?", (WHO, waiting.message_id))
    assert await claim(store) == ()


async def test_an_address_that_nobody_suppressed_may_be_mailed_again_unless_it_is_said(store: SqlStore) -> None:
    await erase(store)
    assert (await enqueue(store, recipient=WHO)).state is State.QUEUED
    await erase(store, suppress=True)
    assert (await enqueue(store, 2, recipient=WHO)).state is State.SUPPRESSED


async def test_an_operator_lets_an_erased_address_be_mailed_again(store: SqlStore) -> None:
    await erase(store, suppress=True)
    assert await store.suppressions.remove(release(WHO))
    assert await suppressed(store, WHO) == {}
    assert not await store.suppressions.remove(release(WHO))


async def test_a_suppression_of_an_erased_address_ends_when_its_time_is_over(store: SqlStore) -> None:
    await store.suppressions.add(replace(suppression(WHO), expires_at=NOW + 10))
    await erase(store)
    assert await suppressed(store, WHO, now=NOW + 9)
    assert not await suppressed(store, WHO, now=NOW + 10)
    assert [count async for count in store.retention.suppressions(NOW + 10)] == [1]
    assert await rows(store, "SELECT * FROM erased_suppressions") == []


async def test_without_a_key_nothing_is_erased(store: SqlStore) -> None:
    await sent(store)
    with pytest.raises(CannotErase, match="relay key new"):
        await eraser(store, marks=Marks({})).erase(Erasure(address=WHO, source="test"))
    assert WHO in await everything(store)


async def test_what_waits_is_cancelled_and_counted_so(store: SqlStore) -> None:
    await enqueue(store, recipient=WHO)
    done = await erase(store)
    assert (done.cancelled, done.counts) == (1, {"deliveries": 1, "events": 1})
    assert await column(store, "SELECT count FROM counters WHERE name = 'cancelled'") == [1]
    assert await column(store, "SELECT sum(open) FROM loads") == [0]
    assert await claim(store) == ()


async def test_nothing_is_erased_while_a_call_has_no_end(store: SqlStore) -> None:
    await sent(store, 1)
    await enqueue(store, 2, recipient=WHO)
    [claimed] = await claim(store)
    with pytest.raises(CannotErase, match="1 of its deliveries are being sent or in doubt"):
        await erase(store)
    await settle(store, claimed, Unknown("no answer"))
    with pytest.raises(CannotErase):
        await erase(store)
    assert await column(store, "SELECT count(*) FROM deliveries") == [2]
    assert await store.erasing.erased() == ()


async def test_a_message_to_several_stays_for_the_others(store: SqlStore) -> None:
    made = message()
    both = (delivery(made, recipient=WHO), delivery(made, number=2, recipient=OTHER))
    await store.queue.enqueue(made, CONTENT, both)
    await erase(store)
    assert await column(store, "SELECT recipient FROM deliveries") == [OTHER]
    assert await column(store, "SELECT count(*) FROM bodies") == [1]  # somebody waits for it
    [claimed] = await claim(store)
    await settle(store, claimed, Sent("ses-1"))
    await erase(store, OTHER)
    assert await column(store, "SELECT count(*) FROM messages") == [0]


async def test_content_that_nobody_waits_for_goes_though_others_got_it(store: SqlStore) -> None:
    made = message()
    both = (delivery(made, recipient=WHO), delivery(made, number=2, recipient=OTHER))
    await store.queue.enqueue(made, None, both)
    for claimed in await claim(store):
        await settle(store, claimed, Sent("ses-1"))
    files = NoFiles()
    await eraser(store, files).erase(Erasure(address=WHO, source="test"))
    assert files.removed == [made.id]
    assert await rows(store, "SELECT * FROM spooled") == []
    assert await column(store, "SELECT count(*) FROM messages") == [1]


async def test_a_late_report_does_not_bring_an_erased_address_back(store: SqlStore) -> None:
    first = await sent(store)
    await erase(store)
    late = replace(event(EventType.OPEN, of=first), user_agent="Mail")
    assert await record(store, late, notification_id="late", payload=f'{{"to": "{WHO}"}}') == ()
    bounce = hard_bounce(of=first)
    assert await record(store, bounce, notification_id="later", payload=f'{{"to": "{WHO}"}}') == ()
    assert WHO not in await everything(store)
    assert (await suppressed(store, WHO))[WHO].reason is Reason.HARD_BOUNCE
    assert await record(store, event(recipient=OTHER), notification_id="stranger", payload="{}") != ()


async def test_a_late_report_about_others_as_well_is_kept_without_its_post(store: SqlStore) -> None:
    await erase(store)
    told = [event(EventType.DELIVERY, recipient=each) for each in (WHO, OTHER)]
    [fact] = await record(store, *told, notification_id="late", payload=f'{{"to": ["{WHO}", "{OTHER}"]}}')
    assert fact.event.recipient == OTHER
    assert WHO not in await everything(store)
    assert await rows(store, "SELECT id, payload FROM notifications WHERE id = 'late'") == [("late", b"")]


async def test_ses_own_list_does_not_bring_it_back(store: SqlStore) -> None:
    await erase(store)
    listed = Listed(address=WHO, reason=Reason.HARD_BOUNCE, at=NOW)
    assert await store.account_list.learn([listed], now=NOW, dry=False) == 0
    assert WHO not in await everything(store)
    assert (await suppressed(store, WHO))[WHO].reason is Reason.HARD_BOUNCE


async def test_who_is_mailed_anew_is_known_anew(store: SqlStore) -> None:
    await erase(store)
    again = await sent(store, 2)
    assert len(await record(store, event(EventType.DELIVERY, of=again), notification_id="new")) == 1
    await erase(store)
    assert WHO not in await everything(store)


async def test_erasing_goes_on_where_it_broke_off(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 6):
        await sent(store, number)
    await store.suppressions.add(suppression(WHO))
    for verb in ("let_go", "forget", "begin", "end"):

        async def breaks(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable("gone")

        with monkeypatch.context() as patch:
            patch.setattr(store.erasing, verb, breaks)
            with pytest.raises(StoreUnavailable):
                await erase(store)
        assert await suppressed(store, WHO)  # at no time it may be mailed
    [begun] = await store.erasing.erased()
    assert begun.ended_at is None
    await erase(store)
    assert WHO not in await everything(store)
    [ended] = await store.erasing.erased()
    assert (ended.ended_at, ended.is_readable) == (NOW + 50, True)


async def test_a_new_key_leaves_what_older_ones_marked_readable(store: SqlStore, place: Path | str) -> None:
    await erase(store, suppress=True)
    await store.close()
    both = await open_with(place, Marks({1: b"1" * 32, 2: b"2" * 32}))
    assert await suppressed(both, WHO)
    assert await record(both, event(recipient=WHO), notification_id="late") == ()
    await both.close()
    new = await open_with(place, Marks({2: b"2" * 32}))
    assert not await suppressed(new, WHO)
    assert [each.is_readable for each in await new.erasing.erased()] == [False]
    await new.close()


async def test_an_export_is_read_in_small_steps(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tuple(replace(place, rows=2) for place in personal.PLACES)
    monkeypatch.setattr(personal, "PLACES", small)
    monkeypatch.setattr(personal, "DELIVERIES", small[0])
    for number in range(1, 8):
        one = await sent(store, number, WHO if number % 3 else OTHER)
        await record(
            store,
            event(of=one, ses_message_id=f"ses-{one.message_id}"),
            notification_id=str(number),
            payload=WHO if number % 3 else OTHER,
        )
    rest: Cursor | None = BEGINNING
    found = Counter[str]()
    while rest:
        some = await store.personal.some(WHO, rest)
        assert len(some.records) <= 2
        found.update(each.kind for each in some.records)
        rest = some.rest
    assert found == {"deliveries": 5, "events": 5, "notifications": 5}


async def test_others_write_while_a_million_rows_are_looked_at(sqlite_store: SqliteStore) -> None:
    """Here 50,000: no step may take long."""
    rows_of = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
    await enqueue(sqlite_store, recipient=OTHER)
    await change(
        sqlite_store,
        f"""{rows_of} INSERT INTO deliveries (message_id, number, flow, recipient, state, due_at, expires_at)
        SELECT '{message().id}', i + 1, 1, 'x' || i || '@example.net', 'sent', 1, 1 FROM n""",
    )
    longest, rest = 0.0, cast(Cursor | None, BEGINNING)
    while rest:
        began = time.process_time()
        rest = (await sqlite_store.personal.some(WHO, rest)).rest
        longest = max(longest, time.process_time() - began)
        await asyncio.sleep(0)
    assert longest < 0.25


async def test_what_was_erased_since_a_backup_is_erased_again(store: SqlStore, place: Path | str) -> None:
    """The store as it was before stands for the backup."""
    await sent(store)
    await store.suppressions.add(suppression(WHO))
    mark = KEY.of(WHO.lower())[0]
    kept = (Kept("", "complaint", NOW - 5, 0.0), Kept("list:news", "unsubscribed", NOW, NOW + 9))
    marked = [
        MarkedAddress(mark=mark, began_at=NOW, ended_at=NOW + 1, kept=kept),
        MarkedAddress(mark=KEY.of("never@example.net")[0], began_at=NOW, ended_at=NOW + 1, kept=kept[:1]),
    ]
    assert await eraser(store).erase_again(marked, store.marked, source="test") == 1
    assert WHO.lower() not in (await everything(store)).lower()
    assert {each.reason for each in (await store.suppressions.find([WHO])).entries(WHO)} == set(Reason) & {
        Reason.COMPLAINT,
        Reason.MANUAL,
        Reason.UNSUBSCRIBED,
    }
    assert (await suppressed(store, "never@example.net"))["never@example.net"].reason is Reason.COMPLAINT
    assert [each.mark async for each in store.marked.all()] == sorted(each.mark for each in marked)


async def test_the_look_at_the_list_is_one_statement_by_its_keys(sqlite_store: SqliteStore) -> None:
    asked = Asked(KEY, ["reader@example.net"])
    plan = [row[3] for row in await rows(sqlite_store, f"EXPLAIN QUERY PLAN {asked.query}", asked.values)]
    assert any(re.match("SEARCH erased_suppressions USING PRIMARY KEY", step) for step in plan)
    assert not any(re.match("SCAN (erased_)?suppressions", step) for step in plan)
    assert "erased" not in Asked(Marks({}), ["reader@example.net"]).query


async def test_what_comes_to_keep_mail_from_it_meanwhile_stays(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, forget = await sent(store), store.erasing.forget

    async def bounces(some: Any) -> Any:
        await record(store, hard_bounce(of=first), notification_id="meanwhile")
        return await forget(some)

    monkeypatch.setattr(store.erasing, "forget", bounces)
    await erase(store)
    assert WHO.lower() not in (await everything(store)).lower()
    assert (await suppressed(store, WHO))[WHO].reason is Reason.HARD_BOUNCE


async def test_a_mailing_that_comes_to_it_meanwhile_keeps_its_place(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would begin anew, and all before it would get it twice."""
    await sent(store)
    task = await store.tasks.add("app", MAILING, Audience(), at=NOW)
    forget = store.erasing.forget

    async def reaches(some: Any) -> Any:
        await change(store, "UPDATE tasks SET last_key = ? WHERE id = ?", (WHO.lower(), task))
        return await forget(some)

    monkeypatch.setattr(store.erasing, "forget", reaches)
    with pytest.raises(CannotErase):
        await erase(store)
    assert await column(store, "SELECT last_key FROM tasks") == [WHO.lower()]
    await change(store, "UPDATE tasks SET is_whole = 1 WHERE id = ?", (task,))
    assert (await erase(store)).counts == {"mailings_being_made": 1}


async def test_nothing_is_erased_while_a_mailing_is_just_at_it(store: SqlStore) -> None:
    task = await store.tasks.add("app", MAILING, Audience(), at=NOW)
    await change(store, "UPDATE tasks SET last_key = ? WHERE id = ?", (WHO.lower(), task))
    with pytest.raises(CannotErase):
        await erase(store)
    await change(store, "UPDATE tasks SET is_whole = 1 WHERE id = ?", (task,))
    assert (await erase(store)).counts == {"mailings_being_made": 1}
