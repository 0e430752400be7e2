"""Brings the tables of a PostgreSQL database up to date: numbered migrations, one node at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, LiteralString

import psycopg
from psycopg import errors

from relay.errors import ConfigError
from relay.store.scripts import scripts, works_with

_CONNECT_SECONDS = 5
_LOCK = 0x72656C6179  # of all relays on this database: "relay"
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
# Relays run meanwhile: of those that write there is none within a transaction (see database.py), and who reads for long is not
# waited for with tables locked, since all others would wait too. Less than deadlock_timeout, or a reader might be thrown back.
_ALONE = "SET LOCAL lock_timeout = '500ms'; SELECT pg_advisory_xact_lock(7310)"
_IN_THE_WAY = (errors.LockNotAvailable, errors.DeadlockDetected)
_VERSIONS = """CREATE TABLE IF NOT EXISTS relay_schema (
    version INTEGER PRIMARY KEY, works_with INTEGER NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())"""


class _InTheWay(ConfigError):
    """Others were; it may come through the next time."""


def migrate(url: str) -> int:
    """Runs what is missing, and returns the version before. Raises ConfigError for a database that cannot be reached, is of a
    newer relay beside which this one cannot run, or whose tables others have in use for half a minute.
    """
    until = monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with _connected(url) as connection:
                return _migrated(connection)
        except _InTheWay:
            if monotonic() > until:
                raise
        sleep(_PAUSE_SECONDS)


def _migrated(connection: psycopg.Connection[Any]) -> int:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    connection.execute(_VERSIONS)
    found = _version(connection)
    missing = _scripts()[found:]
    if missing:
        connection.execute(_ALONE)
    for number, script in enumerate(missing, found + 1):
        connection.execute(script.encode())
        versions = (number, works_with(script, number))
        connection.execute("INSERT INTO relay_schema (version, works_with) VALUES (%s, %s)", versions)
    return found


def version(url: str) -> int:
    """Of the tables that are there, 0 without any. Changes nothing. Raises ConfigError as `migrate` does."""
    with _connected(url) as connection:
        (is_ours,) = _row(connection, "SELECT to_regclass('relay_schema') IS NOT NULL")
        return _version(connection) if is_ours else 0


def newest() -> int:
    """The version that this release needs."""
    return len(_scripts())


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """All of it is one transaction."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            yield connection
    except _IN_THE_WAY as error:
        raise _InTheWay("store", "store.url", f"others use the tables, which cannot be brought up to date: {error}") from error
    except psycopg.Error as error:
        raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error


def _version(connection: psycopg.Connection[Any]) -> int:
    found, oldest = _row(connection, "SELECT coalesce(max(version), 0), coalesce(max(works_with), 0) FROM relay_schema")
    if oldest > newest():
        raise ConfigError("store", "store.url", f"written by a newer relay (schema {found}, known {newest()})")
    return int(found)


def _row(connection: psycopg.Connection[Any], query: LiteralString) -> Any:
    return connection.execute(query).fetchone()


def _scripts() -> list[str]:
    return scripts("postgres")
