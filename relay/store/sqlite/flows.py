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
"""The flow of a delivery that came or ended, and the octets of its message."""

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


def begun(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Deliveries came."""
    _count(db, changes, 1)


def ended(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Deliveries that were open are so no more."""
    _count(db, changes, -1)


def _count(db: sqlite3.Connection, changes: Iterable[Change], sign: int) -> None:
    deliveries: Counter[int] = Counter()
    octets: Counter[int] = Counter()
    for flow, size in changes:
        deliveries[flow] += sign
        octets[flow] += sign * size
    rows = [(deliveries[flow], octets[flow], flow) for flow in deliveries]
    db.executemany("UPDATE flows SET open_count = open_count + ?, open_octets = open_octets + ? WHERE id = ?", rows)
