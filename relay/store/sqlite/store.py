"""Opens the SQLite store: one writer and a reader, and the ports over them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path

from relay.errors import ConfigError
from relay.store.sql.account import SqlAccount
from relay.store.sql.account_list import SqlAccountList
from relay.store.sql.backlog import SqlBacklog
from relay.store.sql.counters import SqlCounters
from relay.store.sql.credentials import SqlCredentials
from relay.store.sql.desk import SqlDesk
from relay.store.sql.feedback import SqlFeedback
from relay.store.sql.identities import SqlIdentities
from relay.store.sql.imports import SqlImports
from relay.store.sql.links import SqlLinks
from relay.store.sql.messages import SqlMessages
from relay.store.sql.quarantine import SqlQuarantine
from relay.store.sql.queue import SqlQueue
from relay.store.sql.retention import SqlRetention
from relay.store.sql.session import Reader
from relay.store.sql.suppressions import SqlSuppressions
from relay.store.sql.writer import Writer
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase, SqliteReader


class SqliteStore:
    """All ports of the store, from `open` to `close`."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self.queue = SqlQueue(writer)
        self.suppressions = SqlSuppressions(writer, reader)
        self.credentials = SqlCredentials(writer, reader)
        self.feedback = SqlFeedback(writer, reader)
        self.identities = SqlIdentities(writer, reader)
        self.messages = SqlMessages(reader)
        self.desk = SqlDesk(writer, reader)
        self.account = SqlAccount(writer, reader)
        self.backlog = SqlBacklog(reader)
        self.counters = SqlCounters(writer, reader)
        self.quarantine = SqlQuarantine(writer, reader)
        self.account_list = SqlAccountList(writer, reader)
        self.imports = SqlImports(writer)
        self.links = SqlLinks(writer, reader)
        self.retention = SqlRetention(writer, reader, self.imports, shorten=schema.shorten)

    @classmethod
    async def open(cls, path: Path, *, on_full: Callable[[], None] = lambda: None) -> SqliteStore:
        """For the process that holds the lock. Makes the file where it is missing; ConfigError where it is not ours.

        `on_full` is called, in another thread, when the disk is.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(Writer(SqliteDatabase(schema.open_writer(path)), on_full=on_full), await SqliteReader.open(path))

    @classmethod
    async def open_to_read(cls, path: Path) -> SqliteStore:
        """For any process: whatever writes raises StoreUnavailable. Raises ConfigError where there is no database."""
        if not path.exists():  # aiosqlite would leave a thread behind that outlives the loop
            raise ConfigError(str(path), "store.path", "there is no database to read")
        try:
            return cls(Writer(None), await SqliteReader.open(path))
        except sqlite3.Error as error:
            raise ConfigError(str(path), "store.path", f"there is no database to read: {error}") from error

    async def spooled(self, some: Collection[str]) -> frozenset[str]:
        """Those of some messages whose content lies in the spool folder."""
        rows = await self._reader.rows(
            "SELECT id FROM messages m WHERE id IN (SELECT value FROM json_each(?))"
            " AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.lasts = m.lasts AND b.message_id = m.id)",
            (json.dumps(list(some)),),
        )
        return frozenset(row[0] for row in rows)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
