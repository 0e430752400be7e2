"""The suppression list. Look-ups that wait at the same time share one query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from relay import address
from relay.erasure import Marks
from relay.errors import StoreUnavailable
from relay.ports.suppressions import Newest, Spot
from relay.store.sql import account_list, entries, erased, newest
from relay.store.sql.entries import ENTRY, KEY, VISIBLE, entry_of
from relay.store.sql.erased import Asked
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer
from relay.suppression import (
    EVERYWHERE,
    Change,
    Filter,
    PastChange,
    Reason,
    Release,
    Sought,
    Suppressed,
    Suppression,
    of_credential,
)

_AT_ONCE = 1000
_LAST_SCOPE = "~"  # behind all others
_FITS = f"""(CAST(:reason AS TEXT) IS NULL OR reason = :reason)
    AND (CAST(:scope AS TEXT) IS NULL OR scope = :scope) AND {VISIBLE}
    AND (:own = '' OR scope = :own OR substr(scope, 1, length(:others)) <> :others)
    AND (:text = '' OR instr(address_key, :text) > 0) AND created_at >= :since AND (:until = 0 OR created_at < :until)"""
_OWN = f"SELECT {ENTRY} FROM suppressions WHERE import_id = 0 AND {_FITS} ORDER BY created_at DESC LIMIT :limit"
_IMPORTED = f"SELECT {ENTRY} FROM suppressions WHERE import_id > 0 AND {_FITS} ORDER BY import_id DESC LIMIT :limit"
_PAGE = f"""SELECT {KEY}, {ENTRY} FROM suppressions WHERE ({KEY}) > (:key, :after_scope, :after_reason, :after_import)
    AND {_FITS} AND (expires_at = 0 OR expires_at > :now) ORDER BY {KEY} LIMIT {_AT_ONCE}"""
_HISTORY = "SELECT at, change, address, scope, reason, source, note FROM suppression_history WHERE address_key = ? ORDER BY id"


def find(db: Session, recipients: Collection[str]) -> Suppressed:
    """The truth inside a transaction."""
    asked = Asked(db.marks, map(address.key, recipients))
    return Suppressed(asked.entries(db.execute(asked.query, asked.values)))


class SqlSuppressions:
    """Implements ports.Suppressions."""

    def __init__(self, writer: Writer, reader: Reader, marks: Marks) -> None:
        self._writer = writer
        self._reader = reader
        self._marks = marks
        self._waiting: list[tuple[list[str], asyncio.Future[Suppressed]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def find(self, addresses: Collection[str]) -> Suppressed:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Suppressed] = loop.create_future()
        self._waiting.append(([address.key(each) for each in addresses], answer))
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        """One query at a time, for all who have asked since the last one began."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                asked = Asked(self._marks, (key for keys, _ in waiting for key in keys))
                _answer(waiting, Suppressed(asked.entries(await self._reader.rows(asked.query, asked.values))))
            except Exception as error:  # whatever it is, nobody may be left waiting
                _answer(waiting, StoreUnavailable(repr(error)))
        self._looking = None

    async def add(self, suppression: Suppression) -> bool:
        return await self._writer.run(_add_all, suppression)

    async def remove(self, release: Release) -> bool:
        return await self._writer.run(_remove_all, release)

    async def newest(self, wanted: Sought, *, behind: Spot | None, count: int) -> Newest:
        return await newest.found(self._reader, wanted, behind, count)

    async def listed(self, wanted: Filter, *, limit: int) -> tuple[Suppression, ...]:
        rows = await self._reader.rows(_OWN, _values(wanted) | {"limit": limit})
        rows += await self._reader.rows(_IMPORTED, _values(wanted) | {"limit": limit - len(rows)}) if len(rows) < limit else []
        return tuple(map(entry_of, rows))

    async def pages(self, wanted: Filter, *, now: float, after: str = "") -> AsyncIterator[tuple[Suppression, ...]]:
        names = ("key", "after_scope", "after_reason", "after_import")
        behind = (after, _LAST_SCOPE if after else "", "", 0)
        values = _values(wanted) | {"now": now} | dict(zip(names, behind, strict=True))
        while rows := await self._reader.rows(_PAGE, values):
            yield tuple(entry_of(row[len(names) :]) for row in rows)
            values |= zip(names, rows[-1], strict=False)

    async def history(self, wanted: str) -> tuple[PastChange, ...]:
        return tuple(_change_of(row) for row in await self._reader.rows(_HISTORY, (address.key(wanted),)))


def _values(wanted: Filter) -> dict[str, Any]:
    return {
        "reason": wanted.reason,
        "scope": wanted.scope,
        "own": of_credential(wanted.credential) if wanted.credential else "",
        "others": of_credential(""),
        "text": wanted.text.lower(),
        "since": wanted.since,
        "until": wanted.until,
    }


def _answer(waiting: Sequence[tuple[list[str], asyncio.Future[Suppressed]]], found: Suppressed | StoreUnavailable) -> None:
    for _, future in waiting:
        if future.done():
            continue
        if isinstance(found, StoreUnavailable):
            future.set_exception(found)
        else:
            future.set_result(found)


def _change_of(row: Any) -> PastChange:
    return PastChange(
        at=row[0],
        change=Change(row[1]),
        address=row[2],
        scope=row[3],
        reason=Reason(row[4]) if row[4] else None,
        source=row[5],
        note=row[6],
    )


def _add_all(db: Session, items: Sequence[Suppression]) -> list[bool]:
    return [entries.add(db, suppression, at=suppression.created_at) for suppression in items]


def _remove_all(db: Session, items: Sequence[Release]) -> list[bool]:
    return [_remove(db, release) for release in items]


def _remove(db: Session, release: Release) -> bool:
    """At SES as well, where its list may have the address even if ours has not."""
    if release.scope == EVERYWHERE and not release.keep_at_ses:
        account_list.to_delete(db, release.address, release.at)
    was_erased = erased.release(db, address.key(release.address), release.scope)
    return entries.remove(db, release) or was_erased
