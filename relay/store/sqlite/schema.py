"""Opens the database file and brings its tables up to date: numbered migrations, each in one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from math import inf
from pathlib import Path

from relay.errors import ConfigError
from relay.store.scripts import scripts, works_with
from relay.store.sql.session import Session
from relay.store.sqlite.file import condition

_BUSY_SECONDS = 5.0
_PAGES = 100  # that the file is made shorter by at once
_MANY_FREE, _WORTH_IT = 0.25, 64 * 1024 * 1024  # of the pages, and octets of free pages: less is used again soon
_STATEMENTS = 512
# Checkpoints after so many pages of WAL (4 KB each): rarer than SQLite's 1000, so that fewer commits pay for one.
_CHECKPOINT_PAGES = 4000
# In a backlog of many flows a claim looks at a page of each: SQLite's own 2 MB would be read anew every time.
_CACHE_KIB = 32 * 1024
# A reader that takes its time keeps the WAL from being begun anew: it grows meanwhile, and is cut to this length afterwards.
_WAL_OCTETS = 64 * 1024 * 1024
# In their order: WAL puts something into the file, and pages are only mapped where nothing is in it yet.
_PRAGMAS = (
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = FULL",
    f"cache_size = -{_CACHE_KIB}",
    f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    f"journal_size_limit = {_WAL_OCTETS}",
    "secure_delete = ON",  # what was erased does not lie in the file any more; Debian's SQLite does so by itself
)
_VERSIONS = "CREATE TABLE IF NOT EXISTS relay_schema (version INTEGER PRIMARY KEY, works_with INTEGER NOT NULL)"


class _MarkedConnection(sqlite3.Connection):
    """The mark of an open database is made and taken away by the connection that writes: see condition.py."""

    path: Path

    def mark(self) -> None:
        (version,) = self.execute("PRAGMA user_version").fetchone()
        self.execute(f"PRAGMA user_version = {version}")  # the log gets its first page
        condition.mark(self.path)

    def close(self) -> None:
        # Where a reader keeps the last pages in the log SQLite leaves the log as well. After an error the mark stays, and the
        # next start looks closer.
        with suppress(sqlite3.Error, OSError):
            self.execute("PRAGMA wal_checkpoint(FULL)")
            condition.unmark(self.path)
        super().close()


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that may write and checkpoint. To be closed in the end: else it counts as a crash.

    Raises ConfigError where the file is no database of ours, or is not all that the last relay left.
    WAL needs synchronous=FULL to sync at each commit: NORMAL syncs only at checkpoints, and 250 would be a lie.
    """
    condition.check(path)
    try:
        with _for_its_owner_alone(), ExitStack() as undo:
            connection = sqlite3.connect(
                path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
                factory=_MarkedConnection,
            )
            connection.path = path
            undo.callback(connection.close)
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection, path)
            connection.mark()
            undo.pop_all()
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(str(path), "store.path", f"the database cannot be opened: {error}") from error
    return connection


@contextmanager
def _for_its_owner_alone() -> Iterator[None]:
    """What is made meanwhile, whatever the folder is; SQLite gives a log the rights of its database."""
    earlier = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(earlier)


def migrate(connection: sqlite3.Connection, path: Path, *, to: int | None = None) -> None:
    """Runs what is missing, up to version `to`. Raises ConfigError for a database of a newer relay beside which this one cannot
    run.
    """
    wanted = _scripts()[:to]
    version = _version(connection, path, len(wanted))
    for number, script in enumerate(wanted[version:], version + 1):
        noted = f"{_VERSIONS};\nINSERT INTO relay_schema VALUES ({number}, {works_with(script, number)});"
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n{noted}\nPRAGMA user_version = {number};\nCOMMIT;")


def version(path: Path) -> int:
    """Of the tables that are there, 0 without any. Changes nothing. Raises ConfigError as `migrate` does."""
    if not path.exists():
        return 0
    try:
        with closing(condition.reading(path)) as connection:
            return _version(connection, path, newest())
    except sqlite3.Error as error:
        raise ConfigError(str(path), "store.path", f"the database cannot be opened: {error}") from error


def newest() -> int:
    """The version that this release needs."""
    return len(_scripts())


def _version(connection: sqlite3.Connection, path: Path, known: int) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > known and _oldest(connection) > known:
        raise ConfigError(str(path), "store.path", f"written by a newer relay (schema {found}, known {known})")
    return int(found)


def _oldest(connection: sqlite3.Connection) -> float:
    """The oldest version whose relays may run on these tables."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'relay_schema'").fetchone():
        return inf
    (oldest,) = connection.execute("SELECT max(works_with) FROM relay_schema").fetchone()
    return float(oldest)


def _scripts() -> list[str]:
    return scripts("sqlite")


def shorten(db: Session) -> int:
    """Some pages less, where many are free; how many. The pragma takes one at a time: Python's module does not step through a
    statement without columns.
    """
    (pages,), (free,), (size,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    if free <= pages * _MANY_FREE or free * size <= _WORTH_IT:
        return 0
    for _ in range(_PAGES):
        db.execute("PRAGMA incremental_vacuum(1)")
    return int(pages - db.execute("PRAGMA page_count").fetchone()[0])
