"""What is counted under which name, and what the sums say."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from relay import bounces, reputation, statistics
from relay.bounces import BOT, DEFAULT_RULES, BounceClass, ComplaintClass
from relay.errors import MessageTooLarge, StoreUnavailable
from relay.event import Event, EventType
from relay.model import State
from relay.ports.operators import Line
from relay.statistics import Figures
from relay.web.api.calls import Call, Range
from relay.web.api.statistics import MessagesQuery, StatisticsResource
from tests.harness import CRM


def event(type: EventType, **said: object) -> Event:
    return Event(type=type, at=1.0, recipient="reader@example.net", ses_message_id="ses-1", **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "found", "name"),
    [
        (EventType.SEND, "", ""),
        (EventType.DELIVERY, "", "delivered"),
        (EventType.DELIVERY_DELAY, "", "delayed"),
        (EventType.BOUNCE, BounceClass.MAILBOX_FULL, "bounced.mailbox_full"),
        (EventType.COMPLAINT, ComplaintClass.COMPLAINT, "complained"),
        (EventType.COMPLAINT, ComplaintClass.CANDIDATE, "complained"),
        (EventType.COMPLAINT, ComplaintClass.NOT_SPAM, ""),
        (EventType.COMPLAINT, ComplaintClass.ALREADY_SUPPRESSED, "bounced.already_suppressed"),
        (EventType.REJECT, "", "rejected"),
        (EventType.RENDERING_FAILURE, "", "rejected"),
        (EventType.OPEN, "", "opened"),
        (EventType.OPEN, BOT, "opened_bot"),
        (EventType.CLICK, "", "clicked"),
        (EventType.CLICK, BOT, "clicked_bot"),
        (EventType.SUBSCRIPTION, "", ""),
        (EventType.OTHER, "", ""),
    ],
)
def test_each_event_counts_under_one_name(kind: EventType, found: str, name: str) -> None:
    assert statistics.of_event(event(kind), found) == name


def test_what_ses_counts_nowhere_is_in_sums_and_not_in_rates_that_ring() -> None:
    told = ((EventType.BOUNCE, BounceClass.HARD), (EventType.COMPLAINT, ComplaintClass.COMPLAINT), (EventType.DELIVERY, ""))
    to = "Bounce+1@Simulator.AmazonSES.com"
    names = [statistics.of_event(replace(event(kind), recipient=to), found) for kind, found in told]
    assert names == ["bounced.hard.simulated", "complained.simulated", "delivered"]
    assert not set(names) & set(reputation.NAMES)
    figures = statistics.Figures(dict.fromkeys(names, 1))
    assert (figures.of("bounced.hard"), figures.bounced, figures.of("complained")) == (1, 1, 1)


@pytest.mark.parametrize("found", BounceClass)
def test_each_class_of_bounces_has_its_name(found: BounceClass) -> None:
    assert statistics.of_event(event(EventType.BOUNCE), found) == f"bounced.{found}"


def test_who_left_a_list_unsubscribed_and_who_came_back_did_not() -> None:
    left, back = event(EventType.SUBSCRIPTION, opted_out=("news",)), event(EventType.SUBSCRIPTION, opted_in=("news",))
    assert [statistics.of_event(each, bounces.event_class(each, DEFAULT_RULES)) for each in (left, back)] == [
        "unsubscribed",
        "",
    ]


def test_a_suppressed_delivery_counts_by_the_reason_of_the_suppression() -> None:
    assert statistics.of_end(State.SUPPRESSED, "hard_bounce since 2026-11-21") == "suppressed.hard_bounce"
    assert statistics.of_end(State.FAILED, "MessageRejected") == "failed"


def test_a_refusal_counts_by_its_name() -> None:
    assert statistics.of_refusal(MessageTooLarge) == "refused.message_too_large"
    assert statistics.of_refusal(StoreUnavailable) == "refused.store_unavailable"


@pytest.mark.parametrize(("seconds", "name"), [(-3.0, "1"), (1.0, "1"), (1.1, "2"), (86400.0, "86400"), (1e6, "longer")])
def test_a_latency_counts_in_the_first_bucket_that_holds_it(seconds: float, name: str) -> None:
    assert statistics.of_latency(seconds) == f"latency.{name}"


def test_rates_are_of_what_was_sent_and_out_of_office_is_no_bounce() -> None:
    found = Figures(
        {"sent": 200, "delivered": 180, "bounced.hard": 10, "bounced.soft": 4, "bounced.auto_reply": 50, "complained": 1}
    )
    assert (found.delivery_rate, found.bounce_rate, found.complaint_rate) == (0.9, 0.05, 0.005)
    assert found.bounced == 14


def test_without_mail_there_are_no_rates_and_no_latency() -> None:
    nothing = Figures({})
    assert (nothing.delivery_rate, nothing.bounce_rate, nothing.complaint_rate, nothing.latency(0.5)) == (None,) * 4


def test_percentiles_are_read_out_of_the_buckets() -> None:
    found = Figures({"latency.1": 50, "latency.2": 40, "latency.10": 8, "latency.longer": 2})
    assert found.latency(0.25) == 0.5
    assert found.latency(0.5) == 1.0
    assert found.latency(0.95) == pytest.approx(5 + 5 * 5 / 8)
    assert found.latency(0.98) == 10.0
    assert found.latency(0.99) == math.inf


def test_a_name_is_not_the_beginning_of_another() -> None:
    assert Figures({"opened": 1, "opened_bot": 2, "opened_unique": 4}).of("opened") == 1


class _Many:
    """Of mail to so many; every third is bounced."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def history(self, *, credential: str, after: tuple[str, int], until: str, count: int) -> tuple[Line, ...]:
        first = after[1] + 1
        numbers = range(first, min(first + count, self._count + 1))
        return tuple(Line(("m", n), f"{n}@x.example", "delivered" if n % 3 else "bounced hard", 1.0, 2.0) for n in numbers)


async def _ids(range: Range, *, state: str = "") -> list[str]:
    """Of mail to thirty thousand."""
    nobody: Any = None
    many: Any = _Many(30_000)
    resource = StatisticsResource(counters=nobody, messages=many, tasks=nobody, clock=lambda: 9.0)
    query = MessagesQuery(start_date_time="2015-08-31", state=state)  # type: ignore[arg-type]
    answer = await resource.messages(Call(credential=CRM, peer="", path={}, query=query, body=None, range=range))
    return [line.id for line in answer.result]


async def test_a_range_is_of_what_is_asked_for() -> None:
    assert await _ids(Range(999, 1002)) == ["m-999", "m-1000", "m-1001", "m-1002"]
    assert await _ids(Range(333, 335), state="bounced") == ["m-999", "m-1002", "m-1005"]
    assert await _ids(Range(29_999, 30_005)) == ["m-29999", "m-30000"]
    assert await _ids(Range(30_001, 30_002)) == []


async def test_what_stands_before_a_range_is_not_kept() -> None:
    tracemalloc.start()
    await _ids(Range(29_001, 30_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
