from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import holds
from relay.holds import Holder, HoldRecord
from relay.lifecycle import NEVER
from relay.model import Delivery, Flow, Lane, State
from relay.outcome import HoldScope

NOW = 1_763_720_001.0  # the first of three flows probes

APP = Flow(id=1, lane=Lane.TRANSACTIONAL, credential="app", identity="example.com", configuration_set="")
NEWS = Flow(id=2, lane=Lane.BULK, credential="news", identity="example.com", configuration_set="tracked")
OTHER = Flow(id=3, lane=Lane.TRANSACTIONAL, credential="app", identity="example.org", configuration_set="")
FLOWS = (APP, NEWS, OTHER)


def hold(
    id: int = 1,
    scope: HoldScope = HoldScope.ACCOUNT,
    subject: str = "",
    *,
    since: float = NOW - 100,
    until: float = NOW + 100,
    ended_at: float | None = None,
) -> HoldRecord:
    return HoldRecord(
        id=id, scope=scope, subject=subject, holder=Holder.SES, reason="paused", since=since, until=until, ended_at=ended_at
    )


@pytest.mark.parametrize(
    ("scope", "subject", "covered"),
    [
        (HoldScope.ACCOUNT, "", FLOWS),
        (HoldScope.IDENTITY, "example.com", (APP, NEWS)),
        (HoldScope.IDENTITY, "mail.example.com", ()),
        (HoldScope.CONFIGURATION_SET, "", (APP, OTHER)),
        (HoldScope.CONFIGURATION_SET, "tracked", (NEWS,)),
        (HoldScope.CREDENTIAL, "app", (APP, OTHER)),
        (HoldScope.CREDENTIAL, "", ()),
        (HoldScope.CREDENTIAL_BULK, "news", (NEWS,)),
        (HoldScope.CREDENTIAL_BULK, "app", ()),
    ],
)
def test_a_hold_covers_the_flows_of_its_subject(scope: HoldScope, subject: str, covered: tuple[Flow, ...]) -> None:
    standing = hold(scope=scope, subject=subject)
    assert tuple(flow for flow in FLOWS if standing.covers(flow)) == covered
    assert holds.sort(FLOWS, [standing], NOW).free == tuple(flow for flow in FLOWS if flow not in covered)


def test_without_holds_all_flows_are_free() -> None:
    assert holds.sort(FLOWS, [], NOW) == holds.Sorted(FLOWS, ())


def test_a_hold_that_was_lifted_stops_nothing() -> None:
    assert holds.sort(FLOWS, [hold(ended_at=NOW - 1)], NOW).free == FLOWS


def test_until_its_time_is_over_nobody_probes_a_hold() -> None:
    assert holds.sort(FLOWS, [hold(until=NOW + 0.001)], NOW) == holds.Sorted((), ())


def test_when_its_time_is_over_one_flow_probes_it_and_the_others_wait() -> None:
    over = hold(until=NOW)
    assert holds.sort(FLOWS, [over], NOW) == holds.Sorted((), ((APP, (over,)),))


def test_another_flow_probes_it_a_moment_later() -> None:
    over = hold(until=NOW)
    found = [holds.sort(FLOWS, [over], NOW + milliseconds / 1000 + 0.0001).probing for milliseconds in range(4)]
    assert found == [((flow, (over,)),) for flow in (APP, NEWS, OTHER, APP)]


def test_two_holds_of_two_flows_are_probed_side_by_side() -> None:
    com, org = (hold(id, HoldScope.IDENTITY, name, until=NOW) for id, name in ((1, "example.com"), (2, "example.org")))
    assert holds.sort(FLOWS, [com, org], NOW).probing == ((APP, (com,)), (OTHER, (org,)))


def test_a_flow_under_two_holds_probes_them_together_when_the_last_of_them_is_over() -> None:
    account, identity = hold(1, until=NOW - 5), hold(2, HoldScope.IDENTITY, "example.com", until=NOW + 1)
    assert holds.sort([APP], [account, identity], NOW) == holds.Sorted((), ())
    assert holds.sort([APP], [account, identity], NOW + 1).probing == ((APP, (account, identity)),)


def test_who_is_under_one_hold_probes_it_though_another_is_under_two() -> None:
    account, identity = hold(1, until=NOW), hold(2, HoldScope.IDENTITY, "example.com", until=NOW + 1)
    assert holds.sort(FLOWS, [account, identity], NOW).probing == ((OTHER, (account,)),)


@given(st.lists(st.tuples(st.sampled_from(list(HoldScope)[:4]), st.sampled_from(["", "app", "example.com"]), st.booleans())))
def test_a_flow_is_free_or_probes_or_waits_and_each_hold_is_probed_once_at_most(
    made: list[tuple[HoldScope, str, bool]],
) -> None:
    records = [hold(id, scope, word, until=NOW - 1 if over else NOW + 1) for id, (scope, word, over) in enumerate(made)]
    found = holds.sort(FLOWS, records, NOW)
    probed = [each.id for _, over in found.probing for each in over]
    assert len(probed) == len(set(probed))
    assert not set(found.free) & {flow for flow, _ in found.probing}
    assert all(each.until <= NOW for _, over in found.probing for each in over)
    assert set(found.free) == {flow for flow in FLOWS if not any(each.covers(flow) for each in records)}


# For how long mail stood still.


def test_what_no_hold_stopped_did_not_stand_still() -> None:
    assert holds.stood_still(APP, [], NOW - 100, NOW) == 0
    assert holds.stood_still(APP, [hold(scope=HoldScope.CREDENTIAL, subject="news")], NOW - 100, NOW) == 0


@pytest.mark.parametrize(
    ("since", "ended", "still"),
    [
        (-200, None, 100),  # from before it was accepted until now
        (-30, None, 30),
        (-30, -10, 20),
        (-200, -150, 0),  # over before it was accepted
        (-200, -90, 10),
        (10, None, 0),  # to come
        (-30, 10, 30),
    ],
)
def test_only_the_time_since_it_was_accepted_counts(since: float, ended: float | None, still: float) -> None:
    record = hold(since=NOW + since, ended_at=None if ended is None else NOW + ended)
    assert holds.stood_still(APP, [record], NOW - 100, NOW) == pytest.approx(still)


def test_holds_one_after_the_other_add_up_and_overlapping_ones_count_once() -> None:
    first = hold(1, since=NOW - 90, ended_at=NOW - 70)
    second = hold(2, HoldScope.CREDENTIAL, "app", since=NOW - 80, ended_at=NOW - 60)
    inside = hold(3, HoldScope.IDENTITY, "example.com", since=NOW - 85, ended_at=NOW - 84)
    third = hold(4, since=NOW - 10)
    assert holds.stood_still(APP, [third, inside, second, first], NOW - 100, NOW) == pytest.approx(40)


spans = st.lists(st.tuples(st.integers(0, 99), st.integers(1, 100)), max_size=6)


@given(spans, st.randoms())
def test_the_time_is_that_of_the_seconds_in_which_any_hold_stood(made: list[tuple[int, int]], random: object) -> None:
    records = [hold(id, since=NOW + begin, ended_at=NOW + begin + length) for id, (begin, length) in enumerate(made)]
    random.shuffle(records)  # type: ignore[attr-defined]
    seconds = {second for begin, length in made for second in range(begin, min(begin + length, 100))}
    assert holds.stood_still(APP, records, NOW, NOW + 100) == pytest.approx(len(seconds))


# In words.


@pytest.mark.parametrize(
    ("scope", "subject", "words"),
    [
        (HoldScope.ACCOUNT, "", "the account"),
        (HoldScope.IDENTITY, "example.com", "sender domain example.com"),
        (HoldScope.CONFIGURATION_SET, "tracked", "configuration set tracked"),
        (HoldScope.CONFIGURATION_SET, "", "the relay's own configuration set"),
        (HoldScope.CREDENTIAL, "app", "credential app"),
        (HoldScope.CREDENTIAL_BULK, "app", "bulk mail of credential app"),
    ],
)
def test_what_a_hold_stops_is_said_in_words(scope: HoldScope, subject: str, words: str) -> None:
    assert holds.place(scope, subject) == words


def delivery(due_at: float) -> Delivery:
    return Delivery(
        message_id="m", number=1, recipient="a@example.net", state=State.QUEUED, due_at=due_at, expires_at=NOW + 100
    )


def test_all_that_holds_a_delivery_is_said_and_nothing_else() -> None:
    standing = [
        hold(),
        replace(hold(2, HoldScope.CREDENTIAL, "app"), holder=Holder.OPERATOR, reason="maintenance"),
        hold(3, HoldScope.CREDENTIAL, "news"),
        hold(5, HoldScope.CREDENTIAL_BULK, "app"),
        hold(4, ended_at=NOW),
    ]
    words = "the account by SES: paused; credential app by the operator: maintenance"
    assert holds.why_held(delivery(NOW), APP, standing) == words
    assert holds.why_held(delivery(NEVER), APP, standing) == f"by the operator, until it is retried; {words}"
    assert holds.why_held(delivery(NEVER), APP, []) == "by the operator, until it is retried"
    assert holds.why_held(delivery(NOW), APP, []) == ""
