"""A store as text that any release can make it of again: its statements, and the files of large messages."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from tests import postgres

KEPT = Path(__file__).parent / "kept"
ENGINES = ("sqlite", "postgres")
# What psql alone understands, and settings that other versions of the server do not know.
_OF_CLIENTS = re.compile(r"(?m)^(\\|SET |SELECT pg_catalog\.set_config).*\n")


def dump_sqlite(folder: Path, to: Path) -> None:
    with closing(sqlite3.connect(folder / "relay.db")) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        statements = [*db.iterdump(), f"PRAGMA user_version = {version};"]
    _write(to / "sqlite.sql.gz", "\n".join(statements))
    for file in (folder / "spool").glob("*.eml"):
        _pack(file, to / f"{file.name}.gz")


def load_sqlite(kept: Path, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "relay.db")) as db:
        db.executescript(_read(kept / "sqlite.sql.gz"))
    (folder / "spool").mkdir()
    for file in kept.glob("*.eml.gz"):
        (folder / "spool" / file.stem).write_bytes(gzip.decompress(file.read_bytes()))


def dump_postgres(server: postgres.OwnServer, url: str, to: Path) -> None:
    said = server.run("pg_dump", "--inserts", "--no-owner", "--no-privileges", url)
    _write(to / "postgres.sql.gz", _OF_CLIENTS.sub("", said))


def load_postgres(kept: Path, url: str) -> None:
    """Into a database without tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_read(kept / "postgres.sql.gz").encode())


def _write(file: Path, text: str) -> None:
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def _read(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()


def _pack(file: Path, to: Path) -> None:
    with file.open("rb") as source, gzip.GzipFile(to, "wb", mtime=0) as target:
        shutil.copyfileobj(source, target)
