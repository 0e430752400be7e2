"""What an operator sees of the queue and does with it,: found by the reader, changed by the writer in small steps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from relay import ids, lifecycle
from relay.holds import Holder, HoldRecord
from relay.lifecycle import Cause
from relay.model import Delivery
from relay.outcome import Hold, HoldScope
from relay.queueing import MOST_DUE, FlowStatus, Moved, QueueStatus, Selection, Tally
from relay.store.sql import holds
from relay.store.sql.account import SqlAccount
from relay.store.sql.moves import doubtful_tries, end, requeue
from relay.store.sql.records import DELIVERY, DELIVERY_WIDTH, FLOW, OPEN, delivery_of, flow_of
from relay.store.sql.resending import again_all
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_STEP = 500
_CALLED = "FROM deliveries WHERE state IN ('sending', 'in_doubt')"
_STATES = f"""SELECT state, count(*) {_CALLED} GROUP BY state
    UNION ALL SELECT 'queued', (SELECT coalesce(sum(open), 0) FROM loads) - (SELECT count(*) {_CALLED})"""
_LOADED = f"""FROM flows f JOIN loads l ON l.flow = f.id WHERE :credential = '' OR f.credential = :credential
    GROUP BY {FLOW} HAVING sum(l.open) > 0 ORDER BY f.lane DESC, sum(l.open) DESC"""
_FLOWS = f"""SELECT {FLOW}, sum(l.open), sum(l.octets),
    (SELECT count(*) FROM deliveries d WHERE d.flow = f.id AND d.state = 'queued' AND d.due_at <= :now) {_LOADED}"""
_FLOWS_ALONE = f"SELECT {FLOW}, sum(l.open), sum(l.octets) {_LOADED}"
_DUE_OF = f"""SELECT f.id, (SELECT count(*) FROM (SELECT 1 FROM deliveries d
        WHERE d.flow = f.id AND d.state = 'queued' AND d.due_at <= ? LIMIT {MOST_DUE}) looked)
    FROM flows f WHERE f.id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_OLDEST = f"""SELECT accepted_at FROM messages WHERE id =
    (SELECT min(message_id) FROM deliveries WHERE state IN {OPEN})"""
_CALLED_OF = f"""SELECT state, count(*) {_CALLED} AND flow IN (SELECT id FROM flows WHERE credential = ?) GROUP BY state"""
_OLDEST_OF = """SELECT accepted_at FROM messages WHERE id = (SELECT min(oldest) FROM
    (SELECT (SELECT min(message_id) FROM deliveries d WHERE d.flow = f.id AND d.state = 'queued') oldest
    FROM flows f WHERE f.credential = ?) oldest_of_flows)"""
_SELECTED = f"FROM deliveries d WHERE d.state IN {OPEN} AND d.state IN (SELECT value FROM json_each(:states))"
# What a selection may say, each with its condition.
_FITS = {
    "ids": """d.message_id IN (SELECT substr(value, 1, 26) FROM json_each(:ids)) AND (d.message_id IN
        (SELECT value FROM json_each(:ids))
        OR d.message_id || '-' || CAST(d.number AS TEXT) IN (SELECT value FROM json_each(:ids)))""",
    "credential": "d.flow IN (SELECT id FROM flows WHERE credential = :credential)",
    "task": "d.flow IN (SELECT id FROM flows WHERE task = :task)",
    "domain": "lower(substr(d.recipient, length(d.recipient) - length(:domain))) = '@' || lower(:domain)",
    "before": "d.message_id < :before",
}
_DOUBTFUL = """EXISTS (SELECT 1 FROM attempts a WHERE d.attempt > 0 AND a.message_id = d.message_id AND a.number = d.number
    AND a.state = 'in_doubt')"""
_MOVABLE = f"""SELECT {DELIVERY}, m.send_at FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE d.message_id = ? AND d.number = ? AND d.state IN (SELECT value FROM json_each(?))"""
_REASONS = {
    Cause.RETRIED: "retried by the operator",
    Cause.HELD_BACK: "held back by the operator",
    Cause.CANCELLED: "cancelled by the operator",
}

_Key = tuple[str, int]
_Move = tuple[Cause, Sequence[_Key], float]


class SqlDesk:
    """Implements ports.Desk."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._account = SqlAccount(writer, reader)

    async def status(self, *, now: float) -> QueueStatus:
        return await self._status(await self._flows(now, ""))

    async def glance(self, *, now: float, flows: int) -> tuple[QueueStatus, int]:
        rows = await self._reader.rows(_FLOWS_ALONE, {"credential": ""})
        due = dict(await self._reader.rows(_DUE_OF, (now, json.dumps([row[0] for row in rows[:flows]]))))
        return await self._status(tuple(_flow_status(row, due.get(row[0], 0)) for row in rows[:flows])), len(rows)

    async def _status(self, flows: tuple[FlowStatus, ...]) -> QueueStatus:
        oldest = await self._reader.rows(_OLDEST, ())
        return QueueStatus(
            states=dict(await self._reader.rows(_STATES, ())),
            flows=flows,
            oldest_at=oldest[0][0] if oldest else 0.0,
            holds=await self._holds(),
            account=await self._account.known(),
        )

    async def status_of(self, credential: str, *, now: float) -> QueueStatus:
        flows = await self._flows(now, credential)
        called = dict(await self._reader.rows(_CALLED_OF, (credential,)))
        oldest = await self._reader.rows(_OLDEST_OF, (credential,))
        own = [each.flow for each in flows]
        return QueueStatus(
            states=called | {"queued": max(0, sum(each.open for each in flows) - sum(called.values()))},
            flows=flows,
            oldest_at=oldest[0][0] if oldest else 0.0,
            holds=tuple(hold for hold in await self._holds() if hold.concerns(credential, own)),
            account=await self._account.known(),
        )

    async def _flows(self, now: float, credential: str) -> tuple[FlowStatus, ...]:
        """Of all logins, if none is named."""
        rows = await self._reader.rows(_FLOWS, {"now": now, "credential": credential})
        return tuple(_flow_status(row, row[8]) for row in rows)

    async def _holds(self) -> tuple[HoldRecord, ...]:
        return tuple(holds.record_of(row) for row in await self._reader.rows(holds.STANDING, ()))

    async def count(self, cause: Cause, selection: Selection) -> Tally:
        fits, values = _fitting(cause, selection)
        ((deliveries, doubtful),) = await self._reader.rows(
            f"SELECT count(*), count(*) FILTER (WHERE {_DOUBTFUL}) {fits}", values
        )
        return Tally(deliveries=deliveries, doubtful=doubtful)

    async def move(self, cause: Cause, selection: Selection, *, now: float) -> AsyncIterator[tuple[Moved, ...]]:
        fits, values = _fitting(cause, selection)
        some = f"""SELECT d.message_id, d.number {fits} AND (d.message_id, d.number) > (:id, :after)
            ORDER BY d.message_id, d.number LIMIT {_STEP}"""
        last: _Key = ("", 0)
        while found := await self._reader.rows(some, values | {"id": last[0], "after": last[1]}):
            yield await self._writer.run(_move_all, (cause, found, now))
            last = found[-1]

    async def hold(self, hold: Hold, *, now: float, holder: Holder = Holder.OPERATOR) -> bool:
        return await self._writer.run(_hold_all, (hold, now, holder))

    async def lift(self, scope: HoldScope, subject: str, *, now: float, holder: Holder | None = None) -> tuple[HoldRecord, ...]:
        return await self._writer.run(_lift_all, (scope, subject, now, holder))

    async def again(self, delivery_id: str, *, now: float, playpen: str = "") -> Delivery | None:
        message_id, _, number = delivery_id.partition("-")
        is_number = number.isascii() and number.isdecimal() and len(number) < 10
        return await self._writer.run(again_all, (message_id, int(number), now, playpen)) if is_number else None


def _flow_status(row: tuple[Any, ...], due: int) -> FlowStatus:
    return FlowStatus(flow=flow_of(row), open=row[6], octets=row[7], due=due)


def _fitting(cause: Cause, selection: Selection) -> tuple[str, dict[str, Any]]:
    """What a statement goes on with to find what is meant and can be moved, and the values of it."""
    said = {
        "ids": json.dumps(selection.ids) if selection.ids else "",
        "credential": selection.credential,
        "task": selection.task,
        "domain": selection.recipient_domain,
        "before": ids.ulid(selection.accepted_before, bytes(10)) if selection.accepted_before else "",
    }
    values = {name: value for name, value in said.items() if value}
    return " AND ".join([_SELECTED, *(_FITS[name] for name in values)]), {"states": _sources(cause), **values}


def _sources(cause: Cause) -> str:
    return json.dumps(lifecycle.sources(cause))


def _move_all(db: Session, items: Sequence[_Move]) -> list[tuple[Moved, ...]]:
    return [_move(db, *item) for item in items]


def _move(db: Session, cause: Cause, keys: Sequence[_Key], now: float) -> tuple[Moved, ...]:
    """Of those that were found, some may have been claimed meanwhile: they are let go. A first try keeps its sender's time."""
    found = (db.execute(_MOVABLE, (*key, _sources(cause))).fetchone() for key in keys)
    return tuple(_moved(db, cause, delivery_of(row), now, max(now, row[DELIVERY_WIDTH])) for row in found if row)


def _moved(db: Session, cause: Cause, delivery: Delivery, now: float, due_at: float) -> Moved:
    tries = doubtful_tries(db, delivery)
    reason = _REASONS[cause] + (", SES may have it" if tries else "")
    if cause is Cause.CANCELLED:
        return Moved(delivery=end(db, delivery, cause, reason, now), tries=tries)
    then = lifecycle.NEVER if cause is Cause.HELD_BACK else due_at
    return Moved(delivery=requeue(db, delivery, cause, then, reason), tries=tries)


def _hold_all(db: Session, items: Sequence[tuple[Hold, float, Holder]]) -> list[bool]:
    return [holds.put(db, hold, holder=holder, at=now) for hold, now, holder in items]


def _lift_all(db: Session, items: Sequence[tuple[HoldScope, str, float, Holder | None]]) -> list[tuple[HoldRecord, ...]]:
    return [holds.lift(db, *item) for item in items]
