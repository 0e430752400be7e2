"""SQLite as one side of a copy: its file, and the spool folder beside it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from operator import methodcaller
from pathlib import Path
from typing import Any

from relay.errors import ConfigError, StoreUnavailable
from relay.store.copying.sides import PIECE, too_old
from relay.store.copying.tables import Range, Row, Table, quoted
from relay.store.lock import Lock
from relay.store.sqlite import schema
from relay.store.sqlite.file import condition

_LONE = re.compile("[\ud800-\udfff]")
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_COLUMNS = "SELECT name FROM pragma_table_info(?)"
_NUMBERED = "SELECT 1 FROM sqlite_schema WHERE name = ? AND sql LIKE '%AUTOINCREMENT%'"
_FIRST = "INSERT INTO sqlite_sequence SELECT ?1, 0 WHERE ?1 NOT IN (SELECT name FROM sqlite_sequence)"
_KEY = "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk"
_UNIQUE = """SELECT name FROM pragma_index_info((SELECT name FROM pragma_index_list(?) WHERE origin = 'u' ORDER BY seq LIMIT 1))
    ORDER BY seqno"""


@contextmanager
def source(path: Path, spool: Path, lock: Lock) -> Iterator[SqliteSide]:
    """Read also while a relay runs; still where the lock could be taken. Raises ConfigError, StoreUnavailable."""
    if not path.exists():
        raise ConfigError(str(path), "FROM", "there is no database")
    with _trouble(), _held(lock) as is_still:
        if is_still:
            condition.check(path)
        if (found := schema.version(path)) != schema.newest():
            raise too_old(str(path), found, schema.newest())
        with closing(condition.reading(path)) as connection:
            yield SqliteSide(connection, spool, is_still=is_still)


@contextmanager
def target(path: Path, spool: Path, lock: Lock) -> Iterator[SqliteTarget]:
    """Made where there is none. Raises ConfigError where a relay runs on it."""
    with _trouble():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _held(lock) as is_ours:
            if not is_ours:
                raise ConfigError(str(path), "TO", f"a relay runs on {path.parent}: stop it first")
            spool.mkdir(mode=0o700, exist_ok=True)
            with closing(schema.open_writer(path)) as connection:
                yield SqliteTarget(connection, spool, is_still=True)


@contextmanager
def _trouble() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(str(error)) from error


@contextmanager
def _held(lock: Lock) -> Iterator[bool]:
    try:
        yield lock.take()
    finally:
        lock.release()


class SqliteSide:
    """Implements sides.Side. Text that is no UTF-8 comes with lone surrogates."""

    def __init__(self, connection: sqlite3.Connection, spool: Path, *, is_still: bool) -> None:
        connection.text_factory = methodcaller("decode", "utf-8", "surrogateescape")
        self.execute = connection.execute
        self.is_still = is_still
        self._db = connection
        self._spool = spool

    def tables(self) -> dict[str, Table]:
        return {name: Table.found(name, self._names(_COLUMNS, name), self._key(name)) for (name,) in self.execute(_TABLES)}

    def _key(self, table: str) -> list[str]:
        """Where the rows have numbers that nobody sees, the first index that lets none be there twice."""
        return self._names(_KEY, table) or self._names(_UNIQUE, table)

    def _names(self, query: str, table: str) -> list[str]:
        return [name for (name,) in self.execute(query, (table,)).fetchall()]

    def rows(self, table: Table, within: Range, limit: int) -> list[Row]:
        where, values = _condition(table, within)
        columns, key = ", ".join(quoted(table.columns)), ", ".join(quoted(table.key))
        query = f"SELECT {columns} FROM {table.name} {where} ORDER BY {key} LIMIT ?"
        return self.execute(query, (*values, limit)).fetchall()

    def numbers(self) -> dict[str, int]:
        return dict(self.execute("SELECT name, seq FROM sqlite_sequence").fetchall())

    def pieces(self, message_id: str) -> Iterator[bytes]:
        try:
            with self._file(message_id).open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece
        except FileNotFoundError:
            return

    def _file(self, message_id: str) -> Path:
        return self._spool / f"{message_id}.eml"


class SqliteTarget(SqliteSide):
    """Implements sides.Target."""

    def held(self, row: Row) -> Row:
        if any(value.__class__ is str and _LONE.search(value) for value in row):
            return tuple(_LONE.sub("\ufffd", value) if isinstance(value, str) else value for value in row)
        return row

    def replace(self, table: Table, within: Range, rows: Sequence[Row]) -> None:
        where, values = _condition(table, within)
        columns, places = ", ".join(quoted(table.columns)), ", ".join("?" * len(table.columns))
        self.execute("BEGIN IMMEDIATE")
        try:
            self.execute(f"DELETE FROM {table.name} {where}", values)
            self._db.executemany(f"INSERT OR REPLACE INTO {table.name} ({columns}) VALUES ({places})", rows)
            self.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    def finish(self, table: Table, last: int) -> None:
        """The next number is behind the largest by itself, and behind the last where numbers are never given again."""
        if self.execute(_NUMBERED, (table.name,)).fetchone():
            self.execute(
                "INSERT INTO sqlite_sequence SELECT ?1, 0 WHERE ?1 NOT IN (SELECT name FROM sqlite_sequence)", (table.name,)
            )
            self.execute("UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1 AND seq < ?2", (table.name, last))

    def put(self, message_id: str, pieces: Iterable[bytes]) -> None:
        """Beside it first, and synced: a name that is there has its content."""
        new, is_any = self._file(message_id).with_suffix(".new"), False
        with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            for piece in pieces:
                is_any = bool(file.write(piece))
            file.flush()
            os.fsync(file.fileno())
        if is_any:
            new.rename(self._file(message_id))
        else:
            new.unlink()
            self._file(message_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """A relay does so when it starts; the names of the files are synced."""
        folder = os.open(self._spool, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _condition(table: Table, within: Range) -> tuple[str, Row]:
    """Text that is no UTF-8 goes as its octets."""
    where, values = within.condition(quoted(table.key), lambda value: "CAST(? AS TEXT)" if _is_no_text(value) else "?")
    return where, tuple(value.encode("utf-8", "surrogateescape") if _is_no_text(value) else value for value in values)


def _is_no_text(value: Any) -> bool:
    return isinstance(value, str) and _LONE.search(value) is not None
