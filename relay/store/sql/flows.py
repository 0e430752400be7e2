"""Flows on SQLite: their ids, and the count of what is open in each.

Counted by the verbs in their transactions and not by triggers, which would cost a fifth of a claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress

from relay import address
from relay.model import Message
from relay.store.sql.records import MESSAGE, OPEN, message_of
from relay.store.sql.session import Session

Key = tuple[str, str, str, str]
Change = tuple[int, int]
"""The flow of a delivery that ended, and the octets of its message."""

_COLUMNS = "lane, credential, identity, configuration_set"
_KNOWN = f"SELECT id FROM flows WHERE ({_COLUMNS}) = (?,?,?,?)"
_NEW = f"""INSERT INTO flows (id, {_COLUMNS}) SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ? FROM flows WHERE TRUE
    ON CONFLICT DO NOTHING"""


def key(message: Message) -> Key:
    """The flow that a message is of."""
    labels = message.labels
    return labels.lane, message.credential, address.domain(message.sender), labels.configuration_set


def ids(db: Session, keys: Collection[Key]) -> dict[Key, int]:
    """Those that are new are made."""
    return {key: _id(db, key) for key in keys}


def _id(db: Session, key: Key) -> int:
    while not (row := db.execute(_KNOWN, key).fetchone()):
        db.execute(_NEW, key)  # somebody else may have made it, or one with that id
    return int(row[0])


def begun(db: Session, deliveries: Iterable[tuple[int, Message, bool]]) -> None:
    """Deliveries came: the flow of each, its message, and whether it is open."""
    counts, newest = _Counts(), dict[int, str]()
    for flow, message, is_open in deliveries:
        counts.add(flow, is_open, message.size * is_open)
        newest[flow] = max(message.id, newest.get(flow, ""))
    rows = [(*counts.of(flow), message_id, message_id, flow) for flow, message_id in sorted(newest.items())]
    db.executemany(
        "UPDATE flows SET open_count = open_count + ?, open_octets = open_octets + ?,"
        " newest = CASE WHEN newest < ? THEN ? ELSE newest END WHERE id = ?",
        rows,
    )


def ended(db: Session, changes: Iterable[Change]) -> None:
    """Deliveries that were open are so no more."""
    counts = _Counts()
    for flow, size in changes:
        counts.add(flow, -1, -size)
    rows = [(*counts.of(flow), flow) for flow in sorted(counts.deliveries)]
    db.executemany("UPDATE flows SET open_count = open_count + ?, open_octets = open_octets + ? WHERE id = ?", rows)


def mend(db: Session) -> None:
    """After rows were lost: each delivery has a flow, and each flow is counted."""
    orphans = f"""SELECT {MESSAGE} FROM messages m WHERE id IN
        (SELECT message_id FROM deliveries WHERE flow NOT IN (SELECT id FROM flows))"""
    for row in db.execute(orphans).fetchall():
        with suppress(ValueError, TypeError, AttributeError):  # a row that cannot be read is not sent either
            message = message_of(row)
            db.execute("UPDATE deliveries SET flow = ? WHERE message_id = ?", (_id(db, key(message)), message.id))
    db.execute(
        "UPDATE flows SET (open_count, open_octets) = (SELECT count(*), coalesce(sum(size), 0)"
        f" FROM deliveries JOIN messages ON id = message_id WHERE flow = flows.id AND state IN {OPEN})"
    )


class _Counts:
    """By flow: one change of a row for all deliveries of a group."""

    def __init__(self) -> None:
        self.deliveries: Counter[int] = Counter()
        self._octets: Counter[int] = Counter()

    def add(self, flow: int, deliveries: int, octets: int) -> None:
        self.deliveries[flow] += deliveries
        self._octets[flow] += octets

    def of(self, flow: int) -> tuple[int, int]:
        return self.deliveries[flow], self._octets[flow]
