"""Opens the store on SQLite's file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from relay.erasure import NO_MARKS, Marks
from relay.errors import ConfigError
from relay.store.sql.store import SqlStore
from relay.store.sql.writer import Writer
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase, SqliteReaders
from relay.store.sqlite.file import condition


class SqliteStore(SqlStore):
    """All ports of the store, from `open` to `close`."""

    @classmethod
    async def open(cls, path: Path, *, on_full: Callable[[], None] = lambda: None, marks: Marks = NO_MARKS) -> SqliteStore:
        """For the process that holds the lock. Makes the file where it is missing; ConfigError where it is not ours.

        `on_full` is called, in another thread, when the disk is. By `marks` erased addresses are known.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        writer = Writer(SqliteDatabase(schema.open_writer(path), marks), on_full=on_full)
        return cls(writer, await SqliteReaders.open(path), shorten=schema.shorten, marks=marks)

    @classmethod
    async def open_to_read(cls, path: Path, *, marks: Marks = NO_MARKS) -> SqliteStore:
        """For any process: whatever writes raises StoreUnavailable. Raises ConfigError where there is no database."""
        if not path.is_file():
            raise ConfigError(str(path), "store.path", "there is no database to read")
        try:
            with closing(condition.reading(path)) as looked:  # aiosqlite would leave a thread behind that outlives the loop
                looked.execute("PRAGMA schema_version").fetchall()
            return cls(Writer(None), await SqliteReaders.open(path), marks=marks)
        except sqlite3.Error as error:
            whose = "" if os.access(path, os.R_OK | os.W_OK) else "; the user of the relay and root may"
            raise ConfigError(str(path), "store.path", f"the database cannot be read: {error}{whose}") from error
