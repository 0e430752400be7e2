from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import StringIO

import pytest

from relay import journal, metrics
from relay.backlog import Admission, Backlog, BacklogLimits, Load
from relay.errors import DiskFull, DoorClosed

NOW = 1_763_720_000.0
DAY = 86400.0
LIMITS = BacklogLimits(rows=100, octets=1000, seconds=2 * DAY, free_octets=500)


@pytest.fixture
def told() -> Iterator[StringIO]:
    """What the journal has got."""
    stream = StringIO()
    journal.open_journal(stream=stream)
    yield stream
    journal.open_journal(stream=StringIO())


def lines(told: StringIO) -> list[str]:
    """Each event, and why."""
    found = [json.loads(line) for line in told.getvalue().splitlines()]
    return [f"{line['event']}: {line['why']}" if "why" in line else line["event"] for line in found]


def learn(admission: Admission, *, rows: int = 0, octets: int = 0, age: float | None = None, free: int = 10_000) -> None:
    oldest_at = None if age is None else NOW - age
    admission.learn(Backlog(rows, octets, oldest_at, free), now=NOW, included=admission.accepted)


def is_open(admission: Admission, *, rows: int = 1, octets: int = 10) -> bool:
    try:
        admission.check(rows, octets)
    except DoorClosed:
        return False
    return True


def take(admission: Admission, *, rows: int = 1, octets: int = 10) -> None:
    with admission.taking(rows, octets):
        pass


def test_it_is_open_before_the_first_count() -> None:
    assert is_open(Admission(LIMITS))


@pytest.mark.parametrize(
    ("counted", "why"),
    [
        ({"rows": 100}, "too many messages wait"),
        ({"octets": 1000}, "too many octets wait"),
        ({"age": 2 * DAY}, "the oldest message waits for too long"),
        ({"free": 500}, "too little of the disk is free"),
        ({"free": 0}, "too little of the disk is free"),
    ],
)
def test_at_each_limit_it_closes_and_the_journal_says_which(told: StringIO, counted: dict[str, int], why: str) -> None:
    admission = Admission(LIMITS)
    learn(admission, **counted)
    assert not is_open(admission)
    assert lines(told) == [f"door_closed: {why}"]


def test_just_below_all_limits_it_is_open(told: StringIO) -> None:
    admission = Admission(LIMITS)
    learn(admission, rows=99, octets=989, age=2 * DAY - 1, free=511)
    assert is_open(admission)
    assert lines(told) == []


@pytest.mark.parametrize(("limits", "counted"), [({"seconds": 0.0}, {"age": 99 * DAY}), ({"free_octets": 0}, {"free": 100})])
def test_what_is_off_does_not_close(limits: dict[str, int], counted: dict[str, int]) -> None:
    admission = Admission(replace(LIMITS, **limits))
    learn(admission, **counted)
    assert is_open(admission)


def test_without_a_watermark_a_full_disk_closes_all_the_same() -> None:
    admission = Admission(replace(LIMITS, free_octets=0))
    learn(admission, free=0)
    assert not is_open(admission)


def test_a_message_that_is_to_be_sent_later_is_not_old() -> None:
    admission = Admission(LIMITS)
    learn(admission, age=-5 * DAY)
    assert is_open(admission)


def test_a_burst_between_two_counts_does_not_overrun_the_limit_and_the_journal_says_so_at_once(told: StringIO) -> None:
    admission = Admission(LIMITS)
    learn(admission, rows=90)
    accepted = 0
    for _ in range(50):
        with suppress(DoorClosed):
            take(admission, octets=1)
            accepted += 1
    assert accepted == 10
    assert lines(told) == ["door_closed: too many messages wait"]


def test_octets_of_a_burst_count_against_the_queue_and_against_the_disk() -> None:
    for counted in ({"octets": 500}, {"free": 1000}):
        admission = Admission(LIMITS)
        learn(admission, **counted)
        for _ in range(4):
            take(admission, octets=100)
        assert is_open(admission, octets=99)
        assert not is_open(admission, octets=100)
        take(admission, octets=99)
        take(admission, octets=0)
        assert is_open(admission, octets=0)


def test_a_message_with_more_recipients_than_there_is_room_for_is_refused_and_a_small_one_is_not() -> None:
    admission = Admission(LIMITS)
    learn(admission, rows=95)
    assert not is_open(admission, rows=6)
    assert is_open(admission, rows=5)


def test_a_large_message_is_refused_and_a_small_one_is_not(told: StringIO) -> None:
    admission = Admission(LIMITS)
    learn(admission, octets=800)
    assert not is_open(admission, octets=300)
    assert is_open(admission, octets=100)
    assert lines(told) == []


def test_what_comes_to_nothing_does_not_count() -> None:
    admission = Admission(LIMITS)
    learn(admission, rows=99)
    for _ in range(5):
        with pytest.raises(ValueError, match="refused"), admission.taking(1, 10):
            raise ValueError("refused")
    assert admission.accepted == Load()
    take(admission)
    assert not is_open(admission)


def test_what_was_accepted_during_a_count_counts_until_the_next_one() -> None:
    admission = Admission(LIMITS)
    take(admission, rows=30)
    included = admission.accepted
    take(admission, rows=60)  # the count may have seen it or not
    admission.learn(Backlog(30, 10, None, 10_000), now=NOW, included=included)
    assert not is_open(admission, rows=11)
    assert is_open(admission, rows=10)
    learn(admission, rows=90)
    assert is_open(admission, rows=10)


def test_it_opens_only_well_below_the_limit_and_is_told_once_each_way(told: StringIO) -> None:
    admission = Admission(LIMITS)
    for rows in (100, 100, 99, 95):
        learn(admission, rows=rows)
        assert not is_open(admission)
    learn(admission, rows=94)
    assert is_open(admission)
    learn(admission, rows=94)
    assert lines(told) == ["door_closed: too many messages wait", "door_opened"]


def test_another_limit_keeps_it_closed_without_a_word(told: StringIO) -> None:
    admission = Admission(LIMITS)
    learn(admission, rows=100)
    learn(admission, free=100)
    assert not is_open(admission)
    assert lines(told) == ["door_closed: too many messages wait"]


def test_a_full_disk_closes_at_once_and_until_a_count_finds_room(told: StringIO) -> None:
    admission = Admission(LIMITS)
    learn(admission)
    with suppress(DiskFull), admission.taking(50, 500):
        admission.disk_is_full()
        raise DiskFull
    assert not is_open(admission)
    learn(admission, free=0)
    assert not is_open(admission)
    learn(admission)
    assert is_open(admission)
    assert lines(told) == ["door_closed: the disk is full", "door_opened"]


def test_refusals_are_counted() -> None:
    def refusals() -> float:
        return metrics.registry.get_sample_value("relay_queue_refusals_total") or 0.0

    admission = Admission(LIMITS)
    learn(admission, rows=100)
    before = refusals()
    for _ in range(3):
        assert not is_open(admission)
    assert refusals() == before + 3
