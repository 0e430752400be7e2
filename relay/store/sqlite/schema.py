"""Opens the database file and brings its tables up to date: numbered migrations, forward only, each in one transaction."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from relay.errors import ConfigError

_BUSY_SECONDS = 5.0
_STATEMENTS = 512
# Checkpoints after so many pages of WAL (4 KB each): rarer than SQLite's 1000, so that fewer commits pay for one.
_CHECKPOINT_PAGES = 4000


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that may write and checkpoint. Raises ConfigError where the file is no database of ours.

    WAL needs synchronous=FULL to sync at each commit: NORMAL syncs only at checkpoints, and 250 would be a lie.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        migrate(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(str(path), "store.path", f"the database cannot be opened: {error}") from error
    return connection


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Runs what is missing. Raises ConfigError for a database of a newer relay."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    scripts = _scripts()
    if version > len(scripts):
        raise ConfigError(str(path), "store.path", f"written by a newer relay (schema {version}, known {len(scripts)})")
    for number, script in enumerate(scripts[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def _scripts() -> list[str]:
    folder = files("relay.store").joinpath("migrations", "sqlite")
    return [entry.read_text() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
