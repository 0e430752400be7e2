"""The suppression list on SQLite. Look-ups that wait at the same time share one query."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiosqlite

from relay import address
from relay.errors import StoreUnavailable
from relay.model import Reason, Suppression
from relay.store.sqlite.writer import Writer

_COLUMNS = "address, reason, source, created_at, note"
_FIND = f"SELECT address_key, {_COLUMNS} FROM suppressions WHERE address_key IN (SELECT value FROM json_each(?))"


def _suppression_of(row: Any) -> Suppression:
    return Suppression(address=row[0], reason=Reason(row[1]), source=row[2], created_at=row[3], note=row[4])


def find(db: sqlite3.Connection, recipients: Collection[str]) -> dict[str, Suppression]:
    """Those that must not be mailed, by the address as given: the truth inside a transaction."""
    keys = json.dumps([address.key(recipient) for recipient in recipients])
    by_key = {row[0]: _suppression_of(row[1:]) for row in db.execute(_FIND, (keys,))}
    return {recipient: by_key[key] for recipient in recipients if (key := address.key(recipient)) in by_key}


def add(db: sqlite3.Connection, suppression: Suppression) -> bool:
    """False if the address was there already: the first reason stands."""
    cursor = db.execute(
        f"INSERT INTO suppressions (address_key, {_COLUMNS}) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        (
            address.key(suppression.address),
            suppression.address,
            suppression.reason,
            suppression.source,
            suppression.created_at,
            suppression.note,
        ),
    )
    return cursor.rowcount == 1


def _add_all(db: sqlite3.Connection, items: Sequence[Suppression]) -> list[bool]:
    return [add(db, suppression) for suppression in items]


def _remove_all(db: sqlite3.Connection, items: Sequence[str]) -> list[bool]:
    return [_remove(db, wanted) for wanted in items]


def _remove(db: sqlite3.Connection, wanted: str) -> bool:
    return db.execute("DELETE FROM suppressions WHERE address_key = ?", (address.key(wanted),)).rowcount == 1


class SqliteSuppressions:
    """Implements ports.Suppressions."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._waiting: dict[str, list[asyncio.Future[Suppression | None]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def find(self, addresses: Collection[str]) -> Mapping[str, Suppression]:
        loop = asyncio.get_running_loop()
        answers: dict[str, asyncio.Future[Suppression | None]] = {}
        for wanted in addresses:
            answers[wanted] = loop.create_future()
            self._waiting.setdefault(address.key(wanted), []).append(answers[wanted])
        if self._looking is None:
            self._looking = loop.create_task(self._look())
        await asyncio.gather(*answers.values())
        return {wanted: found for wanted, answer in answers.items() if (found := answer.result())}

    async def _look(self) -> None:
        """One query at a time, for all who have asked since the last one began."""
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                _answer(waiting, await self._query(list(waiting)))
            except Exception as error:  # whatever it is, nobody may be left waiting
                _answer(waiting, StoreUnavailable(repr(error)))
        self._looking = None

    async def _query(self, keys: list[str]) -> dict[str, Suppression]:
        rows = await self._reader.execute_fetchall(_FIND, (json.dumps(keys),))
        return {row[0]: _suppression_of(row[1:]) for row in rows}

    async def add(self, suppression: Suppression) -> bool:
        return await self._writer.run(_add_all, suppression)

    async def remove(self, address: str) -> bool:
        return await self._writer.run(_remove_all, address)

    async def newest(self, *, limit: int, reason: Reason | None = None) -> tuple[Suppression, ...]:
        rows = await self._reader.execute_fetchall(
            f"SELECT {_COLUMNS} FROM suppressions WHERE ? IS NULL OR reason = ? ORDER BY created_at DESC LIMIT ?",
            (reason, reason, limit),
        )
        return tuple(_suppression_of(row) for row in rows)


def _answer(
    waiting: Mapping[str, list[asyncio.Future[Suppression | None]]], found: Mapping[str, Suppression] | StoreUnavailable
) -> None:
    for key, futures in waiting.items():
        for future in futures:
            if future.done():
                continue
            if isinstance(found, StoreUnavailable):
                future.set_exception(found)
            else:
                future.set_result(found.get(key))
