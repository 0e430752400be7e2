"""A message that is sent to one of its recipients once more: a delivery of its own, made as those are that come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from relay.model import Delivery, Message, State
from relay.statistics import HOUR
from relay.store.sql.enqueuing import store_all
from relay.store.sql.messages import HAS_CONTENT
from relay.store.sql.moves import note_attempts
from relay.store.sql.records import DELIVERY, DELIVERY_WIDTH, MESSAGE, OPEN, delivery_of, message_of
from relay.store.sql.session import Session

# A mailing gives its own deliveries their numbers, as long as it goes on.
_OVER = f"""SELECT {DELIVERY}, {MESSAGE}, coalesce((SELECT a.at FROM attempts a
        WHERE a.message_id = d.message_id AND a.number = d.number AND a.attempt = 0), m.accepted_at)
    FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE d.message_id = ? AND d.number = ? AND d.state NOT IN {OPEN} AND ({HAS_CONTENT})
    AND (m.expires_at = 0 OR m.expires_at > ?)
    AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.message_id = m.id AND t.message_id <> '' AND t.ended_at IS NULL)"""
_NEXT = "SELECT max(number) + 1 FROM deliveries WHERE message_id = ?"


def again_all(db: Session, items: Sequence[tuple[str, int, float, str]]) -> list[Delivery | None]:
    """One result each: of the delivery by its message and number, None where it cannot be. The last is the playpen, if there is
    one.
    """
    return [_again(db, *item) for item in items]


def _again(db: Session, message_id: str, number: int, now: float, playpen: str) -> Delivery | None:
    row = db.execute(_OVER, (message_id, number, now)).fetchone()
    if row is None:
        return None
    message = message_of(row[DELIVERY_WIDTH:])
    ((new_number,),) = db.execute(_NEXT, (message_id,)).fetchall()
    over = delivery_of(row)
    wanted = _another(replace(over, recipient=playpen or over.recipient), message, began_at=row[-1], now=now)
    [[made]] = store_all(db, [(replace(message, accepted_at=now), (replace(wanted, number=new_number),))])
    note_attempts(db, [(message_id, new_number, 0, now, made.state, f"by the operator, after {message_id}-{number}")])
    return made


def _another(over: Delivery, message: Message, *, began_at: float, now: float) -> Delivery:
    """It is tried for as long as the other was, unless its sender has set an end."""
    patience = max(HOUR, over.expires_at - max(began_at, message.labels.send_at))
    return Delivery(
        message_id=over.message_id,
        number=over.number,
        recipient=over.recipient,
        state=State.QUEUED,
        due_at=now,
        expires_at=message.labels.expires_at or now + patience,
        fields=over.fields,
    )
