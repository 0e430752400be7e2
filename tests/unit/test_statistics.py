"""What is counted under which name, and what the sums say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from relay import bounces, reputation, statistics
from relay.bounces import BOT, DEFAULT_RULES, BounceClass, ComplaintClass
from relay.errors import MessageTooLarge, StoreUnavailable
from relay.event import Event, EventType
from relay.model import State
from relay.statistics import Figures


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
