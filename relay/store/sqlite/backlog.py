"""Counts what waits, on SQLite."""

from __future__ import annotations

import sqlite3

import aiosqlite

from relay.errors import StoreUnavailable
from relay.model import HoldScope
from relay.ports import Waiting

# Both conditions are those of indexes: what is over is not looked at.
_OPEN = (
    "SELECT message_id FROM deliveries WHERE state = 'queued'"
    " UNION ALL SELECT message_id FROM deliveries WHERE state IN ('sending', 'in_doubt')"
)
_LOAD = f"SELECT count(*), coalesce(sum(size), 0) FROM ({_OPEN}) JOIN messages ON id = message_id"
# What was never tried is due since it was accepted, or since its sender wanted it sent. What waits for a retry or for a hold
# of its own is old for a reason that is no backlog.
_OLDEST = (
    "SELECT d.due_at FROM deliveries d JOIN messages m ON m.id = d.message_id"
    " WHERE d.state = 'queued' AND d.due_at <= ? AND d.attempt = 0"
    " AND m.identity NOT IN (SELECT subject FROM holds WHERE scope = ? AND until > ?)"
    " ORDER BY d.due_at LIMIT 1"
)


class SqliteBacklog:
    """Implements ports.BacklogStore."""

    def __init__(self, reader: aiosqlite.Connection) -> None:
        self._reader = reader

    async def waiting(self, *, now: float) -> Waiting:
        try:
            [(rows, octets)] = await self._reader.execute_fetchall(_LOAD)
            oldest = list(await self._reader.execute_fetchall(_OLDEST, (now, HoldScope.IDENTITY, now)))
        except sqlite3.Error as error:
            raise StoreUnavailable(repr(error)) from error
        return Waiting(rows, octets, oldest[0][0] if oldest else None)
