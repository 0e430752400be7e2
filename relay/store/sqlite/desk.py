"""What an operator sees of the queue and does with it, on SQLite: found by the reader, changed by the writer in small steps."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiosqlite

from relay import ids, lifecycle
from relay.errors import StoreUnavailable
from relay.holds import Holder
from relay.lifecycle import Cause
from relay.model import Delivery, State
from relay.outcome import Hold, HoldScope
from relay.queueing import FlowStatus, QueueStatus, Selection
from relay.store.sqlite import holds
from relay.store.sqlite.account import SqliteAccount
from relay.store.sqlite.moves import end, requeue
from relay.store.sqlite.records import DELIVERY, FLOW, OPEN, delivery_of, flow_of
from relay.store.sqlite.writer import Writer

_STEP = 500
_STATES = f"SELECT state, count(*) FROM deliveries WHERE state IN {OPEN} AND state <> 'queued' GROUP BY state"
_FLOWS = f"""SELECT {FLOW}, f.open_count, f.open_octets,
    (SELECT count(*) FROM deliveries d WHERE d.flow = f.id AND d.state = 'queued' AND d.due_at <= ?)
    FROM flows f WHERE f.open_count > 0 ORDER BY f.lane DESC, f.open_count DESC"""
_OLDEST = f"""SELECT accepted_at FROM messages WHERE id =
    (SELECT min(message_id) FROM deliveries WHERE state IN {OPEN})"""
_SELECTED = f"""SELECT d.message_id, d.number FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE d.state IN {OPEN} AND d.state IN (SELECT value FROM json_each(:states)) AND (d.message_id, d.number) > (:id, :number)
    AND (:ids = '[]' OR d.message_id IN (SELECT value FROM json_each(:ids)) OR
        d.message_id || '-' || d.number IN (SELECT value FROM json_each(:ids)))
    AND (:credential = '' OR m.credential = :credential)
    AND (:domain = '' OR lower(substr(d.recipient, -length(:domain) - 1)) = '@' || lower(:domain))
    AND (:before = '' OR d.message_id < :before)
    ORDER BY d.message_id, d.number LIMIT {_STEP}"""

_Key = tuple[str, int]
_Move = tuple[Cause, tuple[_Key, ...], float]


class SqliteDesk:
    """Implements ports.Desk."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._account = SqliteAccount(writer, reader)

    async def status(self, *, now: float) -> QueueStatus:
        flows = [
            FlowStatus(flow=flow_of(row), open=row[5], octets=row[6], due=row[7]) for row in await self._rows(_FLOWS, (now,))
        ]
        states = dict(await self._rows(_STATES, ()))
        queued = sum(flow.open for flow in flows) - sum(states.values())
        oldest = await self._rows(_OLDEST, ())
        rows = await self._rows(f"SELECT {holds.COLUMNS} FROM holds WHERE ended_at IS NULL ORDER BY id", ())
        return QueueStatus(
            states={State.QUEUED.value: queued, **states},
            flows=tuple(flows),
            oldest_at=oldest[0][0] if oldest else 0.0,
            holds=tuple(holds.record_of(row) for row in rows),
            account=await self._account.known(),
        )

    async def move(self, cause: Cause, selection: Selection, *, now: float) -> AsyncIterator[tuple[Delivery, ...]]:
        after: _Key = ("", 0)
        while found := await self._selected(cause, selection, after):
            yield await self._writer.run(_move_all, (cause, found, now))
            after = found[-1]

    async def hold(self, hold: Hold, *, now: float) -> bool:
        return await self._writer.run(_hold_all, (hold, now))

    async def lift(self, scope: HoldScope, subject: str, *, now: float) -> int:
        return await self._writer.run(_lift_all, (scope, subject, now))

    async def _selected(self, cause: Cause, selection: Selection, after: _Key) -> tuple[_Key, ...]:
        """The next of them."""
        values = {
            "states": json.dumps(lifecycle.sources(cause)),
            "id": after[0],
            "number": after[1],
            "ids": json.dumps(selection.ids),
            "credential": selection.credential,
            "domain": selection.recipient_domain,
            "before": ids.ulid(selection.accepted_before, bytes(10)) if selection.accepted_before else "",
        }
        return tuple((row[0], row[1]) for row in await self._rows(_SELECTED, values))

    async def _rows(self, query: str, values: Any) -> list[Any]:
        try:
            return list(await self._reader.execute_fetchall(query, values))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error


def _move_all(db: sqlite3.Connection, items: Sequence[_Move]) -> list[tuple[Delivery, ...]]:
    return [_move(db, *item) for item in items]


def _move(db: sqlite3.Connection, cause: Cause, keys: Sequence[_Key], now: float) -> tuple[Delivery, ...]:
    """Of those that were found, some may have been claimed meanwhile: they are let go."""
    rows = db.execute(
        f"SELECT {DELIVERY} FROM json_each(?) k JOIN deliveries d ON d.message_id = json_extract(k.value, '$[0]')"
        " AND d.number = json_extract(k.value, '$[1]') WHERE d.state IN (SELECT value FROM json_each(?))",
        (json.dumps(keys), json.dumps(lifecycle.sources(cause))),
    ).fetchall()
    return tuple(_moved(db, cause, delivery_of(row), now) for row in rows)


def _moved(db: sqlite3.Connection, cause: Cause, delivery: Delivery, now: float) -> Delivery:
    if cause is Cause.CANCELLED:
        return end(db, delivery, cause, "cancelled by the operator", now)
    if cause is Cause.HELD_BACK:
        return requeue(db, delivery, cause, lifecycle.NEVER, "held back by the operator")
    return requeue(db, delivery, cause, now, delivery.reason)


def _hold_all(db: sqlite3.Connection, items: Sequence[tuple[Hold, float]]) -> list[bool]:
    return [holds.put(db, hold, holder=Holder.OPERATOR, at=now) for hold, now in items]


def _lift_all(db: sqlite3.Connection, items: Sequence[tuple[HoldScope, str, float]]) -> list[int]:
    return [holds.lift(db, *item) for item in items]
