"""Databases that are filled at once: without indexes, without care for a crash, and put in order in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from relay.store.postgres.dialect import translated

_QUICKLY = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "temp_store = FILE")
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
# Those of constraints stay.
_INDEXES_OF_POSTGRES = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    AND indexname NOT IN (SELECT conname FROM pg_constraint)"""


class SqliteFilling:
    """Implements year.Filling."""

    octets, end = "CAST", " AS BLOB)"

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def run(self, query: str, values: Mapping[str, Any]) -> None:
        self._db.execute(query, values)


class PostgresFilling:
    """Implements year.Filling."""

    octets, end = "convert_to", ", 'UTF8')"

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db

    def run(self, query: str, values: Mapping[str, Any]) -> None:
        self._db.execute(translated(query).encode(), values, prepare=False)


@contextmanager
def sqlite(path: Path) -> Iterator[SqliteFilling]:
    """A database that has its tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in _QUICKLY:
            db.execute(f"PRAGMA {pragma}")
        indexes = db.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        yield SqliteFilling(db)
        for _, statement in indexes:
            db.execute(statement)
        db.execute("PRAGMA journal_mode = WAL")


@contextmanager
def postgres(url: str) -> Iterator[PostgresFilling]:
    """The same, on a server that has no other; in the end its statistics are as autovacuum would have them. Meanwhile that must
    not run, or what comes late is put wherever pages have a little room.
    """
    with psycopg.connect(url, autocommit=True) as db:
        _set(db, "SET autovacuum = off")
        db.execute("SET synchronous_commit = off")
        db.execute("SET maintenance_work_mem = '1GB'")
        indexes = db.execute(_INDEXES_OF_POSTGRES).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}".encode())
        yield PostgresFilling(db)
        for _, statement in indexes:
            db.execute(statement.encode())
        db.execute("VACUUM ANALYZE")
        _set(db, "RESET autovacuum")


def _set(db: psycopg.Connection[Any], what: str) -> None:
    db.execute(f"ALTER SYSTEM {what}".encode())
    db.execute("SELECT pg_reload_conf()")
