"""Single deliveries moved by a cause that is no call: found suppressed, proven sent, out of time, by the operator."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from relay import lifecycle
from relay.lifecycle import Cause
from relay.model import Delivery
from relay.store.sqlite import flows
from relay.store.sqlite.rows import insert


def end(db: sqlite3.Connection, delivery: Delivery, cause: Cause, reason: str, at: float) -> Delivery:
    """Out of the queue, or the doubt, for good. The delivery must be in a state that the cause may leave."""
    state = lifecycle.MOVES[cause][delivery.state]
    db.execute(
        "UPDATE deliveries SET state = ?, reason = ?, ended_at = ?, lease_until = NULL WHERE message_id = ? AND number = ?",
        (state, reason, at, delivery.message_id, delivery.number),
    )
    _count_out(db, delivery.message_id, delivery.number)
    return replace(delivery, state=state, reason=reason)


def requeue(db: sqlite3.Connection, delivery: Delivery, cause: Cause, due_at: float, reason: str) -> Delivery:
    """Into the queue again, due then."""
    state = lifecycle.MOVES[cause][delivery.state]
    db.execute(
        "UPDATE deliveries SET state = ?, due_at = ?, reason = ?, lease_until = NULL WHERE message_id = ? AND number = ?",
        (state, due_at, reason, delivery.message_id, delivery.number),
    )
    return replace(delivery, state=state, due_at=due_at, reason=reason)


def prove_sent(db: sqlite3.Connection, message_id: str, number: int, ses_message_id: str, at: float) -> bool:
    """SES has it, whatever we thought meanwhile. False if we knew."""
    row = db.execute("SELECT state FROM deliveries WHERE message_id = ? AND number = ?", (message_id, number)).fetchone()
    if row is None or row[0] not in lifecycle.sources(Cause.PROVEN):
        return False
    db.execute(
        "UPDATE deliveries SET state = 'sent', reason = '', lease_until = NULL, ses_message_id = ?, sent_at = ?, ended_at = ?"
        " WHERE message_id = ? AND number = ?",
        (ses_message_id, at, at, message_id, number),
    )
    if row[0] in lifecycle.OPEN:
        _count_out(db, message_id, number)
    return True


def _count_out(db: sqlite3.Connection, message_id: str, number: int) -> None:
    """One delivery that was open is so no more."""
    query = (
        "SELECT d.flow, m.size FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE d.message_id = ? AND d.number = ?"
    )
    flows.ended(db, db.execute(query, (message_id, number)).fetchall())


def note_attempts(db: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Calls that did not end in `sent`, for the timeline: message, number, attempt, time, state, reason."""
    insert(db, "attempts", "message_id, number, attempt, at, state, reason", rows, known="IGNORE")


def doubtful_tries(db: sqlite3.Connection, delivery: Delivery) -> tuple[int, ...]:
    """Those whose end nobody saw: SES may have it of any of them."""
    rows = db.execute(
        "SELECT DISTINCT attempt FROM attempts WHERE message_id = ? AND number = ? AND state = 'in_doubt' ORDER BY attempt",
        (delivery.message_id, delivery.number),
    )
    return tuple(attempt for (attempt,) in rows)
