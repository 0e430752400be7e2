"""Brings the tables of a PostgreSQL database up to date: numbered migrations, forward only, one node at a time."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg

from relay.errors import ConfigError

_CONNECT_SECONDS = 5
_LOCK = 0x72656C6179  # of all relays on this database: "relay"
_VERSIONS = "CREATE TABLE IF NOT EXISTS relay_schema (version INTEGER PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())"


def migrate(url: str) -> None:
    """Runs what is missing. Raises ConfigError for a database that cannot be reached, or is of a newer relay."""
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _migrate(connection)
    except psycopg.Error as error:
        raise ConfigError("store", "store.url", f"the database cannot be opened: {error}") from error


def _migrate(connection: psycopg.Connection[Any]) -> None:
    connection.execute(_VERSIONS)
    row = connection.execute("SELECT max(version) FROM relay_schema").fetchone()
    version, found = (row[0] if row else None) or 0, scripts()
    if version > len(found):
        raise ConfigError("store", "store.url", f"written by a newer relay (schema {version}, known {len(found)})")
    for number, script in enumerate(found[version:], version + 1):
        connection.execute(script.encode())
        connection.execute("INSERT INTO relay_schema (version) VALUES (%s)", (number,))


def scripts() -> list[str]:
    """In their order."""
    folder = files("relay.store").joinpath("migrations", "postgres")
    return [entry.read_text() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
