"""Single deliveries moved by a cause that is no call: found suppressed, proven sent, out of time, by the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from relay import lifecycle, statistics
from relay.lifecycle import Cause
from relay.model import Delivery, Origin, State
from relay.store.sql import flows, own_facts
from relay.store.sql.counters import ORIGIN, Counts
from relay.store.sql.rows import insert
from relay.store.sql.session import Session

STANDING = f"""SELECT d.state, d.reason, d.ended_at, d.flow, {flows.LOAD}, {ORIGIN} FROM deliveries d
    JOIN messages m ON m.id = d.message_id WHERE d.message_id = ? AND d.number = ?"""


def end(db: Session, delivery: Delivery, cause: Cause, reason: str, at: float) -> Delivery:
    """Out of the queue, or the doubt, for good. The delivery must be in a state that the cause may leave."""
    state = lifecycle.MOVES[cause][delivery.state]
    moved = db.execute(
        "UPDATE deliveries SET state = ?, reason = ?, ended_at = ?, lease_until = NULL"
        " WHERE message_id = ? AND number = ? AND state = ?",
        (state, reason, at, delivery.message_id, delivery.number, delivery.state),
    )
    if moved.rowcount and (found := _standing(db, delivery.message_id, delivery.number)):
        flows.ended(db, [(found.flow, found.size)])
        counts = Counts()
        counts.add(statistics.of_end(state, reason), found.origin, at)
        counts.write(db)
        own_facts.note(db, own_facts.of_end(replace(delivery, state=state, reason=reason), found.origin.credential, at))
    return replace(delivery, state=state, reason=reason)


def requeue(db: Session, delivery: Delivery, cause: Cause, due_at: float, reason: str) -> Delivery:
    """Into the queue again, due then."""
    state = lifecycle.MOVES[cause][delivery.state]
    db.execute(
        "UPDATE deliveries SET state = ?, due_at = ?, reason = ?, lease_until = NULL WHERE message_id = ? AND number = ?",
        (state, due_at, reason, delivery.message_id, delivery.number),
    )
    return replace(delivery, state=state, due_at=due_at, reason=reason)


def prove_sent(db: Session, message_id: str, number: int, ses_message_id: str, at: float, counts: Counts) -> bool:
    """SES has it, whatever we thought meanwhile, and counted. False if we knew."""
    was = _standing(db, message_id, number)
    if was is None or was.state not in lifecycle.sources(Cause.PROVEN):
        return False
    db.execute(
        "UPDATE deliveries SET state = 'sent', reason = '', lease_until = NULL, ses_message_id = ?, sent_at = ?, ended_at = ?"
        " WHERE message_id = ? AND number = ?",
        (ses_message_id, at, at, message_id, number),
    )
    counts.add(statistics.SENT, was.origin, at)
    if was.state in lifecycle.OPEN:
        flows.ended(db, [(was.flow, was.size)])
    else:
        counts.add(statistics.of_end(was.state, was.reason), was.origin, was.ended_at or at, -1)
    return True


class _Standing(NamedTuple):
    """A delivery as it stands in the store."""

    state: State
    reason: str
    ended_at: float | None
    flow: int
    size: int
    origin: Origin


def _standing(db: Session, message_id: str, number: int) -> _Standing | None:
    row = db.execute(STANDING, (message_id, number)).fetchone()
    if row is None:
        return None
    state, reason, ended_at, flow, size, *whose = row
    return _Standing(State(state), reason, ended_at, flow, size, statistics.origin(*whose))


def note_attempts(db: Session, rows: Sequence[tuple[object, ...]]) -> None:
    """Calls that did not end in `sent`, for the timeline: message, number, attempt, time, state, reason."""
    insert(db, "attempts", "message_id, number, attempt, at, state, reason", rows, then="ON CONFLICT DO NOTHING")


def doubtful_tries(db: Session, delivery: Delivery) -> tuple[int, ...]:
    """Those whose end nobody saw: SES may have it of any of them."""
    rows = db.execute(
        "SELECT DISTINCT attempt FROM attempts WHERE message_id = ? AND number = ? AND state = 'in_doubt' ORDER BY attempt",
        (delivery.message_id, delivery.number),
    )
    return tuple(attempt for (attempt,) in rows)
