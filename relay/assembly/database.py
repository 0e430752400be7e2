"""Opens the store that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from relay.errors import ConfigError
from relay.settings import StoreConfig
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from relay.store.postgres.store import PostgresStore


def exists(where: StoreConfig) -> bool:
    """Whether there may be one to read. SQLite's is made by the first relay that starts."""
    return where.is_postgres or where.path.exists()


async def opened(where: StoreConfig, *, on_full: Callable[[], None] = lambda: None) -> SqlStore:
    """To be written to: SQLite only by who has the lock on its folder. When its disk is full `on_full` is called, in another
    thread. Raises ConfigError.
    """
    if not where.is_postgres:
        return await SqliteStore.open(where.path, on_full=on_full)
    return await _postgres().open(where.url, direct=where.direct_url)


async def opened_to_read(where: StoreConfig) -> SqlStore:
    """Whatever writes raises StoreUnavailable. Raises ConfigError where there is no database."""
    if not where.is_postgres:
        return await SqliteStore.open_to_read(where.path)
    return await _postgres().open_to_read(where.url, direct=where.direct_url)


def _postgres() -> type[PostgresStore]:
    """Its driver is an extra, and what most installations need not load."""
    try:
        from relay.store.postgres.store import PostgresStore
    except ImportError as error:
        raise ConfigError("store", "store.url", f"needs the extra `postgres` of this package: {error}") from error
    return PostgresStore
