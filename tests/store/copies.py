"""Databases to be copied: each table filled by its catalogue, and what is in it read past the code that copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import psycopg
from blake3 import blake3
from click.testing import CliRunner, Result

from relay.cli import main
from relay.store.copying.tables import OWN
from relay.store.sqlite import schema

Rows = list[tuple[Any, ...]]
LARGE = bytes(range(256)) * 4096  # 1 MB: two pieces
_FLOATS = (0.1, 1_763_720_000.123456, 5e-324, 1.7976931348623157e308, inf, -0.5, 3.0)
_TEXTS = ("", "plain", "ä € 中 \U0001f600", "\x01\t\\N\\.\n", "'\"%s ?")
ONE_ROW = {"account", "heartbeat", "identities_known", "account_list_known", "notices_read"}


def sqlite_url(path: Path) -> str:
    return f"sqlite:{path}"


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:"))


def copy(source: str, target: str, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["store", "copy", source, target, *words], input=answer)


def last(result: Result) -> str:
    return last_line(result.output)


def last_line(said: str) -> str:
    return said.splitlines()[-1]


def made(path: Path, rows: int = 23) -> str:
    """The URL of a new database on SQLite with so many rows in each table, two large messages among them."""
    path.parent.mkdir(parents=True)
    with closing(schema.open_writer(path)) as db:
        db.execute("BEGIN")  # otherwise each row is synced
        for table in tables(db):
            _fill(db, table, 1 if table in ONE_ROW else rows)
        db.execute("DELETE FROM spooled")
        for number in (7, 14):
            put_large(path, _text(number), LARGE + bytes([number]))
            db.execute("INSERT INTO spooled (lasts, message_id) VALUES (?, ?)", (number % 2, _text(number)))
            digest = blake3(LARGE + bytes([number])).digest()
            db.execute("UPDATE messages SET digest = ? WHERE id = ?", (digest, _text(number)))
        db.execute("COMMIT")
    return sqlite_url(path)


def tables(db: sqlite3.Connection) -> list[str]:
    """Without SQLite's own."""
    found = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [name for name in found if name not in OWN and not name.startswith("sqlite_")]


def _fill(db: sqlite3.Connection, table: str, rows: int) -> None:
    columns = db.execute('SELECT name, type, pk, "notnull" FROM pragma_table_info(?)', (table,)).fetchall()
    for number in range(1, rows + 1):
        values = [_value(name, kind, pk, notnull, number) for name, kind, pk, notnull in columns]
        db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


_KINDS: dict[str, Callable[[int], object]] = {
    "TEXT": lambda number: _text(number),
    "REAL": lambda number: _FLOATS[number % len(_FLOATS)],
    "BLOB": lambda number: bytes([number, 0, 255]) * number,
    "INTEGER": lambda number: number,
}


def _value(name: str, kind: str, pk: int, notnull: int, number: int) -> object:
    if name == "lasts":
        return number % 2
    if not pk and not notnull and number % 3 == 0:
        return None
    return _KINDS[kind](number)


def _text(number: int) -> str:
    """No two are the same, and no language has their order."""
    return f"{'aB_Zé'[number % 5]}{number:03}{_TEXTS[number % len(_TEXTS)]}" if number % 7 else f"m{number:025}"


def put_large(path: Path, message_id: str, content: bytes) -> None:
    (path.parent / "spool").mkdir(exist_ok=True)
    (path.parent / "spool" / f"{message_id}.eml").write_bytes(content)


def everything(url: str) -> dict[str, Rows]:
    """All rows of all tables that are copied, and large content, columns and rows in one order."""
    return _of_sqlite(path_of(url)) if url.startswith("sqlite:") else _of_postgres(url)


def _of_sqlite(path: Path) -> dict[str, Rows]:
    with closing(sqlite3.connect(path)) as db:
        found = {name: _sorted(db.execute(f"SELECT * FROM {name}")) for name in tables(db)}
    found["large"] = sorted((file.stem, file.read_bytes()) for file in (path.parent / "spool").glob("*.eml"))
    return found


def _of_postgres(url: str) -> dict[str, Rows]:
    with psycopg.connect(url) as db:
        names = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = {name: _sorted(db.cursor(), f"SELECT * FROM {name}") for (name,) in names if name not in OWN}
        query = "SELECT message_id, string_agg(content, ''::bytea ORDER BY number) FROM chunks GROUP BY 1"
        found["large"] = sorted(db.execute(query).fetchall())
    return found


def _sorted(cursor: Any, query: str = "") -> Rows:
    rows: Sequence[tuple[Any, ...]] = cursor.execute(query.encode()).fetchall() if query else cursor.fetchall()
    places = sorted(range(len(cursor.description)), key=lambda place: cursor.description[place][0])
    return sorted((tuple(row[place] for place in places) for row in rows), key=repr)


def change(url: str, statement: str, *values: object) -> None:
    """Behind everybody's back."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(path_of(url), isolation_level=None)) as db:
            db.execute(statement, values)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.replace("?", "%s").encode(), values)


def column(url: str, query: str) -> list[Any]:
    """The first one."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(path_of(url))) as db:
            return [row[0] for row in db.execute(query)]
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode())]
