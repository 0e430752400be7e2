"""What is an alarm, by what is known; and what is told of one."""

from __future__ import annotations

import email
import json
from collections.abc import Iterable
from email.policy import default
from pathlib import Path

import pytest

from relay import letters, standing
from relay.alarm import MEANINGS, Alarm, Kind, Level, Stands
from relay.backlog import Backlog
from relay.holds import Holder, HoldRecord
from relay.outcome import HoldScope
from relay.ports.notices import Standing
from relay.rate import Account
from relay.reputation import Finding, Measure
from relay.reputation import Level as Reached
from relay.standing import Certificate, News, State
from relay.webhooks.webhook import Webhook
from tests.unit.test_manual_links import anchors

NOW = 1_763_720_000.0
HOUR, DAY = 3600.0, 86400.0
WEBHOOK = Webhook(name="crm", url="https://example.com/")


def levels(alarms: Iterable[Alarm]) -> list[Level]:
    return [each.level for each in alarms]


def counted(*, waits: float | None = None, free: int = 1 << 40) -> Backlog:
    return Backlog(rows=1, octets=1, oldest_at=None if waits is None else NOW - waits, free_octets=free)


def held(holder: Holder, scope: HoldScope = HoldScope.IDENTITY, subject: str = "example.com") -> HoldRecord:
    return HoldRecord(id=1, scope=scope, subject=subject, holder=holder, reason="why", since=NOW, until=NOW)


@pytest.mark.parametrize(("waits", "most", "count"), [(899, 900, 0), (900, 900, 1), (None, 900, 0), (1e6, 0, 0)])
def test_the_oldest_mail_may_wait_for_so_long(waits: float | None, most: float, count: int) -> None:
    assert len(list(standing.of_age(counted(waits=waits), most=most, now=NOW))) == count


@pytest.mark.parametrize(("free", "least", "count"), [(2000, 1000, 0), (1999, 1000, 1), (0, 1000, 1), (0, 0, 0)])
def test_the_disk_is_low_at_twice_what_closes_the_door(free: int, least: int, count: int) -> None:
    assert len(list(standing.of_disk(counted(free=free), least=least))) == count


@pytest.mark.parametrize(
    ("left", "expected"),
    [(14 * DAY + 1, []), (13 * DAY, [Level.WARNING]), (2 * DAY, [Level.CRITICAL]), (-DAY, [Level.CRITICAL])],
)
def test_a_certificate_ends_soon_and_then_very_soon(left: float, expected: list[Level]) -> None:
    shown = [Certificate("smtp", "a", NOW + left)]
    assert levels(standing.of_certificates(shown, days=14, now=NOW)) == expected
    assert left < 0 or levels(standing.of_certificates(shown, days=0, now=NOW)) == []


@pytest.mark.parametrize(
    ("holder", "level"),
    [
        (Holder.SES, Level.CRITICAL),
        (Holder.RELAY, Level.CRITICAL),
        (Holder.OPERATOR, Level.NOTE),
        (Holder.LOGIN, Level.NOTE),
    ],
)
def test_what_people_hold_themselves_is_a_note(holder: Holder, level: Level) -> None:
    [alarm] = standing.of_holds([held(holder)])
    assert (alarm.level, alarm.subject, alarm.text) == (level, "identity example.com", "example.com is held: why")


def test_a_hold_of_the_account_names_it() -> None:
    [alarm] = standing.of_holds([held(Holder.SES, HoldScope.ACCOUNT, "")])
    assert (alarm.subject, alarm.text) == ("account", "account is held: why")


@pytest.mark.parametrize(("quota", "sent", "count"), [(200, 199, 0), (200, 200, 1), (-1, 10**9, 0)])
def test_a_quota_is_used_up_unless_there_is_none(quota: float, sent: float, count: int) -> None:
    assert len(list(standing.of_quota(Account(rate=14, quota=quota, sent=sent, at=NOW), now=NOW))) == count
    assert list(standing.of_quota(None, now=NOW)) == []


def test_a_quota_that_ses_told_long_ago_is_used_up_no_more() -> None:
    account = Account(rate=14, quota=200, sent=200, at=NOW)
    assert [len(list(standing.of_quota(account, now=NOW + seconds))) for seconds in (3600.0, 3601.0)] == [1, 0]
    assert [len(list(standing.of_known(account, now=NOW + seconds))) for seconds in (3600.0, 3601.0)] == [0, 1]
    assert list(standing.of_known(None, now=NOW)) == []


@pytest.mark.parametrize("measure", Measure)
def test_a_rate_is_as_bad_as_its_level(measure: Measure) -> None:
    for reached, expected in (
        (Reached.FINE, []),
        (Reached.REVIEW, [Level.WARNING]),
        (Reached.PAUSE, [Level.CRITICAL]),
    ):
        found = Finding(level=reached, window=DAY, count=60, sent=1000)
        assert levels(standing.of_rate(measure, found, subject="credential app")) == expected
    [alarm] = standing.of_rate(measure, Finding(level=Reached.PAUSE, window=DAY, count=60, sent=1000), subject="credential app")
    assert alarm.text.endswith("6.00 %. (credential app)")


@pytest.mark.parametrize(
    ("standing_of", "kinds"),
    [
        (Standing(webhook=WEBHOOK), []),
        (Standing(webhook=WEBHOOK, failing_since=NOW - HOUR + 1), []),
        (Standing(webhook=WEBHOOK, failing_since=NOW - HOUR - 1), [Kind.WEBHOOK_FAILS]),
        (Standing(webhook=WEBHOOK, failing_since=NOW - DAY, is_paused=True), []),
        (Standing(webhook=WEBHOOK, failing_since=NOW - DAY, disabled="answered 410"), [Kind.WEBHOOK_DISABLED]),
    ],
)
def test_a_webhook_that_is_told_nothing_and_nobody_wished_it(standing_of: Standing, kinds: list[Kind]) -> None:
    assert [each.kind for each in standing.of_webhooks([standing_of], now=NOW)] == kinds


def test_what_differs_a_little_or_was_long_ago_is_nothing() -> None:
    assert [len(list(standing.of_clock(ahead))) for ahead in (0.0, 5.0, -6.0, 300.0)] == [0, 0, 1, 1]
    jumps = [(0.0, NOW), (-40.0, NOW), (40.0, NOW - HOUR)]
    assert [len(list(standing.of_jump(seconds, at, now=NOW))) for seconds, at in jumps] == [0, 1, 0]


def test_the_rest_is_said_of_what_there_is() -> None:
    assert list(standing.of_door("")) == []
    assert [each.text for each in standing.of_door("the disk is full")] == ["No mail is taken: the disk is full."]
    assert [each.text for each in standing.of_dead_letters({"a": 0, "b": 2})] == [
        "A queue of events has given up 2 messages. (b)"
    ]
    assert [each.text for each in standing.of_unreadable({"a": "AccessDenied"})] == [
        "A queue of events cannot be read: AccessDenied (a)"
    ]
    assert [each.subject for each in standing.of_logins(["app"])] == ["app"]
    assert [each.subject for each in standing.of_refused_certificates({"smtp": "why"})] == ["smtp"]
    assert list(standing.of_account("HEALTHY", sends=True, is_well=True)) == []
    [alarm] = standing.of_account("HEALTHY", sends=False, is_well=False)
    assert "SendingEnabled = false" in alarm.text


# What is told.


def stands(alarm: Alarm, *, node: str = "", over_at: float = 0.0) -> Stands:
    return Stands(
        alarm=alarm,
        node=node,
        began_at=NOW,
        seen_at=NOW,
        over_at=over_at,
        journal_at=0.0,
        webhook_at=0.0,
        mail_at=0.0,
        failure="",
    )


DOOR = next(standing.of_door("the disk is full"))
SOME = [
    News(stands(DOOR, node="one"), State.BEGINS),
    News(stands(standing.alarm(Kind.FEEDBACK_SILENT, Level.CRITICAL), over_at=NOW + 60), State.OVER),
]


def test_a_post_has_a_text_for_chats_and_every_alarm_for_programs() -> None:
    body = json.loads(letters.body(SOME, hostname="mail.example.com"))
    assert body["text"].splitlines() == [
        "relay mail.example.com",
        "critical: No mail is taken: the disk is full. [one]",
        "critical: over: Mail is sent and nothing comes back.",
    ]
    assert body["alarms"] == [
        {
            "alarm": "door_closed",
            "state": "begins",
            "level": "critical",
            "node": "one",
            "text": "No mail is taken: the disk is full.",
            "remedy": "See what stops the queue, or make room on the disk.",
            "began_at": "2025-11-21T10:13:20Z",
            "manual": "docs/alarms.md#door_closed",
        },
        {
            "alarm": "feedback_silent",
            "state": "over",
            "level": "critical",
            "text": "Mail is sent and nothing comes back.",
            "remedy": "Look at every hop of the way back.",
            "began_at": "2025-11-21T10:13:20Z",
            "over_at": "2025-11-21T10:14:20Z",
            "manual": "docs/alarms.md#feedback_silent",
        },
    ]


def test_the_same_news_have_the_same_id_and_others_another() -> None:
    assert letters.id(SOME) == letters.id(list(SOME))
    again = stands(DOOR, node="one")
    assert len({letters.id(SOME), letters.id(SOME[:1]), letters.id([News(again, State.STANDS)])}) == 3


def test_a_mail_says_what_to_do_and_that_nobody_wrote_it() -> None:
    made = letters.mail(SOME, hostname="m", sender="relay@example.com", recipients=["a@example.net", "b@example.net"], at=NOW)
    read = email.message_from_bytes(made, policy=default)
    assert read["Subject"] == "[relay m] critical: No mail is taken: the disk is full. [one] and 1 more"
    assert (read["From"], read["To"]) == ("relay@example.com", "a@example.net, b@example.net")
    assert read["Auto-Submitted"] == "auto-generated"
    text = read.get_content().replace("\r\n", "\n")
    assert "See what stops the queue, or make room on the disk.\n  docs/alarms.md#door_closed" in text
    assert "since 2025-11-21T10:13:20Z, over 2025-11-21T10:14:20Z" in text
    assert max(map(len, made.splitlines())) <= 998


def test_a_reason_of_many_lines_is_one_header() -> None:
    news = [News(stands(next(standing.of_door("a\r\nBcc: b@example.net\r\n" + "x" * 500))), State.BEGINS)]
    made = letters.mail(news, hostname="m", sender="a@b.example", recipients=["c@d.example"], at=NOW)
    read = email.message_from_bytes(made, policy=default)
    assert read["Bcc"] is None
    assert len(str(read["Subject"])) <= 220


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_says_what_it_is_and_has_its_section_in_the_manual(kind: Kind) -> None:
    assert all(MEANINGS[kind][:3])
    page, _, anchor = letters.link(kind).partition("#")
    assert anchor in anchors(Path(__file__).parents[2] / page)
