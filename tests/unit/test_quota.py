from __future__ import annotations

import io
from typing import Any

import pytest

from relay import journal
from relay.credential import Credential, Kind
from relay.errors import TooManyMessages
from relay.quota import Quota

MIDNIGHT = 20_000 * 86400.0


class Time:
    now = MIDNIGHT + 3600

    def __call__(self) -> float:
        return self.now


def credential(name: str = "shop", **fields: Any) -> Credential:
    return Credential(name=name, kind=Kind.APPLICATION, password_hashes=("x",), **fields)


def refused_for(quota: Quota, who: Credential) -> str:
    with pytest.raises(TooManyMessages) as refused:
        quota.take(who)
    return refused.value.subject


def test_so_many_a_minute_and_then_the_next_minute() -> None:
    time = Time()
    quota = Quota(clock=time, per_minute=2, per_day=100)
    quota.take(credential())
    quota.take(credential())
    assert refused_for(quota, credential()) == "minute"
    quota.take(credential("crm"))
    time.now += 60
    quota.take(credential())


def test_so_many_a_day_and_then_the_next_day() -> None:
    time = Time()
    quota = Quota(clock=time, per_minute=100, per_day=2)
    quota.restore({"shop": 1})
    quota.take(credential())
    time.now += 3600
    assert not quota.used_up_today
    assert refused_for(quota, credential()) == "day"
    assert list(quota.used_up_today) == ["shop"]
    time.now = MIDNIGHT + 86400
    assert not quota.used_up_today
    quota.take(credential())


def test_numbers_of_its_own_go_before_those_for_all() -> None:
    quota = Quota(clock=Time(), per_minute=1, per_day=1)
    own = credential(per_minute=3, per_day=2)
    quota.take(own)
    quota.take(own)
    assert refused_for(quota, own) == "day"


def test_what_was_not_accepted_does_not_count() -> None:
    quota = Quota(clock=Time(), per_minute=1, per_day=1)
    for _ in range(3):
        quota.take(credential())
        quota.give_back(credential())
    quota.take(credential())
    assert refused_for(quota, credential()) == "minute"


def test_what_was_not_accepted_gives_no_more_to_a_minute_that_began_meanwhile() -> None:
    time = Time()
    quota = Quota(clock=time, per_minute=1, per_day=100)
    quota.take(credential())
    time.now += 60
    quota.take(credential("crm"))
    quota.give_back(credential())
    quota.take(credential())
    assert refused_for(quota, credential()) == "minute"


def test_what_was_not_accepted_gives_no_more_to_a_day_that_began_meanwhile() -> None:
    time = Time()
    quota = Quota(clock=time, per_minute=100, per_day=1)
    quota.take(credential())
    time.now += 86400
    quota.take(credential("crm"))
    quota.give_back(credential())
    quota.take(credential())
    assert refused_for(quota, credential()) == "day"


def test_a_message_to_several_is_as_many_and_the_last_may_have_more_than_are_left() -> None:
    told: list[int] = []
    quota = Quota(clock=Time(), per_minute=5, per_day=100, tell=lambda _, count: told.append(count))
    quota.take(credential(), 4)
    quota.take(credential(), 800)
    assert refused_for(quota, credential()) == "minute"
    quota.give_back(credential(), 800)
    quota.take(credential())
    assert refused_for(quota, credential()) == "minute"
    assert told == [4, 800, -800, 1]


def test_a_login_that_was_given_more_has_used_up_nothing_until_it_has_again() -> None:
    lines = io.StringIO()
    journal.open_journal(stream=lines)
    quota = Quota(clock=Time(), per_minute=100, per_day=1)
    quota.take(credential())
    for _ in range(2):
        assert refused_for(quota, credential()) == "day"
    assert list(quota.used_up_today) == ["shop"]
    more = credential(per_day=2)
    quota.take(more)
    assert list(quota.used_up_today) == []
    assert refused_for(quota, more) == "day"
    assert list(quota.used_up_today) == ["shop"]
    assert [line.count("quota_used_up") for line in lines.getvalue().splitlines()] == [1, 1]
    journal.open_journal(stream=io.StringIO())
