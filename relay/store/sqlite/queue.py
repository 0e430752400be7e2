"""The queue's verbs on SQLite. Each is one function over the writing connection; what they write is decided above."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from relay import address, lifecycle
from relay.lifecycle import Patience
from relay.model import (
    Claimed,
    Delivery,
    Edit,
    Encoding,
    HoldScope,
    Labels,
    Message,
    MessageClass,
    Settlement,
    State,
    Suppression,
)
from relay.ports import Claims
from relay.store.sqlite import suppressions
from relay.store.sqlite.rows import insert
from relay.store.sqlite.writer import Writer

_DELIVERY = ["message_id", "number", "recipient", "state", "due_at", "expires_at", "attempt", "failures", "reason"]
_MESSAGE = """id accepted_at credential sender header_from client_message_id subject peer size digest edits label_id campaign
    list message_class send_at tags ses_tags configuration_set""".split()
DELIVERY = ", ".join(f"d.{column}" for column in _DELIVERY)
MESSAGE = ", ".join(f"m.{column}" for column in _MESSAGE)
DELIVERY_WIDTH, MESSAGE_WIDTH = len(_DELIVERY), len(_MESSAGE)


def delivery_of(row: tuple[Any, ...]) -> Delivery:
    """A delivery out of the columns of `DELIVERY`."""
    return Delivery(
        message_id=row[0],
        number=row[1],
        recipient=row[2],
        state=State(row[3]),
        due_at=row[4],
        expires_at=row[5],
        attempt=row[6],
        failures=row[7],
        reason=row[8],
    )


def message_of(row: tuple[Any, ...]) -> Message:
    """A message out of the columns of `MESSAGE`."""
    return Message(
        id=row[0],
        accepted_at=row[1],
        credential=row[2],
        sender=row[3],
        header_from=row[4],
        client_message_id=row[5],
        subject=row[6],
        peer=row[7],
        size=row[8],
        digest=row[9],
        edits=tuple(_edit_of(*fields) for fields in json.loads(row[10])),
        labels=_labels_of(*row[11:MESSAGE_WIDTH]),
    )


def _labels_of(*row: Any) -> Labels:
    """Out of the last columns of `MESSAGE`."""
    return Labels(
        id=row[0],
        campaign=row[1],
        list=row[2],
        message_class=MessageClass(row[3]),
        send_at=row[4],
        tags=_pairs(row[5]),
        ses_tags=_pairs(row[6]),
        configuration_set=row[7],
    )


def _pairs(document: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in json.loads(document))


def _edit_of(start: int, end: int, text: str, decode: str, encode: str) -> Edit:
    return Edit(start, end, text.encode("latin-1"), Encoding(decode), Encoding(encode))


_Enqueued = tuple[Message, bytes | None, tuple[Delivery, ...]]


class SqliteQueue:
    """Implements ports.Queue."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def enqueue(self, message: Message, content: bytes | None, deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
        return await self._writer.run(_enqueue, (message, content, deliveries))

    async def claim(self, *, limit: int, now: float, lease_until: float) -> Claims:
        return await self._writer.run(_claims, (limit, now, lease_until))

    async def settle(self, settlement: Settlement) -> bool:
        return await self._writer.run(_settle_all, settlement)

    async def rescue(self, *, now: float, everything: bool, patience: Patience) -> tuple[Delivery, ...]:
        return await self._writer.run(_rescues, (now, everything, patience))

    async def decide(self, *, now: float) -> tuple[Delivery, ...]:
        return await self._writer.run(_decisions, now)


def _enqueue(db: sqlite3.Connection, items: Sequence[_Enqueued]) -> list[tuple[Delivery, ...]]:
    found = suppressions.find(db, {d.recipient for _, _, deliveries in items for d in deliveries})
    stored = [tuple(_unless_suppressed(d, found) for d in deliveries) for _, _, deliveries in items]
    insert(db, "messages", ", ".join([*_MESSAGE, "identity"]), [_message_row(message) for message, _, _ in items])
    insert(db, "bodies", "message_id, content", [(m.id, content) for m, content, _ in items if content is not None])
    rows = [(d.message_id, d.number, d.recipient, d.state, d.due_at, d.expires_at, d.reason) for ds in stored for d in ds]
    insert(db, "deliveries", "message_id, number, recipient, state, due_at, expires_at, reason", rows)
    return stored


def _unless_suppressed(delivery: Delivery, found: Mapping[str, Suppression]) -> Delivery:
    if delivery.state is not State.QUEUED or delivery.recipient not in found:
        return delivery
    return replace(delivery, state=State.SUPPRESSED, reason=found[delivery.recipient].why)


def _message_row(message: Message) -> tuple[Any, ...]:
    return (
        message.id,
        message.accepted_at,
        message.credential,
        message.sender,
        message.header_from,
        message.client_message_id,
        message.subject,
        message.peer,
        message.size,
        message.digest,
        json.dumps([(e.start, e.end, e.text.decode("latin-1"), e.decode, e.encode) for e in message.edits]),
        message.labels.id,
        message.labels.campaign,
        message.labels.list,
        message.labels.message_class,
        message.labels.send_at,
        json.dumps(message.labels.tags),
        json.dumps(message.labels.ses_tags),
        message.labels.configuration_set,
        address.domain(message.sender),
    )


def _claims(db: sqlite3.Connection, items: Sequence[tuple[int, float, float]]) -> list[Claims]:
    return [_claim(db, *item) for item in items]


def _claim(db: sqlite3.Connection, limit: int, now: float, lease_until: float) -> Claims:
    """Looks at holds first, then at each due delivery's suppression: the truth at the moment of sending."""
    holds = db.execute("SELECT scope, subject FROM holds WHERE until > ?", (now,)).fetchall()
    if any(scope in (HoldScope.ACCOUNT, HoldScope.CONFIGURATION_SET) for scope, _ in holds):
        return Claims(claimed=(), ended=())
    held = json.dumps([subject for scope, subject in holds if scope == HoldScope.IDENTITY])
    rows = db.execute(
        f"SELECT {DELIVERY}, {MESSAGE}, b.content FROM deliveries d JOIN messages m ON m.id = d.message_id"
        " LEFT JOIN bodies b ON b.message_id = d.message_id"
        " WHERE d.state = 'queued' AND d.due_at <= ? AND m.identity NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY d.due_at LIMIT ?",
        (now, held, limit),
    ).fetchall()
    due = [(delivery_of(row), message_of(row[DELIVERY_WIDTH:-1]), row[-1]) for row in rows]
    found = suppressions.find(db, {delivery.recipient for delivery, _, _ in due})
    claimed, ended = [], []
    for delivery, message, content in due:
        if delivery.recipient in found:
            ended.append(_end(db, delivery, State.SUPPRESSED, found[delivery.recipient].why))
        else:
            taken = replace(delivery, state=State.SENDING, attempt=delivery.attempt + 1, reason="")
            claimed.append(Claimed(delivery=taken, message=message, lease_until=lease_until, content=content))
    _lease(db, [taken.delivery for taken in claimed], lease_until)
    return Claims(claimed=tuple(claimed), ended=tuple(ended))


def _lease(db: sqlite3.Connection, taken: Sequence[Delivery], lease_until: float) -> None:
    """The try is counted before the call: what follows may be a crash."""
    db.execute(
        "UPDATE deliveries SET state = 'sending', attempt = attempt + 1, lease_until = ?, reason = ''"
        " FROM json_each(?) t WHERE message_id = json_extract(t.value, '$[0]') AND number = json_extract(t.value, '$[1]')",
        (lease_until, json.dumps([(delivery.message_id, delivery.number) for delivery in taken])),
    )


def _end(db: sqlite3.Connection, delivery: Delivery, state: State, reason: str) -> Delivery:
    """Leaves the queue, or the doubt, without a call."""
    db.execute(
        "UPDATE deliveries SET state = ?, reason = ?, lease_until = NULL WHERE message_id = ? AND number = ?",
        (state, reason, delivery.message_id, delivery.number),
    )
    return replace(delivery, state=state, reason=reason)


def _settle_all(db: sqlite3.Connection, items: Sequence[Settlement]) -> list[bool]:
    return [_settle(db, settlement) for settlement in items]


def _settle(db: sqlite3.Connection, settlement: Settlement) -> bool:
    delivery = settlement.delivery
    is_sent = settlement.state is State.SENT
    fence = (delivery.message_id, delivery.number, delivery.attempt, settlement.lease_until)
    cursor = db.execute(
        "UPDATE deliveries SET state = ?, due_at = ?, failures = ?, reason = ?, lease_until = NULL, ses_message_id = ?,"
        " sent_at = ? WHERE message_id = ? AND number = ? AND attempt = ? AND lease_until = ? AND state = 'sending'",
        (
            settlement.state,
            settlement.due_at,
            settlement.failures,
            settlement.reason,
            settlement.ses_message_id or None,
            settlement.at if is_sent else None,
            *fence,
        ),
    )
    in_time = cursor.rowcount == 1
    if is_sent and not in_time:
        prove_sent(db, delivery.message_id, delivery.number, settlement.ses_message_id, settlement.at)
    if not is_sent:
        db.execute(
            "INSERT OR IGNORE INTO attempts (message_id, number, attempt, at, state, reason) VALUES (?,?,?,?,?,?)",
            (delivery.message_id, delivery.number, delivery.attempt, settlement.at, settlement.state, settlement.reason),
        )
    if settlement.hold and settlement.hold.scope is not HoldScope.MESSAGE:
        db.execute(
            "INSERT INTO holds (scope, subject, reason, until) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET reason = excluded.reason, until = max(until, excluded.until)",
            (
                settlement.hold.scope,
                settlement.hold.subject,
                settlement.hold.reason,
                settlement.at + settlement.hold.seconds,
            ),
        )
    return in_time


def prove_sent(db: sqlite3.Connection, message_id: str, number: int, ses_message_id: str, at: float) -> None:
    """SES has it, whatever we thought meanwhile."""
    db.execute(
        "UPDATE deliveries SET state = 'sent', reason = '', lease_until = NULL, ses_message_id = ?, sent_at = ?"
        " WHERE message_id = ? AND number = ? AND state <> 'sent'",
        (ses_message_id, at, message_id, number),
    )


def _rescues(db: sqlite3.Connection, items: Sequence[tuple[float, bool, Patience]]) -> list[tuple[Delivery, ...]]:
    return [_rescue(db, *item) for item in items]


def _rescue(db: sqlite3.Connection, now: float, everything: bool, patience: Patience) -> tuple[Delivery, ...]:
    rows = db.execute(
        f"SELECT {DELIVERY} FROM deliveries d WHERE d.state = 'sending' AND (? OR d.lease_until < ?)",
        (everything, now),
    ).fetchall()
    state, due_at = lifecycle.interrupted(now=now, patience=patience)
    for row in rows:
        db.execute(
            "UPDATE deliveries SET state = ?, due_at = ?, lease_until = NULL, reason = ? WHERE message_id = ? AND number = ?",
            (state, due_at, "the call was interrupted", row[0], row[1]),
        )
        db.execute(
            "INSERT OR IGNORE INTO attempts (message_id, number, attempt, at, state, reason) VALUES (?,?,?,?,?,?)",
            (row[0], row[1], row[6], now, state, "the call was interrupted"),
        )
    return tuple(delivery_of(row) for row in rows)


def _decisions(db: sqlite3.Connection, items: Sequence[float]) -> list[tuple[Delivery, ...]]:
    return [_decide(db, now) for now in items]


def _decide(db: sqlite3.Connection, now: float) -> tuple[Delivery, ...]:
    rows = db.execute(
        f"SELECT {DELIVERY} FROM deliveries d WHERE d.state = 'in_doubt' AND d.due_at <= ?",
        (now,),
    ).fetchall()
    decided = [(delivery, lifecycle.undecided(delivery, now=now)) for delivery in map(delivery_of, rows)]
    return tuple(_end(db, delivery, state, delivery.reason) for delivery, state in decided)
