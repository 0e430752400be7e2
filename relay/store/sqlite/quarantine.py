"""Messages of queues that could not be used, on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from relay.errors import StoreUnavailable
from relay.ports.event_queues import Quarantined
from relay.store.sqlite.writer import Writer

_COLUMNS = "id, queue, sent_at, received_at, reason, body"


class SqliteQuarantine:
    """Implements ports.Quarantine."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def put(self, found: Quarantined) -> bool:
        return await self._writer.run(_put_all, found)

    async def get(self, id: str) -> Quarantined | None:
        rows = await self._rows(f"SELECT {_COLUMNS} FROM quarantine WHERE id = ?", id)
        return _found(rows[0]) if rows else None

    async def newest(self, *, limit: int) -> tuple[Quarantined, ...]:
        return tuple(map(_found, await self._rows(f"SELECT {_COLUMNS} FROM quarantine ORDER BY rowid DESC LIMIT ?", limit)))

    async def ids(self) -> tuple[str, ...]:
        return tuple(id for (id,) in await self._rows("SELECT id FROM quarantine ORDER BY rowid"))

    async def remove(self, id: str) -> None:
        await self._writer.run(_remove_all, id)

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        try:
            return list(await self._reader.execute_fetchall(query, values))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error


def _found(row: Sequence[Any]) -> Quarantined:
    id, queue, sent_at, received_at, reason, body = row
    text = body.decode("utf-8", "surrogatepass")
    return Quarantined(id=id, queue=queue, sent_at=sent_at, received_at=received_at, reason=reason, body=text)


def _put_all(db: sqlite3.Connection, items: Sequence[Quarantined]) -> list[bool]:
    return [_put(db, found) for found in items]


def _put(db: sqlite3.Connection, found: Quarantined) -> bool:
    if db.execute("UPDATE quarantine SET reason = ? WHERE id = ?", (found.reason, found.id)).rowcount:
        return False
    body = found.body.encode("utf-8", "surrogatepass")
    values = (found.id, found.queue, found.sent_at, found.received_at, found.reason, body)
    db.execute(f"INSERT INTO quarantine ({_COLUMNS}) VALUES (?,?,?,?,?,?)", values)
    return True


def _remove_all(db: sqlite3.Connection, items: Sequence[str]) -> list[None]:
    db.executemany("DELETE FROM quarantine WHERE id = ?", [(id,) for id in items])
    return [None] * len(items)
