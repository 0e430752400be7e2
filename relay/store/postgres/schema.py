"""Brings the tables of a PostgreSQL database up to date: numbered migrations, forward only, one node at a time.

Nodes of the release before go on while the new ones come: a script that only adds says `-- works with: N` in its first line,
the oldest version whose relays may run on its tables. What those need is taken away by a later release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, LiteralString

import psycopg

from relay.errors import ConfigError

_CONNECT_SECONDS = 5
_LOCK = 0x72656C6179  # of all relays on this database: "relay"
_VERSIONS = """CREATE TABLE IF NOT EXISTS relay_schema (
    version INTEGER PRIMARY KEY, works_with INTEGER NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())"""
_WORKS_WITH = re.compile(r"-- works with: ([0-9]+)\n")


def migrate(url: str) -> int:
    """Runs what is missing, and returns the version before. Raises ConfigError for a database that cannot be reached, or is of
    a newer relay beside which this one cannot run.
    """
    with _connected(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_VERSIONS)
        found = _version(connection)
        for number, script in enumerate(scripts()[found:], found + 1):
            connection.execute(script.encode())
            said = _WORKS_WITH.match(script)
            versions = (number, int(said[1]) if said else number)
            connection.execute("INSERT INTO relay_schema (version, works_with) VALUES (%s, %s)", versions)
        return found


def version(url: str) -> int:
    """Of the tables that are there, 0 without any. Changes nothing. Raises ConfigError as `migrate` does."""
    with _connected(url) as connection:
        (is_ours,) = _row(connection, "SELECT to_regclass('relay_schema') IS NOT NULL")
        return _version(connection) if is_ours else 0


def newest() -> int:
    """The version that this release needs."""
    return len(scripts())


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """All of it is one transaction."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            yield connection
    except psycopg.Error as error:
        raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error


def _version(connection: psycopg.Connection[Any]) -> int:
    found, works_with = _row(connection, "SELECT coalesce(max(version), 0), coalesce(max(works_with), 0) FROM relay_schema")
    if works_with > newest():
        raise ConfigError("store", "store.url", f"written by a newer relay (schema {found}, known {newest()})")
    return int(found)


def _row(connection: psycopg.Connection[Any], query: LiteralString) -> Any:
    return connection.execute(query).fetchone()


def scripts() -> list[str]:
    """In their order."""
    folder = files("relay.store").joinpath("migrations", "postgres")
    return [entry.read_text() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
