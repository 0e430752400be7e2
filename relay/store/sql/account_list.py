"""What is known of SES's own suppression list, and what is to be done there."""

from __future__ import annotations

from collections.abc import Sequence

from relay import address
from relay.account_list import BEGINNING, SOURCE, UNTIL_LISTED, Errand, Listed, Place
from relay.store.sql import entries, erased
from relay.store.sql.entries import ENTRY, KEY, VISIBLE, entry_of
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer
from relay.suppression import EVERYWHERE, SES_WORDS, Reason, Release, Suppression

_STEP = 200
_LOOKED_AT = 1000

_KNOWN = "SELECT until FROM account_list_known"
_DUE = """SELECT address_key, address, reason, tries FROM account_list_errands WHERE due_at <= ?
    ORDER BY reason <> '', due_at LIMIT 1"""  # what is to be deleted there first
_SPELLINGS = "SELECT address FROM account_list WHERE address_key = ?"
# Ours, by address, each with whether SES has it, or is about to.
_OURS = f"""SELECT {KEY}, EXISTS (SELECT 1 FROM account_list a WHERE a.address_key = s.address_key)
        OR EXISTS (SELECT 1 FROM account_list_errands e WHERE e.address_key = s.address_key), {ENTRY}
    FROM suppressions s WHERE ({KEY}) > (?, ?, ?, ?) AND {VISIBLE} ORDER BY {KEY} LIMIT {_LOOKED_AT}"""
_ERRAND = """INSERT INTO account_list_errands (address_key, address, reason, tries, due_at) VALUES (?,?,?,0,0)
    ON CONFLICT DO NOTHING"""
_TO_DELETE = """INSERT INTO account_list_errands (address_key, address, reason, tries, due_at) VALUES (?,?,'',0,?)
    ON CONFLICT (address_key) DO UPDATE SET address = excluded.address, reason = '', tries = 0, due_at = excluded.due_at"""
_LISTED = "INSERT INTO account_list (address_key, address) VALUES (?,?) ON CONFLICT DO NOTHING"
_KNOW = "INSERT INTO account_list_known (id, until) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET until = excluded.until"
_SAME = "address_key = ? AND reason = ? AND tries = ?"  # another may have taken its place meanwhile


class SqlAccountList:
    """Implements ports.AccountListStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def known_until(self) -> float:
        rows = await self._reader.rows(_KNOWN, ())
        return float(rows[0][0]) if rows else 0.0

    async def know_until(self, at: float) -> None:
        await self._writer.run(_know_all, at)

    async def learn(self, page: Sequence[Listed], *, now: float, dry: bool) -> int:
        count = 0
        for first in range(0, len(page), _STEP):
            count += await self._writer.run(_learn_all, (page[first : first + _STEP], now, dry))
        return count

    async def missing(self, after: Place) -> tuple[tuple[Suppression, ...], Place]:
        rows = await self._reader.rows(_OURS, after)
        found = (entry_of(columns) for _, _, _, _, is_there, *columns in rows if not is_there)
        key, scope, reason, import_id, *_ = rows[-1] if len(rows) == _LOOKED_AT else BEGINNING
        return tuple(filter(_belongs_there, found)), (key, scope, reason, import_id)

    async def queue(self, missing: Sequence[Suppression]) -> int:
        return await self._writer.run(_queue_all, missing) if missing else 0

    async def due(self, now: float) -> Errand | None:
        for key, given, reason, tries in await self._reader.rows(_DUE, (now,)):
            spellings = tuple(row[0] for row in await self._reader.rows(_SPELLINGS, (key,)))
            return Errand(address=given, reason=Reason(reason) if reason else None, tries=tries, spellings=spellings)
        return None

    async def done(self, errand: Errand, *, now: float, in_vain: bool = False) -> None:
        await self._writer.run(_done_all, (errand, now, in_vain))

    async def postpone(self, errand: Errand, *, until: float) -> None:
        await self._writer.run(_postpone_all, (errand, until))


def _belongs_there(entry: Suppression) -> bool:
    return entry.reason in SES_WORDS and entry.scope == EVERYWHERE and not entry.expires_at


def to_delete(db: Session, given: str, at: float) -> None:
    """In place of whatever else was to be done with the address; as it is written there, if we know."""
    db.execute(_TO_DELETE, (address.key(given), given, at))


def is_to_go(db: Session, key: str) -> bool:
    """Whether SES has still to be asked to delete it."""
    query = "SELECT 1 FROM account_list_errands WHERE address_key = ? AND reason = '' AND due_at < ?"
    return db.execute(query, (key, UNTIL_LISTED)).fetchone() is not None


def _know_all(db: Session, items: Sequence[float]) -> list[float]:
    """What SES did not list by now it does not have."""
    db.execute(_KNOW, (items[-1],))
    db.execute("DELETE FROM account_list_errands WHERE due_at >= ?", (UNTIL_LISTED,))
    return list(items)


def _learn_all(db: Session, items: Sequence[tuple[Sequence[Listed], float, bool]]) -> list[int]:
    return [_learn(db, *item) for item in items]


def _learn(db: Session, page: Sequence[Listed], now: float, dry: bool) -> int:
    """How many are new here; a dry run leaves all as it was."""
    db.execute("SAVEPOINT learning")
    added = sum(_learn_one(db, listed, now) for listed in page)
    if dry:
        db.execute("ROLLBACK TO learning")
    db.execute("RELEASE learning")
    return added


def _learn_one(db: Session, listed: Listed, now: float) -> bool:
    """What is newer there than its removal here is not to be deleted there any more; what is not can be, now. An erased address
    does not come back: only what keeps mail from it does.
    """
    if erased.is_erased(db, listed.address):
        erased.keep_fact(db, listed.entry(now))
        return False
    key = address.key(listed.address)
    db.execute(_LISTED, (key, listed.address))
    is_new = entries.add_fact(db, listed.entry(now), at=now)
    if is_new:
        db.execute("DELETE FROM account_list_errands WHERE address_key = ? AND reason = ''", (key,))
    else:
        db.execute("UPDATE account_list_errands SET due_at = 0 WHERE address_key = ? AND due_at >= ?", (key, UNTIL_LISTED))
    return is_new


def _queue_all(db: Session, items: Sequence[Sequence[Suppression]]) -> list[int]:
    return [sum(_queue(db, entry) for entry in missing) for missing in items]


def _queue(db: Session, entry: Suppression) -> int:
    values = (address.key(entry.address), entry.address, entry.reason)
    return db.execute(_ERRAND, values).rowcount


def _done_all(db: Session, items: Sequence[tuple[Errand, float, bool]]) -> list[bool]:
    return [_done(db, *item) for item in items]


def _done(db: Session, errand: Errand, now: float, in_vain: bool) -> bool:
    """What is refused for good counts as if it were there: it would be refused again. Who was removed while SES was asked to
    put him there stands on its list with a later time.
    """
    key = address.key(errand.address)
    if errand.reason and is_to_go(db, key):
        release = Release(address=errand.address, source=SOURCE, at=now, note="was put there while it was removed here")
        entries.release_later(db, release)
    gone = db.execute(f"DELETE FROM account_list_errands WHERE {_SAME}", (key, errand.reason or "", errand.tries)).rowcount
    if errand.reason:
        db.execute(_LISTED, (key, errand.address))
    elif not in_vain:
        db.execute("DELETE FROM account_list WHERE address_key = ?", (key,))
    return bool(gone)


def _postpone_all(db: Session, items: Sequence[tuple[Errand, float]]) -> list[bool]:
    return [_postpone(db, errand, until) for errand, until in items]


def _postpone(db: Session, errand: Errand, until: float) -> bool:
    values = (until, address.key(errand.address), errand.reason or "", errand.tries)
    return bool(db.execute(f"UPDATE account_list_errands SET tries = tries + 1, due_at = ? WHERE {_SAME}", values).rowcount)
