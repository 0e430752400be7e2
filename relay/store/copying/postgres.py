"""PostgreSQL as one side of a copy."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from relay.errors import ConfigError, StoreUnavailable
from relay.store.copying.sides import too_old
from relay.store.copying.tables import Range, Row, Table, quoted
from relay.store.postgres import schema
from relay.store.postgres.dialect import translated
from relay.store.sql.session import Cursor

_CONNECT_SECONDS = 5
_APPLICATION = "relay store copy"
_WAIT = "SET lock_timeout = '5s'"
_WRITING = "SELECT pg_advisory_lock(7310)"  # which all take that write: see database.py
_RUNNING = "SELECT name FROM nodes WHERE seen_at > extract(epoch FROM clock_timestamp()) - 30 ORDER BY name"

_UNKEPT = re.compile("[\0\ud800-\udfff]")
_HERE = "c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"
_COLUMNS = f"""SELECT c.relname, a.attname, t.typname, a.attidentity <> '', array_position(i.indkey::int2[], a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE {_HERE} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 5"""
_UNIQUE = f"""SELECT c.relname, coalesce(pg_get_expr(i.indpred, c.oid), 'true'), array_agg(a.attname::text)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE {_HERE} AND i.indisunique AND NOT i.indisprimary GROUP BY c.oid, c.relname, i.indexrelid, i.indpred"""


@contextmanager
def source(url: str, name: str) -> Iterator[PostgresSide]:
    """Read also while relays run; still where none was seen lately. Raises ConfigError, StoreUnavailable."""
    if (found := schema.version(url)) != schema.newest():
        raise too_old(name, found, schema.newest())
    with _connected(url) as connection:
        yield PostgresSide(connection, is_still=not _running(connection) and _is_still(connection))


@contextmanager
def target(url: str, name: str) -> Iterator[PostgresTarget]:
    """Its tables are made where there are none. Raises ConfigError where a relay runs on it, or somebody writes to it."""
    with _connected(url) as connection:
        if running := _running(connection):
            raise ConfigError(name, "TO", f"a relay runs on it, or did half a minute ago ({', '.join(running)}): stop it first")
        schema.migrate(url)
        if not _is_still(connection):
            raise ConfigError(name, "TO", "somebody else writes to it")
        yield PostgresTarget(connection, is_still=True)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name=_APPLICATION
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise StoreUnavailable(str(error)) from error


def _running(connection: psycopg.Connection[Any]) -> list[str]:
    """Relays that run on it, by name."""
    row = connection.execute("SELECT to_regclass('nodes')").fetchone()
    return [name for (name,) in connection.execute(_RUNNING).fetchall()] if row and row[0] else []


def _is_still(connection: psycopg.Connection[Any]) -> bool:
    """Whether nobody writes from now on, as long as the connection lives: who would waits for us, and fails."""
    connection.execute(_WAIT)
    try:
        connection.execute(_WRITING)
    except errors.LockNotAvailable:
        return False
    return True


class PostgresSide:
    """Implements sides.Side."""

    def __init__(self, connection: psycopg.Connection[Any], *, is_still: bool) -> None:
        self.is_still = is_still
        self._db = connection
        self._types: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._numbered: dict[str, str] = {}
        self._keys: defaultdict[str, list[str]] = defaultdict(list)
        for table, column, kind, is_numbered, place in connection.execute(_COLUMNS.encode()).fetchall():
            self._types[table][column] = kind
            if is_numbered:
                self._numbered[table] = column
            if place is not None:
                self._keys[table].append(column)

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        return self._db.execute(translated(query).encode(), values)

    def tables(self) -> dict[str, Table]:
        return {name: Table.found(name, types, self._keys[name]) for name, types in self._types.items()}

    def rows(self, table: Table, within: Range, limit: int) -> list[Row]:
        where, values = self._condition(table, within)
        columns, key = ", ".join(quoted(table.columns)), ", ".join(self._key(table))
        query = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT %s"
        return self._db.cursor(binary=True).execute(query.encode(), (*values, limit)).fetchall()

    def numbers(self) -> dict[str, int]:
        last = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass), 0)"
        return {table: self._db.execute(last, (table, column)).fetchall()[0][0] for table, column in self._numbered.items()}

    def pieces(self, message_id: str) -> Iterator[bytes]:
        number, query = 0, b"SELECT content FROM chunks WHERE message_id = %s AND number = %s"
        while found := self._db.cursor(binary=True).execute(query, (message_id, number)).fetchone():
            yield found[0]
            number += 1

    def _condition(self, table: Table, within: Range) -> tuple[str, Row]:
        return within.condition(self._key(table), lambda _: "%s")

    def _key(self, table: Table) -> list[str]:
        """Text by its octets, whatever the database's language."""
        types = self._types[table.name]
        collations = (' COLLATE "C"' if types[column] == "text" else "" for column in table.key)
        return [column + collation for column, collation in zip(quoted(table.key), collations, strict=True)]


class PostgresTarget(PostgresSide):
    """Implements sides.Target."""

    def __init__(self, connection: psycopg.Connection[Any], *, is_still: bool) -> None:
        super().__init__(connection, is_still=is_still)
        self._unique: defaultdict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        for table, condition, columns in connection.execute(_UNIQUE.encode()).fetchall():
            self._unique[table].append((condition, columns))

    def held(self, row: Row) -> Row:
        if any(value.__class__ is str and _UNKEPT.search(value) for value in row):
            return tuple(_UNKEPT.sub("\ufffd", value) if isinstance(value, str) else value for value in row)
        return row

    def replace(self, table: Table, within: Range, rows: Sequence[Row]) -> None:
        with self._db.transaction():
            where, values = self._condition(table, within)
            self._db.execute(f"DELETE FROM {table.name} {where}".encode(), values)
            try:
                with self._db.transaction():
                    self._insert(table, rows)
            except errors.UniqueViolation:
                self._make_way(table, rows)
                self._insert(table, rows)

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        """As they are: COPY takes the numbers that rows have."""
        query = f"COPY {table.name} ({', '.join(quoted(table.columns))}) FROM STDIN (FORMAT BINARY)"
        with self._db.cursor().copy(query.encode()) as copy:
            copy.set_types([self._types[table.name][column] for column in table.columns])
            for row in rows:
                copy.write_row(row)

    def _make_way(self, table: Table, rows: Sequence[Row]) -> None:
        """Rows of other ranges, which lie as they once were, may have what must be there only once."""
        for condition, columns in self._unique[table.name]:
            same = " AND ".join(f'"{column}" = %s' for column in columns)
            places = [table.columns.index(column) for column in columns]
            query = f"DELETE FROM {table.name} WHERE {condition} AND {same}"
            self._db.cursor().executemany(query.encode(), [[row[place] for place in places] for row in rows])

    def finish(self, table: Table, last: int) -> None:
        """The next number is behind the largest, and behind the last that was given."""
        if column := self._numbered.get(table.name):
            query = f"""SELECT setval(pg_get_serial_sequence(%s, %s), greatest(found.last, 1), found.last > 0)
                FROM (SELECT greatest(max({column}), %s) AS last FROM {table.name}) AS found"""
            self._db.execute(query.encode(), (table.name, column, last))
        self._db.execute(f"ANALYZE {table.name}".encode())

    def put(self, message_id: str, pieces: Iterable[bytes]) -> None:
        with self._db.transaction():
            self._db.execute("DELETE FROM chunks WHERE message_id = %s", (message_id,))
            for number, piece in enumerate(pieces):
                insert = "INSERT INTO chunks (message_id, number, content) VALUES (%s, %s, %b)"
                self._db.execute(insert, (message_id, number, piece))

    def tidy(self) -> None:
        self._db.execute(
            "DELETE FROM chunks c WHERE NOT EXISTS"
            " (SELECT 1 FROM spooled s WHERE s.lasts IN (0, 1) AND s.message_id = c.message_id)"
        )
