from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import ids

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# Milliseconds up to the year 10889, the last that 48 bits hold.
times = st.integers(0, 2**48 - 1).map(lambda ms: ms / 1000)
chances = st.binary(min_size=10, max_size=10)


def number(identifier: str) -> int:
    value = 0
    for digit in identifier:
        value = value * 32 + CROCKFORD.index(digit)
    return value


@pytest.mark.parametrize(
    ("now", "chance", "expected"),
    [
        (0.0, bytes(10), "00000000000000000000000000"),
        (0.0, b"\xff" * 10, "0000000000ZZZZZZZZZZZZZZZZ"),
        (0.001, bytes(10), "00000000010000000000000000"),
        # The time of the example in the ULID specification.
        (1469918176.385, bytes(9) + b"\x01", "01ARYZ6S410000000000000001"),
    ],
)
def test_an_identifier_holds_the_time_and_then_chance(now: float, chance: bytes, expected: str) -> None:
    assert ids.ulid(now, chance) == expected


@given(times, chances)
def test_an_identifier_is_26_digits_of_crockford(now: float, chance: bytes) -> None:
    identifier = ids.ulid(now, chance)
    assert len(identifier) == 26
    assert set(identifier) <= set(CROCKFORD)


@given(times, chances)
def test_nothing_of_time_and_chance_is_lost(now: float, chance: bytes) -> None:
    value = number(ids.ulid(now, chance))
    assert (value & (2**80 - 1)).to_bytes(10, "big") == chance
    assert abs((value >> 80) - now * 1000) <= 1


@given(times, st.floats(0.002, 1e9), chances, chances)
def test_identifiers_sort_by_time_whatever_chance_says(now: float, later: float, one: bytes, other: bytes) -> None:
    assert ids.ulid(now, one)[:10] < ids.ulid(now + later, other)[:10] or now + later >= 2**48 / 1000


@given(times, chances, chances)
def test_two_chances_in_one_moment_are_two_identifiers(now: float, one: bytes, other: bytes) -> None:
    assert (ids.ulid(now, one) == ids.ulid(now, other)) == (one == other)


@given(times, chances)
def test_an_identifier_may_be_the_value_of_an_ses_tag(now: float, chance: bytes) -> None:
    tag = f"{ids.ulid(now, chance)}-1"
    assert len(tag) <= 256
    assert tag.isascii()
    assert tag.replace("-", "").isalnum()


@given(times, chances)
def test_an_identifier_says_when_it_was_made(now: float, chance: bytes) -> None:
    """To the millisecond, which is cut off; and seconds since the epoch are floats, good for a quarter of a microsecond."""
    assert -1e-6 < now - ids.moment(ids.ulid(now, chance)) < 0.001 + 1e-6
