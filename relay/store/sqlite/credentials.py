"""Logins on SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from relay import ids
from relay.errors import StoreUnavailable
from relay.model import Credential, Kind, LastUse, LineEnds, OnSuppressed, Recipients
from relay.store.sqlite.writer import Writer

_COLUMNS = (
    "name, kind, password_hashes, senders, networks, recipients, on_suppressed, null_sender, enhanced_codes, line_ends,"
    " per_minute, per_day, disabled"
)


def _credential_of(row: Any) -> Credential:
    return Credential(
        name=row[0],
        kind=Kind(row[1]),
        password_hashes=tuple(json.loads(row[2])),
        senders=tuple(json.loads(row[3])),
        networks=tuple(json.loads(row[4])),
        recipients=Recipients(row[5]),
        on_suppressed=OnSuppressed(row[6]),
        null_sender=row[7],
        enhanced_codes=bool(row[8]),
        line_ends=LineEnds(row[9]),
        per_minute=row[10],
        per_day=row[11],
        disabled=bool(row[12]),
    )


def _row_of(credential: Credential) -> tuple[Any, ...]:
    return (
        credential.name,
        credential.kind,
        json.dumps(credential.password_hashes),
        json.dumps(credential.senders),
        json.dumps(credential.networks),
        credential.recipients,
        credential.on_suppressed,
        credential.null_sender,
        credential.enhanced_codes,
        credential.line_ends,
        credential.per_minute,
        credential.per_day,
        credential.disabled,
    )


def _put_all(db: sqlite3.Connection, items: Sequence[Credential]) -> list[None]:
    marks = ",".join("?" * (_COLUMNS.count(",") + 1))
    db.executemany(f"INSERT OR REPLACE INTO credentials ({_COLUMNS}) VALUES ({marks})", map(_row_of, items))
    db.execute(
        "DELETE FROM logins WHERE NOT EXISTS (SELECT 1 FROM credentials c, json_each(c.password_hashes)"
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
        rows = await self._rows(f"SELECT {_COLUMNS} FROM credentials WHERE name = ?", name)
        return _credential_of(rows[0]) if rows else None

    async def all(self) -> tuple[Credential, ...]:
        return tuple(_credential_of(row) for row in await self._rows(f"SELECT {_COLUMNS} FROM credentials ORDER BY name"))

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
