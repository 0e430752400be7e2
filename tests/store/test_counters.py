"""Counters: the sums of what happened, whatever the order in which we heard of it, and however often."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from relay.bounces import BounceRules
from relay.credential import MessageClass
from relay.errors import MailLoop
from relay.event import Event, EventType
from relay.lifecycle import Cause
from relay.model import Delivery, Labels, State
from relay.outcome import Later, Never, Sent, Unknown
from relay.queueing import Selection
from relay.refusals import Refusals
from relay.statistics import By, Wanted
from relay.store.sql.store import SqlStore
from relay.store.sqlite.salvage import salvage
from relay.store.sqlite.store import SqliteStore
from tests.store.kit import (
    CONTENT,
    LIFETIME,
    NOW,
    PATIENCE,
    Opener,
    claim,
    claim_one,
    claims,
    connection_of,
    database,
    delivery,
    enqueue,
    event,
    hard_bounce,
    make_impatient,
    message,
    settle,
    suppression,
    writing,
)

HOUR, DAY = 3600.0, 86400.0
EVER = Wanted(since=0.0, until=NOW + 1000 * 86400)
CLASSIC: dict[str, Any] = {"relay_id": "", "ses_message_id": "ses-1"}  # a notification that has no tags


async def sums(store: SqlStore, wanted: Wanted = EVER) -> dict[str, int]:
    """But for the latency, which is looked at by itself."""
    found = await store.counters.sums(wanted)
    return {name: count for each in found.values() for name, count in each.counts.items() if not name.startswith("latency")}


async def record(store: SqlStore, *told: Event) -> None:
    """Each in a notification of its own, all in as few transactions as may be."""
    await asyncio.gather(
        *(
            store.feedback.record(
                notification_id=str(random.random()), topic="t", payload="{}", received_at=NOW + 9, events=(each,)
            )
            for each in told
        )
    )


async def sent(store: SqlStore, number: int = 1, ses_message_id: str = "ses-1") -> Delivery:
    made = await enqueue(store, number)
    await settle(store, await claim_one(store), Sent(ses_message_id))
    return made


# What is ours.


async def test_what_was_accepted_is_counted_by_recipient_and_so_is_what_became_of_it(store: SqlStore) -> None:
    await store.suppressions.add(suppression("bad@example.net", reason="complaint"))
    made = message()
    wanted = (
        delivery(made),
        delivery(made, number=2, recipient="bad@example.net"),
        replace(delivery(made, number=3, recipient="third@example.net"), state=State.IGNORED),
    )
    await store.queue.enqueue(made, CONTENT, wanted)
    assert await sums(store) == {"accepted": 3, "suppressed.complaint": 1, "ignored": 1}


@pytest.mark.parametrize(
    ("outcome", "now", "name"),
    [(Sent("ses-1"), NOW + 1, "sent"), (Never("no"), NOW + 1, "failed"), (Later("no"), NOW + LIFETIME, "expired")],
)
async def test_the_end_of_a_delivery_is_counted(store: SqlStore, outcome: Sent, now: float, name: str) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), outcome, now=now)
    assert await sums(store) == {"accepted": 1, name: 1}


async def test_a_call_that_is_made_again_is_no_end(store: SqlStore) -> None:
    await enqueue(store)
    await settle(store, await claim_one(store), Later("503"))
    assert await sums(store) == {"accepted": 1}


async def test_what_is_found_suppressed_or_cancelled_later_is_counted_then(store: SqlStore) -> None:
    await enqueue(store, 1)
    await enqueue(store, 2, recipient="other@example.net")
    await store.suppressions.add(suppression())
    await claims(store, limit=1)
    async for _ in store.desk.move(Cause.CANCELLED, Selection(credential="app"), now=NOW + 5):
        pass
    assert await sums(store) == {"accepted": 2, "suppressed.manual": 1, "cancelled": 1}


async def test_what_was_held_for_too_long_is_counted_as_expired(store: SqlStore) -> None:
    await enqueue(store)
    await store.queue.expire(now=NOW + 100 * 86400, max_hold=86400.0)
    assert await sums(store) == {"accepted": 1, "expired": 1}


async def test_a_result_that_comes_late_counts_once(store: SqlStore) -> None:
    await enqueue(store)
    claimed = await claim_one(store)
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    for _ in range(3):
        await settle(store, claimed, Sent("ses-1"))
    assert await sums(store) == {"accepted": 1, "sent": 1}


async def test_an_event_that_proves_a_call_and_the_answer_behind_it_count_one_sending(store: SqlStore) -> None:
    made = await enqueue(store)
    claimed = await claim_one(store)
    await record(store, event(of=made))
    await settle(store, claimed, Sent("ses-1"))
    assert await sums(store) == {"accepted": 1, "sent": 1}


async def test_what_was_given_up_and_proves_sent_is_no_failure_any_more(store: SqlStore) -> None:
    made = await enqueue(store)
    await settle(store, await claim_one(store), Unknown("timed out"))
    async for _ in store.desk.move(Cause.CANCELLED, Selection(credential="app"), now=NOW + 5):
        pass
    assert await sums(store) == {"accepted": 1, "cancelled": 1}
    await record(store, event(of=made, at=NOW + 2 * HOUR))
    assert await sums(store) == {"accepted": 1, "sent": 1}


# What SES reports.


async def test_each_fact_counts_once_however_often_it_comes(store: SqlStore) -> None:
    made = await sent(store)
    facts = (event(EventType.DELIVERY, of=made), hard_bounce(of=made), event(EventType.OPEN, of=made))
    for _ in range(3):
        await record(store, *facts, *facts)
    assert await sums(store) == {
        "accepted": 1,
        "sent": 1,
        "delivered": 1,
        "bounced.hard": 1,
        "opened": 1,
        "opened_unique": 1,
    }


async def test_what_is_not_ours_is_not_counted(store: SqlStore) -> None:
    await record(store, event(EventType.DELIVERY), hard_bounce())
    assert await sums(store) == {}


async def test_the_first_opening_of_each_delivery_is_counted_apart_and_programs_are_too(store: SqlStore) -> None:
    made = await sent(store)
    other = await sent(store, 2, "ses-2")
    opens = [event(EventType.OPEN, of=made, at=NOW + n * HOUR) for n in range(3)]
    clicks = [event(EventType.CLICK, of=other, at=NOW + 5, detail=link, ses_message_id="ses-2") for link in "abc"]
    await record(store, *opens, *clicks, event(EventType.OPEN, of=other, is_bot=True, ses_message_id="ses-2"))
    found = await sums(store)
    assert {name: found[name] for name in found if name.startswith(("open", "click"))} == {
        "opened": 3,
        "opened_unique": 1,
        "opened_bot": 1,
        "clicked": 3,
        "clicked_unique": 1,
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_the_sums_of_each_hour_are_the_same_in_whichever_order_facts_come(store: SqlStore, order: tuple[int]) -> None:
    """The first opening among them is told with a tag, the second without, and the sending is settled between any two."""
    made = await enqueue(store)
    claimed = await claim_one(store)

    async def is_answered() -> None:
        await settle(store, claimed, Sent("ses-1"))

    steps = (
        is_answered(),
        record(store, event(EventType.OPEN, of=made, at=NOW + 2 * HOUR, **CLASSIC)),
        record(store, event(EventType.OPEN, of=made, at=NOW + 1 * HOUR, **CLASSIC)),
        record(store, event(EventType.DELIVERY, of=made, at=NOW + 90, **CLASSIC)),
    )
    for number in order:
        await steps[number]
    found = await store.counters.sums(replace(EVER, by=By.HOUR))
    hour = NOW // HOUR * HOUR
    assert {at: dict(figures.counts) for at, figures in found.items()} == {
        hour: {"accepted": 1, "sent": 1, "delivered": 1, "latency.120": 1},
        hour + HOUR: {"opened": 1, "opened_unique": 1},
        hour + 2 * HOUR: {"opened": 1},
    }


async def test_facts_that_waited_for_a_late_answer_count_with_it(store: SqlStore) -> None:
    made = await enqueue(store)
    claimed = await claim_one(store)
    await record(store, event(EventType.DELIVERY, of=made, **CLASSIC))
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    await settle(store, claimed, Sent("ses-1"))
    assert await sums(store) == {"accepted": 1, "sent": 1, "delivered": 1}


async def test_facts_that_waited_for_an_answer_that_never_came_count_with_the_event_that_proves_the_call(
    store: SqlStore,
) -> None:
    made = await enqueue(store)
    await claim_one(store)
    await record(store, event(EventType.OPEN, of=made, at=NOW + 60, **CLASSIC))
    await store.queue.rescue(now=NOW, everything=True, patience=PATIENCE)
    await record(store, event(EventType.OPEN, of=made, at=NOW + 2 * HOUR))
    found = await store.counters.sums(replace(EVER, by=By.HOUR))
    hour = NOW // HOUR * HOUR
    assert {at: dict(figures.counts) for at, figures in found.items()} == {
        hour: {"accepted": 1, "opened": 1, "opened_unique": 1},
        hour + 2 * HOUR: {"sent": 1, "opened": 1},
    }


async def test_latency_begins_when_a_message_might_be_sent(store: SqlStore) -> None:
    made = await enqueue(store, labels=Labels(send_at=NOW + 1000), due_at=NOW + 1000)
    await settle(store, (await claim(store, now=NOW + 1000))[0], Sent("ses-1"), now=NOW + 1001)
    await record(store, event(EventType.DELIVERY, of=made, at=NOW + 1004))
    (found,) = (await store.counters.sums(EVER)).values()
    assert [name for name in found.counts if name.startswith("latency")] == ["latency.5"]


async def test_a_bounce_of_another_class_by_the_rules_of_today_moves_its_count(store: SqlStore) -> None:
    made = await sent(store)
    await record(store, hard_bounce(of=made, bounce_type="Transient", status="5.1.1"))
    assert (await sums(store))["bounced.soft"] == 1
    for _ in range(2):
        async for _ in store.feedback.replay(rules=BounceRules(trusts_diagnostics=True), now=NOW + 500):
            pass
        assert await sums(store) == {"accepted": 1, "sent": 1, "bounced.hard": 1}


# Whose, and when.


async def test_sums_are_told_apart_by_what_is_asked_for(store: SqlStore) -> None:
    labels = Labels(campaign="spring", message_class=MessageClass.MARKETING)
    await enqueue(store, 1, credential="crm", sender="news@Example.ORG", labels=labels)
    await enqueue(store, 2)
    await enqueue(store, 3)

    async def by(what: By, wanted: Wanted = EVER) -> dict[str | int, int]:
        return {key: figures.of("accepted") for key, figures in (await store.counters.sums(replace(wanted, by=what))).items()}

    assert await by(By.CREDENTIAL) == {"crm": 1, "app": 2}
    assert await by(By.DOMAIN) == {"example.org": 1, "example.com": 2}
    assert await by(By.CAMPAIGN) == {"spring": 1, "": 2}
    assert await by(By.DAY) == {NOW // 86400 * 86400: 3}
    assert await by(By.DOMAIN, replace(EVER, credential="crm")) == {"example.org": 1}
    assert await by(By.CREDENTIAL, replace(EVER, campaign="")) == {"app": 2}


async def test_sums_of_single_names_and_of_all_origins(store: SqlStore) -> None:
    await enqueue(store, 1, credential="crm", sender="news@example.org")
    await settle(store, await claim_one(store), Sent("ses-1"))
    await enqueue(store, 2, credential="crm", sender="news@example.org", labels=Labels(campaign="spring"))
    await enqueue(store, 3)

    async def origins(wanted: Wanted) -> dict[tuple[str, str, str], dict[str, int]]:
        return {origin: dict(figures.counts) for origin, figures in (await store.counters.by_origin(wanted)).items()}

    assert await origins(EVER) == {
        ("crm", "example.org", "spring"): {"accepted": 1},
        ("crm", "example.org", ""): {"accepted": 1, "sent": 1},
        ("app", "example.com", ""): {"accepted": 1},
    }
    assert await origins(replace(EVER, names=("sent", "failed"))) == {("crm", "example.org", ""): {"sent": 1}}
    assert await origins(replace(EVER, credential="crm", campaign="spring")) == {
        ("crm", "example.org", "spring"): {"accepted": 1}
    }
    assert await origins(replace(EVER, sender_domain="example.net")) == {}
    assert await sums(store, replace(EVER, names=("sent", "failed"))) == {"sent": 1}
    assert await sums(store, replace(EVER, names=[f"a{number}" for number in range(30)] + ["accepted"])) == {"accepted": 3}


async def test_the_hours_that_the_time_asked_for_touches_count_whole(store: SqlStore) -> None:
    await enqueue(store)
    hour = NOW // HOUR * HOUR
    assert await sums(store, Wanted(since=hour + HOUR - 1, until=hour + 9 * HOUR)) == {"accepted": 1}
    assert await sums(store, Wanted(since=hour + HOUR, until=hour + 9 * HOUR)) == {}
    assert await sums(store, Wanted(since=0.0, until=hour - 1)) == {}


async def test_single_names_are_summed_by_who_sent(store: SqlStore) -> None:
    await enqueue(store, 1, credential="crm", sender="news@example.org", labels=Labels(campaign="spring"))
    await enqueue(store, 2, credential="crm", sender="news@example.org")
    await enqueue(store, 3)
    hour = NOW // HOUR * HOUR
    for since, until in ((hour + HOUR - 1, hour + HOUR), (NOW - 900 * HOUR, hour)):
        found = await store.counters.by_sender(["accepted", "sent"], since=since, until=until)
        assert {key: dict(figures.counts) for key, figures in found.items()} == {
            ("crm", "example.org"): {"accepted": 2},
            ("app", "example.com"): {"accepted": 1},
        }
    assert await store.counters.by_sender(["sent"], since=0.0, until=NOW) == {}
    assert await store.counters.by_sender(["accepted"], since=hour + HOUR, until=hour + HOUR) == {}


async def test_refusals_are_added_up(store: SqlStore) -> None:
    await store.counters.count([("refused.mail_loop", "app", NOW, 3), ("refused.wrong_login", "", NOW, 1)])
    await store.counters.count([("refused.mail_loop", "app", NOW, 2)])
    assert await sums(store) == {"refused.mail_loop": 5, "refused.wrong_login": 1}


async def test_refusals_that_the_store_does_not_take_are_counted_when_it_does(store: SqlStore, another: Opener) -> None:
    await make_impatient(store)
    refusals = Refusals(store=store.counters, clock=lambda: NOW, every=1.0)
    refusals.note(MailLoop(), "app")
    async with writing(await another()):
        await refusals.flush()
    refusals.note(MailLoop(), "app")
    assert await sums(store) == {}
    for _ in range(2):
        await refusals.flush()
        assert await sums(store) == {"refused.mail_loop": 2}


# What they cost, and how long they stay.


async def test_a_group_costs_one_statement_more_whatever_its_size(sqlite_store: SqliteStore) -> None:
    store = sqlite_store
    seen: list[str] = []
    connection_of(store).set_trace_callback(seen.append)
    made = [message(number) for number in range(150)]
    await asyncio.gather(*(store.queue.enqueue(each, CONTENT, (delivery(each),)) for each in made))
    found = await claim(store, limit=150)
    await asyncio.gather(*(settle(store, each, Sent(each.delivery.id)) for each in found))
    await record(store, *(event(EventType.DELIVERY, of=each.delivery, ses_message_id=each.delivery.id) for each in found))
    connection_of(store).set_trace_callback(None)
    counted = [each for each in seen if "counters" in each]
    groups = sum(each == "COMMIT" for each in seen)
    assert 3 <= len(counted) <= groups < 20
    assert await sums(store) == {"accepted": 150, "sent": 150, "delivered": 150}


async def test_old_hours_go_as_facts_do(store: SqlStore) -> None:
    await enqueue(store)
    hour = NOW // HOUR * HOUR
    assert [count async for count in store.retention.counters(hour + HOUR - 1)] == []
    assert [count async for count in store.retention.counters(hour + HOUR)] == [1]
    assert await sums(store) == {}


async def test_the_hours_of_old_days_are_summed_up_and_nothing_is_lost(store: SqlStore) -> None:
    midnight = NOW // DAY * DAY
    at = [midnight - 2 * DAY, midnight - 2 * DAY + 5, midnight - DAY + HOUR, midnight - HOUR, midnight, midnight + HOUR]
    await store.counters.count([("accepted", "app", each, 1) for each in at])
    before = await sums(store)
    by_day = await store.counters.sums(replace(EVER, by=By.DAY))
    assert sum([count async for count in store.retention.hours(midnight + DAY - 1)]) == 2
    await store.counters.count([("accepted", "app", midnight - HOUR, 1), ("accepted", "app", midnight - HOUR, -1)])
    for _ in range(2):
        async for _ in store.retention.hours(midnight + DAY - 1):
            pass
    assert await sums(store) == before
    assert await store.counters.sums(replace(EVER, by=By.DAY)) == by_day
    by_hour = await store.counters.sums(replace(EVER, by=By.HOUR))
    assert {hour: figures.of("accepted") for hour, figures in by_hour.items()} == {
        midnight - 2 * DAY: 2,
        midnight - DAY: 2,
        midnight: 1,
        midnight + HOUR: 1,
    }


async def test_what_is_salvaged_is_counted_once(tmp_path: Path, sqlite_store: SqliteStore) -> None:
    for number in range(1, 30):
        await sent(sqlite_store, number, f"ses-{number}")
    before = await sums(sqlite_store)
    await sqlite_store.close()
    salvage(database(tmp_path), tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as db:
        assert dict(db.execute("SELECT name, sum(count) FROM counters GROUP BY 1").fetchall()) == before
    assert before == Counter(accepted=29, sent=29)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_the_answer_of_somebody_who_is_out_of_office_is_no_bounce(store: SqlStore, order: tuple[int, int]) -> None:
    made = await sent(store)
    answer = replace(hard_bounce(of=made, bounce_type="Transient", status="4.0.0"), at=NOW + 7)
    told = (event(EventType.DELIVERY, of=made), answer)
    for each in order:
        await record(store, told[each])
    assert await sums(store) == {"accepted": 1, "sent": 1, "delivered": 1, "bounced.auto_reply": 1}
    assert (await store.counters.sums(EVER))[""].bounced == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_events_prove_was_sent_when_they_say_it_was(store: SqlStore, order: tuple[int, int]) -> None:
    made = await enqueue(store)
    await claim_one(store)
    last = NOW // HOUR * HOUR + HOUR - 1  # of its hour
    told = [event(kind, of=made, at=at, sent_at=last) for kind, at in ((EventType.SEND, last), (EventType.DELIVERY, last + 60))]
    for each in order:
        await record(store, told[each])
    by_hour = await store.counters.sums(replace(EVER, by=By.HOUR))
    assert by_hour[int(NOW // HOUR * HOUR)].of("sent") == 1
