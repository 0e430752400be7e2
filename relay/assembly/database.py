"""Opens the store that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from relay.erasure import NO_MARKS, Marks
from relay.errors import ConfigError
from relay.settings import StoreConfig
from relay.store.sql.store import SqlStore
from relay.store.sqlite import schema as sqlite_schema
from relay.store.sqlite.store import SqliteStore


class Schema(NamedTuple):
    """The version of the tables that was found, 0 without any, and the one that this release needs."""

    found: int
    needed: int


def exists(where: StoreConfig) -> bool:
    """Whether there may be one to read. SQLite's is made by the first relay that starts."""
    return where.is_postgres or where.path.exists()


async def opened(where: StoreConfig, *, on_full: Callable[[], None] = lambda: None, marks: Marks = NO_MARKS) -> SqlStore:
    """To be written to: SQLite only by who has the lock on its folder. When its disk is full `on_full` is called, in another
    thread. By `marks` erased addresses are known. Raises ConfigError.
    """
    if not where.is_postgres:
        return await SqliteStore.open(where.path, on_full=on_full, marks=marks)
    with driver():
        from relay.store.postgres.store import PostgresStore
    return await PostgresStore.open(where.url, direct=where.direct_url, marks=marks)


async def opened_to_read(where: StoreConfig, *, marks: Marks = NO_MARKS) -> SqlStore:
    """Whatever writes raises StoreUnavailable. Raises ConfigError where there is no database."""
    if not where.is_postgres:
        return await SqliteStore.open_to_read(where.path, marks=marks)
    with driver():
        from relay.store.postgres.store import PostgresStore
    return await PostgresStore.open_to_read(where.url, direct=where.direct_url, marks=marks)


def schema(where: StoreConfig) -> Schema:
    """Looks without changing anything. Raises ConfigError for a database that cannot be reached, or is of a newer relay."""
    if not where.is_postgres:
        return Schema(sqlite_schema.version(where.path), sqlite_schema.newest())
    with driver():
        from relay.store.postgres import schema as postgres_schema
    return Schema(postgres_schema.version(where.direct_url or where.url), postgres_schema.newest())


def migrate(where: StoreConfig) -> Schema:
    """Brings the tables up to date, and says how it was before. With SQLite for who holds the lock. Raises ConfigError."""
    if where.is_postgres:
        with driver():
            from relay.store.postgres import schema as postgres_schema
        return Schema(postgres_schema.migrate(where.direct_url or where.url), postgres_schema.newest())
    found = schema(where)
    sqlite_schema.open_writer(where.path).close()
    return found


@contextmanager
def driver() -> Iterator[None]:
    """PostgreSQL's is an extra, and what most installations need not load."""
    try:
        yield
    except ImportError as error:
        raise ConfigError("store", "store.url", f"needs the extra `postgres` of this package: {error}") from error
