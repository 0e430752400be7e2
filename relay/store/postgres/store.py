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
    async def open(cls, url: str, *, serves: bool = False) -> PostgresStore:
        """Raises ConfigError for a database that cannot be reached, is not ours, or that another relay serves from."""
        await asyncio.to_thread(schema.migrate, url)
        reader = await _reader(url)
        try:
            database = await asyncio.to_thread(PostgresDatabase, url)
        except psycopg.Error as error:
            await reader.close()
            raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error
        if serves and not database.take_turn():
            await reader.close()
            database.close()
            raise ConfigError("store", "store.url", "another relay runs on this database")
        return cls(Writer(database), reader)

    @classmethod
    async def open_to_read(cls, url: str) -> PostgresStore:
        """Whatever writes raises StoreUnavailable. Raises ConfigError for a database that cannot be reached."""
        return cls(Writer(None), await _reader(url))


async def _reader(url: str) -> PostgresReader:
    reader = PostgresReader(url)
    try:
        await reader.open()
    except StoreUnavailable as error:
        await reader.close()
        raise ConfigError("store", "store.url", f"the database cannot be reached: {error}") from error
    return reader
