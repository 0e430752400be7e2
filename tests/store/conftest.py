"""One store for each test: on SQLite and on PostgreSQL, which must not be told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relay.store.postgres.store import PostgresStore
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests import postgres
from tests.store.kit import database


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, str]]:
    """The URL of a server, and the name of a database to copy."""
    with postgres.running_server() as url:
        yield url, postgres.template(url)


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    if request.param == "sqlite":
        opened: SqlStore = await SqliteStore.open(database(tmp_path))
        yield opened
        await opened.close()
        return
    server, template = request.getfixturevalue("server")
    with postgres.database(server, template) as url:
        opened = await PostgresStore.open(url)
        yield opened
        await opened.close()
