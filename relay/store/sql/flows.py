"""Flows: their ids, and the count of what is open in each.

Counted by the verbs in their transactions and not by triggers, which would cost a fifth of a claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from relay import address
from relay.model import Message
from relay.store.sql.records import MESSAGE, OPEN, message_of
from relay.store.sql.rows import insert
from relay.store.sql.session import Session

Key = tuple[str, str, str, str, int]
Change = tuple[int, int]
"""The flow of a delivery that ended, and the octets of its message."""

_COLUMNS = "lane, credential, identity, configuration_set, task"
OPEN_SUM = "coalesce((SELECT sum(l.open) FROM loads l WHERE l.flow = f.id), 0)"
# What has more taken than sent by any node may have something open: exact enough to pass over all others.
MAY_BE_OPEN = "EXISTS (SELECT 1 FROM loads l WHERE l.flow = f.id AND l.open > 0)"
LOAD = "CASE WHEN m.task = 0 THEN m.size ELSE 0 END"  # Message.load
_ADD = """ON CONFLICT (flow, writer) DO UPDATE SET open = loads.open + excluded.open, octets = loads.octets + excluded.octets,
    newest = CASE WHEN loads.newest < excluded.newest THEN excluded.newest ELSE loads.newest END"""
_KNOWN = f"SELECT id FROM flows WHERE ({_COLUMNS}) = (?,?,?,?,?)"
_NEW = f"""INSERT INTO flows (id, {_COLUMNS}) SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM flows WHERE TRUE
    ON CONFLICT DO NOTHING"""


def key(message: Message) -> Key:
    """The flow that a message is of."""
    labels = message.labels
    return labels.lane, message.credential, address.domain(message.sender), labels.configuration_set, message.task


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
        counts.add(flow, is_open, message.load * is_open)
        newest[flow] = max(message.id, newest.get(flow, ""))
    _add(db, [(flow, *counts.of(flow), message_id) for flow, message_id in sorted(newest.items())])


def ended(db: Session, changes: Iterable[Change]) -> None:
    """Deliveries that were open are so no more."""
    counts = _Counts()
    for flow, size in changes:
        counts.add(flow, -1, -size)
    _add(db, [(flow, *counts.of(flow), "") for flow in sorted(counts.deliveries)])


def _add(db: Session, rows: Sequence[tuple[int, int, int, str]]) -> None:
    values = [(flow, db.writer, *load) for flow, *load in rows]
    insert(db, "loads", "flow, writer, open, octets, newest", values, then=_ADD)


def mend(db: Session) -> None:
    """After rows were lost: each delivery has a flow, and each flow is counted."""
    orphans = f"""SELECT {MESSAGE} FROM messages m WHERE id IN
        (SELECT message_id FROM deliveries WHERE flow NOT IN (SELECT id FROM flows))"""
    for row in db.execute(orphans).fetchall():
        with suppress(ValueError, TypeError, AttributeError):  # a row that cannot be read is not sent either
            message = message_of(row)
            db.execute("UPDATE deliveries SET flow = ? WHERE message_id = ?", (_id(db, key(message)), message.id))
    db.execute("DELETE FROM loads")
    db.execute(
        "INSERT INTO loads (flow, writer, open, octets, newest) SELECT flow, 0, count(*) FILTER (WHERE is_open),"
        " coalesce(sum(size) FILTER (WHERE is_open), 0), max(message_id)"
        f" FROM (SELECT d.flow, d.message_id, d.state IN {OPEN} AS is_open, {LOAD} AS size"
        " FROM deliveries d JOIN messages m ON m.id = d.message_id) kept GROUP BY flow"
    )


def fold(db: Session) -> None:
    """One row of each flow, where many nodes have come and gone."""
    folded = db.execute(
        "SELECT flow, sum(open), sum(octets), max(newest) FROM loads"
        " WHERE flow IN (SELECT flow FROM loads WHERE writer > 0) GROUP BY flow"
    ).fetchall()
    db.executemany("DELETE FROM loads WHERE flow = ?", [(flow,) for flow, *_ in folded])
    columns = "flow, writer, open, octets, newest"
    insert(db, "loads", columns, [(flow, 0, *load) for flow, *load in folded])


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
