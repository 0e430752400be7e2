"""The suppression list on SQLite. Look-ups that wait at the same time share one query."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

import aiosqlite

from relay import address
from relay.errors import StoreUnavailable
from relay.model import Reason, Suppression
from relay.store.sqlite.writer import Writer

_COLUMNS = "address, reason, source, created_at, note"


def _suppression_of(row: Any) -> Suppression:
    return Suppression(address=row[0], reason=Reason(row[1]), source=row[2], created_at=row[3], note=row[4])


def of(db: sqlite3.Connection, recipient: str) -> Suppression | None:
    """Why the address must not be mailed, if so: the truth inside a transaction."""
    row = db.execute(f"SELECT {_COLUMNS} FROM suppressions WHERE address_key = ?", (address.key(recipient),)).fetchone()
    return _suppression_of(row) if row else None


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
                found = await self._query(list(waiting))
            except sqlite3.Error as error:
                _answer(waiting, StoreUnavailable(repr(error)))
            else:
                _answer(waiting, found)
        self._looking = None

    async def _query(self, keys: list[str]) -> dict[str, Suppression]:
        rows = await self._reader.execute_fetchall(
            f"SELECT address_key, {_COLUMNS} FROM suppressions WHERE address_key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        return {row[0]: _suppression_of(row[1:]) for row in rows}

    async def add(self, suppression: Suppression) -> bool:
        return await self._writer.run(lambda db: add(db, suppression))

    async def remove(self, address: str) -> bool:
        return await self._writer.run(lambda db: _remove(db, address))

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
