"""Access keys of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.access_keys import IssuedKey
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer

_KEY = "id, credential, secret, smtp_hash, created_at, disabled"
_ADD = f"INSERT INTO access_keys ({_KEY}) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING"


class SqlAccessKeys:
    """Implements ports.AccessKeys."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, id: str) -> IssuedKey | None:
        rows = await self._reader.rows(f"SELECT {_KEY} FROM access_keys WHERE id = ?", (id,))
        return _key_of(rows[0]) if rows else None

    async def all(self) -> tuple[IssuedKey, ...]:
        rows = await self._reader.rows(f"SELECT {_KEY} FROM access_keys ORDER BY credential, created_at, id")
        return tuple(map(_key_of, rows))

    async def add(self, key: IssuedKey) -> bool:
        return await self._writer.run(_add_all, key)

    async def change(self, key: IssuedKey) -> bool:
        return await self._writer.run(_change_all, key)

    async def remove(self, id: str) -> bool:
        return await self._writer.run(_remove_all, id)


def _key_of(row: Sequence[Any]) -> IssuedKey:
    id, credential, secret, smtp_hash, created_at, disabled = row
    return IssuedKey(
        id=id, credential=credential, secret=secret, smtp_hash=smtp_hash, created_at=created_at, disabled=bool(disabled)
    )


@beside_others
def _add_all(db: Session, keys: Sequence[IssuedKey]) -> list[bool]:
    rows = [(key.id, key.credential, key.secret, key.smtp_hash, key.created_at, int(key.disabled)) for key in keys]
    return [db.execute(_ADD, row).rowcount == 1 for row in rows]


@beside_others
def _change_all(db: Session, keys: Sequence[IssuedKey]) -> list[bool]:
    change = "UPDATE access_keys SET disabled = ? WHERE id = ?"
    return [db.execute(change, (int(key.disabled), key.id)).rowcount == 1 for key in keys]


@beside_others
def _remove_all(db: Session, ids: Sequence[str]) -> list[bool]:
    return [_remove(db, id) for id in ids]


def _remove(db: Session, id: str) -> bool:
    db.execute("DELETE FROM logins WHERE name = ?", (id,))
    return db.execute("DELETE FROM access_keys WHERE id = ?", (id,)).rowcount == 1
