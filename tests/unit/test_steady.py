from __future__ import annotations

import pytest

from relay.steady import SteadyClock


class Clocks:
    """A wall clock that can be set, and a monotonic one that cannot."""

    def __init__(self) -> None:
        self.wall = 1_763_720_000.0
        self.monotonic = 500.0
        self.steady = SteadyClock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_it_shows_the_wall_clock_s_time(clocks: Clocks) -> None:
    assert clocks.steady() == clocks.wall
    clocks.pass_by(3600)
    assert clocks.steady() == clocks.wall
    assert clocks.steady.jump() == 0


@pytest.mark.parametrize("seconds", [172_800.0, -172_800.0, 30.0, -30.0])
def test_a_jump_of_the_wall_clock_is_noticed_and_not_followed_until_it_is_told_to(clocks: Clocks, seconds: float) -> None:
    before = clocks.steady()
    clocks.wall += seconds
    clocks.pass_by(5)
    assert clocks.steady() == before + 5
    assert clocks.steady.jump() == pytest.approx(seconds)
    clocks.steady.follow()
    assert clocks.steady() == pytest.approx(clocks.wall)
    assert clocks.steady.jump() == 0


@pytest.mark.parametrize("seconds", [29.9, -29.9, 0.001])
def test_a_clock_that_is_set_right_has_not_jumped_and_is_followed(clocks: Clocks, seconds: float) -> None:
    clocks.wall += seconds
    assert clocks.steady.jump() == 0
    clocks.steady.follow()
    assert clocks.steady() == pytest.approx(clocks.wall)


def test_a_clock_that_is_slewed_for_hours_never_jumps(clocks: Clocks) -> None:
    for _ in range(1000):
        clocks.pass_by(5)
        clocks.wall += 0.5
        assert clocks.steady.jump() == 0
        clocks.steady.follow()
    assert clocks.steady() == pytest.approx(clocks.wall)
