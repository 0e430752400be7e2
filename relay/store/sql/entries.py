"""Entries of the suppression list inside a transaction: each change with its line of history.

An address has one of each scope and reason, and one more of each list that was imported: what one of them brought, only that
one's end takes away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from relay import address
from relay.store.sql.session import Session
from relay.suppression import EVERYWHERE, SES_WORDS, Change, Reason, Release, Suppression

ENTRY = "address, reason, source, created_at, note, scope, expires_at"
KEY = "address_key, scope, reason, import_id"  # 0 is no import
VISIBLE = "import_id NOT IN (SELECT id FROM imports WHERE finished_at IS NULL)"
_OWN = f"SELECT {ENTRY} FROM suppressions WHERE address_key = ? AND scope = ? AND reason = ? AND import_id = 0"
_ALL = "DELETE FROM suppressions WHERE address_key = ? AND scope = ?"
_BEFORE = f"{_ALL} AND reason = ? AND created_at < ? AND {VISIBLE}"  # also what lists have brought
PUT = f"""INSERT INTO suppressions (import_id, address_key, {ENTRY}) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT ({KEY}) DO UPDATE
    SET address = excluded.address, source = excluded.source, created_at = excluded.created_at, note = excluded.note,
    expires_at = excluded.expires_at"""
_OVER = f"""DELETE FROM suppressions WHERE ({KEY}) IN
    (SELECT {KEY} FROM suppressions WHERE expires_at > 0 AND expires_at <= ? AND {VISIBLE} LIMIT 500) RETURNING {ENTRY}"""
# SES has put it there by itself, or is asked to: what was to be deleted there for an earlier removal stays.
_STAYS_AT_SES = "DELETE FROM account_list_errands WHERE address_key = ? AND reason = ''"


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


def standing(db: Session, key: str, scope: str, reason: Reason) -> Suppression | None:
    """The entry of an address key, scope and reason that no list has brought, if it is over or not."""
    row = db.execute(_OWN, (key, scope, reason)).fetchone()
    return entry_of(row) if row else None


def add(db: Session, new: Suppression, *, at: float) -> bool:
    """False where one of that reason stands already, for as long and since then. `at` is for the history."""
    key = address.key(new.address)
    old = standing(db, key, new.scope, new.reason)
    is_there = old is not None and not 0 < old.expires_at <= at
    if old and is_there and not new.replaces(old):
        return False
    db.execute(PUT, (0, key, *values(new)))
    if new.scope == EVERYWHERE and new.reason in SES_WORDS:
        db.execute(_STAYS_AT_SES, (key,))
    _note(db, new, Change.CHANGED if is_there else Change.ADDED, at)
    return True


def add_fact(db: Session, new: Suppression, *, at: float) -> bool:
    """The same for what follows from a fact of `created_at`, unless the address was released since."""
    return new.created_at > released_at(db, address.key(new.address), new.scope) and add(db, new, at=at)


def remove(db: Session, release: Release) -> bool:
    """All of a scope, by somebody who knows better than all facts of until now, and than a list that is coming in: it is
    noted also where nothing is there. Whether anything was.
    """
    key = address.key(release.address)
    gone = db.execute(f"{_ALL} RETURNING {VISIBLE}, reason", (key, release.scope)).fetchall()
    for reason in sorted({reason for _, reason in gone}) or [""]:
        _write(db, release, Change.REMOVED, reason, release.at)
    return any(is_visible for is_visible, _ in gone)


def release_later(db: Session, release: Release) -> None:
    """The release was at a later time than was noted."""
    _write(db, release, Change.REMOVED, "", release.at)


def opt_in(db: Session, release: Release) -> bool:
    """As `remove` for those who had unsubscribed and came back; what they did before that counts no more, in any order."""
    key = address.key(release.address)
    is_over = db.execute(_BEFORE, (key, release.scope, Reason.UNSUBSCRIBED, release.at)).rowcount > 0
    if is_over or released_at(db, key, release.scope) < release.at:
        _write(db, release, Change.REMOVED, Reason.UNSUBSCRIBED, release.at)
    return is_over


def revoke(db: Session, found: Suppression, *, note: str, at: float) -> None:
    """What led to it does not hold any more; new facts may."""
    _delete(db, address.key(found.address), found.scope, found.reason)
    _note(db, replace(found, note=note), Change.REVOKED, at)


def expire(db: Session, now: float) -> int:
    """Some of those whose time is over; 0 when there are no more."""
    over = [entry_of(row) for row in db.execute(_OVER, (now,)).fetchall()]
    for found in over:
        _note(db, found, Change.EXPIRED, now)
    return len(over)


def released_at(db: Session, key: str, scope: str) -> float:
    """When somebody removed the entries of it last, -1.0 for never."""
    query = "SELECT max(at) FROM suppression_history WHERE address_key = ? AND scope = ? AND change = ?"
    ((at,),) = db.execute(query, (key, scope, Change.REMOVED))
    return -1.0 if at is None else float(at)


def _delete(db: Session, key: str, scope: str, reason: Reason) -> None:
    db.execute(f"{_ALL} AND reason = ? AND import_id = 0", (key, scope, reason))


def _note(db: Session, of: Suppression, change: Change, at: float) -> None:
    _write(db, of, change, of.reason, at)


def _write(db: Session, of: Suppression | Release, change: Change, reason: str, at: float) -> None:
    db.execute(
        "INSERT INTO suppression_history (address_key, scope, at, change, address, reason, source, note)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (address.key(of.address), of.scope, at, change, of.address, reason, of.source, of.note),
    )
