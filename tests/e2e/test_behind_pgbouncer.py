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
from tests.cluster import cluster
from tests.e2e.test_clients import needs
from tests.e2e.test_nodes import LARGE, NO_HTTP, NO_SMTP, sent, until_listed
from tests.harness import Relay, mail

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


@pytest.fixture(scope="module")
def template(server: str) -> str:
    return postgres.template(server)


@pytest.fixture
def direct(server: str, template: str) -> Iterator[str]:
    with postgres.database(server, template) as found:
        yield found


@pytest.fixture
def pooled(direct: str, unused_tcp_port: int) -> Iterator[str]:
    with running_pgbouncer(direct, unused_tcp_port) as url:
        connected(url).close()
        yield url


async def test_two_whole_relays_behind_it(tmp_path: Path, direct: str, pooled: str) -> None:
    settings = {"RELAY_STORE__URL": pooled, "RELAY_STORE__DIRECT_URL": direct}
    async with cluster(tmp_path, direct, settings, settings) as (relays, cloud):
        ids = [await sent(relays[number % 2]) for number in range(16)]
        ids.append(await sent(relays[1], mail(body=LARGE)))
        ids.append(await sent(relays[0], mail(body=LARGE)))
        for id in ids:
            assert await relays[0].status(id, "delivered") == ["delivered"]
        assert len(cloud.calls) == len(ids)
        assert cloud.calls[-1].raw.endswith(LARGE.encode()[-7000:])
        assert (await until_listed(relays[1], "node1", "node2")).count("its turn") == 1
        assert [relay.faults() for relay in relays] == [[], []]


async def test_a_node_is_told_of_mail_past_it(tmp_path: Path, direct: str, pooled: str) -> None:
    """The node that sends hears of it at once; through the pooler nobody could tell it, and it looks once a second."""
    settings = {"RELAY_STORE__URL": pooled, "RELAY_STORE__DIRECT_URL": direct}
    door = {"RELAY_NODE__ROLES": "smtp", **NO_HTTP, **settings}
    back = {"RELAY_NODE__ROLES": "dispatch,web,feedback,upkeep", **NO_SMTP, **settings}
    async with cluster(tmp_path, direct, door, back) as (relays, _):
        assert await relays[0].status(await sent(relays[0]), "delivered") == ["delivered"]
        with psycopg.connect(direct) as connection:
            heard = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            assert connection.execute(heard).fetchone() == (1,)


async def test_who_does_not_say_that_it_is_there_does_not_start(tmp_path: Path, pooled: str) -> None:
    with pytest.raises(RuntimeError, match="must say the way past the pooler") as refused:
        await Relay(tmp_path, 1, RELAY_STORE__URL=pooled).start()
    assert "secret" not in str(refused.value)


async def test_where_there_is_no_way_past_it_nodes_are_not_told_and_all_else_works(
    tmp_path: Path, server: str, unused_tcp_port: int
) -> None:
    """The tables are made through it as well."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    with running_pgbouncer(postgres.named(server, "fresh"), unused_tcp_port) as url:
        connected(url).close()
        settings = {"RELAY_STORE__URL": url, "RELAY_STORE__DIRECT_URL": url}
        async with cluster(tmp_path, url, settings, settings) as (relays, cloud):
            ids = [await sent(relays[number % 2]) for number in range(16)]
            ids.append(await sent(relays[1], mail(body=LARGE)))
            for id in ids:
                assert await relays[0].status(id, "delivered") == ["delivered"]
            assert len(cloud.calls) == len(ids)
            assert [relay.faults() for relay in relays] == [[], []]
