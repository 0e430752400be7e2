"""One fact from SES inside a transaction: whose it is, and what it proves."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from relay import address, bounces, documents, ses_event, statistics
from relay.bounces import BounceClass, BounceRules
from relay.event import Event, EventType
from relay.model import Origin, State
from relay.ports.feedback import Recorded
from relay.store.sql import consequences, erased, fact_numbers
from relay.store.sql.counters import ORIGIN, Counts
from relay.store.sql.moves import prove_sent
from relay.store.sql.records import DUE_AT
from relay.store.sql.session import Session

# These have columns of their own; the document has the rest.
_COLUMNS = {"type", "at", "recipient", "ses_message_id", "detail"}
_DEFAULTS = {field.name: field.default for field in fields(Event) if field.name not in _COLUMNS}
_SAID = "fingerprint, type, class, at, received_at, recipient, address_key, ses_message_id, detail, document, notification_id"
_INSERT = f"""INSERT INTO events ({_SAID}, message_id, number, credential) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
    ON CONFLICT DO NOTHING RETURNING id"""
_IS_DELIVERED = "SELECT 1 FROM events WHERE message_id = ? AND number = ? AND type = 'delivery'"
_ANSWERS = f"""UPDATE events SET class = 'auto_reply' WHERE message_id = ? AND number = ? AND class = 'soft'
    AND EXISTS ({_IS_DELIVERED}) RETURNING at"""
_KNOWN = "SELECT id FROM events WHERE fingerprint = ? AND message_id IS NULL"
_PARTED = """SELECT e.id, m.id, d.number, m.credential FROM events e JOIN deliveries d ON d.ses_message_id = e.ses_message_id
    JOIN messages m ON m.id = d.message_id
    WHERE e.message_id IS NULL AND e.ses_message_id IN (SELECT value FROM json_each(?)) ORDER BY e.id"""
_TAKE = f"DELETE FROM events WHERE id = ? AND message_id IS NULL RETURNING {_SAID}"
_OF = f"""SELECT d.message_id, d.number, d.state, m.list, {DUE_AT}, {ORIGIN}
    FROM deliveries d JOIN messages m ON m.id = d.message_id"""
OF_TAG, OF_SES_ID = f"{_OF} WHERE d.message_id = ? AND d.number = ?", f"{_OF} WHERE d.ses_message_id = ?"
_JOINED = f"""SELECT e.message_id, e.number, e.class, {DUE_AT}, {ORIGIN},
    e.type, e.at, e.recipient, e.ses_message_id, e.detail, e.document
    FROM events e JOIN messages m ON m.id = e.message_id WHERE e.id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""


class _About(NamedTuple):
    """The delivery that an event is about; of its message the list, the time from which it might be sent, and whose it is."""

    message_id: str
    number: int
    state: str
    list: str
    due_at: float
    origin: Origin

    @property
    def place(self) -> tuple[str, int]:
        return self.message_id, self.number

    @property
    def delivery_id(self) -> str:
        return f"{self.message_id}-{self.number}"


def record(
    db: Session, event: Event, rules: BounceRules, counts: Counts, *, notification_id: str, received_at: float
) -> Recorded | None:
    """None for a fact that is known, and for what is heard of an erased address: of that nothing is kept."""
    about = _about(db, event)
    if about is None and erased.is_erased(db, event.recipient):
        consequences.follow_erased(db, event, rules, heard_at=received_at)
        return None
    found = class_of(db, event, rules, about.place if about else None)
    row = db.execute(
        _INSERT,
        (
            ses_event.fingerprint(event),
            event.type,
            found,
            event.at,
            received_at,
            event.recipient,
            address.key(event.recipient),
            event.ses_message_id,
            event.detail,
            _document(event),
            notification_id,
            about.message_id if about else None,
            about.number if about else None,
            about.origin.credential if about else "",
        ),
    ).fetchone()
    if not row:
        if about:
            _belongs(db, event, about, counts)
        return None
    if about:
        counts.event(event, found, about.origin, about.due_at)
        counts.first(db, event.type, about.place, row, about.origin)
        if event.type is EventType.DELIVERY:
            _call_answers(db, about.place, about.origin, counts)
        _prove(db, event, about, counts)
    suppressed = consequences.follow(db, event, rules, list=about.list if about else "", heard_at=received_at, at=received_at)
    return Recorded(event=event, delivery_id=about.delivery_id if about else "", suppressed=suppressed)


def is_of_erased(db: Session, event: Event) -> bool:
    """Whether nothing of it is kept."""
    return erased.is_erased(db, event.recipient) and _about(db, event) is None


def class_of(db: Session, event: Event, rules: BounceRules, place: tuple[str, int] | None) -> str:
    """Our class of an event by all that is known of its delivery: what was delivered and bounces softly is the answer of a
    reader who is out of office.
    """
    found = bounces.event_class(event, rules)
    is_answer = found == BounceClass.SOFT and place and db.execute(_IS_DELIVERED, place).fetchone()
    return BounceClass.AUTO_REPLY if is_answer else found


def _call_answers(db: Session, place: tuple[str, int], of: Origin, counts: Counts) -> None:
    """The same for soft bounces that came before the delivery."""
    for (at,) in db.execute(_ANSWERS, (*place, *place)).fetchall():
        counts.add(statistics.SOFT_BOUNCE, of, at, -1)
        counts.add(statistics.AUTO_REPLY, of, at)


def _belongs(db: Session, event: Event, about: _About, counts: Counts) -> None:
    """A fact that is known, and only now whose it is: a classic notification has no tags, and came first."""
    known = db.execute(_KNOWN, (ses_event.fingerprint(event),)).fetchall()
    if known and (joined := _adopt(db, [(id, *about.place, about.origin.credential) for (id,) in known])):
        _count_joined(db, joined, counts)
        _prove(db, event, about, counts)


def _adopt(db: Session, found: Sequence[tuple[int, str, int, str]]) -> list[int]:
    """Strangers' facts by their numbers, with the message, the delivery and the login that they are about. Who reads facts by
    their numbers may have passed these: they get new ones.
    """
    said = [cursor.fetchall() for cursor in db.each(_TAKE, [(id,) for id, *_ in found])]  # none where another node was quicker
    fact_numbers.draw(db)
    taken = [(*row, *whose) for rows, (_, *whose) in zip(said, found, strict=True) for row in rows]
    return [id for cursor in db.each(_INSERT, taken) for (id,) in cursor.fetchall()]


def _prove(db: Session, event: Event, about: _About, counts: Counts) -> None:
    if about.state != State.SENT:
        prove_sent(db, about.message_id, about.number, event.ses_message_id, event.sent_at or event.at, counts)
        join(db, [event.ses_message_id], counts)


def key(event: Event) -> tuple[str, int] | None:
    """The delivery that its tag names, if it names one."""
    message_id, _, number = event.relay_id.rpartition("-")
    is_one = len(message_id) == 26 and number.isascii() and number.isdecimal() and len(number) < 10
    return (message_id, int(number)) if is_one else None


def _about(db: Session, event: Event) -> _About | None:
    """By our own tag first, which is exact; by SES's identifier where tags are missing (classic notifications)."""
    place = key(event)
    row = db.execute(OF_TAG, place).fetchone() if place else None
    if not row and event.ses_message_id:
        row = db.execute(OF_SES_ID, (event.ses_message_id,)).fetchone()
    if row is None:
        return None
    message_id, number, state, list, due_at, *whose = row
    return _About(message_id, number, state, list, due_at, statistics.origin(*whose))


def _document(event: Event) -> str:
    said = {name: value for name, default in _DEFAULTS.items() if (value := getattr(event, name)) != default}
    return json.dumps(said)


def event_of(row: Any) -> Event:
    """Out of type, at, recipient, ses_message_id, detail and document: as it was recorded."""
    kind, at, recipient, ses_message_id, detail, document = row
    own = {"type": kind, "at": at, "recipient": recipient, "ses_message_id": ses_message_id, "detail": detail}
    return documents.of_parts(Event, json.loads(document) | own)


def join(db: Session, ses_message_ids: Collection[str], counts: Counts) -> None:
    """Facts that came before we knew by which identifier SES knows the message: now they count as well."""
    found = db.execute(_PARTED, (json.dumps(list(ses_message_ids)),)).fetchall()
    if found and (joined := _adopt(db, found)):
        _count_joined(db, joined, counts)


def _count_joined(db: Session, ids: Collection[int], counts: Counts) -> None:
    firsts: dict[tuple[EventType, str, int], Origin] = {}
    places: dict[tuple[str, int], Origin] = {}
    for row in db.execute(_JOINED, (json.dumps(ids),)).fetchall():
        message_id, number, found, due_at, credential, sender, campaign, task, *columns = row
        event, of = event_of(columns), statistics.origin(credential, sender, campaign, task)
        counts.event(event, found, of, due_at)
        firsts[event.type, message_id, number] = places[message_id, number] = of
    for (kind, message_id, number), of in firsts.items():
        counts.first(db, kind, (message_id, number), ids, of)
    for place, of in places.items():
        _call_answers(db, place, of, counts)
