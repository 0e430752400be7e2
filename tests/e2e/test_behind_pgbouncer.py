"""The PgBouncer of config/compose, its names and ports rewritten: it lets in who has the password, by transactions."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests import postgres
from tests.e2e.test_clients import needs

FILE = Path(__file__).parents[2] / "config" / "compose" / "pgbouncer.ini"
PORT = "6432"


def rewritten(text: str, *, server: str, port: int, users: Path) -> str:
    """The shipped file for this machine: the server behind it is the one of this URL."""
    parts = urlsplit(server)
    [folder] = parse_qs(parts.query)["host"]
    there = f"host={folder} dbname={parts.path[1:]} user={parts.username}"
    text = text.replace("host=postgres port=5432", there).replace("listen_addr = *", "listen_addr = 127.0.0.1")
    return text.replace(PORT, str(port)).replace("/run/secrets/pgbouncer-users", str(users))


def connected(url: str) -> psycopg.Connection:
    """Once it listens."""
    for _ in range(100):
        try:
            return psycopg.connect(url, options="-c lock_timeout=5s")
        except psycopg.OperationalError as error:
            if "refused" not in str(error):
                raise
            time.sleep(0.05)
    raise AssertionError("nobody listens")


@contextmanager
def running_pgbouncer(server: str, port: int) -> Iterator[str]:
    """Its URL. It runs as nobody where we are root, for it will not run as root."""
    program = needs("pgbouncer")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users, file = folder / "users", folder / "pgbouncer.ini"
        users.write_text('"relay" "secret"\n')
        file.write_text(rewritten(FILE.read_text(), server=server, port=port, users=users))
        for each in (folder, Path(parse_qs(urlsplit(server).query)["host"][0])):
            each.chmod(0o755)
        as_nobody = [] if os.geteuid() else ["-u", "nobody"]
        process = subprocess.Popen([program, *as_nobody, file], stderr=subprocess.DEVNULL)
        try:
            yield f"postgresql://relay:secret@127.0.0.1:{port}/relay"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.running_server() as server:
        yield server


def test_two_clients_share_a_connection_by_turns(server: str, unused_tcp_port_factory: Callable[[], int]) -> None:
    with running_pgbouncer(server, unused_tcp_port_factory()) as url, connected(url) as one, connected(url) as other:
        seen = set()
        for connection in (one, other) * 3:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row
            seen.add(row[0])
            connection.commit()
        assert len(seen) == 1


def test_who_has_another_password_is_not_let_in(server: str, unused_tcp_port_factory: Callable[[], int]) -> None:
    with running_pgbouncer(server, unused_tcp_port_factory()) as url:
        connected(url).close()
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            connected(url.replace("secret", "secrets"))
