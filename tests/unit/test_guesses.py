from __future__ import annotations

from relay.guesses import Guessed, Guesses

HOME, OFFICE = "192.0.2.1", "198.51.100.1"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guesses(time: Time) -> Guesses:
    return Guesses(monotonic=time, seconds=60, per_address=3, per_name=5)


def test_an_address_is_stopped_at_its_limit_and_let_go_after_the_time() -> None:
    time = Time()
    counted = guesses(time)
    assert [counted.failed(f"name{number}", HOME) for number in range(4)] == [[], [], [Guessed.ADDRESS], []]
    assert counted.is_stopped(HOME)
    assert not counted.is_stopped(OFFICE)
    time.now += 60
    assert not counted.is_stopped(HOME)
    assert counted.failed("shop", HOME) == []


def test_a_name_that_is_guessed_makes_strangers_wait_and_not_its_owner() -> None:
    time = Time()
    counted = guesses(time)
    counted.succeeded("shop", OFFICE)
    told = [counted.failed("shop", f"192.0.2.{number}") for number in range(6)]
    assert told == [[], [], [], [], [Guessed.NAME], []]
    assert counted.delay("shop", OFFICE) == 0
    assert counted.delay("shop", HOME) == 5
    assert counted.delay("crm", HOME) == 0
    assert not counted.is_stopped(HOME)
    time.now += 60
    assert counted.delay("shop", HOME) == 0


def test_a_name_that_reads_like_an_address_is_told_from_it() -> None:
    counted = guesses(Time())
    assert [counted.failed(HOME, HOME) for _ in range(5)] == [[], [], [Guessed.ADDRESS], [], [Guessed.NAME]]


def test_failures_are_counted_from_the_first_one_on() -> None:
    time = Time()
    counted = guesses(time)
    counted.failed("a", HOME)
    time.now += 59
    counted.failed("b", HOME)
    time.now += 1
    counted.failed("c", HOME)
    counted.failed("d", HOME)
    assert not counted.is_stopped(HOME)


def test_a_flood_of_addresses_does_not_grow_without_bound() -> None:
    counted = guesses(Time())
    for number in range(10_003):
        counted.failed(f"name{number}", f"192.0.{number // 256}.{number % 256}")
        counted.succeeded(f"name{number}", HOME)
    sizes = {*(len(window._counts) for window in counted._windows.values()), len(counted._known)}
    assert sizes == {10_000}


def test_a_long_name_is_counted_by_a_short_key() -> None:
    told: list[tuple[Guessed, str]] = []
    counted = Guesses(monotonic=Time(), seconds=60, per_address=3, per_name=2, tell=lambda by, key: told.append((by, key)))
    for name in ("a" * 5000, "a" * 5000, "b" * 5000):
        counted.failed(name, HOME)
    keys = [key for by, key in told if by is Guessed.NAME]
    assert (keys[0] == keys[1] != keys[2], max(map(len, keys)) <= 200) == (True, True)
    assert [counted.delay(name, HOME) > 0 for name in ("a" * 5000, "b" * 5000, "c" * 5000)] == [True, False, False]
