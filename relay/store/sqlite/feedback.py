"""Facts from SES on SQLite: raw notification, events, states and suppressions in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import aiosqlite

from relay import bounces, ids, ses_event
from relay.errors import StoreUnavailable
from relay.model import Event, EventType, Reason, Suppression
from relay.ports import Recorded
from relay.store.sqlite.moves import prove_sent
from relay.store.sqlite.suppressions import add
from relay.store.sqlite.writer import Writer

_SAMPLE = 1000
_HEARD = f"""SELECT count(*), count(heard) FROM (SELECT
    (SELECT 1 FROM events e WHERE e.message_id = d.message_id AND e.number = d.number LIMIT 1) heard FROM deliveries d
    WHERE d.message_id >= ? AND d.message_id < ? AND d.state = 'sent' AND d.sent_at < ?
    ORDER BY d.message_id DESC LIMIT {_SAMPLE})"""


class SqliteFeedback:
    """Implements ports.FeedbackStore."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def record(
        self, *, notification_id: str, topic: str, payload: str, received_at: float, events: tuple[Event, ...]
    ) -> tuple[Recorded, ...]:
        raw = payload.encode("utf-8", "surrogatepass")
        return await self._writer.run(_record_all, (notification_id, topic, raw, received_at, events))

    async def heard(self, *, since: float, until: float) -> tuple[int, int]:
        first, last = (ids.ulid(at, bytes(10)) for at in (since, until))
        try:
            ((sent, heard),) = await self._reader.execute_fetchall(_HEARD, (first, last, until))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error
        return sent, heard


_Notification = tuple[str, str, bytes, float, tuple[Event, ...]]


def _record_all(db: sqlite3.Connection, items: Sequence[_Notification]) -> list[tuple[Recorded, ...]]:
    return [_record(db, *item) for item in items]


def _record(
    db: sqlite3.Connection, notification_id: str, topic: str, payload: bytes, received_at: float, events: tuple[Event, ...]
) -> tuple[Recorded, ...]:
    cursor = db.execute(
        "INSERT INTO notifications (id, topic, received_at, payload) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
        (notification_id, topic, received_at, payload),
    )
    if not cursor.rowcount:
        return ()
    facts = (_record_event(db, notification_id, received_at, event) for event in events)
    return tuple(fact for fact in facts if fact)


def _record_event(db: sqlite3.Connection, notification_id: str, received_at: float, event: Event) -> Recorded | None:
    found = _delivery_of(db, event)
    message_id, number = found if found else (None, None)
    cursor = db.execute(
        "INSERT INTO events (fingerprint, type, at, received_at, recipient, message_id, number, ses_message_id,"
        " bounce_class, detail, notification_id) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        (
            ses_event.fingerprint(event),
            event.type,
            event.at,
            received_at,
            event.recipient,
            message_id,
            number,
            event.ses_message_id,
            bounces.bounce_class(event.bounce_type, event.bounce_subtype) if event.type is EventType.BOUNCE else "",
            event.detail,
            notification_id,
        ),
    )
    if not cursor.rowcount:
        return None
    if found:
        prove_sent(db, found[0], found[1], event.ses_message_id, event.at)
    delivery_id = f"{message_id}-{number}" if found else ""
    return Recorded(event=event, delivery_id=delivery_id, suppressed=_suppress(db, event, received_at))


def _delivery_of(db: sqlite3.Connection, event: Event) -> tuple[str, int] | None:
    """By our own tag first, which is exact; by SES's identifier where tags are missing (classic notifications)."""
    message_id, _, number = event.relay_id.rpartition("-")
    row: tuple[str, int] | None = db.execute(
        "SELECT message_id, number FROM deliveries WHERE message_id = ? AND number = ?",
        (message_id, int(number) if number.isdecimal() and len(number) < 10 else 0),
    ).fetchone()
    if row or not event.ses_message_id:
        return row
    by_ses: tuple[str, int] | None = db.execute(
        "SELECT message_id, number FROM deliveries WHERE ses_message_id = ?", (event.ses_message_id,)
    ).fetchone()
    return by_ses


def _suppress(db: sqlite3.Connection, event: Event, now: float) -> Reason | None:
    reason = bounces.suppresses(event)
    if not reason or not event.recipient:
        return None
    suppression = Suppression(
        address=event.recipient, reason=reason, source=event.ses_message_id, created_at=now, note=event.detail[:500]
    )
    return reason if add(db, suppression) else None
