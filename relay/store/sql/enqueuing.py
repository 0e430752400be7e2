"""What comes in: a message, its content and its deliveries, many at once; what need not wait is claimed with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from relay import failpoints, lifecycle, statistics
from relay.model import Claimed, Delivery, Message, Receipt, State
from relay.store.sql import flows, holds, own_facts, receipts, suppressions
from relay.store.sql.claims import taken
from relay.store.sql.counters import Counts
from relay.store.sql.records import MESSAGE_COLUMNS, flow_of, lasts, message_row
from relay.store.sql.rows import insert
from relay.store.sql.session import Session, beside_others, short
from relay.suppression import Suppressed

_DELIVERY_COLUMNS = """message_id, number, flow, recipient, state, due_at, expires_at, attempt, lease_until, reason, ended_at,
    fields"""


class New(NamedTuple):
    """A message that comes in. What may be sent of it at once is leased until then."""

    message: Message
    content: bytes | None
    deliveries: tuple[Delivery, ...]
    receipt: Receipt | None
    lease_until: float | None


class Stored(NamedTuple):
    """Deliveries as they were stored, and those of them that are claimed."""

    deliveries: tuple[Delivery, ...]
    claimed: tuple[Claimed, ...]


class _Placed(NamedTuple):
    """A delivery as it is stored, its message and its flow."""

    delivery: Delivery
    message: Message
    flow: int


@short
@beside_others
def enqueue_all(db: Session, items: Sequence[New]) -> list[Stored]:
    """One result each."""
    leases = {new.message.id: new.lease_until for new in items if new.lease_until}
    placed = _place_all(db, [(new.message, new.deliveries) for new in items], leases)
    insert(db, "messages", ", ".join(MESSAGE_COLUMNS), [message_row(new.message) for new in items])
    bodies = [(lasts(new.message), new.message.id, new.content) for new in items if new.content is not None]
    insert(db, "bodies", "lasts, message_id, content", bodies)
    spooled = [(lasts(new.message), new.message.id) for new in items if new.content is None]
    insert(db, "spooled", "lasts, message_id", spooled)
    receipts.write(db, [(m.credential, receipt, m.id, m.accepted_at) for m, _, _, receipt, _ in items if receipt])
    failpoints.reach(failpoints.AFTER_INSERT)
    return [_stored(new, of) for new, of in zip(items, placed, strict=True)]


def store_all(db: Session, items: Sequence[tuple[Message, Sequence[Delivery]]]) -> list[tuple[Delivery, ...]]:
    """New deliveries of messages, as they are stored: those to suppressed addresses have ended before they began."""
    return [tuple(each.delivery for each in placed) for placed in _place_all(db, items, {})]


def _place_all(
    db: Session, items: Sequence[tuple[Message, Sequence[Delivery]]], leases: Mapping[str, float]
) -> list[list[_Placed]]:
    """`leases` are the ends of those that may be sent at once, by their message."""
    found = suppressions.find(db, {d.recipient for _, deliveries in items for d in deliveries})
    keys = [flows.key(message) for message, _ in items]
    ids = flows.ids(db, set(keys))
    standing = holds.standing(db) if leases else ()
    placed = []
    for (message, deliveries), key in zip(items, keys, strict=True):
        these = [_unless_suppressed(each, message, found) for each in deliveries]
        if message.id in leases and not any(hold.covers(flow_of((ids[key], *key))) for hold in standing):
            these = [taken(each) if _is_due(each, message) else each for each in these]
        placed.append([_Placed(each, message, ids[key]) for each in these])
    made = [each for these in placed for each in these]
    insert(db, "deliveries", _DELIVERY_COLUMNS, [_delivery_row(each, leases) for each in made])
    flows.begun(db, [(flow, m, d.state in lifecycle.OPEN) for d, m, flow in made])
    _count(db, [(d, m) for d, m, _ in made])
    return placed


def _is_due(delivery: Delivery, message: Message) -> bool:
    return delivery.state is State.QUEUED and delivery.due_at <= message.accepted_at


def _stored(new: New, placed: Sequence[_Placed]) -> Stored:
    claimed = tuple(
        Claimed(delivery=d, message=m, flow=flow, content=new.content) for d, m, flow in placed if d.state is State.SENDING
    )
    return Stored(tuple(d for d, _, _ in placed), claimed)


def _count(db: Session, made: Sequence[tuple[Delivery, Message]]) -> None:
    """Accepted all of them; some have ended before they began."""
    counts = Counts()
    for delivery, message in made:
        of = statistics.origin(message.credential, message.sender, message.labels.campaign, message.task)
        counts.add(statistics.ACCEPTED, of, message.accepted_at)
        if delivery.state not in lifecycle.OPEN:
            counts.add(statistics.of_end(delivery.state, delivery.reason), of, message.accepted_at)
    counts.write(db)
    own_facts.note(db, [fact for d, m in made for fact in own_facts.of_end(d, m.credential, m.accepted_at)])


def _unless_suppressed(delivery: Delivery, message: Message, found: Suppressed) -> Delivery:
    labels = message.labels
    why = found.of(
        delivery.recipient,
        credential=message.credential,
        list=labels.list,
        is_transactional=labels.is_transactional,
        now=message.accepted_at,
    )
    if delivery.state is not State.QUEUED or why is None:
        return delivery
    return replace(delivery, state=State.SUPPRESSED, reason=why.why)


def _delivery_row(placed: _Placed, leases: Mapping[str, float]) -> tuple[object, ...]:
    delivery, message, flow = placed
    return (
        delivery.message_id,
        delivery.number,
        flow,
        delivery.recipient,
        delivery.state,
        delivery.due_at,
        delivery.expires_at,
        delivery.attempt,
        leases[message.id] if delivery.state is State.SENDING else None,
        delivery.reason,
        None if delivery.state in lifecycle.OPEN else message.accepted_at,
        delivery.fields,
    )
