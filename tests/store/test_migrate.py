"""`relay migrate` on both databases: it makes the tables, brings old ones up to date, refuses newer ones, or only looks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from relay.cli import main
from relay.store.lock import Lock
from relay.store.postgres import schema as postgres_schema
from relay.store.scripts import scripts
from relay.store.sqlite import schema as sqlite_schema
from tests import postgres

Run = Callable[..., Result]
_SECOND = "CREATE TABLE second (id INTEGER PRIMARY KEY);"


@pytest.fixture
def no_tables(server: tuple[str, str]) -> Iterator[str]:
    with postgres.database(server[0], "template1") as url:
        yield url


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What `store.url` is, of a database without tables."""
    return f"sqlite:{tmp_path}/data/relay.db" if engine == "sqlite" else str(request.getfixturevalue("no_tables"))


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    def run(*words: str, **settings: str) -> Result:
        given = {"RELAY_STORE__URL": url, "RELAY_STORE__PATH": f"{tmp_path}/data/relay.db", **settings}
        return CliRunner().invoke(main, ["migrate", *words], env=given)

    return run


@pytest.fixture
def next_release(engine: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """It has one more script; the version that it needs."""
    return _next(engine, monkeypatch, _SECOND)


def _next(engine: str, monkeypatch: pytest.MonkeyPatch, script: str) -> int:
    found = scripts(engine)
    module = sqlite_schema if engine == "sqlite" else postgres_schema
    monkeypatch.setattr(module, "_scripts", lambda: [*found, script])
    return len(found) + 1


def tables(url: str) -> set[str]:
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:"))) as db:
            return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows.fetchall()}


def test_it_makes_the_tables_once(run: Run, url: str) -> None:
    needed = sqlite_schema.newest()
    looked = run("--check")
    assert (looked.exit_code, looked.output) == (1, f"no tables, this release needs {needed}: run `relay migrate`\n")
    assert url.startswith("sqlite:") or tables(url) == set()
    assert run().output == f"made the tables of schema {needed}\n"
    assert "deliveries" in tables(url)
    for again in (run(), run("--check")):
        assert (again.exit_code, again.output) == (0, f"schema {needed} is up to date\n")


def test_a_look_at_no_database_makes_no_file(tmp_path: Path) -> None:
    looked = CliRunner().invoke(main, ["migrate", "--check"], env={"RELAY_STORE__PATH": f"{tmp_path}/data/relay.db"})
    assert looked.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_it_brings_old_tables_up_to_date_and_a_look_does_not(run: Run, url: str, request: pytest.FixtureRequest) -> None:
    assert run().exit_code == 0
    needed = request.getfixturevalue("next_release")
    looked = run("--check")
    assert looked.exit_code == 1
    assert looked.output == f"schema {needed - 1}, this release needs {needed}: run `relay migrate`\n"
    assert "second" not in tables(url)
    assert run().output == f"brought from schema {needed - 1} to {needed}\n"
    assert "second" in tables(url)
    assert run("--check").exit_code == 0


def test_a_script_that_fails_leaves_the_version_before(
    run: Run, url: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run().exit_code == 0
    broken = _next(engine, monkeypatch, f"{_SECOND} CREATE TABLE second (id INTEGER);")
    failed = run()
    assert failed.exit_code == 2
    assert "the database cannot be opened: " in failed.output
    assert "second" not in tables(url)
    assert run("--check").output.startswith(f"schema {broken - 1}, this release needs {broken}")


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_tables_of_a_newer_relay_are_refused(
    run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    newer = request.getfixturevalue("next_release")
    assert run().exit_code == 0
    monkeypatch.undo()
    refused = run(*words)
    assert refused.exit_code == 2
    assert f"written by a newer relay (schema {newer}, known {newer - 1})" in refused.output


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_those_of_the_next_release_are_taken_where_it_only_added(
    run: Run, engine: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    newer = _next(engine, monkeypatch, f"-- works with: {sqlite_schema.newest()}\n{_SECOND}")
    assert run().exit_code == 0
    monkeypatch.undo()
    taken = run(*words)
    assert taken.output == f"schema {newer} of a newer release, beside which this one ({newer - 1}) may run\n"
    assert taken.exit_code == 0


@pytest.mark.parametrize("words", [(), ("--check",)])
@pytest.mark.parametrize("url", ["postgresql://relay:secret@127.0.0.1:1/relay"])
def test_a_server_that_cannot_be_reached_is_said(run: Run, words: tuple[str, ...]) -> None:
    failed = run(*words)
    assert failed.exit_code == 2
    assert "store.url: the database cannot be opened" in failed.output
    assert "secret" not in failed.output


def test_it_goes_the_way_without_a_pooler_where_there_is_one(no_tables: str, tmp_path: Path) -> None:
    nowhere = "postgresql://127.0.0.1:1/relay"
    given = {"RELAY_STORE__URL": nowhere, "RELAY_STORE__DIRECT_URL": no_tables, "RELAY_STORE__PATH": f"{tmp_path}/relay.db"}
    assert CliRunner().invoke(main, ["migrate"], env=given).exit_code == 0
    assert CliRunner().invoke(main, ["migrate", "--check"], env=given).exit_code == 0
    assert "deliveries" in tables(no_tables)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_sqlite_s_file_is_left_alone_while_a_relay_has_it_and_a_look_does_not_mind(run: Run, tmp_path: Path) -> None:
    assert run().exit_code == 0
    lock = Lock(tmp_path / "data" / "relay.lock")
    assert lock.take()
    refused = run()
    assert (refused.exit_code, refused.output) == (2, f"relay: a relay runs on {tmp_path / 'data'}: stop it first\n")
    assert run("--check").exit_code == 0
    lock.release()
    assert run().exit_code == 0
