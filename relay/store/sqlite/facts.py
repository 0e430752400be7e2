"""One fact from SES inside a transaction: whose it is, what it proves, and who must not be mailed any more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import fields
from typing import Any, NamedTuple

from relay import address, bounces, documents, ses_event, statistics
from relay.bounces import BounceClass, BounceRules, Fact
from relay.event import Event, EventType
from relay.model import Origin, State
from relay.ports.feedback import Recorded
from relay.store.sqlite import entries
from relay.store.sqlite.counters import ORIGIN, Counts
from relay.store.sqlite.moves import prove_sent
from relay.suppression import EVERYWHERE, Reason, Release, Suppression, of_list

_SOURCE = "SES"
_NOTE = 500  # characters
# These have columns of their own; the document has the rest.
_COLUMNS = {"type", "at", "recipient", "ses_message_id", "detail"}
_DEFAULTS = {field.name: field.default for field in fields(Event) if field.name not in _COLUMNS}
_INSERT = """INSERT INTO events (fingerprint, type, class, at, received_at, recipient, address_key, message_id, number,
    ses_message_id, detail, document, notification_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"""
_OF = f"""SELECT d.message_id, d.number, d.state, m.list, max(m.accepted_at, m.send_at), {ORIGIN}
    FROM deliveries d JOIN messages m ON m.id = d.message_id"""
_JOINED = f"""SELECT e.message_id, e.number, e.class, max(m.accepted_at, m.send_at), {ORIGIN},
    e.type, e.at, e.recipient, e.ses_message_id, e.detail, e.document
    FROM events e JOIN messages m ON m.id = e.message_id WHERE e.id IN (SELECT value FROM json_each(?))"""
# A delivered message that bounces softly was answered by its reader's out-of-office.
_SOFT_FACTS = """SELECT e.at, iif(e.type = 'delivery', NULL, e.class) FROM events e WHERE e.address_key = ? AND e.at > ?
    AND (e.type = 'delivery' OR (e.type = 'bounce' AND e.class IN (SELECT value FROM json_each(?))))
    AND NOT (e.class = 'soft' AND e.message_id IS NOT NULL AND EXISTS (SELECT 1 FROM events d
        WHERE d.message_id = e.message_id AND d.number = e.number AND d.type = 'delivery'))
    ORDER BY e.at DESC LIMIT 1000"""


class _About(NamedTuple):
    """The delivery that an event is about; of its message the list, the time from which it might be sent, and whose it is."""

    message_id: str
    number: int
    state: str
    list: str
    due_at: float
    origin: Origin

    @property
    def delivery_id(self) -> str:
        return f"{self.message_id}-{self.number}"


def record(
    db: sqlite3.Connection, event: Event, rules: BounceRules, counts: Counts, *, notification_id: str, received_at: float
) -> Recorded | None:
    """None for a fact that is known."""
    about = _about(db, event)
    found = bounces.event_class(event, rules)
    cursor = db.execute(
        _INSERT,
        (
            ses_event.fingerprint(event),
            event.type,
            found,
            event.at,
            received_at,
            event.recipient,
            address.key(event.recipient),
            about.message_id if about else None,
            about.number if about else None,
            event.ses_message_id,
            event.detail,
            _document(event),
            notification_id,
        ),
    )
    if not cursor.rowcount:
        return None
    if about:
        counts.event(event, found, about.origin, about.due_at)
        counts.first(db, event.type, (about.message_id, about.number), [cursor.lastrowid or 0], about.origin)
    if about and about.state != State.SENT:
        prove_sent(db, about.message_id, about.number, event.ses_message_id, event.at, counts)
        join(db, [event.ses_message_id], counts)
    suppressed = follow(db, event, rules, list=about.list if about else "", at=received_at)
    return Recorded(event=event, delivery_id=about.delivery_id if about else "", suppressed=suppressed)


def _about(db: sqlite3.Connection, event: Event) -> _About | None:
    """By our own tag first, which is exact; by SES's identifier where tags are missing (classic notifications)."""
    message_id, _, number = event.relay_id.rpartition("-")
    key = (message_id, int(number) if number.isdecimal() and len(number) < 10 else 0)
    row = db.execute(f"{_OF} WHERE d.message_id = ? AND d.number = ?", key).fetchone() if message_id else None
    if not row and event.ses_message_id:
        row = db.execute(f"{_OF} WHERE d.ses_message_id = ?", (event.ses_message_id,)).fetchone()
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
    return documents.read(Event, json.dumps(json.loads(document) | own))


def follow(db: sqlite3.Connection, event: Event, rules: BounceRules, *, list: str, at: float) -> Reason | None:
    """What the event means for its recipient's addresses: why it is suppressed now and was not, or was for less."""
    if not event.recipient:
        return None
    _opt(db, event, list, at)
    if reason := bounces.suppresses(event, rules):
        return reason if entries.add_fact(db, _suppression(event, reason), at=at) else None
    is_counted = event.type is EventType.BOUNCE and bounces.bounce_class(event, rules) in rules.thresholds
    if is_counted or (event.type is EventType.DELIVERY and _wears(db, event)):
        return _weigh_soft_bounces(db, event, rules, at)
    return None


def _suppression(event: Event, reason: Reason, *, scope: str = EVERYWHERE) -> Suppression:
    return Suppression(
        address=event.recipient,
        reason=reason,
        source=event.ses_message_id or _SOURCE,
        created_at=event.at,
        note=event.detail[:_NOTE],
        scope=scope,
    )


def _opt(db: sqlite3.Connection, event: Event, list: str, at: float) -> None:
    """Out of lists of SES's list management, and into them again: of these lists only."""
    was_out = event.type is EventType.BOUNCE and event.bounce_subtype == "UnsubscribedRecipient"
    for name in (*event.opted_out, *([list] if was_out and list else [])):
        entries.add_fact(db, _suppression(event, Reason.UNSUBSCRIBED, scope=of_list(name)), at=at)
    for name in event.opted_in:
        entries.opt_in(db, Release(address=event.recipient, source=_SOURCE, at=event.at, scope=of_list(name)))


def _wears(db: sqlite3.Connection, event: Event) -> bool:
    found = entries.standing(db, address.key(event.recipient), EVERYWHERE)
    return found is not None and found.reason is Reason.SOFT_BOUNCES


def _weigh_soft_bounces(db: sqlite3.Connection, event: Event, rules: BounceRules, at: float) -> Reason | None:
    """All of the address since it was released last: the same facts come to the same, in whichever order they came."""
    key = address.key(event.recipient)
    since = entries.released_at(db, key, EVERYWHERE)
    classes = json.dumps([kind.value for kind in rules.thresholds])
    rows = db.execute(_SOFT_FACTS, (key, since, classes)).fetchall()
    reached = bounces.worn_out_at((Fact(when, BounceClass(kind) if kind else None) for when, kind in rows), rules)
    found = entries.standing(db, key, EVERYWHERE)
    old = found if found and found.reason is Reason.SOFT_BOUNCES else None
    if old and old.created_at != reached:
        entries.revoke(db, old, note="mail was delivered since, or counts have changed", at=at)
    if reached is None:
        return None
    new = Suppression(
        address=event.recipient,
        reason=Reason.SOFT_BOUNCES,
        source=_SOURCE,
        created_at=reached,
        note="soft bounces, and nothing delivered between them",
    )
    return Reason.SOFT_BOUNCES if entries.add_fact(db, new, at=at) else None


def join(db: sqlite3.Connection, ses_message_ids: Collection[str], counts: Counts) -> None:
    """Facts that came before we knew by which identifier SES knows the message: now they count as well."""
    wanted = json.dumps(list(ses_message_ids))
    joined = db.execute(
        "UPDATE events SET message_id = d.message_id, number = d.number FROM deliveries d WHERE events.message_id IS NULL"
        " AND events.ses_message_id IN (SELECT value FROM json_each(?)) AND d.ses_message_id = events.ses_message_id"
        " RETURNING id",
        (wanted,),
    ).fetchall()
    if joined:
        _count_joined(db, [id for (id,) in joined], counts)


def _count_joined(db: sqlite3.Connection, ids: Collection[int], counts: Counts) -> None:
    firsts: dict[tuple[EventType, str, int], Origin] = {}
    for row in db.execute(_JOINED, (json.dumps(ids),)).fetchall():
        message_id, number, found, due_at, credential, sender, campaign, *columns = row
        event, of = event_of(columns), statistics.origin(credential, sender, campaign)
        counts.event(event, found, of, due_at)
        firsts[event.type, message_id, number] = of
    for (kind, message_id, number), of in firsts.items():
        counts.first(db, kind, (message_id, number), ids, of)
