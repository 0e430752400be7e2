"""Logins on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from relay import documents, ids
from relay.credential import Credential, LastUse
from relay.errors import StoreUnavailable
from relay.store.sqlite.writer import Writer


def _put_all(db: sqlite3.Connection, items: Sequence[Credential]) -> list[None]:
    rows = [(credential.name, documents.written(credential)) for credential in items]
    db.executemany("INSERT OR REPLACE INTO credentials (name, document) VALUES (?,?)", rows)
    db.execute(
        "DELETE FROM logins WHERE NOT EXISTS (SELECT 1 FROM credentials c, json_each(c.document, '$.password_hashes')"
        " WHERE c.name = logins.name AND value = logins.password_hash)"
    )
    return [None] * len(items)


def _note_uses(db: sqlite3.Connection, uses: Sequence[LastUse]) -> list[None]:
    rows = [(use.name, use.password_hash, use.at, use.peer, use.helo) for use in uses]
    db.executemany("INSERT OR REPLACE INTO logins (name, password_hash, at, peer, helo) VALUES (?,?,?,?,?)", rows)
    return [None] * len(uses)


class SqliteCredentials:
    """Implements ports.Credentials."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, name: str) -> Credential | None:
        rows = await self._rows("SELECT document FROM credentials WHERE name = ?", name)
        return documents.read(Credential, rows[0][0]) if rows else None

    async def all(self) -> tuple[Credential, ...]:
        rows = await self._rows("SELECT document FROM credentials ORDER BY name")
        return tuple(documents.read(Credential, document) for (document,) in rows)

    async def put(self, credential: Credential) -> None:
        await self._writer.run(_put_all, credential)

    async def note_use(self, use: LastUse) -> None:
        await self._writer.run(_note_uses, use)

    async def last_uses(self) -> tuple[LastUse, ...]:
        rows = await self._rows("SELECT name, password_hash, at, peer, helo FROM logins ORDER BY name, at DESC")
        return tuple(LastUse(name=name, password_hash=h, at=at, peer=peer, helo=helo) for name, h, at, peer, helo in rows)

    async def accepted_since(self, at: float) -> dict[str, int]:
        rows = await self._rows(
            "SELECT credential, count(*) FROM messages WHERE id >= ? AND accepted_at >= ? GROUP BY credential",
            ids.ulid(at, bytes(10)),
            at,
        )
        return dict(rows)

    async def _rows(self, query: str, *values: Any) -> list[Any]:
        try:
            return list(await self._reader.execute_fetchall(query, values))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error
