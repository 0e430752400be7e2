from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import metrics
from relay.aws.account import AccountWatch
from relay.model import Lane
from relay.rate import RECENT, Account, Bucket, DailyQuota, Grant, OwnAllowance

NOW = 1_763_720_000.0
rates = st.floats(0.5, 500)
steps = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 600)), max_size=60)


def taken(bucket: Bucket, now: float) -> int:
    """All that may be taken now."""
    count = bucket.available(now)
    bucket.take(count)
    return count


def in_a_minute(bucket: Bucket, start: float) -> int:
    return sum(taken(bucket, start + tick / 10) for tick in range(1, 601))


def test_a_new_bucket_gives_one_token_so_that_the_first_message_need_not_wait() -> None:
    assert Bucket(14, now=1000.0).available(1000.0) == 1


def test_what_was_taken_is_gone() -> None:
    bucket = Bucket(14, now=0.0)
    bucket.take(bucket.available(0.0))
    assert bucket.available(0.0) == 0


def test_tokens_flow_in_at_the_rate() -> None:
    bucket = Bucket(10, now=0.0)
    bucket.take(1)
    assert [bucket.available(now) for now in (0.05, 0.15, 0.35, 0.55)] == [0, 1, 3, 5]


def test_one_second_s_worth_is_kept_at_most() -> None:
    bucket = Bucket(14, now=0.0)
    assert bucket.available(3600.0) == 14


def test_a_rate_below_one_a_second_still_yields_whole_tokens() -> None:
    bucket = Bucket(0.5, now=0.0)
    bucket.take(1)
    assert [bucket.available(now) for now in (1.0, 1.9, 2.1, 60.0)] == [0, 0, 1, 1]


def test_a_minute_at_a_rate_yields_a_minute_s_worth() -> None:
    assert in_a_minute(Bucket(14, now=0.0), 0.0) == pytest.approx(14 * 60, abs=2)


@given(rates, steps)
def test_no_stretch_of_time_yields_more_than_its_worth(rate: float, looks: list[tuple[float, int]]) -> None:
    bucket, now, count = Bucket(rate, now=0.0), 0.0, 0
    for pause, wanted in looks:
        now += pause
        some = min(wanted, bucket.available(now))
        bucket.take(some)
        count += some
    assert count <= rate * now + 1 + 1e-6


@given(rates, steps)
def test_no_burst_is_larger_than_one_second_s_worth(rate: float, looks: list[tuple[float, int]]) -> None:
    bucket, now = Bucket(rate, now=0.0), 0.0
    for pause, wanted in looks:
        now += pause
        assert 0 <= bucket.available(now) <= max(1.0, rate)
        bucket.take(min(wanted, bucket.available(now)))


@given(rates, st.integers(0, 20), st.floats(0, 5))
def test_after_the_seconds_to_the_next_a_token_is_there(rate: float, throttled: int, pause: float) -> None:
    bucket = Bucket(rate, now=0.0)
    for _ in range(throttled):
        bucket.slow_down()
    bucket.take(bucket.available(pause))
    assert bucket.available(pause + bucket.seconds_to_next() + 1e-6) >= 1


@given(rates)
def test_there_is_nothing_to_wait_for_while_a_token_is_there(rate: float) -> None:
    assert Bucket(rate, now=0.0).seconds_to_next() == 0


@given(rates)
def test_seconds_to_the_next_are_no_longer_than_need_be(rate: float) -> None:
    bucket = Bucket(rate, now=0.0)
    bucket.take(1)
    assert bucket.seconds_to_next() == pytest.approx(1 / rate)


def test_throttled_means_no_token_at_once() -> None:
    bucket = Bucket(14, now=0.0)
    assert bucket.available(1.0) == 14
    bucket.slow_down()
    assert bucket.available(1.0) == 0
    assert bucket.seconds_to_next() > 0


def test_throttled_means_slower_for_a_while_and_then_as_before() -> None:
    throttled, free = Bucket(100, now=0.0), Bucket(100, now=0.0)
    throttled.slow_down()
    first, best = in_a_minute(throttled, 0.0), in_a_minute(free, 0.0)
    assert best * 0.7 < first < best
    assert in_a_minute(throttled, 60.0) == pytest.approx(in_a_minute(free, 60.0), abs=2)


def test_the_rate_comes_back_slowly() -> None:
    bucket = Bucket(100, now=0.0)
    bucket.slow_down()
    seconds = [sum(taken(bucket, second + tick / 10) for tick in range(1, 11)) for second in range(5)]
    assert seconds == sorted(seconds)
    assert 50 < seconds[0] < 85
    assert seconds[4] < 95


def test_throttled_twice_is_slower_than_once() -> None:
    once, twice = Bucket(100, now=0.0), Bucket(100, now=0.0)
    for bucket in (once, twice, twice):
        bucket.slow_down()
    assert once.seconds_to_next() < twice.seconds_to_next()


def test_a_thousand_throttles_never_stop_the_flow() -> None:
    bucket = Bucket(10, now=0.0)
    for _ in range(1000):
        bucket.slow_down()
    assert bucket.seconds_to_next() <= 1.0
    assert in_a_minute(bucket, 0.0) > 60


def test_a_new_rate_counts_from_the_next_look_on() -> None:
    bucket = Bucket(1, now=0.0)
    bucket.set_rate(50)
    bucket.take(1)
    assert bucket.available(0.5) == 25


def test_a_lower_rate_takes_what_was_saved_beyond_it() -> None:
    bucket = Bucket(100, now=0.0)
    assert bucket.available(10.0) == 100
    bucket.set_rate(5)
    assert bucket.available(10.0) == 5


def test_a_clock_that_goes_back_gives_nothing_and_breaks_nothing() -> None:
    bucket = Bucket(10, now=100.0)
    bucket.take(bucket.available(100.0))
    assert bucket.available(50.0) == 0
    assert bucket.available(50.5) == 5


def test_an_account_that_may_not_send_gets_no_tokens_and_no_error() -> None:
    # GetAccount of an account that was shut down may say MaxSendRate 0.0.
    bucket = Bucket(10, now=0.0)
    bucket.take(1)
    bucket.set_rate(0.0)
    assert bucket.available(3600.0) == 0
    assert bucket.seconds_to_next() > 0


# The quota of the day.


def account(*, quota: float = 1000.0, sent: float = 0.0) -> Account:
    return Account(rate=14.0, quota=quota, sent=sent, at=NOW)


def test_until_ses_has_said_so_there_is_no_quota() -> None:
    quota = DailyQuota()
    quota.count(1_000_000)
    assert [quota.left(lane, NOW) for lane in Lane] == [math.inf, math.inf]


def test_an_account_without_a_limit_may_send_as_much_as_it_likes() -> None:
    quota = DailyQuota()
    quota.told(account(quota=-1.0, sent=5e6))
    quota.count(1_000_000)
    assert [quota.left(lane, NOW) for lane in Lane] == [math.inf, math.inf]


def test_mail_to_many_leaves_the_last_tenth_to_mail_that_somebody_waits_for() -> None:
    quota = DailyQuota()
    quota.told(account(sent=850.0))
    assert (quota.left(Lane.TRANSACTIONAL, NOW), quota.left(Lane.BULK, NOW)) == (150, 50)
    quota.count(50)
    assert (quota.left(Lane.TRANSACTIONAL, NOW), quota.left(Lane.BULK, NOW)) == (100, 0)
    quota.count(99)
    assert (quota.left(Lane.TRANSACTIONAL, NOW), quota.left(Lane.BULK, NOW)) == (1, 0)


def test_a_quota_that_is_used_up_leaves_nothing_and_never_less() -> None:
    quota = DailyQuota()
    quota.told(account(sent=999.0))
    quota.count(5)
    assert [quota.left(lane, NOW) for lane in Lane] == [0, 0]


def test_what_ses_counts_takes_the_place_of_what_was_counted_here() -> None:
    quota = DailyQuota()
    quota.told(account())
    quota.count(700)
    quota.told(account(sent=650.0))
    assert quota.left(Lane.TRANSACTIONAL, NOW) == 350


def test_a_quota_that_was_raised_counts_at_once() -> None:
    quota = DailyQuota()
    quota.told(account(quota=200.0, sent=200.0))
    quota.told(account(quota=50_000.0, sent=200.0))
    assert quota.left(Lane.BULK, NOW) == 44_800


def test_an_account_that_was_shut_down_may_send_nothing() -> None:
    quota = DailyQuota()
    quota.told(account(quota=0.0))
    assert [quota.left(lane, NOW) for lane in Lane] == [0, 0]


@given(st.integers(0, 10_000), st.lists(st.integers(0, 500), max_size=20))
def test_what_is_left_never_grows_by_sending(sent: int, counts: list[int]) -> None:
    quota = DailyQuota()
    quota.told(account(quota=5000.0, sent=float(sent)))
    for count in counts:
        before = {lane: quota.left(lane, NOW) for lane in Lane}
        quota.count(count)
        for lane in Lane:
            assert max(0, before[lane] - count) == pytest.approx(quota.left(lane, NOW))
        assert quota.left(Lane.BULK, NOW) <= quota.left(Lane.TRANSACTIONAL, NOW)


def test_what_ses_said_long_ago_stops_nobody() -> None:
    quota = DailyQuota()
    quota.told(account(sent=1000.0))
    quota.count(5)
    assert [quota.left(Lane.TRANSACTIONAL, NOW + seconds) for seconds in (RECENT, RECENT + 1)] == [0, math.inf]
    quota.told(account(quota=2000.0, sent=1000.0))
    assert quota.left(Lane.TRANSACTIONAL, NOW) == 1000


async def test_days_without_an_answer_are_sent_through_at_the_rate_that_was_known() -> None:
    passed = 0.0
    allowance = OwnAllowance(lambda: passed, lambda: NOW + passed)
    await allowance.told(account(quota=50_000.0, sent=49_990.0))
    passed = RECENT
    assert await allowance.take(100) == Grant(10, (Lane.TRANSACTIONAL,))
    assert await allowance.take(100) == Grant(0, ())
    for _ in range(3):
        passed += 86400.0
        assert await allowance.take(100) == Grant(14, tuple(Lane))
        await allowance.give_back(tokens=14, calls=14)
        assert allowance.take_at_once(14, Lane.BULK)


# Who asks for them.


class Kept:
    """What SES said last, and SES that says it: 14 a second, and 200 a day."""

    def __init__(self) -> None:
        self.account: Account | None = None
        self.is_told = asyncio.Event()

    def get_account(self) -> dict[str, Any]:
        return {"SendQuota": {"MaxSendRate": 14.0, "Max24HourSend": 200.0, "SentLast24Hours": 0.0}}

    async def known(self) -> Account | None:
        return self.account

    async def put(self, account: Account) -> None:
        self.account = account
        self.is_told.set()


async def test_who_asks_no_more_does_not_say_that_all_is_well() -> None:
    kept, gauges = Kept(), ("relay_account_healthy", "relay_account_sending_enabled")
    allowance = OwnAllowance(lambda: 0.0, lambda: NOW)
    watch = AccountWatch(client=kept, store=kept, allowance=allowance, clock=lambda: NOW)
    run = asyncio.create_task(watch.run())
    await kept.is_told.wait()
    assert watch.standing == ("HEALTHY", True, True)
    assert [metrics.registry.get_sample_value(gauge) for gauge in gauges] == [1.0, 1.0]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert watch.standing is None
    assert [metrics.registry.get_sample_value(gauge) for gauge in gauges] == [0.0, 0.0]
