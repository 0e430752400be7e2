"""The few connections of a process beside the one that writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from relay.errors import StoreUnavailable
from relay.store.postgres.connections import CONNECT_SECONDS, AsyncConnection, Server
from relay.store.postgres.dialect import translated
from relay.store.sql.session import Values

_AGAIN_SECONDS = 1.0


class _Pool(AsyncConnectionPool[AsyncConnection]):
    """It waits by asyncio.wait_for, which forgets in Python 3.11 that it was cancelled where a connection comes at that moment:
    a task would go on that its owner waits for.
    """

    async def getconn(self, timeout: float | None = None) -> AsyncConnection:  # noqa: ASYNC109 - as it is called
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        connection = await super().getconn(timeout)
        if task and task.cancelling() > before:
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection


class PostgresPool:
    """Implements sql.session.Reader. Each statement is by itself, unless it is within `transaction`, and is answered within so
    many seconds or not at all.
    """

    def __init__(self, server: Server, *, most: int, seconds: float | None) -> None:
        self._seconds = seconds
        self._pool = _Pool(
            server.url,
            connection_class=AsyncConnection,
            kwargs=server.options,
            configure=self._configure,
            min_size=1,
            max_size=most,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=_AGAIN_SECONDS,  # the pauses between its tries grow until then; who asks next begins anew
            open=False,
        )

    async def _configure(self, connection: AsyncConnection) -> None:
        connection.seconds = self._seconds

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[AsyncConnection]:
        """As for the writer: a server that only lets read is not asked to write again."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            except errors.ReadOnlySqlTransaction:
                await connection.close()
                raise

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        try:
            await self._pool.open(wait=True, timeout=CONNECT_SECONDS)
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def rows(self, query: str, values: Values = (), /) -> list[Any]:
        """Asked once more where the server has closed the connection, as it does with all when it is restarted."""
        try:
            return await self._rows(query, values)
        except PoolTimeout as error:
            raise StoreUnavailable(repr(error)) from error
        except psycopg.OperationalError:
            await self._pool.check()
        try:
            return await self._rows(query, values)
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def _rows(self, query: str, values: Values) -> list[Any]:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.cursor(binary=True).execute(translated(query), values)
                return await cursor.fetchall()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def changed(self, query: str, values: Values = ()) -> list[Any]:
        """What a statement that changes something gives back, if it does. It is not done again. Raises StoreUnavailable."""
        try:
            async with self._lent() as connection:
                cursor = await connection.execute(translated(query), values)
                return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Raises StoreUnavailable. For what changes something: it is not done again."""
        try:
            async with self._lent() as connection, connection.transaction():
                yield connection
        except psycopg.Error as error:
            raise StoreUnavailable(repr(error)) from error

    async def close(self) -> None:
        await self._pool.close()
