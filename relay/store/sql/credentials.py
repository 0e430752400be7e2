"""Logins."""

from __future__ import annotations

import json
from collections.abc import Sequence

from relay import documents, ids
from relay.credential import Credential, LastUse
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer

_PUT = """INSERT INTO credentials (name, document, change) SELECT ?, ?, coalesce(max(change), 0) + 1 FROM credentials WHERE TRUE
    ON CONFLICT (name) DO UPDATE SET document = excluded.document, change = excluded.change"""
_FORGET = "DELETE FROM logins WHERE name = ? AND password_hash NOT IN (SELECT value FROM json_each(?))"
_NOTE = """INSERT INTO logins (name, password_hash, at, peer, helo) VALUES (?,?,?,?,?) ON CONFLICT (name, password_hash)
    DO UPDATE SET at = excluded.at, peer = excluded.peer, helo = excluded.helo"""

# A message to several is as many, and a mailing one.
_ACCEPTED = """SELECT m.credential, count(*) FROM messages m LEFT JOIN deliveries d
    ON d.message_id = m.id AND d.message_id >= :first AND d.state <> 'ignored' AND m.task = 0
    WHERE m.id >= :first AND m.accepted_at >= :at GROUP BY m.credential"""


def _put_all(db: Session, items: Sequence[Credential]) -> list[None]:
    for credential in items:
        db.execute(_PUT, (credential.name, documents.written(credential)))
        db.execute(_FORGET, (credential.name, json.dumps(credential.password_hashes)))
    return [None] * len(items)


@beside_others
def _note_uses(db: Session, uses: Sequence[LastUse]) -> list[None]:
    rows = [(use.name, use.password_hash, use.at, use.peer, use.helo) for use in uses]
    db.executemany(_NOTE, rows)
    return [None] * len(uses)


class SqlCredentials:
    """Implements ports.Credentials."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, name: str) -> Credential | None:
        rows = await self._reader.rows("SELECT document FROM credentials WHERE name = ?", (name,))
        return documents.read(Credential, rows[0][0]) if rows else None

    async def all(self) -> tuple[Credential, ...]:
        rows = await self._reader.rows("SELECT document FROM credentials ORDER BY name")
        return tuple(documents.read(Credential, document) for (document,) in rows)

    async def changed(self, after: int) -> tuple[tuple[Credential, ...], int]:
        rows = await self._reader.rows("SELECT document, change FROM credentials WHERE change > ? ORDER BY change", (after,))
        return tuple(documents.read(Credential, document) for document, _ in rows), rows[-1][1] if rows else after

    async def put(self, credential: Credential) -> None:
        await self._writer.run(_put_all, credential)

    async def note_use(self, use: LastUse) -> None:
        await self._writer.run(_note_uses, use)

    async def last_uses(self) -> tuple[LastUse, ...]:
        rows = await self._reader.rows("SELECT name, password_hash, at, peer, helo FROM logins ORDER BY name, at DESC")
        return tuple(LastUse(name=name, password_hash=h, at=at, peer=peer, helo=helo) for name, h, at, peer, helo in rows)

    async def accepted_since(self, at: float) -> dict[str, int]:
        return dict(await self._reader.rows(_ACCEPTED, {"at": at, "first": ids.ulid(at, bytes(10))}))
