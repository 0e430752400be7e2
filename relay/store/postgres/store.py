"""Opens the store on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from relay.erasure import NO_MARKS, Marks
from relay.errors import ConfigError, StoreUnavailable
from relay.store.postgres import schema
from relay.store.postgres.allowance import SharedAllowance
from relay.store.postgres.clock import DatabaseClock
from relay.store.postgres.connections import Server
from relay.store.postgres.content import PostgresContent
from relay.store.postgres.database import PostgresDatabase
from relay.store.postgres.nodes import PostgresNodes, PostgresUsage
from relay.store.postgres.pool import PostgresPool
from relay.store.postgres.wakes import PostgresWakes
from relay.store.sql.store import SqlStore
from relay.store.sql.writer import Writer

_CONNECTIONS = 6  # beside the one that writes
_LOOK_SECONDS = 60.0  # a relay that serves; who only looks may have time


class PostgresShared:
    """Implements ports.Shared."""

    def __init__(self, server: Server, writer: Writer, pool: PostgresPool, count_as: Callable[[int], None]) -> None:
        self._server = server
        self._pool = pool
        self.nodes = PostgresNodes(writer, pool, count_as=count_as)
        self.usage = PostgresUsage(writer, pool)
        self.allowance = SharedAllowance(pool)
        self.content = PostgresContent(pool)
        self.clock = DatabaseClock(pool)

    def wakes(self, heard: Callable[[], None]) -> PostgresWakes:
        return PostgresWakes(self._server, self._pool, heard)


class PostgresStore(SqlStore):
    """All ports of the store, from `open` to `close`."""

    @classmethod
    async def open(cls, url: str, *, direct: str = "", marks: Marks = NO_MARKS) -> PostgresStore:
        """By `marks` erased addresses are known. Raises ConfigError for a database that cannot be reached, or is not ours."""
        server = Server(url, direct)
        await asyncio.to_thread(schema.migrate, server.own)
        database = await asyncio.to_thread(_database, server, marks)
        try:
            pool = await _pool(server, seconds=_LOOK_SECONDS)
        except ConfigError:
            database.close()
            raise
        writer = Writer(database)
        return cls(writer, pool, shared=PostgresShared(server, writer, pool, database.count_as), marks=marks)

    @classmethod
    async def open_to_read(cls, url: str, *, direct: str = "", marks: Marks = NO_MARKS) -> PostgresStore:
        """Whatever writes raises StoreUnavailable. Raises ConfigError for a database that cannot be reached."""
        server, writer = Server(url, direct), Writer(None)
        pool = await _pool(server, seconds=None)
        return cls(writer, pool, shared=PostgresShared(server, writer, pool, lambda _: None), marks=marks)


def _database(server: Server, marks: Marks) -> PostgresDatabase:
    """Raises ConfigError. Behind a pooler that we do not know of, nodes would run each other's prepared statements."""
    try:
        database = PostgresDatabase(server, marks)
        is_pooled = database.is_pooled()
    except psycopg.Error as error:
        raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error
    if is_pooled and not server.direct:
        database.close()
        raise ConfigError("store", "store.direct_url", "must say the way past the pooler that store.url leads through")
    return database


async def _pool(server: Server, *, seconds: float | None) -> PostgresPool:
    pool = PostgresPool(server, most=_CONNECTIONS, seconds=seconds)
    try:
        await pool.open()
    except StoreUnavailable as error:
        await pool.close()
        raise ConfigError("store", "store.url", f"the database cannot be reached: {error}") from error
    return pool
