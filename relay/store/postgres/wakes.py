"""NOTIFY from nodes that take mail in, and LISTEN at those that send it: nobody depends on it, all look once a second as well.

NOTIFY takes a lock over all databases when its transaction commits, so it has one of its own, and one is enough for all that
came in a short time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg

from relay.errors import StoreUnavailable
from relay.store.postgres.connections import Server
from relay.store.postgres.pool import PostgresPool

_CHANNEL = "relay_due"
_TOGETHER = 0.05  # seconds
_AGAIN = 5.0  # seconds after which a lost connection is made anew
_LOOK = 60.0  # seconds


class PostgresWakes:
    """Implements ports.Wakes. `heard` is called when another node has announced something."""

    def __init__(self, server: Server, pool: PostgresPool, heard: Callable[[], None]) -> None:
        self._server = server
        self._pool = pool
        self._heard = heard
        self._wanted = asyncio.Event()

    def announce(self) -> None:
        self._wanted.set()

    async def tell(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            with suppress(StoreUnavailable):
                async with self._pool.transaction() as connection:
                    await connection.execute(f"NOTIFY {_CHANNEL}".encode())
            await asyncio.sleep(_TOGETHER)

    async def listen(self) -> None:
        """Until cancelled. A connection of its own, which leads through no pooler."""
        while True:
            with suppress(psycopg.Error):
                await self._listen()
            await asyncio.sleep(_AGAIN)

    async def _listen(self) -> None:
        options = self._server.options | {"prepare_threshold": None}
        async with await psycopg.AsyncConnection.connect(self._server.own, **options) as connection:
            await connection.execute(f"LISTEN {_CHANNEL}".encode())
            while True:
                async for _ in connection.notifies(timeout=_LOOK):
                    self._heard()
                await connection.execute("SELECT 1")  # a connection that was cut is found out
