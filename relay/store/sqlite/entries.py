"""Entries of the suppression list inside a transaction: each change with its line of history."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from relay import address
from relay.suppression import Change, Reason, Release, Suppression

ENTRY = "address, reason, source, created_at, note, scope, expires_at"
VISIBLE = "(import_id IS NULL OR import_id NOT IN (SELECT id FROM imports WHERE finished_at IS NULL))"
_ANY = f"SELECT {ENTRY} FROM suppressions WHERE address_key = ? AND scope = ?"
_ONE = f"{_ANY} AND {VISIBLE}"
# One of an import that is under way: the import's may be the graver of both, and would be lost where it makes room.
_STAGED = f"""INSERT OR REPLACE INTO suppressions_due (import_id, address_key, {ENTRY})
    SELECT import_id, address_key, {ENTRY} FROM suppressions WHERE address_key = ? AND scope = ? AND NOT {VISIBLE}"""
_STEP = 500


def entry_of(row: Any) -> Suppression:
    """An entry out of the columns of `ENTRY`."""
    return Suppression(
        address=row[0],
        reason=Reason(row[1]),
        source=row[2],
        created_at=row[3],
        note=row[4],
        scope=row[5],
        expires_at=row[6],
    )


def values(entry: Suppression) -> tuple[str | float, ...]:
    """The columns of `ENTRY` out of an entry."""
    return (entry.address, entry.reason, entry.source, entry.created_at, entry.note, entry.scope, entry.expires_at)


def standing(db: sqlite3.Connection, key: str, scope: str) -> Suppression | None:
    """The entry of an address key and scope, if it is over or not."""
    row = db.execute(_ONE, (key, scope)).fetchone()
    return entry_of(row) if row else None


def add(db: sqlite3.Connection, new: Suppression, *, at: float) -> bool:
    """False where an entry that is as grave, or graver, stands already. `at` is for the history."""
    old = standing(db, address.key(new.address), new.scope)
    is_there = old is not None and not 0 < old.expires_at <= at
    if old and is_there and not new.outweighs(old):
        return False
    put(db, new)
    _note(db, new, Change.CHANGED if is_there else Change.ADDED, at)
    return True


def add_fact(db: sqlite3.Connection, new: Suppression, *, at: float) -> bool:
    """The same for what follows from a fact of `created_at`, unless the address was released since."""
    return new.created_at > released_at(db, address.key(new.address), new.scope) and add(db, new, at=at)


def put(db: sqlite3.Connection, new: Suppression) -> None:
    """In place of what is there."""
    key = address.key(new.address)
    db.execute(_STAGED, (key, new.scope))
    db.execute(
        f"INSERT INTO suppressions (address_key, {ENTRY}) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
        " address = excluded.address, reason = excluded.reason, source = excluded.source, created_at = excluded.created_at,"
        " note = excluded.note, expires_at = excluded.expires_at, import_id = NULL",
        (key, *values(new)),
    )


def remove(db: sqlite3.Connection, release: Release) -> bool:
    """By somebody who knows better than all facts of until now, and than a list that is coming in."""
    row = db.execute(_ANY, (address.key(release.address), release.scope)).fetchone()
    found = entry_of(row) if row else None
    if found:
        _delete(db, found)
        released = replace(found, address=release.address, source=release.source, note=release.note)
        _note(db, released, Change.REMOVED, release.at)
    return found is not None


def opt_in(db: sqlite3.Connection, release: Release) -> bool:
    """As `remove` for those who had unsubscribed and came back; what they did before that counts no more, in any order."""
    found = standing(db, address.key(release.address), release.scope)
    is_over = found is not None and found.reason is Reason.UNSUBSCRIBED and found.created_at < release.at
    if found and is_over:
        _delete(db, found)
    gone = Suppression(
        address=release.address,
        reason=Reason.UNSUBSCRIBED,
        source=release.source,
        created_at=release.at,
        scope=release.scope,
        note=release.note,
    )
    _note(db, gone, Change.REMOVED, release.at)
    return is_over


def revoke(db: sqlite3.Connection, found: Suppression, *, note: str, at: float) -> None:
    """What led to it does not hold any more; new facts may."""
    _delete(db, found)
    _note(db, replace(found, note=note), Change.REVOKED, at)


def expire(db: sqlite3.Connection, now: float) -> int:
    """Some of those whose time is over; 0 when there are no more."""
    query = f"SELECT {ENTRY} FROM suppressions WHERE expires_at > 0 AND expires_at <= ? AND {VISIBLE} LIMIT {_STEP}"
    rows = db.execute(query, (now,))
    over = [entry_of(row) for row in rows.fetchall()]
    for found in over:
        end(db, found, now)
    return len(over)


def end(db: sqlite3.Connection, found: Suppression, now: float) -> None:
    """Its time is over."""
    _delete(db, found)
    _note(db, found, Change.EXPIRED, now)


def released_at(db: sqlite3.Connection, key: str, scope: str) -> float:
    """When somebody removed the entry last, 0.0 for never."""
    query = "SELECT max(at) FROM suppression_history WHERE address_key = ? AND scope = ? AND change = ?"
    ((at,),) = db.execute(query, (key, scope, Change.REMOVED))
    return at or 0.0


def _delete(db: sqlite3.Connection, found: Suppression) -> None:
    db.execute("DELETE FROM suppressions WHERE address_key = ? AND scope = ?", (address.key(found.address), found.scope))


def _note(db: sqlite3.Connection, of: Suppression, change: Change, at: float) -> None:
    db.execute(
        "INSERT INTO suppression_history (address_key, scope, at, change, address, reason, source, note)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (address.key(of.address), of.scope, at, change, of.address, of.reason, of.source, of.note),
    )
