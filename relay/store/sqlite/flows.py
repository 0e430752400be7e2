"""Flows on SQLite: their ids, and the count of what is open in each.

Counted by the verbs in their transactions and not by triggers, which would cost a fifth of a claim.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable

from relay import address
from relay.model import Message

Key = tuple[str, str, str, str]
Change = tuple[int, int]
"""The flow of a delivery that ended, and the octets of its message."""

_COLUMNS = "lane, credential, identity, configuration_set"


def key(message: Message) -> Key:
    """The flow that a message is of."""
    labels = message.labels
    return labels.lane, message.credential, address.domain(message.sender), labels.configuration_set


def ids(db: sqlite3.Connection, keys: Collection[Key]) -> dict[Key, int]:
    """Those that are new are made."""
    return {key: _id(db, key) for key in keys}


def _id(db: sqlite3.Connection, key: Key) -> int:
    row = db.execute(f"SELECT id FROM flows WHERE ({_COLUMNS}) = (?,?,?,?)", key).fetchone()
    made = None if row else db.execute(f"INSERT INTO flows ({_COLUMNS}) VALUES (?,?,?,?)", key).lastrowid
    return int(row[0] if row else made or 0)


def begun(db: sqlite3.Connection, deliveries: Iterable[tuple[int, Message, bool]]) -> None:
    """Deliveries came: the flow of each, its message, and whether it is open."""
    counts, newest = _Counts(), dict[int, str]()
    for flow, message, is_open in deliveries:
        counts.add(flow, is_open, message.size * is_open)
        newest[flow] = max(message.id, newest.get(flow, ""))
    rows = [(*counts.of(flow), message_id, flow) for flow, message_id in newest.items()]
    db.executemany(
        "UPDATE flows SET open_count = open_count + ?, open_octets = open_octets + ?, newest = max(newest, ?) WHERE id = ?",
        rows,
    )


def ended(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Deliveries that were open are so no more."""
    counts = _Counts()
    for flow, size in changes:
        counts.add(flow, -1, -size)
    rows = [(*counts.of(flow), flow) for flow in counts.deliveries]
    db.executemany("UPDATE flows SET open_count = open_count + ?, open_octets = open_octets + ? WHERE id = ?", rows)


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
