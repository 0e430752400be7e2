"""What stands, as all nodes know it: told once by one of them, through restarts, and quiet about what comes and goes."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from relay import journal, metrics, standing
from relay.alarm import Alarm, Kind, Level, Stands
from relay.alarms import Alarms
from relay.backlog import Admission, Backlog, BacklogLimits, Load
from relay.dead_letters import DeadLetterWatch
from relay.errors import QueueUnavailable
from relay.event import EventType
from relay.holds import Holder
from relay.listening import Listening
from relay.lookout import Leader, Limits, Lookout, Machine, Tables
from relay.outcome import Hold, HoldScope, Sent, Unknown
from relay.quota import Quota
from relay.rate import Account
from relay.settings import ReputationConfig
from relay.silence import Silence
from relay.standing import Certificate, News, Pace, State, Way
from relay.steady import SteadyClock
from relay.store.sql.store import SqlStore
from relay.tellers import JournalTeller, NotTold, Teller
from relay.telling import Telling
from relay.upkeep import Upkeep
from relay.webhooks.webhook import Webhook
from tests.store.kit import NOW, PATIENCE, claim, enqueue, event, settle

DAY = 86400.0
SILENT = standing.alarm(Kind.FEEDBACK_SILENT, Level.CRITICAL)
HELD = Hold(HoldScope.ACCOUNT, "sending is paused", 1e9)


def certificate(level: Level = Level.WARNING) -> Alarm:
    return Alarm(kind=Kind.CERTIFICATE_ENDS, level=level, subject="a", words={"name": "a"})


# The table.


async def test_what_stands_is_read_as_it_was_reported(store: SqlStore) -> None:
    await store.alarms.report("one", [certificate()], unknown=(), now=NOW)
    await store.alarms.report("", [SILENT], unknown=(), now=NOW + 1)
    first, second = await store.alarms.all()
    assert (first.alarm, first.node, first.began_at, first.seen_at) == (certificate(), "one", NOW, NOW)
    assert (second.alarm, second.node) == (SILENT, "")
    assert {first.over_at, first.journal_at, first.webhook_at, first.mail_at} == {0.0}
    assert first.failure == ""


async def test_it_has_stood_since_it_was_seen_first_and_is_over_when_nobody_has_seen_it(store: SqlStore) -> None:
    await store.alarms.report("", [SILENT], unknown=(), now=NOW)
    await store.alarms.report("", [SILENT], unknown=(), now=NOW + 60)
    await store.alarms.end(unseen_since=NOW + 60, now=NOW + 90)
    [still] = await store.alarms.all()
    assert (still.began_at, still.over_at) == (NOW, 0.0)
    await store.alarms.end(unseen_since=NOW + 61, now=NOW + 90)
    [over] = await store.alarms.all()
    assert over.over_at == NOW + 90


async def test_what_is_not_known_now_stands_as_it_did(store: SqlStore) -> None:
    await store.alarms.report("", [SILENT], unknown=(), now=NOW)
    await store.alarms.report("", [], unknown=[Kind.FEEDBACK_SILENT], now=NOW + 60)
    await store.alarms.report("two", [], unknown=[Kind.FEEDBACK_SILENT], now=NOW + 90)
    [stands] = await store.alarms.all()
    assert stands.seen_at == NOW + 60


async def test_what_gets_worse_is_to_be_told_anew_and_what_gets_better_is_not(store: SqlStore) -> None:
    await store.alarms.report("", [certificate()], unknown=(), now=NOW)
    await store.alarms.told("mail", await store.alarms.all(), at=NOW + 1)
    await store.alarms.report("", [certificate(Level.CRITICAL)], unknown=(), now=NOW + 2)
    [worse] = await store.alarms.all()
    assert (worse.alarm.level, worse.mail_at, worse.began_at) == (Level.CRITICAL, 0.0, NOW)
    await store.alarms.told("mail", [worse], at=NOW + 3)
    await store.alarms.report("", [certificate()], unknown=(), now=NOW + 4)
    [better] = await store.alarms.all()
    assert (better.alarm.level, better.mail_at) == (Level.WARNING, NOW + 3)


async def test_it_is_forgotten_once_all_who_were_told_know_that_it_is_over_or_after_a_day(store: SqlStore) -> None:
    for kind in (Kind.FEEDBACK_SILENT, Kind.QUARANTINED):
        await store.alarms.report("", [standing.alarm(kind, Level.WARNING)], unknown=(), now=NOW)
    quarantined, silent = sorted(await store.alarms.all(), key=lambda each: each.alarm.kind, reverse=True)
    await store.alarms.told("webhook", [quarantined, silent], at=NOW)
    await store.alarms.end(unseen_since=NOW + 1, now=NOW + 2)
    await store.alarms.forget(over_before=NOW)
    assert len(await store.alarms.all()) == 2
    await store.alarms.told(
        "webhook", [each for each in await store.alarms.all() if each.alarm.kind is silent.alarm.kind], at=0
    )
    await store.alarms.forget(over_before=NOW)
    assert [each.alarm.kind for each in await store.alarms.all()] == [quarantined.alarm.kind]
    await store.alarms.forget(over_before=NOW + 3)
    assert await store.alarms.all() == ()


async def test_why_it_was_not_taken_is_known_until_it_is(store: SqlStore) -> None:
    await store.alarms.report("", [SILENT], unknown=(), now=NOW)
    await store.alarms.failed(await store.alarms.all(), "webhook: answered 500")
    assert [each.failure for each in await store.alarms.all()] == ["webhook: answered 500"]
    await store.alarms.told("webhook", await store.alarms.all(), at=NOW)
    assert [each.failure for each in await store.alarms.all()] == [""]


# Who tells.


@dataclass
class Told:
    """Somebody who is told by one way, and takes it or not."""

    way: Way = Way.WEBHOOK
    refuses: str = ""
    heard: list[tuple[Kind, State, Level]] = field(default_factory=list)

    async def tell(self, some: Sequence[News]) -> bool:
        if self.refuses:
            raise NotTold(self.refuses)
        self.heard += [(each.stands.alarm.kind, each.state, each.stands.alarm.level) for each in some]
        return True

    def words(self) -> list[tuple[str, str]]:
        """What was told since somebody asked last."""
        heard, self.heard = self.heard, []
        return [(kind.value, state.value) for kind, state, _ in heard]


class Queue:
    """One of events that has given up seven; `fails` where AWS does not say so."""

    url = "https://sqs.us-east-1.amazonaws.com/123456789012/relay-events"
    fails = False

    async def depth(self) -> int:
        if self.fails:
            raise QueueUnavailable("AccessDenied", "not authorized")
        return 7

    async def dead_letters(self) -> Any:
        return self


class Node:
    """A relay's telling over a store, at a time that the test sets."""

    def __init__(
        self, store: SqlStore, *tellers: Teller, name: str = "", ends: float = NOW + 400 * DAY, queues: Sequence[Any] = ()
    ) -> None:
        self.now = NOW
        self.wall = 0.0  # where that differs
        self.hears = True
        self.store = store
        self.ends = ends
        self.name = name
        self.door = Admission(BacklogLimits(rows=1000, octets=1 << 30, seconds=0.0, free_octets=1 << 20))
        silence = Silence(after_sent=1, after_seconds=1800.0, now=NOW)
        self.alarms = Alarms(
            counters=store.counters, desk=store.desk, clock=self.clock, rules=ReputationConfig().rules, silence=silence
        )
        self.watch = DeadLetterWatch(queues, self.clock)
        self.lookout = self._lookout()
        self.telling = Telling(
            lookout=self.lookout,
            store=store.alarms,
            tellers=tellers,
            pace=Pace(60.0, DAY),
            node=name,
            clock=self.clock,
            monotonic=self.clock,
        )

    def clock(self) -> float:
        return self.now

    def _lookout(self) -> Lookout:
        store, self.steady = self.store, SteadyClock(wall=lambda: self.wall or self.now, monotonic=self.clock)
        self.upkeep = Upkeep(
            queue=store.queue,
            feedback=store.feedback,
            clock=self.steady,
            listening=Listening(NOW, webhook=True, queues=()),
            hears=lambda _: self.hears,
            is_alone=True,
            patience=PATIENCE,
            resends=False,
            max_hold=1.0,
            every=1.0,
            wake=asyncio.Event(),
        )
        return Lookout(
            machine=Machine(
                certificates=lambda: [Certificate("smtp", "localhost", self.ends)],
                refused_certificates=dict,
                clock_ahead=lambda: 0.0,
                queues=lambda: (),
            ),
            leader=Leader(
                alarms=self.alarms,
                queues=self.watch,
                upkeep=self.upkeep,
                account=lambda: ("HEALTHY", True, True),
            ),
            tables=Tables(alarms=store.alarms, desk=store.desk, webhooks=store.webhooks, quarantine=store.quarantine),
            admission=self.door,
            quota=Quota(clock=self.clock, per_minute=1000, per_day=1000),
            limits=Limits(queue_age=900.0, certificate_days=14, free_octets=1 << 20),
            node=self.name,
        )

    async def look(self, *, after: float = 0.0, leads: bool = True, has_led_for: float = 1e6) -> None:
        """Once as `report` does, and as `tell` does where it leads."""
        self.now += after
        self.lookout.leads = leads
        await self.telling._put(self.telling._node, self.lookout.own(self.now), self.now)
        if leads:
            await self.telling._look(has_led_for=has_led_for)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    journal.open_journal(stream=stream)
    yield stream
    journal.open_journal(stream=io.StringIO())


def events(lines: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in found if line["event"].startswith("alarm")]


async def hold(store: SqlStore, *, holder: Holder = Holder.SES) -> None:
    await store.desk.hold(HELD, now=NOW, holder=holder)


async def lift(store: SqlStore) -> None:
    await store.desk.lift(HoldScope.ACCOUNT, "", now=NOW)


async def test_it_is_told_once_it_has_stood_for_a_minute_and_when_it_was_gone_for_one(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await hold(store)
    for seconds in (0.0, 30.0, 29.0):
        await node.look(after=seconds)
        assert heard.words() == []
    await node.look(after=1.0)
    assert heard.words() == [("held", "begins")]
    await node.look(after=3600.0)
    await lift(store)
    await node.look(after=10.0)
    await node.look(after=59.0)
    assert heard.words() == []
    await node.look(after=20.0)
    assert heard.words() == [("held", "over")]
    assert await store.alarms.all() == ()


async def test_what_comes_and_goes_within_a_minute_is_told_to_nobody(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    for _ in range(3):
        await hold(store)
        await node.look(after=30.0)
        await lift(store)
        for _ in range(10):
            await node.look(after=10.0)
    assert heard.words() == []


async def test_while_it_stands_it_is_told_once_a_day(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await hold(store)
    await node.look()
    for _ in range(50):
        await node.look(after=3600.0)
    assert heard.words() == [("held", "begins"), ("held", "stands"), ("held", "stands")]


async def test_what_was_told_is_not_told_again_by_another_relay_on_the_database(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await hold(store)
    await node.look()
    await node.look(after=60.0)
    assert heard.words() == [("held", "begins")]
    again = Node(store, heard)
    again.now = node.now
    await again.look(after=5.0)
    await again.look(after=60.0)
    assert heard.words() == []
    await lift(store)
    for _ in range(3):
        await again.look(after=60.0)
    assert heard.words() == [("held", "over")]


async def test_what_a_node_that_does_not_lead_sees_is_told_by_the_one_that_does(store: SqlStore) -> None:
    heard = Told()
    leader, other = Node(store, heard, name="one"), Node(store, heard, name="two", ends=NOW + DAY)
    for _ in range(8):
        await other.look(after=10.0, leads=False)
        await leader.look(after=10.0)
    assert heard.heard == [(Kind.CERTIFICATE_ENDS, State.BEGINS, Level.CRITICAL)]
    [stands] = await store.alarms.all()
    assert stands.node == "two"
    assert [each.kind for each in await leader.lookout.all(leader.now)] == [Kind.CERTIFICATE_ENDS]


async def test_what_is_over_at_this_node_is_shown_there_no_more(store: SqlStore) -> None:
    node = Node(store, name="one", ends=NOW + DAY)
    await node.look()
    assert [each.kind for each in await node.lookout.all(node.now)] == [Kind.CERTIFICATE_ENDS]
    node.ends += 100 * DAY
    assert await node.lookout.all(node.now) == ()


async def test_a_clock_that_jumped_stands_for_an_hour(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    node.wall = node.now + 40
    await node.upkeep.keep_time()
    await node.look(after=60.0)
    await node.look(after=60.0)
    await node.look(after=3600.0)
    await node.look(after=90.0)
    assert heard.words() == [("clock_jumped", "begins"), ("clock_jumped", "over")]


async def test_when_the_clock_jumps_nothing_is_over_before_all_have_spoken(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard, ends=NOW + 2 * DAY)
    await node.look()
    await node.look(after=60.0)
    assert heard.words() == [("certificate_ends", "begins")]
    node.wall = node.now + 3600
    await node.upkeep.keep_time()
    node.now += 3600
    await node.telling._look(has_led_for=1e6)
    for _ in range(12):
        await node.look(after=10.0)
    assert heard.words() == [("clock_jumped", "begins")]


async def test_mail_that_may_go_and_does_not(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    node.door.learn(Backlog(rows=1, octets=1, oldest_at=NOW - 900, free_octets=1 << 40), now=NOW, included=Load())
    await node.look()
    await node.look(after=60.0)
    assert heard.words() == [("queue_age", "begins")]


async def test_who_begins_to_lead_waits_until_all_have_said_what_they_see(store: SqlStore) -> None:
    heard = Told()
    other, leader = Node(store, heard, name="two", ends=NOW + DAY), Node(store, heard, name="one")
    await other.look()
    leader.now += 3600.0
    await leader.look(has_led_for=0.0)
    assert [each.over_at for each in await store.alarms.all()] == [0.0]


async def test_silence_that_was_told_stands_on_after_a_restart_until_something_is_heard(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await node.alarms.listen()
    await enqueue(store)
    for each in await claim(store):
        await settle(store, each, Sent("ses-1"))
    await node.alarms.listen()
    node.now += 1800
    await node.alarms.listen()
    await node.look()
    await node.look(after=60.0)
    assert heard.words() == [("feedback_silent", "begins")]
    again = Node(store, heard)
    again.now = node.now
    for _ in range(10):
        await again.alarms.listen()
        await again.look(after=60.0)
    assert heard.words() == []
    await store.feedback.record(
        notification_id="n", topic="t", payload="{}", received_at=again.now, events=(event(EventType.DELIVERY),)
    )
    for _ in range(3):
        await again.alarms.listen()
        await again.look(after=60.0)
    assert heard.words() == [("feedback_silent", "over")]


async def test_an_account_of_which_ses_says_nothing_for_an_hour(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await store.account.put(Account(rate=14.0, quota=200.0, sent=200.0, at=NOW))
    for _ in range(3):
        await node.look(after=60.0)
    assert heard.words() == [("quota_used_up", "begins")]
    for _ in range(4):
        await node.look(after=1200.0)
    assert sorted(heard.words()) == [("account_unknown", "begins"), ("quota_used_up", "over")]
    await store.account.put(Account(rate=14.0, quota=200.0, sent=0.0, at=node.now))
    for _ in range(3):
        await node.look(after=60.0)
    assert heard.words() == [("account_unknown", "over")]


async def test_doubts_that_waited_stand_on_after_a_restart_until_it_is_known_whether_they_do(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await enqueue(store)
    for each in await claim(store):
        await settle(store, each, Unknown("no answer"))
    node.now += PATIENCE.in_doubt
    for _ in range(3):
        await node.upkeep.decide()
        await node.look(after=60.0)
    assert heard.words() == [("doubts_wait", "begins")]
    again = Node(store, heard)
    again.now, again.hears = node.now, False
    for again.hears in (False, False, False, True, True, True):
        await again.upkeep.decide()
        await again.look(after=60.0)
    assert heard.words() == []
    await store.queue.decide(now=again.now)
    for _ in range(3):
        await again.upkeep.decide()
        await again.look(after=60.0)
    assert heard.words() == [("doubts_wait", "over")]


async def test_dead_letters_stand_on_while_nobody_can_ask_for_them_and_that_is_told(
    store: SqlStore, lines: io.StringIO
) -> None:
    heard, queue = Told(), Queue()
    node = Node(store, heard, queues=[queue])

    async def looks() -> list[tuple[str, str]]:
        for _ in range(4):
            await node.watch.look()
            await node.look(after=60.0)
        return heard.words()

    assert await looks() == [("dead_letters", "begins")]
    queue.fails = True
    assert await looks() == [("queue_unreadable", "begins")]
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["feedback_dead_letters", "trouble"]
    queue.fails = False
    assert await looks() == [("queue_unreadable", "over")]


async def test_who_looks_at_the_queues_no_more_counts_nothing_in_them(store: SqlStore) -> None:
    watch, labels = Node(store, queues=[Queue()]).watch, {"queue": Queue.url}
    gauges = ("relay_feedback_dead_letters", "relay_feedback_queue_messages")
    run = asyncio.create_task(watch.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert [metrics.registry.get_sample_value(gauge, labels) for gauge in gauges] == [7.0, 7.0]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert [metrics.registry.get_sample_value(gauge, labels) for gauge in gauges] == [None, None]


async def test_what_an_operator_holds_himself_is_shown_and_told_to_nobody(store: SqlStore) -> None:
    heard = Told()
    node = Node(store, heard)
    await hold(store, holder=Holder.OPERATOR)
    for _ in range(3):
        await node.look(after=60.0)
    assert heard.words() == []
    assert [(each.kind, each.level) for each in await node.lookout.all(node.now)] == [(Kind.HELD, Level.NOTE)]
    assert metrics.registry.get_sample_value("relay_alarm", {"alarm": "held"}) == 0.0


async def test_who_does_not_take_it_is_told_later_and_the_others_at_once(store: SqlStore, lines: io.StringIO) -> None:
    sick, well = Told(refuses="answered 500"), Told(way=Way.MAIL)
    node = Node(store, sick, well)
    await hold(store)
    await node.look()
    for _ in range(20):
        await node.look(after=60.0)
    assert well.words() == [("held", "begins")]
    assert [(line["event"], line["by"], line["why"]) for line in events(lines)] == [
        ("alarms_untold", "webhook", "answered 500")
    ]
    assert [each.failure for each in await store.alarms.all()] == ["webhook: answered 500"]
    sick.refuses = ""
    for _ in range(6):
        await node.look(after=60.0)
    assert sick.words() == [("held", "begins")]


async def test_the_journal_has_a_line_for_what_no_other_line_tells_and_no_second_one(
    store: SqlStore, lines: io.StringIO
) -> None:
    node = Node(store, JournalTeller(), ends=NOW + 10 * DAY)
    await hold(store)
    await node.look()
    await node.look(after=60.0)
    await node.look(after=2 * DAY)
    [line] = events(lines)
    assert (line["event"], line["level"], line["alarm"]) == ("alarm", "warning", "certificate_ends")
    assert line["text"] == "The certificate localhost (smtp) ends soon."
    node.ends += 100 * DAY
    await lift(store)
    for _ in range(3):
        await node.look(after=60.0)
    assert sorted((line["event"], line["alarm"]) for line in events(lines)[1:]) == [
        ("alarm_over", "certificate_ends"),
        ("alarm_over", "held"),
    ]


async def test_the_metric_has_a_number_for_every_kind(store: SqlStore) -> None:
    node = Node(store, ends=NOW + DAY)
    await store.webhooks.put(Webhook(name="crm", url="https://example.com/"))
    await store.webhooks.disable("crm", "answered 410")
    await node.look()
    [found] = [each for each in metrics.registry.collect() if each.name == "relay_alarm"]
    assert {sample.labels["alarm"] for sample in found.samples} <= set(Kind) - {Kind.TEST}
    assert metrics.registry.get_sample_value("relay_alarm", {"alarm": "webhook_disabled"}) == 1.0


async def test_a_store_that_does_not_answer_is_told_by_the_webhook_alone_and_when_it_does(store: SqlStore) -> None:
    heard = Told()
    unanswered = Node(store, heard).telling._unanswered
    for seconds in (0.0, 59.0):
        await unanswered.is_silent(NOW + seconds, seconds)
        assert heard.words() == []
    heard.refuses = "no answer in time"
    await unanswered.is_silent(NOW + 60, 60.0)
    heard.refuses = ""
    await unanswered.is_silent(NOW + 70, 70.0)
    await unanswered.is_silent(NOW + 80, 80.0)
    assert heard.words() == [("store", "begins")]
    assert [each.kind for each in unanswered.alarms] == [Kind.STORE]
    await unanswered.answers(NOW + 90)
    await unanswered.answers(NOW + 100)
    assert heard.words() == [("store", "over")]
    assert unanswered.alarms == ()


def test_a_test_is_told_at_once_and_never_over() -> None:
    stands = of_test()
    pace = Pace(60.0, DAY)
    assert [each.state for each in standing.news([stands], Way.MAIL, pace, now=NOW)] == [State.BEGINS]
    assert standing.news([replace(stands, mail_at=NOW)], Way.MAIL, pace, now=NOW + 2 * DAY) == []
    assert standing.news([replace(stands, mail_at=NOW, over_at=NOW + 60)], Way.MAIL, pace, now=NOW + 60) == []


def of_test() -> Stands:
    return Stands(
        alarm=standing.alarm(Kind.TEST, Level.NOTE),
        node="",
        began_at=NOW,
        seen_at=NOW,
        over_at=0.0,
        journal_at=0.0,
        webhook_at=0.0,
        mail_at=0.0,
        failure="",
    )
