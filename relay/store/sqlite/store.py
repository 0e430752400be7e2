"""Opens the SQLite store: one writer and a reader, and the ports over them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path

import aiosqlite

from relay.errors import ConfigError
from relay.store.sqlite import schema
from relay.store.sqlite.account import SqliteAccount
from relay.store.sqlite.account_list import SqliteAccountList
from relay.store.sqlite.backlog import SqliteBacklog
from relay.store.sqlite.counters import SqliteCounters
from relay.store.sqlite.credentials import SqliteCredentials
from relay.store.sqlite.desk import SqliteDesk
from relay.store.sqlite.feedback import SqliteFeedback
from relay.store.sqlite.identities import SqliteIdentities
from relay.store.sqlite.imports import SqliteImports
from relay.store.sqlite.links import SqliteLinks
from relay.store.sqlite.messages import SqliteMessages
from relay.store.sqlite.quarantine import SqliteQuarantine
from relay.store.sqlite.queue import SqliteQueue
from relay.store.sqlite.retention import SqliteRetention
from relay.store.sqlite.suppressions import SqliteSuppressions
from relay.store.sqlite.writer import Writer


class SqliteStore:
    """All ports of the store, from `open` to `close`."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self.queue = SqliteQueue(writer)
        self.suppressions = SqliteSuppressions(writer, reader)
        self.credentials = SqliteCredentials(writer, reader)
        self.feedback = SqliteFeedback(writer, reader)
        self.identities = SqliteIdentities(writer, reader)
        self.messages = SqliteMessages(reader)
        self.desk = SqliteDesk(writer, reader)
        self.account = SqliteAccount(writer, reader)
        self.backlog = SqliteBacklog(reader)
        self.counters = SqliteCounters(writer, reader)
        self.quarantine = SqliteQuarantine(writer, reader)
        self.account_list = SqliteAccountList(writer, reader)
        self.imports = SqliteImports(writer)
        self.links = SqliteLinks(writer, reader)
        self.retention = SqliteRetention(writer, reader, self.imports)

    @classmethod
    async def open(cls, path: Path, *, on_full: Callable[[], None] = lambda: None) -> SqliteStore:
        """For the process that holds the lock. Makes the file where it is missing; ConfigError where it is not ours.

        `on_full` is called, in another thread, when the disk is.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(Writer(schema.open_writer(path), on_full=on_full), await _open_reader(path))

    @classmethod
    async def open_to_read(cls, path: Path) -> SqliteStore:
        """For any process: whatever writes raises StoreUnavailable. Raises ConfigError where there is no database."""
        if not path.exists():  # aiosqlite would leave a thread behind that outlives the loop
            raise ConfigError(str(path), "store.path", "there is no database to read")
        try:
            return cls(Writer(None), await _open_reader(path))
        except sqlite3.Error as error:
            raise ConfigError(str(path), "store.path", f"there is no database to read: {error}") from error

    async def spooled(self, some: Collection[str]) -> frozenset[str]:
        """Those of some messages whose content lies in the spool folder."""
        rows = await self._reader.execute_fetchall(
            "SELECT id FROM messages m WHERE id IN (SELECT value FROM json_each(?))"
            " AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.lasts = m.lasts AND b.message_id = m.id)",
            (json.dumps(list(some)),),
        )
        return frozenset(row[0] for row in rows)

    async def close(self) -> None:
        # aiosqlite keeps a thread per connection: one left open would keep the process from ending.
        await self._reader.close()
        await self._writer.close()


async def _open_reader(path: Path) -> aiosqlite.Connection:
    """A connection that cannot write. Raises sqlite3.OperationalError where there is no database."""
    return await aiosqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
