"""Messages of queues that could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.ports.event_queues import PutAside, Quarantined
from relay.store.sql.session import Reader, Session
from relay.store.sql.writer import Writer

_COLUMNS = "id, queue, sent_at, received_at, reason, body"
_LISTED = """SELECT number, id, queue, received_at, reason, length(body) FROM quarantine WHERE number < ?
    ORDER BY number DESC LIMIT ?"""


class SqlQuarantine:
    """Implements ports.Quarantine."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def put(self, found: Quarantined) -> bool:
        return await self._writer.run(_put_all, found)

    async def get(self, id: str) -> Quarantined | None:
        rows = await self._reader.rows(f"SELECT {_COLUMNS} FROM quarantine WHERE id = ?", (id,))
        return _found(rows[0]) if rows else None

    async def newest(self, *, limit: int) -> tuple[Quarantined, ...]:
        return tuple(
            map(_found, await self._reader.rows(f"SELECT {_COLUMNS} FROM quarantine ORDER BY number DESC LIMIT ?", (limit,)))
        )

    async def listed(self, *, before: int, count: int) -> tuple[PutAside, ...]:
        return tuple(PutAside(*row) for row in await self._reader.rows(_LISTED, (before, count)))

    async def ids(self) -> tuple[str, ...]:
        return tuple(id for (id,) in await self._reader.rows("SELECT id FROM quarantine ORDER BY number"))

    async def remove(self, id: str) -> None:
        await self._writer.run(_remove_all, id)


def _found(row: Sequence[Any]) -> Quarantined:
    id, queue, sent_at, received_at, reason, body = row
    text = body.decode("utf-8", "surrogatepass")
    return Quarantined(id=id, queue=queue, sent_at=sent_at, received_at=received_at, reason=reason, body=text)


def _put_all(db: Session, items: Sequence[Quarantined]) -> list[bool]:
    return [_put(db, found) for found in items]


def _put(db: Session, found: Quarantined) -> bool:
    if db.execute("UPDATE quarantine SET reason = ? WHERE id = ?", (found.reason, found.id)).rowcount:
        return False
    body = found.body.encode("utf-8", "surrogatepass")
    values = (found.id, found.queue, found.sent_at, found.received_at, found.reason, body)
    db.execute(f"INSERT INTO quarantine ({_COLUMNS}) VALUES (?,?,?,?,?,?)", values)
    return True


def _remove_all(db: Session, items: Sequence[str]) -> list[None]:
    db.executemany("DELETE FROM quarantine WHERE id = ?", [(id,) for id in items])
    return [None] * len(items)
