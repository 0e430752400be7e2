"""The queue's verbs. Each is one function over the writing connection; what they write is decided above."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from relay import ids, lifecycle
from relay.account_list import UNTIL_LISTED
from relay.holds import HoldRecord, stood_still
from relay.lifecycle import Cause, Patience, target
from relay.model import Delivery, Message, Receipt, Settlement
from relay.queueing import Claims, Doubt, Round, Settled
from relay.store.sql import flows, holds
from relay.store.sql.claims import claim_all
from relay.store.sql.enqueuing import New, enqueue_all
from relay.store.sql.moves import doubtful_tries, end, note_attempts, requeue
from relay.store.sql.records import CALLED, DELIVERY, DELIVERY_WIDTH, DUE_AT, FLOW, OPEN, delivery_of, flow_of
from relay.store.sql.session import Session, beside_others
from relay.store.sql.settling import settle_all
from relay.store.sql.writer import Writer

_WENT_BACK = 30.0  # seconds before the last sign of life: more than a clock that is being set right
_OWN = DELIVERY.replace("d.", "")  # RETURNING knows no other name of its table on SQLite
_DOUBTS = f"""SELECT {DELIVERY}, {FLOW}, {DUE_AT}, m.expires_at FROM deliveries d JOIN flows f ON f.id = d.flow
    JOIN messages m ON m.id = d.message_id WHERE d.state IN {CALLED} AND d.state = 'in_doubt' AND d.due_at <= ? LIMIT ?"""
# What else has waits, where their lengths are to stay as they are. `:never` is for what is due at no time.
_SHIFTS = (
    "UPDATE holds SET since = since + :by, until = until + :by, ended_at = ended_at + :by",
    "UPDATE notices SET due_at = due_at + :by, made_at = made_at + :by",
    "UPDATE webhooks SET failing_since = failing_since + :by WHERE failing_since > 0",
    "UPDATE account_list_errands SET due_at = due_at + :by WHERE due_at < :never",
)
_STEP = 500  # rows that are changed at once by what can wait


class SqlQueue:
    """Implements ports.Queue."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def enqueue(
        self, message: Message, content: bytes | None, deliveries: tuple[Delivery, ...], *, receipt: Receipt | None = None
    ) -> tuple[Delivery, ...]:
        return (await self._writer.run(enqueue_all, New(message, content, deliveries, receipt, None))).deliveries

    async def enqueue_and_claim(
        self,
        message: Message,
        content: bytes | None,
        deliveries: tuple[Delivery, ...],
        *,
        receipt: Receipt | None,
        lease_until: float,
    ) -> Claims:
        stored = await self._writer.run(enqueue_all, New(message, content, deliveries, receipt, lease_until))
        return Claims(
            claimed=stored.claimed, ended=tuple(each for each in stored.deliveries if each.state not in lifecycle.OPEN)
        )

    async def claim(self, this: Round) -> Claims:
        return await self._writer.run(claim_all, this)

    async def let_go(self, lease_until: float, *, now: float) -> None:
        await self._writer.run(_lettings_go, (lease_until, now))

    async def settle(self, settlement: Settlement) -> Settled:
        return await self._writer.run(settle_all, settlement)

    async def rescue(self, *, now: float, everything: bool, patience: Patience) -> tuple[Delivery, ...]:
        return await self._writer.run(_rescues, (now, everything, patience))

    async def decide(self, *, now: float) -> tuple[Doubt, ...]:
        return await self._writer.run(_decisions, now)

    async def has_doubts(self, *, now: float) -> bool:
        return await self._writer.run(_have_doubts, now)

    async def expire(self, *, now: float, max_hold: float) -> tuple[Delivery, ...]:
        return await self._writer.run(_expiries, (now, max_hold))

    async def shift(self, seconds: float) -> None:
        await self._writer.run(_shifts, seconds)

    async def straighten(self, now: float) -> None:
        await self._writer.run(_straightenings, now)

    async def catch_up(self, now: float) -> float:
        return await self._writer.run(_catch_up_all, now)

    async def beat(self, at: float) -> None:
        await self._writer.run(_beats, at)


@beside_others
def _lettings_go(db: Session, items: Sequence[tuple[float, float]]) -> list[None]:
    """No other claim has a lease that ends in the same quarter of a microsecond, which is what such floats can tell apart."""
    for lease_until, now in items:
        rows = db.execute(
            "UPDATE deliveries SET state = ?, lease_until = NULL"
            f" WHERE state IN {CALLED} AND state = 'sending' AND lease_until = ? RETURNING {_OWN}",
            (target(Cause.LET_GO), lease_until),
        ).fetchall()
        holds.take_back_probes(db, [delivery_of(row).id for row in rows], now)
    return [None] * len(items)


@beside_others
def _rescues(db: Session, items: Sequence[tuple[float, bool, Patience]]) -> list[tuple[Delivery, ...]]:
    return [_rescue(db, *item) for item in items]


def _rescue(db: Session, now: float, everything: bool, patience: Patience) -> tuple[Delivery, ...]:
    state, why = target(Cause.INTERRUPTED), "the call was interrupted"
    rows = db.execute(
        f"UPDATE deliveries AS d SET state = ?, due_at = ?, lease_until = NULL, reason = ? WHERE d.state IN {CALLED}"
        f" AND d.state = 'sending' AND (? OR d.lease_until < ?) RETURNING {_OWN}",
        (state, now + patience.in_doubt, why, everything, now),
    ).fetchall()
    found = [delivery_of(row) for row in rows]
    note_attempts(db, [(d.message_id, d.number, d.attempt, now, state, why) for d in found])
    return tuple(found)


def _decisions(db: Session, items: Sequence[float]) -> list[tuple[Doubt, ...]]:
    return [_decide(db, now) for now in items]


def _decide(db: Session, now: float) -> tuple[Doubt, ...]:
    rows = db.execute(_DOUBTS, (now, _STEP)).fetchall()
    records = holds.records(db) if rows else ()
    return tuple(_decided(db, row, records, now) for row in rows)


def _decided(db: Session, row: Sequence[Any], records: Collection[HoldRecord], now: float) -> Doubt:
    """Sent once more, unless that is too late. While it was held its time stood still, but for an end that its sender set."""
    delivery = delivery_of(tuple(row[:DELIVERY_WIDTH]))
    *flow, began, has_own_end = row[DELIVERY_WIDTH:]
    held = 0.0 if has_own_end else stood_still(flow_of(flow), records, began, now)
    if now < delivery.expires_at + held:
        moved = requeue(db, delivery, Cause.UNPROVEN, now, delivery.reason)
    else:
        moved = end(db, delivery, Cause.OUT_OF_TIME, delivery.reason, now)
    return Doubt(delivery=moved, tries=doubtful_tries(db, delivery))


@beside_others
def _have_doubts(db: Session, items: Sequence[float]) -> list[bool]:
    query = f"SELECT EXISTS (SELECT 1 FROM deliveries WHERE state IN {CALLED} AND state = 'in_doubt' AND due_at <= ?)"
    return [bool(db.execute(query, (now,)).fetchone()[0]) for now in items]


def _expiries(db: Session, items: Sequence[tuple[float, float]]) -> list[tuple[Delivery, ...]]:
    return [_expire(db, now, max_hold) for now, max_hold in items]


def _expire(db: Session, now: float, max_hold: float) -> tuple[Delivery, ...]:
    """The oldest are first in the order of their identifiers. Of those under a bounded hold, all of its flows are looked at."""
    rows = db.execute(
        f"SELECT {DELIVERY}, 'held too long' FROM deliveries d WHERE d.state IN {OPEN} AND d.state = 'queued'"
        " AND d.expires_at <= ? AND d.message_id < ? ORDER BY d.message_id LIMIT ?",
        (now - max_hold, ids.ulid(now - max_hold, bytes(10)), _STEP),
    ).fetchall()
    for flow, why in _bounded(db):
        rows += db.execute(
            f"SELECT {DELIVERY}, ? FROM deliveries d WHERE d.flow = ? AND d.state = 'queued' AND d.expires_at <= ? LIMIT ?",
            (why, flow, now, _STEP - len(rows)),
        ).fetchall()
    once: dict[tuple[Any, ...], Any] = {}
    for row in rows:  # one may be both
        once.setdefault(tuple(row[:2]), row)
    return tuple(end(db, delivery_of(row), Cause.OUT_OF_TIME, row[-1], now) for row in once.values())


def _bounded(db: Session) -> list[tuple[int, str]]:
    """Flows under bounded holds, and why."""
    return db.execute(
        "SELECT f.id, min(h.reason) FROM holds h JOIN flows f ON (h.scope = 'identity' AND h.subject = f.identity)"
        " OR (h.scope = 'configuration_set' AND h.subject = f.configuration_set)"
        f" WHERE h.bounded = 1 AND h.ended_at IS NULL AND {flows.MAY_BE_OPEN} GROUP BY f.id"
    ).fetchall()


def _shifts(db: Session, items: Sequence[float]) -> list[None]:
    for seconds in items:
        _shift(db, seconds)
    return [None] * len(items)


def _shift(db: Session, by: float) -> None:
    """A first try that its sender set, an end that its sender set, and what is due at no time are no waits."""
    db.execute(
        "UPDATE deliveries SET due_at = CASE WHEN d.due_at IN (m.send_at, :never) THEN d.due_at ELSE d.due_at + :by END,"
        " expires_at = CASE WHEN m.expires_at > 0 THEN d.expires_at ELSE d.expires_at + :by END,"
        " lease_until = d.lease_until + :by"
        " FROM deliveries d JOIN messages m ON m.id = d.message_id"
        f" WHERE d.message_id = deliveries.message_id AND d.number = deliveries.number AND deliveries.state IN {OPEN}",
        {"by": by, "never": lifecycle.NEVER},
    )
    for statement in _SHIFTS:
        db.execute(statement, {"by": by, "never": UNTIL_LISTED})


def _straightenings(db: Session, items: Sequence[float]) -> list[None]:
    for now in items:
        db.execute(
            "UPDATE deliveries SET due_at = ? WHERE state = 'queued' AND attempt = 0 AND due_at > ? AND due_at < ?"
            " AND flow IN (SELECT flow FROM loads WHERE open > 0)"
            " AND (SELECT send_at FROM messages WHERE id = message_id) = 0",
            (now, now + 1, lifecycle.NEVER),
        )
    return [None] * len(items)


def _catch_up_all(db: Session, items: Sequence[float]) -> list[float]:
    return [_catch_up(db, now) for now in items]


def _catch_up(db: Session, now: float) -> float:
    """Of nodes that start together the first one does it for all."""
    row = db.execute("SELECT at FROM heartbeat").fetchone()
    if row is None or now >= row[0] - _WENT_BACK:
        return 0.0
    _shift(db, now - row[0])
    _beats(db, [now])
    return float(now - row[0])


def _beats(db: Session, items: Sequence[float]) -> list[None]:
    db.execute("DELETE FROM heartbeat")
    db.execute("INSERT INTO heartbeat (at) VALUES (?)", (items[-1],))
    return [None] * len(items)
