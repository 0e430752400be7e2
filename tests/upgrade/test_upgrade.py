"""Stores of every release that is kept: this one makes of their tables what it would make anew, and goes on with the mail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from relay.assembly import database
from relay.cli import main
from relay.settings import StoreConfig
from tests import postgres
from tests.harness import Settings
from tests.upgrade import dumps
from tests.upgrade.story import Story, goes_on

RELEASES = sorted(folder.name for folder in dumps.KEPT.iterdir())
Parts = set[tuple[object, ...]]

_COLUMNS = """SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
    FROM information_schema.columns WHERE table_schema = 'public'"""
_INDEXES = "SELECT tablename, indexdef, '' FROM pg_indexes WHERE schemaname = 'public'"


@pytest.fixture(params=dumps.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.running_server() as url:
        yield url


@pytest.fixture
def no_tables(server: str) -> Iterator[str]:
    with postgres.database(server, "template1") as url:
        yield url


@pytest.fixture
def another(server: str) -> Iterator[str]:
    with postgres.database(server, "template1") as url:
        yield url


@pytest.fixture(params=RELEASES)
def kept(request: pytest.FixtureRequest, engine: str) -> Path:
    return dumps.KEPT / str(request.param) / engine


@pytest.fixture
def settings(request: pytest.FixtureRequest, engine: str, kept: Path, tmp_path: Path) -> Settings:
    """Of a store as that release left it."""
    if engine == "sqlite":
        dumps.load_sqlite(kept, tmp_path)
        return {"RELAY_STORE__PATH": str(tmp_path / "relay.db")}
    url = str(request.getfixturevalue("no_tables"))
    dumps.load_postgres(kept, url)
    return {"RELAY_STORE__URL": url, "RELAY_STORE__PATH": str(tmp_path / "relay.db")}


def parts(where: StoreConfig) -> Parts:
    """Columns and indexes, in no order: those that were added later stand last."""
    if not where.is_postgres:
        return _of_sqlite(where.path)
    with psycopg.connect(where.url) as connection:
        return {*connection.execute(_COLUMNS).fetchall(), *connection.execute(_INDEXES).fetchall()}


def _of_sqlite(path: Path) -> Parts:
    found: Parts = set()
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            found |= {(table, *rest) for _, *rest in db.execute("SELECT * FROM pragma_table_info(?)", (table,))}
            indexes = db.execute('SELECT name, "unique", partial FROM pragma_index_list(?)', (table,)).fetchall()
            for name, is_unique, is_partial in indexes:
                columns = [row[2] for row in db.execute("SELECT * FROM pragma_index_xinfo(?)", (name,))]
                found.add((table, is_unique, is_partial, *columns))
    return found


def test_there_are_some() -> None:
    assert RELEASES


def test_its_tables_become_those_of_this_release(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert CliRunner().invoke(main, ["migrate"], env=settings).exit_code == 0
    where = StoreConfig(url=settings.get("RELAY_STORE__URL", ""), path=tmp_path / "relay.db")
    beside = str(request.getfixturevalue("another")) if where.is_postgres else ""
    anew = StoreConfig(url=beside, path=tmp_path / "new" / "relay.db")
    anew.path.parent.mkdir()
    database.migrate(anew)
    assert parts(where) == parts(anew)


async def test_this_release_goes_on_with_what_it_left(settings: Settings, kept: Path, tmp_path: Path) -> None:
    await goes_on(tmp_path, settings, Story.read(kept / "story.json"))
