"""Content that is too large for its row, in pieces: a node that is gone must not take it along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable

from relay.store.postgres.pool import PostgresPool

_AT_ONCE = 2  # large messages that come in; others wait, and leave connections for what is small
_PUT = "INSERT INTO chunks (message_id, number, content) VALUES (%s, %s, %s)"
_GET = "SELECT content FROM chunks WHERE message_id = ? AND number = ?"
_LISTED = "SELECT message_id FROM chunks WHERE number = 0 ORDER BY message_id"
_STRAY = """SELECT message_id FROM chunks c WHERE number = 0 AND message_id < ?
    AND NOT EXISTS (SELECT 1 FROM messages WHERE id = c.message_id)"""


class PostgresContent:
    """Implements ports.ContentStore."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def put(self, message_id: str, pieces: Iterable[bytes]) -> None:
        async with self._turn, self._pool.transaction() as connection:
            for number, piece in enumerate(pieces):
                await connection.execute(_PUT, (message_id, number, piece))

    async def pieces(self, message_id: str) -> AsyncIterator[bytes]:
        number = 0
        while found := await self._pool.rows(_GET, (message_id, number)):
            yield found[0][0]
            number += 1

    async def listed(self) -> tuple[str, ...]:
        return tuple(message_id for (message_id,) in await self._pool.rows(_LISTED))

    async def remove(self, message_ids: Collection[str]) -> None:
        if message_ids:
            async with self._pool.transaction() as connection:
                await connection.execute("DELETE FROM chunks WHERE message_id = ANY(%s)", (list(message_ids),))

    async def strays(self, before: str) -> tuple[str, ...]:
        return tuple(message_id for (message_id,) in await self._pool.rows(_STRAY, (before,)))
