"""What the relay knows itself of deliveries, among the facts that SES reported: they are read in one row."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from relay import address
from relay.event import OWN, EventType
from relay.model import Delivery
from relay.store.sql import fact_numbers
from relay.store.sql.rows import insert
from relay.store.sql.session import Session

_COLUMNS = """fingerprint, type, class, at, received_at, recipient, address_key, ses_message_id, detail, document,
    notification_id, message_id, number, credential"""
_ENDS = frozenset(kind.value for kind in OWN)


class OwnFact(NamedTuple):
    """Of a delivery: what, when, and in words."""

    message_id: str
    number: int
    recipient: str
    credential: str
    type: EventType
    at: float
    detail: str = ""


def of_end(ended: Delivery, credential: str, at: float) -> list[OwnFact]:
    """That a delivery ended without being sent; none where it was sent, or was not to be."""
    if ended.state.value not in _ENDS:
        return []
    kind = EventType(ended.state.value)
    return [OwnFact(ended.message_id, ended.number, ended.recipient, credential, kind, at, ended.reason)]


def note(db: Session, found: Collection[OwnFact]) -> None:
    """None of them twice."""
    if found:
        fact_numbers.draw(db)
        insert(db, "events", _COLUMNS, [_row(fact) for fact in found], then="ON CONFLICT DO NOTHING")


def _row(fact: OwnFact) -> Sequence[object]:
    delivery = f"{fact.message_id}-{fact.number}"
    return (
        f"{delivery} {fact.type} {fact.at:.3f}",
        fact.type,
        "",
        fact.at,
        fact.at,
        fact.recipient,
        address.key(fact.recipient),
        "",
        fact.detail,
        json.dumps({"relay_id": delivery}),
        "",
        fact.message_id,
        fact.number,
        fact.credential,
    )
