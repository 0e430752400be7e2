from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from relay.replies import Reply
from relay.smtp.answers import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_HERE
from relay.smtp.limits import Crowd, Limits

USUAL = Limits(
    handshake_seconds=10,
    login_seconds=60,
    line_seconds=30,
    idle_seconds=300,
    session_seconds=3600,
    data_rate=500,
    soft_errors=10,
    error_seconds=1,
    errors=20,
    login_failures=3,
    messages=10000,
    recipients=1000,
    connections=10,
    connections_per_client=4,
)


def come(crowd: Crowd, client: str, stack: ExitStack) -> Reply | None:
    """One more connection of a client: what it is told, if it may not stay."""
    crowded = stack.enter_context(crowd.one_more())
    return stack.enter_context(crowd.one_more_of(client)) or crowded


def test_tight_limits_are_for_those_who_wait_and_not_for_those_who_work() -> None:
    tight = replace(
        USUAL,
        handshake_seconds=5,
        login_seconds=10,
        line_seconds=10,
        idle_seconds=10,
        errors=3,
        connections_per_client=2,
    )
    assert USUAL.tightened() == tight


def test_a_limit_that_is_tight_already_stays_as_it_is() -> None:
    tight = USUAL.tightened()
    low = replace(
        tight, handshake_seconds=1, login_seconds=1, line_seconds=1, idle_seconds=1, errors=1, connections_per_client=1
    )
    assert low.tightened() == low


def test_all_connections_may_be_taken_and_no_more() -> None:
    crowd = Crowd(USUAL)
    with ExitStack() as stack:
        assert [come(crowd, f"192.0.2.{number}", stack) for number in range(10)] == [None] * 10
        with ExitStack() as eleventh:
            assert come(crowd, "192.0.2.10", eleventh) == TOO_MANY_CONNECTIONS
    with ExitStack() as stack:
        assert come(crowd, "192.0.2.10", stack) is None


def test_one_client_may_have_so_many_and_another_as_many() -> None:
    crowd = Crowd(USUAL)
    with ExitStack() as stack:
        assert [come(crowd, "192.0.2.1", stack) for _ in range(4)] == [None] * 4
        with ExitStack() as fifth:
            assert come(crowd, "192.0.2.1", fifth) == TOO_MANY_FROM_HERE
        assert come(crowd, "2001:db8::1", stack) is None


def test_a_connection_that_ends_makes_room_for_its_client() -> None:
    crowd = Crowd(USUAL)
    with ExitStack() as others:
        assert [come(crowd, "192.0.2.1", others) for _ in range(3)] == [None] * 3
        for _ in range(20):
            with ExitStack() as stack:
                assert come(crowd, "192.0.2.1", stack) is None


def test_a_connection_that_fails_makes_room_too() -> None:
    crowd = Crowd(replace(USUAL, connections=1))

    def fail() -> None:
        with ExitStack() as stack:
            assert come(crowd, "192.0.2.1", stack) is None
            raise ConnectionError

    for _ in range(2):
        with pytest.raises(ConnectionError):
            fail()


def test_limits_are_tight_over_80_percent_and_as_usual_below() -> None:
    crowd = Crowd(USUAL)
    with ExitStack() as eight:
        for number in range(8):
            come(crowd, f"192.0.2.{number}", eight)
        assert crowd.limits == USUAL
        with ExitStack() as ninth:
            come(crowd, "192.0.2.8", ninth)
            assert crowd.limits == USUAL.tightened()
        assert crowd.limits == USUAL


def test_while_it_is_tight_a_client_may_have_half_as_many_and_keeps_what_it_has() -> None:
    crowd = Crowd(USUAL)
    with ExitStack() as stack:
        assert [come(crowd, "192.0.2.1", stack) for _ in range(4)] == [None] * 4
        assert [come(crowd, f"192.0.2.{number}", stack) for number in (2, 2, 3, 3)] == [None] * 4
        assert come(crowd, "192.0.2.2", stack) == TOO_MANY_FROM_HERE
        assert come(crowd, "192.0.2.4", stack) is None
