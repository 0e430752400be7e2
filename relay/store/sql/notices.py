"""What others are still to be told: spread from the facts, taken out once told, put off where that failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from relay.event import Fact
from relay.ports.notices import Requested
from relay.store.sql import fact_numbers
from relay.store.sql.events import FACT, fact_of
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.webhooks import log, notice_row, tell
from relay.store.sql.writer import Writer
from relay.webhooks.webhook import Notice

_STEP = 1000
_UNREAD = f"""SELECT {FACT} FROM events e LEFT JOIN messages m ON m.id = e.message_id
    WHERE e.id > ? AND e.id <= ? ORDER BY e.id LIMIT ?"""
# A delivery's come one after the other: what is not the first of them waits.
_DUE = f"""SELECT n.id, n.made_at, n.failures, {{payload}}, {FACT} FROM notices n
    JOIN events e ON e.id = n.fact LEFT JOIN messages m ON m.id = e.message_id {{notifications}}
    WHERE n.webhook = :webhook AND n.due_at <= :now
    AND n.message_id || '-' || CAST(n.number AS TEXT) NOT IN (SELECT value FROM json_each(:besides))
    AND NOT EXISTS (SELECT 1 FROM notices p WHERE p.webhook = n.webhook AND p.message_id = n.message_id
        AND p.number = n.number AND p.id < n.id)
    ORDER BY n.due_at, n.id LIMIT :count"""
_PAYLOADS = "LEFT JOIN notifications s ON s.id = e.notification_id"
_PUT_OFF = "UPDATE notices SET failures = failures + 1, due_at = ? WHERE id = ?"
_FOLLOW = "UPDATE notices SET due_at = ? WHERE webhook = ? AND message_id = ? AND number = ? AND id > ? AND due_at < ?"
_FAILING = "UPDATE webhooks SET failing_since = ? WHERE name = ? AND failing_since = 0"
_WORKS = "UPDATE webhooks SET failing_since = 0 WHERE name = ? AND failing_since > 0"
_GONE = "DELETE FROM notices WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"
# Numbers grow as time does: what is too old is among the first. Facts that were let go can be told to nobody.
_TOO_OLD = f"""DELETE FROM notices WHERE id IN (SELECT id FROM notices ORDER BY id LIMIT {_STEP})
    AND (made_at < ? OR NOT EXISTS (SELECT 1 FROM events e WHERE e.id = fact)) RETURNING webhook"""
_OLD_REQUESTS = """DELETE FROM webhook_requests WHERE webhook = ? AND (at < ? OR id <=
    (SELECT id FROM webhook_requests WHERE webhook = ? ORDER BY id DESC LIMIT 1 OFFSET ?))"""


class SqlNotices:
    """Implements ports.Notices."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def unread(self, *, count: int) -> tuple[int, int, tuple[Fact, ...]]:
        """Numbers that may still become visible out of their order are waited for: see fact_numbers.py."""
        read = await self._reader.rows("SELECT fact FROM notices_read")
        if not read:
            return 0, 0, ()
        after, settled = int(read[0][0]), (await fact_numbers.drawn(self._reader)).settled
        rows = await self._reader.rows(_UNREAD, (after, settled, count))
        upto = settled if len(rows) < count else int(rows[-1][0])
        return after, max(after, upto), tuple(fact_of(row) for row in rows if row[1] is not None)

    async def spread(self, after: int, upto: int, found: Sequence[tuple[str, Fact]], *, at: float) -> None:
        rows = [notice_row(webhook, fact, at) for webhook, fact in found]
        await self._writer.run(_spread_all, (after, upto, rows))

    async def due(
        self, webhook: str, *, now: float, besides: Collection[str], count: int, with_payload: bool
    ) -> tuple[Notice, ...]:
        payload, notifications = ("s.payload", _PAYLOADS) if with_payload else ("NULL", "")
        values = {"webhook": webhook, "now": now, "besides": json.dumps(list(besides)), "count": count}
        query = _DUE.format(payload=payload, notifications=notifications)
        return tuple(map(_notice_of, await self._reader.rows(query, values)))

    async def told(self, notices: Sequence[Notice], requested: Requested) -> None:
        await self._writer.run(_tell_all, ([notice.number for notice in notices], requested))

    async def failed(self, notices: Sequence[Notice], due: Sequence[float], requested: Requested) -> None:
        places = [(when, notice.number, notice.fact.delivery_id) for notice, when in zip(notices, due, strict=True)]
        await self._writer.run(_fail_all, (places, requested))

    async def drop(self, notices: Sequence[Notice]) -> None:
        await self._writer.run(_drop_all, [notice.number for notice in notices])

    async def forget(self, *, before: float, last: int) -> Mapping[str, int]:
        return await self._writer.run(_forget_all, (before, last))


def _notice_of(row: Any) -> Notice:
    number, since, failures, payload, *fact = row
    return Notice(number=number, since=since, failures=failures, payload=payload or b"", fact=fact_of(fact))


@beside_others
def _spread_all(db: Session, items: Sequence[tuple[int, int, Sequence[Sequence[object]]]]) -> list[None]:
    for after, upto, rows in items:
        if db.execute("UPDATE notices_read SET fact = ? WHERE fact = ?", (upto, after)).rowcount:
            tell(db, rows)
    return [None] * len(items)


@beside_others
def _tell_all(db: Session, items: Sequence[tuple[Sequence[int], Requested]]) -> list[None]:
    db.execute(_GONE, (json.dumps([number for numbers, _ in items for number in numbers]),))
    for name in sorted({requested.webhook for _, requested in items}):
        db.execute(_WORKS, (name,))
    for _, requested in items:
        log(db, requested)
    return [None] * len(items)


@beside_others
def _fail_all(db: Session, items: Sequence[tuple[Sequence[tuple[float, int, str]], Requested]]) -> list[None]:
    for places, requested in items:
        db.each(_PUT_OFF, [(due, number) for due, number, _ in places])
        db.each(_FOLLOW, [(due, requested.webhook, *_place(delivery), number, due) for due, number, delivery in places])
        db.execute(_FAILING, (requested.at, requested.webhook))
        log(db, requested)
    return [None] * len(items)


def _place(delivery_id: str) -> tuple[str, int]:
    message_id, _, number = delivery_id.rpartition("-")
    return message_id, int(number)


@beside_others
def _drop_all(db: Session, items: Sequence[Sequence[int]]) -> list[None]:
    db.execute(_GONE, (json.dumps([number for numbers in items for number in numbers]),))
    return [None] * len(items)


@beside_others
def _forget_all(db: Session, items: Sequence[tuple[float, int]]) -> list[Mapping[str, int]]:
    return [_forget(db, before, last) for before, last in items]


def _forget(db: Session, before: float, last: int) -> Mapping[str, int]:
    forgotten = Counter(name for (name,) in db.execute(_TOO_OLD, (before,)).fetchall())
    for (name,) in db.execute("SELECT DISTINCT webhook FROM webhook_requests").fetchall():
        db.execute(_OLD_REQUESTS, (name, before, name, last))
    return forgotten
