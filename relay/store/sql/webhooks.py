"""Who is told what becomes of mail, and how that goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from relay import documents
from relay.event import Fact
from relay.ports.notices import Requested, Standing, Waiting
from relay.store.sql import fact_numbers
from relay.store.sql.events import FACT, fact_of
from relay.store.sql.rows import insert
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer
from relay.webhooks.webhook import Webhook

_STANDING = "document, is_paused, failing_since, disabled"
_PUT = f"""INSERT INTO webhooks (name, {_STANDING}) VALUES (?, ?, 0, 0, '')
    ON CONFLICT (name) DO UPDATE SET document = excluded.document"""
# Without any the facts pass unread.
_BEGIN_READING = "INSERT INTO notices_read (fact) SELECT CAST(? AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM notices_read)"
_END_READING = "DELETE FROM notices_read WHERE NOT EXISTS (SELECT 1 FROM webhooks)"
_REQUESTED = "webhook, at, seconds, notices, status, failure, request, answer"
_REQUESTS = f"SELECT {_REQUESTED} FROM webhook_requests WHERE webhook = ? ORDER BY id DESC LIMIT ?"
# By an index alone: numbers grow as time does.
_WAITING = """SELECT n.webhook, w.waiting, n.made_at
    FROM (SELECT count(*) AS waiting, min(id) AS id FROM notices GROUP BY webhook) w JOIN notices n ON n.id = w.id"""
_STEP = 1000
_NEWER = f"SELECT id, received_at FROM events WHERE id < ? ORDER BY id DESC LIMIT {_STEP}"
_HEARD = f"""SELECT e.received_at, {FACT} FROM events e LEFT JOIN messages m ON m.id = e.message_id
    WHERE e.id > ? AND e.id <= ? ORDER BY e.id LIMIT {_STEP}"""
# Not of one that was put again meanwhile.
_CLEAR = f"""DELETE FROM notices WHERE id IN (SELECT id FROM notices n WHERE webhook = ?
    AND NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.name = n.webhook) LIMIT {_STEP})"""
_NOTICE = "webhook, fact, message_id, number, made_at, due_at, failures"


class SqlWebhooks:
    """Implements ports.Webhooks."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> tuple[Standing, ...]:
        rows = await self._reader.rows(f"SELECT {_STANDING} FROM webhooks ORDER BY name")
        return tuple(map(_standing_of, rows))

    async def put(self, webhook: Webhook) -> None:
        last = (await fact_numbers.drawn(self._reader)).settled
        await self._writer.run(_put_all, (webhook, last))

    async def remove(self, name: str) -> bool:
        """Step by step: there may be very much that it was still to be told."""
        removed = await self._writer.run(_remove_all, name)
        while await self._writer.run(_clear_all, name):
            pass
        return removed

    async def pause(self, name: str, *, is_paused: bool) -> bool:
        return await self._writer.run(_pause_all, (name, is_paused))

    async def disable(self, name: str, why: str) -> None:
        await self._writer.run(_disable_all, (name, why))

    async def replay(self, name: str, *, since: float, until: float, now: float) -> AsyncIterator[int]:
        webhook = next((each.webhook for each in await self.all() if each.webhook.name == name), None)
        after, last = await self._heard_since(since)
        while webhook and after < last:
            heard = await self._reader.rows(_HEARD, (after, last))
            facts = [fact_of(columns) for at, *columns in heard if since <= at < until and columns[1] is not None]
            if rows := [notice_row(name, fact, now) for fact in facts if webhook.wants(fact)]:
                await self._writer.run(_tell_all, rows)
                yield len(rows)
            after = heard[-1][1] if heard else last

    async def _heard_since(self, since: float) -> tuple[int, int]:
        """The number behind which facts of then begin, and the last one. A fact that was a stranger's has a new number, and was
        heard before its neighbours: the beginning is where a whole step was heard before.
        """
        first, last, is_over = 2**63 - 1, 0, False
        while not is_over:
            heard = await self._reader.rows(_NEWER, (first,))
            last = last or (heard[0][0] if heard else 0)
            first = heard[-1][0] if heard else 0
            is_over = all(at < since for _, at in heard)
        return first - 1, last

    async def waiting(self) -> dict[str, Waiting]:
        rows = await self._reader.rows(_WAITING)
        return {name: Waiting(count=count, oldest_at=oldest) for name, count, oldest in rows}

    async def requests(self, name: str, *, count: int) -> tuple[Requested, ...]:
        columns = _REQUESTED.split(", ")
        rows = await self._reader.rows(_REQUESTS, (name, count))
        return tuple(Requested(**dict(zip(columns, row, strict=True))) for row in rows)


def _standing_of(row: Any) -> Standing:
    document, is_paused, failing_since, disabled = row
    webhook = documents.read(Webhook, document)
    return Standing(webhook=webhook, is_paused=bool(is_paused), failing_since=failing_since, disabled=disabled)


def notice_row(webhook: str, fact: Fact, at: float) -> tuple[Any, ...]:
    """What `tell` takes."""
    message_id, _, number = fact.delivery_id.rpartition("-")
    return (webhook, fact.cursor, message_id, int(number), at, at, 0)


def tell(db: Session, rows: Sequence[Sequence[object]]) -> None:
    """New notices, in this order, for those webhooks that there still are."""
    known = {name for (name,) in db.execute("SELECT name FROM webhooks").fetchall()}
    insert(db, "notices", _NOTICE, [row for row in rows if row[0] in known])


def log(db: Session, requested: Requested) -> None:
    """One more request."""
    columns = _REQUESTED.split(", ")
    insert(db, "webhook_requests", _REQUESTED, [[getattr(requested, column) for column in columns]])


@beside_others
def _tell_all(db: Session, items: Sequence[Sequence[Sequence[object]]]) -> list[None]:
    for rows in items:
        tell(db, rows)
    return [None] * len(items)


def _put_all(db: Session, items: Sequence[tuple[Webhook, int]]) -> list[None]:
    for webhook, last in items:
        db.execute(_BEGIN_READING, (last,))
        db.execute(_PUT, (webhook.name, documents.written(webhook)))
    return [None] * len(items)


def _remove_all(db: Session, names: Sequence[str]) -> list[bool]:
    removed = [db.execute("DELETE FROM webhooks WHERE name = ?", (name,)).rowcount == 1 for name in names]
    for name in names:
        db.execute("DELETE FROM webhook_requests WHERE webhook = ?", (name,))
    db.execute(_END_READING)
    return removed


@beside_others
def _clear_all(db: Session, names: Sequence[str]) -> list[int]:
    return [db.execute(_CLEAR, (name,)).rowcount for name in names]


def _pause_all(db: Session, items: Sequence[tuple[str, bool]]) -> list[bool]:
    pause = "UPDATE webhooks SET is_paused = 1 WHERE name = ?"
    resume = "UPDATE webhooks SET is_paused = 0, disabled = '', failing_since = 0 WHERE name = ?"
    return [db.execute(pause if is_paused else resume, (name,)).rowcount == 1 for name, is_paused in items]


def _disable_all(db: Session, items: Sequence[tuple[str, str]]) -> list[None]:
    for name, why in items:
        db.execute("UPDATE webhooks SET disabled = ? WHERE name = ?", (why, name))
    return [None] * len(items)
