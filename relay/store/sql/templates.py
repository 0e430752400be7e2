"""Texts that are used again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from relay import documents
from relay.ports.templates import Template
from relay.store.sql.session import Reader, Session, beside_others
from relay.store.sql.writer import Writer

_ADD = "INSERT INTO templates (credential, user_id, name, document) VALUES (?,?,?,?) RETURNING id"
_PUT = "UPDATE templates SET user_id = ?, name = ?, document = ? WHERE id = ? AND credential = ?"
_OF = "SELECT id, document FROM templates WHERE credential = ? ORDER BY id LIMIT ? OFFSET ?"


class SqlTemplates:
    """Implements ports.Templates."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, credential: str, template: Template) -> int:
        return await self._writer.run(_add_all, (credential, template))

    async def put(self, credential: str, template: Template) -> bool:
        return await self._writer.run(_put_all, (credential, template))

    async def remove(self, credential: str, template_id: int) -> bool:
        return await self._writer.run(_remove_all, (credential, template_id))

    async def of(self, credential: str, *, skipped: int, count: int) -> tuple[tuple[Template, ...], int]:
        rows = await self._reader.rows(_OF, (credential, count, skipped))
        ((total,),) = await self._reader.rows("SELECT count(*) FROM templates WHERE credential = ?", (credential,))
        return tuple(_template_of(row) for row in rows), total

    async def names(self, credential: str) -> Mapping[int, str]:
        query = "SELECT id, name FROM templates WHERE credential = ? ORDER BY id"
        return dict(await self._reader.rows(query, (credential,)))

    async def find(self, credential: str, id: str) -> Template | None:
        """What its owner calls it comes first: that may be a number as well."""
        number = int(id) if id.isascii() and id.isdecimal() and len(id) < 16 else 0
        rows = await self._reader.rows(
            "SELECT id, document FROM templates WHERE credential = ? AND ((user_id = ? AND user_id <> '') OR id = ?)"
            " ORDER BY CASE WHEN user_id = ? THEN 0 ELSE 1 END, id LIMIT 1",
            (credential, id, number, id),
        )
        return _template_of(rows[0]) if rows else None


def _template_of(row: Any) -> Template:
    id, document = row
    return replace(documents.read(Template, document), id=id)


@beside_others
def _add_all(db: Session, items: Sequence[tuple[str, Template]]) -> list[int]:
    rows = [(who, each.user_id, each.name, documents.written(each)) for who, each in items]
    return [int(db.execute(_ADD, row).fetchall()[0][0]) for row in rows]


@beside_others
def _put_all(db: Session, items: Sequence[tuple[str, Template]]) -> list[bool]:
    rows = [(each.user_id, each.name, documents.written(each), each.id, who) for who, each in items]
    return [db.execute(_PUT, row).rowcount == 1 for row in rows]


@beside_others
def _remove_all(db: Session, items: Sequence[tuple[str, int]]) -> list[bool]:
    remove = "DELETE FROM templates WHERE id = ? AND credential = ?"
    return [db.execute(remove, (id, who)).rowcount == 1 for who, id in items]
