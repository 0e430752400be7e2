"""Rates, and the levels at which SES acts."""

from __future__ import annotations

import pytest

from relay.reputation import WINDOWS, Level, Measure, ReputationRules, Thresholds, judge
from relay.settings import ReputationConfig
from relay.statistics import Figures

RULES = ReputationConfig().rules
DAY, WEEK = WINDOWS


def level(measure: Measure, sent: int, count: int, *, was: Level = Level.FINE, rules: ReputationRules = RULES) -> Level:
    return judge(measure, [(DAY, Figures({"sent": sent, measure: count}))], rules, was).level


@pytest.mark.parametrize(
    ("measure", "count", "expected"),
    [
        (Measure.BOUNCES, 499, Level.FINE),
        (Measure.BOUNCES, 500, Level.REVIEW),
        (Measure.BOUNCES, 999, Level.REVIEW),
        (Measure.BOUNCES, 1000, Level.PAUSE),
        (Measure.COMPLAINTS, 9, Level.FINE),
        (Measure.COMPLAINTS, 10, Level.REVIEW),
        (Measure.COMPLAINTS, 49, Level.REVIEW),
        (Measure.COMPLAINTS, 50, Level.PAUSE),
    ],
)
def test_the_levels_are_those_at_which_ses_acts(measure: Measure, count: int, expected: Level) -> None:
    assert level(measure, 10_000, count) is expected


def test_of_little_mail_no_rate_means_anything() -> None:
    assert level(Measure.BOUNCES, 999, 999) is Level.FINE
    assert level(Measure.BOUNCES, 1000, 999) is Level.PAUSE


def test_one_or_two_complaints_are_chance() -> None:
    assert level(Measure.COMPLAINTS, 1000, 2) is Level.FINE
    assert level(Measure.COMPLAINTS, 1000, 3) is Level.REVIEW


def test_a_rate_that_sways_about_a_threshold_is_over_only_well_below_it() -> None:
    assert level(Measure.BOUNCES, 10_000, 450, was=Level.REVIEW) is Level.REVIEW
    assert level(Measure.BOUNCES, 10_000, 449, was=Level.REVIEW) is Level.FINE
    assert level(Measure.BOUNCES, 10_000, 900, was=Level.PAUSE) is Level.PAUSE
    assert level(Measure.BOUNCES, 10_000, 899, was=Level.PAUSE) is Level.REVIEW
    assert level(Measure.BOUNCES, 10_000, 900, was=Level.REVIEW) is Level.REVIEW


def test_a_threshold_of_nothing_is_never_reached() -> None:
    off = ReputationRules(volume=1, bounces=Thresholds(0, 0), complaints=Thresholds(0, 50), pauses=False)
    assert level(Measure.BOUNCES, 10, 10, rules=off) is Level.FINE
    assert level(Measure.COMPLAINTS, 10, 10, rules=off) is Level.PAUSE


def test_the_worst_window_counts() -> None:
    week, day = Figures({"sent": 100_000, "complained": 20}), Figures({"sent": 10_000, "complained": 12})
    found = judge(Measure.COMPLAINTS, [(DAY, day), (WEEK, week)], RULES, Level.FINE)
    assert (found.level, found.window, found.rate) == (Level.REVIEW, DAY, 0.0012)


def test_who_sends_nothing_any_more_is_fine() -> None:
    assert level(Measure.BOUNCES, 0, 5, was=Level.PAUSE) is Level.FINE
