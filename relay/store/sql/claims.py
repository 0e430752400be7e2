"""The claim: which deliveries are sent now. Looks at flows, never at all that waits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from relay import holds, journal
from relay.holds import HoldRecord
from relay.lifecycle import NEVER, Cause
from relay.model import Claimed, Delivery, Flow, Message, State
from relay.queueing import Claims, Round
from relay.store.sql import holds as hold_rows
from relay.store.sql import suppressions
from relay.store.sql.flows import MAY_BE_OPEN
from relay.store.sql.moves import end
from relay.store.sql.records import DELIVERY, DELIVERY_WIDTH, FLOW, MESSAGE, delivery_of, flow_of, message_of
from relay.store.sql.session import LOCK, Session, beside_others

# One row, however many they are: the interpreter's lock is handed over with each. The OFFSET keeps PostgreSQL from collecting
# all that is due to find out in which flows something is.
DUE_FLOWS = f"""SELECT json_group_array(json_array({FLOW})) FROM flows f WHERE {MAY_BE_OPEN} AND EXISTS
    (SELECT 1 FROM deliveries d WHERE d.flow = f.id AND d.state = 'queued' AND d.due_at <= ? LIMIT 1 OFFSET 0)"""
DUE = f"""SELECT {DELIVERY}, {MESSAGE}, b.content FROM deliveries d JOIN messages m ON m.id = d.message_id
    LEFT JOIN bodies b ON b.lasts = m.lasts AND b.message_id = m.id
    WHERE d.flow = ? AND d.state = 'queued' AND d.due_at <= ? ORDER BY d.due_at, d.message_id, d.number LIMIT ? OFFSET ?"""
# By their identifiers, in one statement.
_LEASE = """UPDATE deliveries SET state = 'sending', attempt = attempt + 1, lease_until = ?, reason = '' FROM json_each(?) t
    WHERE message_id = substr(t.value, 1, 26) AND number = CAST(substr(t.value, 28) AS INTEGER)"""

_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError)


@dataclass(frozen=True, slots=True)
class _Due:
    """A delivery whose turn it is. The holds that its call would probe are few, and mostly none."""

    flow: Flow
    delivery: Delivery
    message: Message
    content: bytes | None
    probes: tuple[HoldRecord, ...] = ()


@beside_others
def claim_all(db: Session, rounds: Sequence[Round]) -> list[Claims]:
    """One after the other: a dispatcher has one round at a time."""
    return [_claim(db, each) for each in rounds]


def _claim(db: Session, this: Round) -> Claims:
    """Looks at holds first, then at each due delivery's suppression: the truth at the moment of sending."""
    records = hold_rows.records(db)
    due = _by_turns(db, this, records)
    suppressed = suppressions.find(db, {each.delivery.recipient for each in due})
    claimed: list[_Due] = []
    ended: list[Delivery] = []
    for each in due:
        delivery, labels = each.delivery, each.message.labels
        why = suppressed.of(
            delivery.recipient,
            credential=each.message.credential,
            list=labels.list,
            is_transactional=labels.is_transactional,
            now=this.now,
        )
        if why:
            ended.append(end(db, delivery, Cause.FOUND_SUPPRESSED, why.why, this.now))
        elif 0 < labels.expires_at <= this.now:
            ended.append(end(db, delivery, Cause.OUT_OF_TIME, "its sender wants it no more", this.now))
        else:
            claimed.append(each)
    _lease(db, claimed, this.lease_until)
    return Claims(claimed=tuple(_claimed(each, records, this) for each in claimed), ended=tuple(ended))


def _by_turns(db: Session, this: Round, records: Collection[HoldRecord]) -> list[_Due]:
    """Probes first. The others share what is left, until it is used up or nobody has more."""
    flows = _due_flows(db, this)
    split = holds.sort(flows, records, this.now)
    if split.probing:  # another node may just have lent the probe
        db.execute(LOCK, ("probes",))
        split = holds.sort(flows, hold_rows.records(db), this.now)
    probing = split.probing[: this.limit]
    first = _rows(db, [(flow, 1, 0) for flow, _ in probing], this.now)
    due = [replace(each, probes=over) for (_, over), found in zip(probing, first, strict=True) for each in found]
    taken, seen = Counter[int](), {each.delivery.id for each in due}
    hungry = list(split.free)
    while hungry and len(due) < this.limit:
        shares = this.turns.share(hungry, this.limit - len(due))
        wanted = [(flow, shares[flow.id], taken[flow.id]) for flow in hungry if flow.id in shares]
        for (flow, _, _), found in zip(wanted, _rows(db, wanted, this.now), strict=True):
            taken[flow.id] += len(found)
            due += [each for each in found if each.delivery.id not in seen]  # what others let go has moved the rows
            seen |= {each.delivery.id for each in found}
            if len(found) < shares[flow.id]:
                this.turns.give_back(flow.id, shares[flow.id] - len(found))
                hungry.remove(flow)
    return due


def _due_flows(db: Session, this: Round) -> list[Flow]:
    ((found,),) = db.execute(DUE_FLOWS, (this.now,))
    return [flow for flow in _flows_of(found) if flow.lane in this.lanes]


@lru_cache(2)  # in a backlog they are the same from claim to claim
def _flows_of(document: str) -> tuple[Flow, ...]:
    return tuple(map(flow_of, json.loads(document)))


def _rows(db: Session, wanted: Sequence[tuple[Flow, int, int]], now: float) -> list[list[_Due]]:
    """Of each flow so many, behind so many."""
    found = db.each(DUE, [(flow.id, now, count, skipped) for flow, count, skipped in wanted])
    return [_read(db, flow, cursor.fetchall()) for (flow, _, _), cursor in zip(wanted, found, strict=True)]


def _read(db: Session, flow: Flow, rows: Sequence[Any]) -> list[_Due]:
    due = []
    for row in rows:
        try:
            due.append(_Due(flow, delivery_of(row), message_of(row[DELIVERY_WIDTH:-1]), row[-1]))
        except _UNREADABLE as error:
            _put_aside(db, row[0], row[1], error)
    return due


def _put_aside(db: Session, message_id: str, number: int, error: Exception) -> None:
    """One damaged record must not stop all others. An operator may cancel it, or mend it and retry it."""
    journal.trouble(f"{message_id}-{number}: its record is damaged and it is not sent", error, id=f"{message_id}-{number}")
    db.execute(
        "UPDATE deliveries SET due_at = ?, reason = 'its record is damaged' WHERE message_id = ? AND number = ?",
        (NEVER, message_id, number),
    )


def _lease(db: Session, claimed: Sequence[_Due], until: float) -> None:
    """The try is counted before the call: what follows may be a crash."""
    if claimed:
        db.execute(_LEASE, (until, json.dumps([each.delivery.id for each in claimed])))
    for each in claimed:
        if each.probes:
            hold_rows.lend_probe(db, each.probes, each.delivery.id, until)


def _claimed(due: _Due, records: Collection[HoldRecord], this: Round) -> Claimed:
    """While it was held its patience did not run out; an end that its sender set is a time, and comes all the same.

    Its patience began a lifetime before its end: that was shifted by each jump of the clock, as the holds were.
    """
    is_patient = records and not due.message.labels.expires_at
    began = due.delivery.expires_at - this.lifetime
    return Claimed(
        delivery=taken(due.delivery),
        message=due.message,
        flow=due.flow.id,
        content=due.content,
        held=holds.stood_still(due.flow, records, began, this.now) if is_patient else 0.0,
    )


def taken(due: Delivery) -> Delivery:
    """As a lease leaves it."""
    return Delivery(
        message_id=due.message_id,
        number=due.number,
        recipient=due.recipient,
        state=State.SENDING,
        due_at=due.due_at,
        expires_at=due.expires_at,
        attempt=due.attempt + 1,
        failures=due.failures,
        fields=due.fields,
    )
