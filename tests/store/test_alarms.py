"""Alarms over the counters: told once, told when over, and what they pause."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from relay import journal, metrics
from relay.alarms import Alarms, Hearing
from relay.credential import MessageClass
from relay.event import EventType
from relay.holds import Holder
from relay.model import Labels
from relay.outcome import HoldScope, Sent
from relay.settings import ReputationConfig
from relay.silence import Silence
from relay.store.sql.store import SqlStore
from tests.store.kit import NOW, claim, enqueue, event, settle

DAY = 86400.0
RULES = replace(ReputationConfig(), pause_bulk=True).rules
BULK = Labels(message_class=MessageClass.MARKETING)


class Watched:
    """Alarms over a store, at a time that the test sets."""

    def __init__(self, store: SqlStore, journal: io.StringIO, *, pauses: bool = True, silent_after: int = 3) -> None:
        self.store = store
        self.now = NOW
        self._journal = journal
        self.alarms = Alarms(
            counters=store.counters,
            desk=store.desk,
            clock=lambda: self.now,
            rules=replace(RULES, pauses=pauses),
            silence=Silence(after_sent=silent_after, after_seconds=1800.0, now=NOW),
        )

    async def counted(self, credential: str = "app", **counts: int) -> None:
        names = {"bounced": "bounced.hard"}
        await self.store.counters.count(
            [(names.get(name, name), credential, self.now, count) for name, count in counts.items()]
        )

    async def said(self) -> list[dict[str, Any]]:
        """What two more looks tell; the second has nothing to add."""
        first, second = await self._look(), await self._look()
        assert second == []
        return first

    async def _look(self) -> list[dict[str, Any]]:
        self._journal.truncate(self._journal.seek(0))
        await self.alarms.listen()
        await self.alarms.weigh()
        return [json.loads(line) for line in self._journal.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    journal.open_journal(stream=stream)
    yield stream
    journal.open_journal(stream=io.StringIO())


@pytest.fixture
def watched(store: SqlStore, lines: io.StringIO) -> Watched:
    return Watched(store, lines)


def told(said: list[dict[str, Any]], *fields: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(line[field] for field in fields) for line in said if line["event"] == "reputation")


async def test_a_crossing_is_told_once_of_all_whose_rate_it_is_and_once_more_when_it_is_over(watched: Watched) -> None:
    await watched.counted(sent=2000, bounced=20)
    assert await watched.said() == []
    await watched.counted(bounced=100)
    said = await watched.said()
    assert told(said, "scope", "name", "standing", "level") == [
        ("account", "", "review", "error"),
        ("credential", "app", "review", "error"),
        ("sender_domain", "", "review", "error"),
    ]
    assert {(line["rate"], line["count"], line["sent"], line["hours"]) for line in said} == {(0.06, 120, 2000, 24)}
    watched.now += DAY + 3600  # in the week it still stands: 4.8 %
    await watched.counted(sent=500)
    assert await watched.said() == []
    watched.now += 8 * DAY
    said = await watched.said()
    assert told(said, "scope", "standing", "level") == [
        ("account", "fine", "info"),
        ("credential", "fine", "info"),
        ("sender_domain", "fine", "info"),
    ]


async def test_a_login_that_reaches_the_second_threshold_has_its_bulk_mail_paused_and_nothing_else(watched: Watched) -> None:
    store = watched.store
    await watched.counted("news", sent=2000)
    await watched.counted("app", sent=90_000)
    assert await watched.said() == []
    await watched.counted("news", complained=20)
    assert [line["event"] for line in await watched.said()].count("paused") == 1
    (hold,) = (await store.desk.status(now=NOW)).holds
    assert (hold.scope, hold.subject, hold.holder) == (HoldScope.CREDENTIAL_BULK, "news", Holder.RELAY)
    assert hold.reason == "1.00 % complained of 2000 in 24 hours"
    await enqueue(store, 1, credential="news", labels=BULK)
    free = [await enqueue(store, 2, credential="news"), await enqueue(store, 3, labels=BULK)]
    assert [each.delivery.id for each in await claim(store)] == [each.id for each in free]


async def test_what_was_resumed_by_hand_is_not_paused_again_for_the_same_crossing_nor_after_a_restart(
    watched: Watched, lines: io.StringIO
) -> None:
    store = watched.store
    await watched.said()
    await watched.counted(sent=2000, bounced=400)
    await watched.said()
    assert len(await store.desk.lift(HoldScope.CREDENTIAL_BULK, "app", now=NOW)) == 1
    await watched.counted(bounced=10)
    assert await watched.said() == []
    again = Watched(store, lines)
    assert ("credential", "pause") in told(await again.said(), "scope", "standing")
    assert (await store.desk.status(now=NOW)).holds == ()


async def test_who_looks_again_after_others_does_not_pause_what_was_resumed(watched: Watched, lines: io.StringIO) -> None:
    store, other = watched.store, Watched(watched.store, lines)
    await looks_for_a_while(watched.alarms)
    await other.said()
    await watched.counted(sent=2000, bounced=400)
    assert ("credential", "pause") in told(await other.said(), "scope", "standing")
    assert len(await store.desk.lift(HoldScope.CREDENTIAL_BULK, "app", now=NOW)) == 1
    await looks_for_a_while(watched.alarms)
    assert (await store.desk.status(now=NOW)).holds == ()


async def looks_for_a_while(alarms: Alarms) -> None:
    """As the node does whose turn it is."""
    run = asyncio.create_task(alarms.run(every=0.01))
    await until(lambda: alarms.findings is not None)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def test_without_the_setting_nothing_is_paused(store: SqlStore, lines: io.StringIO) -> None:
    watched = Watched(store, lines, pauses=False)
    await watched.said()
    await watched.counted(sent=2000, bounced=400)
    assert told(await watched.said(), "scope", "standing")[1] == ("credential", "pause")
    assert (await store.desk.status(now=NOW)).holds == ()


async def test_rates_and_levels_are_shown_as_metrics(watched: Watched) -> None:
    await watched.counted("seen", sent=1000, bounced=70)
    await watched.said()
    labels = {"measure": "bounced.hard", "scope": "credential", "name": "seen"}
    assert metrics.registry.get_sample_value("relay_reputation_rate", labels) == 0.07
    assert metrics.registry.get_sample_value("relay_reputation_level", labels) == 1.0
    watched.now += 9 * DAY
    await watched.said()
    await watched.said()
    assert metrics.registry.get_sample_value("relay_reputation_rate", labels) is None


async def test_mail_that_goes_out_while_nothing_comes_back_is_told_until_something_does(watched: Watched) -> None:
    assert await watched.said() == []
    for number in range(1, 4):
        await enqueue(watched.store, number)
    for number, each in enumerate(await claim(watched.store), 1):
        await settle(watched.store, each, Sent(f"ses-{number}"))
    assert await watched.said() == []
    watched.now += 1800
    (line,) = await watched.said()
    assert (line["event"], line["level"], line["sent"]) == ("feedback_silent", "error", 3)
    assert metrics.registry.get_sample_value("relay_feedback_silent") == 1.0
    assert watched.alarms.hearing == Hearing(True, 3, NOW)
    await watched.store.feedback.record(
        notification_id="n", topic="t", payload="{}", received_at=watched.now, events=(event(EventType.DELIVERY),)
    )
    assert [line["event"] for line in await watched.said()] == ["feedback_heard"]
    assert metrics.registry.get_sample_value("relay_feedback_silent") == 0.0


async def test_days_without_mail_after_a_busy_one_are_no_silence(watched: Watched) -> None:
    watched.now = NOW // DAY * DAY + DAY / 2
    await watched.counted(sent=100)
    watched.now += 6 * 3600
    await watched.store.feedback.record(
        notification_id="n", topic="t", payload="{}", received_at=watched.now, events=(event(EventType.DELIVERY),)
    )
    for _ in range(6):
        assert await watched.said() == []
        watched.now += DAY
    assert watched.alarms.hearing == Hearing(False, 0, watched.now - 6 * DAY, is_known=False)


async def test_who_looks_no_more_shows_nothing(watched: Watched) -> None:
    labels = {"measure": "bounced.hard", "scope": "account", "name": ""}

    def shown() -> tuple[float | None, float | None]:
        found = metrics.registry.get_sample_value
        return found("relay_feedback_silent"), found("relay_reputation_level", labels)

    await watched.alarms.listen()
    await watched.counted(sent=2000, bounced=400)
    await watched.alarms.listen()
    watched.now += 1800
    run = asyncio.create_task(watched.alarms.run(every=60.0))
    await until(lambda: shown() == (1.0, 2.0))
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert shown() == (0.0, None)
    assert (watched.alarms.hearing, watched.alarms.findings) == (None, None)
