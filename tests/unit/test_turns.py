from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import Flow, Lane
from relay.turns import Turns


def flow(id: int, credential: str = "app", *, lane: Lane = Lane.TRANSACTIONAL, identity: str = "example.com") -> Flow:
    return Flow(id=id, lane=lane, credential=credential, identity=identity, configuration_set="")


def rounds(turns: Turns, due: Collection[Flow], *counts: int) -> Counter[int]:
    """What each got in all, of so many in each round."""
    got: Counter[int] = Counter()
    for count in counts:
        got.update(turns.share(due, count))
    return got


ANNA, BERT, CARL = flow(1, "anna"), flow(2, "bert"), flow(3, "carl")
NEWS = flow(4, "news", lane=Lane.BULK)

made = st.tuples(st.sampled_from("abcd"), st.sampled_from(Lane), st.sampled_from(["x.example", "y.example"]))
flows = st.lists(made, max_size=12).map(
    lambda all_made: [
        flow(id, credential, lane=lane, identity=identity) for id, (credential, lane, identity) in enumerate(all_made, 1)
    ]
)


@given(flows, st.lists(st.integers(0, 60), min_size=1, max_size=10))
def test_all_that_may_be_sent_is_shared_among_those_that_have_something_due(due: list[Flow], counts: list[int]) -> None:
    turns = Turns()
    for count in counts:
        shares = turns.share(due, count)
        assert sum(shares.values()) == (count if due else 0)
        assert set(shares) <= {each.id for each in due}
        assert all(shares.values())


def weight(of: Flow, due: Collection[Flow]) -> float:
    """The part of all turns that is its own: by lane, then credential, then flow."""
    lanes = {Lane.TRANSACTIONAL: 4.0, Lane.BULK: 1.0}
    credentials = {each.credential for each in due if each.lane is of.lane}
    alike = [each for each in due if (each.lane, each.credential) == (of.lane, of.credential)]
    return lanes[of.lane] / sum(lanes[lane] for lane in {each.lane for each in due}) / len(credentials) / len(alike)


@given(flows.filter(bool), st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_each_has_its_part_of_the_turns_however_they_come_in_rounds(due: list[Flow], counts: list[int]) -> None:
    got = rounds(Turns(), due, *counts)
    for each in due:
        assert got[each.id] == pytest.approx(sum(counts) * weight(each, due), abs=len(due))


def test_mail_that_somebody_waits_for_has_four_turns_to_one_of_mail_to_many() -> None:
    assert rounds(Turns(), [ANNA, NEWS], *[1] * 100) == {ANNA.id: 80, NEWS.id: 20}


def test_a_lane_alone_has_all_turns() -> None:
    assert rounds(Turns(), [NEWS], 10) == {NEWS.id: 10}


def test_credentials_of_a_lane_are_equal_however_many_domains_they_send_as() -> None:
    many = [flow(id, "anna", identity=f"{id}.example") for id in range(10, 15)]
    got = rounds(Turns(), [*many, BERT], *[1] * 100)
    assert got[BERT.id] == 50
    assert [got[each.id] for each in many] == [10] * 5


def test_who_comes_new_is_level_with_the_others_and_catches_up_nothing() -> None:
    turns = Turns()
    rounds(turns, [ANNA], 1000)
    assert rounds(turns, [ANNA, BERT], *[1] * 20) == {ANNA.id: 10, BERT.id: 10}


def test_who_was_silent_for_long_catches_up_nothing() -> None:
    turns = Turns()
    rounds(turns, [ANNA, BERT], 10)
    rounds(turns, [ANNA], 1000)
    assert rounds(turns, [ANNA, BERT], *[1] * 20) == {ANNA.id: 10, BERT.id: 10}


def test_who_comes_new_is_among_the_next_even_of_one() -> None:
    turns = Turns()
    rounds(turns, [ANNA], 1000)
    assert turns.share([ANNA, BERT], 1) == {BERT.id: 1}


def test_nobody_starves_though_others_come_and_go_at_each_turn() -> None:
    turns, got = Turns(), Counter[int]()
    for number in range(300):
        got.update(turns.share([ANNA, BERT if number % 2 else CARL], 1))
    assert got[ANNA.id] >= 100


@given(st.lists(st.sets(st.integers(2, 9)), min_size=120, max_size=120))
def test_nobody_starves_whoever_else_has_something_due(others: list[set[int]]) -> None:
    turns, got = Turns(), Counter[int]()
    for due in others:
        got.update(turns.share([ANNA, *(flow(id, f"credential {id}") for id in due)], 1))
    assert got[ANNA.id] >= 120 // 9 - 1


def test_mail_to_many_does_not_starve_though_others_come_and_go() -> None:
    turns, got = Turns(), Counter[int]()
    for number in range(500):
        got.update(turns.share([NEWS, BERT if number % 2 else CARL], 1))
    assert 500 // 10 <= got[NEWS.id] <= 500 // 5


def test_what_a_flow_had_not_is_no_turn_of_its() -> None:
    turns = Turns()
    assert turns.share([ANNA, BERT], 100) == {ANNA.id: 50, BERT.id: 50}
    turns.give_back(BERT.id, 49)
    assert turns.share([ANNA], 49) == {ANNA.id: 49}
    assert turns.share([ANNA, BERT], 1) == {BERT.id: 1}


def test_a_turn_taken_in_a_crowd_is_not_waited_for_when_the_crowd_has_gone() -> None:
    turns = Turns()
    crowd = [flow(id, f"credential {id}") for id in range(100)]
    rounds(turns, crowd, 100)
    assert rounds(turns, crowd[:2], *[1] * 4) == {0: 2, 1: 2}
    rounds(turns, crowd, 100)
    assert rounds(turns, [flow(1000, "new"), crowd[7]], *[1] * 4) == {1000: 2, 7: 2}
