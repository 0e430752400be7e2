"""Logins on SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from relay.errors import StoreUnavailable
from relay.model import Credential, Kind, OnSuppressed, Recipients
from relay.store.sqlite.writer import Writer

_COLUMNS = "name, kind, password_hash, senders, networks, recipients, on_suppressed, null_sender, enhanced_codes, disabled"


def _credential_of(row: Any) -> Credential:
    return Credential(
        name=row[0],
        kind=Kind(row[1]),
        password_hash=row[2],
        senders=tuple(json.loads(row[3])),
        networks=tuple(json.loads(row[4])),
        recipients=Recipients(row[5]),
        on_suppressed=OnSuppressed(row[6]),
        null_sender=row[7],
        enhanced_codes=bool(row[8]),
        disabled=bool(row[9]),
    )


def _put_all(db: sqlite3.Connection, items: Sequence[Credential]) -> list[None]:
    for credential in items:
        _put(db, credential)
    return [None] * len(items)


def _put(db: sqlite3.Connection, credential: Credential) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO credentials ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            credential.name,
            credential.kind,
            credential.password_hash,
            json.dumps(credential.senders),
            json.dumps(credential.networks),
            credential.recipients,
            credential.on_suppressed,
            credential.null_sender,
            credential.enhanced_codes,
            credential.disabled,
        ),
    )


class SqliteCredentials:
    """Implements ports.Credentials."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, name: str) -> Credential | None:
        rows = await self._rows("WHERE name = ?", (name,))
        return rows[0] if rows else None

    async def all(self) -> tuple[Credential, ...]:
        return await self._rows("ORDER BY name", ())

    async def put(self, credential: Credential) -> None:
        await self._writer.run(_put_all, credential)

    async def _rows(self, tail: str, values: tuple[Any, ...]) -> tuple[Credential, ...]:
        try:
            rows = await self._reader.execute_fetchall(f"SELECT {_COLUMNS} FROM credentials {tail}", values)
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error
        return tuple(_credential_of(row) for row in rows)
