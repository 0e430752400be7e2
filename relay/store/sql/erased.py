"""What stays of erased addresses inside a transaction: who they were is known by their marks, and what keeps mail from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from relay import address
from relay.erasure import SOURCE, Kept, Marks
from relay.store.sql.entries import ENTRY, VISIBLE, entry_of, released_at
from relay.store.sql.session import Session
from relay.suppression import EVERYWHERE, Reason, Suppression

_FIND = f"SELECT {ENTRY} FROM suppressions WHERE address_key IN (SELECT value FROM json_each(?)) AND {VISIBLE}"
# Both forms of an address in one statement: what is asked for each message must not become two.
_FIND_MARKED = f"""{_FIND}
    UNION ALL SELECT mark, reason, '{SOURCE}', created_at, '', scope, expires_at FROM erased_suppressions
    WHERE mark IN (SELECT value FROM json_each(?))"""
_KEEP = """INSERT INTO erased_suppressions (mark, scope, reason, created_at, expires_at) VALUES (?,?,?,?,?)
    ON CONFLICT (mark, scope, reason) DO UPDATE SET created_at = CASE
        WHEN excluded.created_at < erased_suppressions.created_at THEN excluded.created_at
        ELSE erased_suppressions.created_at END,
    expires_at = CASE WHEN excluded.expires_at = 0 OR erased_suppressions.expires_at = 0 THEN 0
        WHEN excluded.expires_at > erased_suppressions.expires_at THEN excluded.expires_at
        ELSE erased_suppressions.expires_at END"""
_IS_ERASED = "SELECT 1 FROM erased_addresses WHERE mark IN (SELECT value FROM json_each(?))"
_RELEASE = "DELETE FROM erased_suppressions WHERE mark IN (SELECT value FROM json_each(?)) AND scope = ?"
_OVER = "DELETE FROM erased_suppressions WHERE expires_at > 0 AND expires_at <= ?"
_MOVED = f"SELECT {ENTRY} FROM suppressions WHERE address_key = ?"  # also of a list that is still coming in


class Asked:
    """What finds the entries of some addresses, and these with the addresses in place of their marks."""

    def __init__(self, marks: Marks, keys: Iterable[str]) -> None:
        known = list(keys)
        self._marked = {mark: key for key in known for mark in marks.of(key)} if marks else {}
        self.query = _FIND_MARKED if marks else _FIND
        self.values = (json.dumps(known), json.dumps(list(self._marked))) if marks else (json.dumps(known),)

    def entries(self, rows: Iterable[Any]) -> Iterator[Suppression]:
        return (entry_of((self._marked.get(row[0], row[0]), *row[1:]) if self._marked else row) for row in rows)


def is_erased(db: Session, given: str) -> bool:
    """Whether the address was erased, or is about to be."""
    return bool(db.marks) and db.execute(_IS_ERASED, (_marks(db, address.key(given)),)).fetchone() is not None


def keep(db: Session, entry: Suppression) -> None:
    """The entry of an erased address: what it is, without whose. There must be a key."""
    mark = db.marks.of(address.key(entry.address))[0]
    put(db, mark, Kept(entry.scope, entry.reason, entry.created_at, entry.expires_at))


def put(db: Session, mark: str, kept: Kept) -> None:
    """The same of a mark; of two of one scope and reason what begins earlier and what ends later."""
    db.execute(_KEEP, (mark, kept.scope, kept.reason, kept.created_at, kept.expires_at))


def keep_fact(db: Session, entry: Suppression) -> None:
    """The same of what follows from a fact, unless somebody has let the address be mailed again since."""
    if entry.created_at > released_at(db, address.key(entry.address), entry.scope):
        keep(db, entry)


def move(db: Session, key: str) -> int:
    """All that is suppressed of an address, as what is kept of an erased one. How many entries."""
    found = [entry_of(row) for row in db.execute(_MOVED, (key,)).fetchall()]
    for entry in found:
        keep(db, entry)
    db.execute("DELETE FROM suppressions WHERE address_key = ?", (key,))
    return len(found)


def suppress(db: Session, given: str, at: float) -> None:
    """From all mail, from then on, and for ever."""
    keep(db, Suppression(address=given, reason=Reason.MANUAL, source=SOURCE, created_at=at, scope=EVERYWHERE))


def release(db: Session, key: str, scope: str) -> bool:
    """Whether anything kept mail of that scope from it."""
    return bool(db.marks) and db.execute(_RELEASE, (_marks(db, key), scope)).rowcount > 0


def expire(db: Session, now: float) -> int:
    """Those whose time is over; how many they were."""
    return db.execute(_OVER, (now,)).rowcount


def _marks(db: Session, key: str) -> str:
    return json.dumps(db.marks.of(key))
