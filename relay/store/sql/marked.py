"""Erased addresses once more: what lay beside a backup is put back into an older store, and all are found that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from relay.erasure import Kept, MarkedAddress
from relay.store.sql import erased
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_STEP = 5000
_MARKED = "SELECT mark, began_at, ended_at FROM erased_addresses WHERE mark > ? ORDER BY mark LIMIT 500"
_KEPT = "SELECT scope, reason, created_at, expires_at FROM erased_suppressions WHERE mark = ? ORDER BY scope, reason"
_PUT = "INSERT INTO erased_addresses (mark, began_at, ended_at) VALUES (?,?,?) ON CONFLICT DO NOTHING"
# Every table in which an address can be found by itself: its key in the order of the table's own, and what is read there.
_SOURCES = (
    ("deliveries", "message_id, number", "lower(recipient)"),
    ("events", "id", "address_key"),
    ("suppressions", "address_key, scope, reason, import_id", "address_key"),
    ("suppression_history", "id", "address_key"),
    ("contacts", "id", "address_key"),
    ("account_list", "address_key, address", "address_key"),
    ("account_list_errands", "address_key", "address_key"),
    ("task_contacts", "task, included, address_key, contact_id", "address_key"),
    ("old_links", "message_id, number", "lower(recipient)"),
)


class SqlMarked:
    """Implements ports.Marked."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> AsyncIterator[MarkedAddress]:
        after = ""
        while rows := await self._reader.rows(_MARKED, (after,)):
            for mark, began_at, ended_at in rows:
                kept = tuple(Kept(*row) for row in await self._reader.rows(_KEPT, (mark,)))
                yield MarkedAddress(mark=mark, began_at=began_at, ended_at=ended_at, kept=kept)
            after = rows[-1][0]

    async def put(self, some: Sequence[MarkedAddress]) -> None:
        await self._writer.run(_put_all, some)

    async def addresses(self) -> AsyncIterator[frozenset[str]]:
        for table, key, what in _SOURCES:
            after: tuple[Any, ...] = ()
            while rows := await self._reader.rows(*_next(table, key, what, after)):
                yield frozenset(row[0] for row in rows if row[0])
                after = tuple(rows[-1][1:])


def _next(table: str, key: str, what: str, after: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    behind = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
    return f"SELECT {what}, {key} FROM {table} {behind} ORDER BY {key} LIMIT {_STEP}", after


def _put_all(db: Session, items: Sequence[Sequence[MarkedAddress]]) -> list[None]:
    for some in items:
        for each in some:
            db.execute(_PUT, (each.mark, each.began_at, each.ended_at))
            for kept in each.kept:
                erased.put(db, each.mark, kept)
    return [None] * len(items)
