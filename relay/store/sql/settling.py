"""What came of calls,: many at once, fenced by the attempt; a late Sent is always recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from relay import statistics
from relay.holds import Holder
from relay.lifecycle import OPEN
from relay.model import Settlement, State
from relay.queueing import Settled
from relay.store.sql import facts, flows, holds, own_facts
from relay.store.sql.counters import Counts
from relay.store.sql.moves import note_attempts, prove_sent
from relay.store.sql.own_facts import OwnFact
from relay.store.sql.session import Session, beside_others, changes, short

_SETTLE = """UPDATE deliveries SET state = ?, due_at = ?, failures = ?, reason = ?, lease_until = NULL, ses_message_id = ?,
    sent_at = ?, ended_at = ? WHERE message_id = ? AND number = ? AND attempt = ? AND state = 'sending'"""


@short
@beside_others
@changes(lambda settlement: (settlement.delivery.id,))
def settle_all(db: Session, settlements: Sequence[Settlement]) -> list[Settled]:
    """One result each."""
    ours = [settled.rowcount == 1 for settled in db.each(_SETTLE, map(_values, settlements))]
    in_time = [settlement for settlement, is_ours in zip(settlements, ours, strict=True) if is_ours]
    flows.ended(db, [(settlement.flow, settlement.size) for settlement in in_time if settlement.state not in OPEN])
    note_attempts(db, [_attempt(s, s.reason) for s in settlements if s.state is not State.SENT])
    _note_holds(db, settlements)
    counts = Counts()
    for settlement in in_time:
        if settlement.state not in OPEN:
            counts.add(statistics.of_end(settlement.state, settlement.reason), settlement.origin, settlement.at)
    own_facts.note(db, [fact for settlement in in_time if settlement.state is not State.SENT for fact in _ended(settlement)])
    results = [Settled.IN_TIME if is_ours else _late(db, s, counts) for s, is_ours in zip(settlements, ours, strict=True)]
    if sent := [settlement.ses_message_id for settlement in settlements if settlement.state is State.SENT]:
        facts.join(db, sent, counts)
    counts.write(db)
    return results


def _ended(settlement: Settlement) -> list[OwnFact]:
    ended = replace(settlement.delivery, state=settlement.state, reason=settlement.reason)
    return own_facts.of_end(ended, settlement.origin.credential, settlement.at)


def _values(settlement: Settlement) -> tuple[object, ...]:
    delivery = settlement.delivery
    return (
        settlement.state,
        settlement.due_at,
        settlement.failures,
        settlement.reason,
        settlement.ses_message_id or None,
        settlement.at if settlement.state is State.SENT else None,
        None if settlement.state in OPEN else settlement.at,
        delivery.message_id,
        delivery.number,
        delivery.attempt,
    )


def _late(db: Session, settlement: Settlement, counts: Counts) -> Settled:
    """The lease was lost, and another may have sent it meanwhile."""
    delivery, ses_id = settlement.delivery, settlement.ses_message_id
    if settlement.state is not State.SENT:
        return Settled.LATE
    if prove_sent(db, delivery.message_id, delivery.number, ses_id, settlement.at, counts):
        return Settled.LATE
    known = db.execute(
        "SELECT ses_message_id FROM deliveries WHERE message_id = ? AND number = ?", (delivery.message_id, delivery.number)
    ).fetchone()
    if known is None or known[0] == ses_id:
        return Settled.LATE
    note_attempts(db, [_attempt(settlement, f"as well, as SES message {ses_id}")])
    return Settled.TWICE


def _attempt(settlement: Settlement, reason: str) -> tuple[object, ...]:
    delivery = settlement.delivery
    return (delivery.message_id, delivery.number, delivery.attempt, settlement.at, settlement.state, reason)


def _note_holds(db: Session, settlements: Sequence[Settlement]) -> None:
    """A call that SES answered for its own sake ends what it probed; any other call proves nothing, or renews the hold."""
    at = max(settlement.at for settlement in settlements)
    answered = [s.delivery.id for s in settlements if s.state in (State.SENT, State.FAILED) and not s.hold]
    failed = [s.delivery.id for s in settlements if s.delivery.id not in answered]
    if answered:
        holds.end_probed(db, answered, at)
    if failed:
        holds.take_back_probes(db, failed, at)
    for settlement in settlements:
        if settlement.hold:
            holds.put(db, settlement.hold, holder=Holder.SES, at=settlement.at)
