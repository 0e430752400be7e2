"""Facts once more by the rules of today: what was not understood then, other classes, and what follows of both."""

from __future__ import annotations

from typing import NamedTuple

from relay import address, bounces, ses_event, statistics
from relay.bounces import BounceRules
from relay.event import Event, EventType, Replayed
from relay.model import Origin
from relay.store.sql import consequences, entries, fact_numbers, facts
from relay.store.sql.counters import ORIGIN, Counts
from relay.store.sql.session import Session
from relay.suppression import EVERYWHERE, Reason

_STEP = 100
_NOTIFICATIONS = "SELECT number, id, received_at, payload FROM notifications WHERE number > ? ORDER BY number LIMIT ?"
_EVENTS = f"""SELECT e.id, e.class, coalesce(m.list, ''), e.received_at, e.message_id, e.number, {ORIGIN},
    e.type, e.at, e.recipient, e.ses_message_id, e.detail, e.document FROM events e LEFT JOIN messages m ON m.id = e.message_id
    WHERE e.id > ? ORDER BY e.id LIMIT ?"""
_OTHERS = """SELECT coalesce(m.list, ''), e.received_at, e.type, e.at, e.recipient, e.ses_message_id, e.detail, e.document
    FROM events e LEFT JOIN messages m ON m.id = e.message_id WHERE e.address_key = ? AND e.type = ? LIMIT 1000"""
_MADE_BY = {EventType.BOUNCE: Reason.HARD_BOUNCE, EventType.COMPLAINT: Reason.COMPLAINT}


class Step(NamedTuple):
    """One step: where the next one begins, and what this one did. Nothing was left if `looked` is 0."""

    last: int
    looked: int
    done: Replayed


def notifications(db: Session, rules: BounceRules, after: int) -> Step:
    """Raw ones, as far as they are kept, read by the reader of today."""
    rows = db.execute(_NOTIFICATIONS, (after, _STEP)).fetchall()
    added = suppressed = 0
    counts = Counts()
    fact_numbers.draw(db)
    for _, notification_id, received_at, payload in rows:
        for event in ses_event.parse(payload.decode("utf-8", "replace"), received_at=received_at):
            new = facts.record(db, event, rules, counts, notification_id=notification_id, received_at=received_at)
            added += new is not None
            suppressed += bool(new and new.suppressed)
    counts.write(db)
    return Step(rows[-1][0] if rows else after, len(rows), Replayed(added=added, suppressed=suppressed))


def events(db: Session, rules: BounceRules, after: int, now: float) -> Step:
    """Facts that are known, by the rules of today."""
    rows = db.execute(_EVENTS, (after, _STEP)).fetchall()
    changed = suppressed = released = 0
    counts = Counts()
    for id, old_class, list, heard_at, message_id, number, credential, sender, campaign, task, *columns in rows:
        event = facts.event_of(columns)
        new_class = facts.class_of(db, event, rules, (message_id, number) if message_id else None)
        if new_class != old_class:
            db.execute("UPDATE events SET class = ? WHERE id = ?", (new_class, id))
            changed += 1
            if credential is not None:
                _count_anew(counts, event, old_class, new_class, statistics.origin(credential, sender, campaign, task))
        if _revoke(db, event, rules, heard_at, now):
            released += not _others_stand(db, event, rules, now)
        suppressed += consequences.follow(db, event, rules, list=list, heard_at=heard_at, at=now) is not None
    counts.write(db)
    done = Replayed(changed=changed, suppressed=suppressed, released=released)
    return Step(rows[-1][0] if rows else after, len(rows), done)


def _count_anew(counts: Counts, event: Event, old_class: str, new_class: str, of: Origin) -> None:
    counts.add(statistics.of_event(event, old_class), of, event.at, -1)
    counts.add(statistics.of_event(event, new_class), of, event.at)


def _revoke(db: Session, event: Event, rules: BounceRules, heard_at: float, now: float) -> bool:
    """An entry that this event had made, and would not make today."""
    reason = _MADE_BY.get(event.type)
    if not reason or bounces.suppresses(event, rules):
        return False
    found = entries.standing(db, address.key(event.recipient), EVERYWHERE, reason)
    made = consequences.suppression(event, reason, heard_at=heard_at)
    if not found or (found.created_at, found.source) != (made.created_at, made.source):
        return False
    entries.revoke(db, found, note="the rules have changed", at=now)
    return True


def _others_stand(db: Session, event: Event, rules: BounceRules, now: float) -> bool:
    """Whether another fact of the same kind says the same of the address: it had only come second."""
    rows = db.execute(_OTHERS, (address.key(event.recipient), event.type)).fetchall()
    others = ((facts.event_of(columns), list, heard_at) for list, heard_at, *columns in rows)
    found = [consequences.follow(db, other, rules, list=list, heard_at=heard_at, at=now) for other, list, heard_at in others]
    return any(found)
