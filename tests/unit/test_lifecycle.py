from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import lifecycle
from relay.lifecycle import Cause, Patience
from relay.model import Claimed, Delivery, Message, State
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NOW = 1_700_000_000.0
PATIENCE = Patience()

MESSAGE = Message(
    id="01JHN5Q8Z40000000000000000",
    accepted_at=NOW,
    credential="shop",
    sender="shop@example.com",
    header_from="shop@example.com",
    client_message_id="<1@example.com>",
    subject="Order 42",
    peer="192.0.2.1",
    size=100,
    digest=bytes(32),
    edits=(),
)


def claimed(*, failures: int = 0, attempt: int = 1, expires_at: float = NOW + 3 * DAY) -> Claimed:
    delivery = Delivery(
        message_id=MESSAGE.id,
        number=1,
        recipient="anna@example.net",
        state=State.SENDING,
        due_at=NOW,
        expires_at=expires_at,
        attempt=attempt,
        failures=failures,
    )
    return Claimed(delivery=delivery, message=MESSAGE, flow=1, content=b"")


def hold(scope: HoldScope) -> Hold:
    return Hold(scope, "paused", 300.0, "example.com" if scope is HoldScope.IDENTITY else "")


# Every outcome of a call: the state that follows, and whether it counts as a failure.
MOVES: list[tuple[Outcome, State, int]] = [
    (Sent("0100018f"), State.SENT, 0),
    (Later("503"), State.QUEUED, 1),
    (SlowDown("too fast"), State.QUEUED, 0),
    (hold(HoldScope.ACCOUNT), State.QUEUED, 0),
    (hold(HoldScope.IDENTITY), State.QUEUED, 0),
    (hold(HoldScope.CONFIGURATION_SET), State.QUEUED, 0),
    (hold(HoldScope.DELIVERY), State.QUEUED, 0),
    (Never("invalid"), State.FAILED, 1),
    (Unknown("time-out"), State.IN_DOUBT, 1),
]

chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("outcome", "state", "counted"), MOVES)
@pytest.mark.parametrize("failures", [0, 4])
def test_an_outcome_moves_a_delivery_and_counts_as_it_should(
    outcome: Outcome, state: State, counted: int, failures: int
) -> None:
    settled = lifecycle.settle(claimed(failures=failures), outcome, now=NOW, chance=0.5, patience=PATIENCE)
    assert settled.state is state
    assert settled.failures == failures + counted


@pytest.mark.parametrize(("outcome", "state", "counted"), MOVES)
def test_a_settlement_says_whose_it_is(outcome: Outcome, state: State, counted: int) -> None:
    work = claimed(attempt=3)
    settled = lifecycle.settle(work, outcome, now=NOW, chance=0.5, patience=PATIENCE)
    assert (settled.delivery, settled.at) == (work.delivery, NOW)


def test_only_sent_carries_the_identifier_of_ses() -> None:
    found = {
        lifecycle.settle(claimed(), outcome, now=NOW, chance=0.5, patience=PATIENCE).ses_message_id
        for outcome, _, _ in MOVES[1:]
    }
    assert found == {""}
    settled = lifecycle.settle(claimed(), Sent("0100018f"), now=NOW, chance=0.5, patience=PATIENCE)
    assert (settled.ses_message_id, settled.reason) == ("0100018f", "")


@pytest.mark.parametrize("outcome", [Later("why"), SlowDown("why"), Never("why"), Unknown("why")])
def test_the_reason_is_kept(outcome: Outcome) -> None:
    assert lifecycle.settle(claimed(), outcome, now=NOW, chance=0.5, patience=PATIENCE).reason == "why"


@pytest.mark.parametrize("scope", list(HoldScope))
def test_a_hold_is_handed_on_with_its_reason_unless_it_is_the_delivery_s_own(scope: HoldScope) -> None:
    settled = lifecycle.settle(claimed(), hold(scope), now=NOW, chance=0.5, patience=PATIENCE)
    assert settled.hold == (None if scope is HoldScope.DELIVERY else hold(scope))
    assert settled.reason == "paused"


def test_what_is_no_hold_holds_nothing() -> None:
    outcomes = [outcome for outcome, _, _ in MOVES if not isinstance(outcome, Hold)]
    assert len(outcomes) == 5
    for outcome in outcomes:
        assert lifecycle.settle(claimed(), outcome, now=NOW, chance=0.5, patience=PATIENCE).hold is None


# Failures before the call -> the wait in minutes, without its jitter.
@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(0, 1), (1, 2), (2, 5), (3, 10), (4, 20), (5, 40), (6, 60), (7, 60), (8, 60), (60, 60)],
)
def test_the_waits_are_1_2_5_10_20_and_40_minutes_and_then_an_hour(failures: int, minutes: int) -> None:
    settled = lifecycle.settle(claimed(failures=failures), Later("503"), now=NOW, chance=0.5, patience=PATIENCE)
    assert settled.due_at - NOW == pytest.approx(minutes * MINUTE, abs=0.001)


@given(st.integers(1, 100), chances)
def test_a_wait_is_spread_by_a_fifth_either_way(failures: int, chance: float) -> None:
    middle = [60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0][min(failures, 7) - 1]
    wait = lifecycle.backoff(failures, chance=chance, patience=PATIENCE)
    assert middle * 0.8 - 1e-6 <= wait <= middle * 1.2 + 1e-6


def test_mail_is_tried_for_three_days_by_default() -> None:
    assert PATIENCE.lifetime == 3 * DAY


def test_chance_reaches_both_ends_of_the_spread() -> None:
    assert lifecycle.backoff(1, chance=0.0, patience=PATIENCE) == pytest.approx(48)
    assert lifecycle.backoff(1, chance=0.999999, patience=PATIENCE) == pytest.approx(72, abs=0.01)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=5), st.integers(1, 50), chances)
def test_without_jitter_the_waits_are_those_configured_and_the_last_repeats(
    delays: list[float], failures: int, chance: float
) -> None:
    patience = Patience(delays=tuple(delays), jitter=0)
    expected = (delays + [delays[-1]] * 50)[failures - 1]
    assert lifecycle.backoff(failures, chance=chance, patience=patience) == pytest.approx(expected)


def test_a_doubt_is_decided_after_the_time_set_for_it_or_the_wait_of_a_failure_if_that_is_longer() -> None:
    patience = Patience(in_doubt=123.0)
    assert lifecycle.settle(claimed(), Unknown("?"), now=NOW, chance=0.5, patience=patience).due_at == NOW + 123
    late = lifecycle.settle(claimed(failures=4), Unknown("?"), now=NOW, chance=0.5, patience=patience)
    assert late.due_at == pytest.approx(NOW + 20 * MINUTE)


def test_a_doubt_lasts_15_minutes_by_default() -> None:
    assert PATIENCE.in_doubt == 15 * MINUTE


@given(chances)
def test_throttled_mail_is_due_again_within_seconds(chance: float) -> None:
    settled = lifecycle.settle(claimed(), SlowDown("too fast"), now=NOW, chance=chance, patience=PATIENCE)
    assert NOW < settled.due_at <= NOW + 2


def test_throttled_mail_does_not_all_come_back_at_once() -> None:
    due = {
        lifecycle.settle(claimed(), SlowDown("too fast"), now=NOW, chance=n / 10, patience=PATIENCE).due_at for n in range(10)
    }
    assert len(due) == 10


@pytest.mark.parametrize("scope", [HoldScope.ACCOUNT, HoldScope.IDENTITY, HoldScope.CONFIGURATION_SET])
def test_mail_under_a_hold_is_due_as_soon_as_the_hold_is_lifted(scope: HoldScope) -> None:
    assert lifecycle.settle(claimed(), hold(scope), now=NOW, chance=0.5, patience=PATIENCE).due_at == NOW


def test_a_message_held_alone_waits_out_its_own_hold() -> None:
    settled = lifecycle.settle(claimed(), hold(HoldScope.DELIVERY), now=NOW, chance=0.5, patience=PATIENCE)
    assert settled.due_at == NOW + 300


@pytest.mark.parametrize(
    ("expires_in", "state"), [(61.0, State.QUEUED), (60.0, State.EXPIRED), (30.0, State.EXPIRED), (-1.0, State.EXPIRED)]
)
def test_a_failure_whose_next_try_would_come_too_late_expires(expires_in: float, state: State) -> None:
    work = claimed(expires_at=NOW + expires_in)
    settled = lifecycle.settle(work, Later("503"), now=NOW, chance=0.5, patience=PATIENCE)
    assert (settled.state, settled.failures) == (state, 1)


@pytest.mark.parametrize("outcome", [SlowDown("too fast"), *(hold(scope) for scope in HoldScope)])
def test_what_uses_up_nothing_never_expires_a_delivery(outcome: Outcome) -> None:
    work = claimed(failures=5, expires_at=NOW - HOUR)
    assert lifecycle.settle(work, outcome, now=NOW, chance=0.5, patience=PATIENCE).state is State.QUEUED


@pytest.mark.parametrize(("outcome", "state"), [(Sent("0100018f"), State.SENT), (Never("no"), State.FAILED)])
def test_a_result_stands_however_late_it_comes(outcome: Outcome, state: State) -> None:
    work = claimed(failures=5, expires_at=NOW - HOUR)
    assert lifecycle.settle(work, outcome, now=NOW, chance=0.5, patience=PATIENCE).state is state


def test_a_lost_answer_is_in_doubt_even_when_the_time_is_up() -> None:
    work = claimed(expires_at=NOW - HOUR)
    assert lifecycle.settle(work, Unknown("?"), now=NOW, chance=0.5, patience=PATIENCE).state is State.IN_DOUBT


def test_three_days_of_failures_end_in_expired_and_nowhere_else() -> None:
    now, failures, tries = NOW, 0, 0
    while True:
        settled = lifecycle.settle(claimed(failures=failures), Later("503"), now=now, chance=0.5, patience=PATIENCE)
        tries += 1
        if settled.state is not State.QUEUED:
            break
        assert settled.due_at > now
        now, failures = settled.due_at, settled.failures
    assert settled.state is State.EXPIRED
    assert NOW + 3 * DAY - HOUR <= now < NOW + 3 * DAY
    assert 70 < tries < 85


@pytest.mark.parametrize(("failures", "state"), [(0, State.QUEUED), (3, State.QUEUED), (4, State.FAILED), (9, State.FAILED)])
def test_an_answer_nobody_knows_is_the_end_after_so_many_failures(failures: int, state: State) -> None:
    settled = lifecycle.settle(claimed(failures=failures), Later("418", at_most=5), now=NOW, chance=0.5, patience=PATIENCE)
    assert (settled.state, settled.failures, settled.reason) == (state, failures + 1, "418")


@pytest.mark.parametrize(("expires_in", "state"), [(1.0, State.QUEUED), (0.0, State.EXPIRED)])
def test_a_bounded_hold_keeps_no_delivery_longer_than_its_own_time(expires_in: float, state: State) -> None:
    work = claimed(expires_at=NOW + expires_in)
    unverified = Hold(HoldScope.IDENTITY, "not verified", 300.0, "example.com", bounded=True)
    settled = lifecycle.settle(work, unverified, now=NOW, chance=0.5, patience=PATIENCE)
    assert (settled.state, settled.failures) == (state, 0)


# Every move there is: from, to, and the causes. What is not here cannot happen.
TABLE = """
queued    sending     claimed
queued    suppressed  found suppressed
queued    expired     out of time
queued    cancelled   cancelled
queued    queued      retried, held back
queued    sent        proven
sending   sent        taken, proven
sending   queued      postponed, let go
sending   failed      refused
sending   expired     gave up
sending   in_doubt    unanswered, interrupted
in_doubt  sent        proven
in_doubt  queued      unproven, retried, held back
in_doubt  expired     out of time
in_doubt  cancelled   cancelled
suppressed sent       proven
ignored   sent        proven
failed    sent        proven
expired   sent        proven
cancelled sent        proven
"""


def rows() -> set[tuple[str, str, str]]:
    found = [line.split(maxsplit=2) for line in TABLE.strip().splitlines()]
    return {(before, after, cause) for before, after, causes in found for cause in causes.split(", ")}


def test_the_table_of_moves_is_the_one_written_down() -> None:
    found = {(before, after, cause) for cause, moves in lifecycle.MOVES.items() for before, after in moves.items()}
    assert {(str(before), str(after), str(cause)) for before, after, cause in found} == rows()


def test_each_cause_leads_to_one_state() -> None:
    assert {cause: lifecycle.target(cause) for cause in Cause} == {
        cause: next(iter(set(lifecycle.MOVES[cause].values()))) for cause in Cause
    }
    assert all(len(set(moves.values())) == 1 for moves in lifecycle.MOVES.values())


@pytest.mark.parametrize("state", [State.SENT, State.SUPPRESSED, State.IGNORED, State.FAILED, State.EXPIRED, State.CANCELLED])
def test_nothing_leads_out_of_an_end_but_proof_that_it_was_sent(state: State) -> None:
    causes = {cause for cause in Cause if state in lifecycle.sources(cause)}
    assert causes == (set() if state is State.SENT else {Cause.PROVEN})


def test_what_is_open_is_what_can_still_be_cancelled_or_is_being_sent() -> None:
    assert set(lifecycle.OPEN) == {State.SENDING, *lifecycle.sources(Cause.CANCELLED)}


@pytest.mark.parametrize(("outcome", "state", "counted"), MOVES)
def test_a_settlement_is_a_move_out_of_sending(outcome: Outcome, state: State, counted: int) -> None:
    assert state in {moves[State.SENDING] for moves in lifecycle.MOVES.values() if State.SENDING in moves}
