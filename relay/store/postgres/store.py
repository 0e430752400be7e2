"""Opens the store on PostgreSQL."""

from __future__ import annotations

import asyncio

import psycopg

from relay.errors import ConfigError, StoreUnavailable
from relay.store.postgres import schema
from relay.store.postgres.connections import PostgresDatabase, PostgresReader
from relay.store.sql.store import SqlStore
from relay.store.sql.writer import Writer


class PostgresStore(SqlStore):
    """All ports of the store, from `open` to `close`."""

    @classmethod
    async def open(cls, url: str) -> PostgresStore:
        """Raises ConfigError for a database that cannot be reached, or is not ours."""
        await asyncio.to_thread(schema.migrate, url)
        reader = PostgresReader(url)
        try:
            await reader.open()
            return cls(Writer(await asyncio.to_thread(PostgresDatabase, url)), reader)
        except (psycopg.Error, StoreUnavailable) as error:
            await reader.close()
            raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error
