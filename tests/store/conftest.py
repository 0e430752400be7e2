"""One store for each test: on SQLite and on PostgreSQL, which must not be told apart. Some are about one of the two alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from relay.store.postgres.store import PostgresStore
from relay.store.sql.store import SqlStore
from relay.store.sqlite.store import SqliteStore
from tests import postgres
from tests.store.kit import Opener, database


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, str]]:
    """The URL of a server, and the name of a database to copy."""
    with postgres.running_server() as url:
        yield url, postgres.template(url)


@pytest.fixture(scope="session")
def shared_url(server: tuple[str, str]) -> Iterator[str]:
    with postgres.database(*server) as url:
        yield url


@pytest.fixture
def url(shared_url: str) -> str:
    """An empty database."""
    postgres.empty(shared_url)
    return shared_url


@pytest.fixture
def own_url(server: tuple[str, str]) -> Iterator[str]:
    """A database whose tables a test may change."""
    with postgres.database(*server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where the store is: its file, or its URL."""
    return database(tmp_path) if engine == "sqlite" else str(request.getfixturevalue("url"))


@asynccontextmanager
async def _closing(opens: Opener) -> AsyncIterator[Opener]:
    """What was opened is closed in the end: SQLite's reader has a thread that would keep the tests from ending."""
    async with AsyncExitStack() as opened:

        async def one() -> SqlStore:
            store = await opens()
            opened.push_async_callback(store.close)
            return store

        yield one


@pytest.fixture
async def another(place: Path | str) -> AsyncIterator[Opener]:
    """Opens one more store on the same database."""
    opens = partial(SqliteStore.open, place) if isinstance(place, Path) else partial(PostgresStore.open, place)
    async with _closing(opens) as one:
        yield one


@pytest.fixture
async def another_to_read(place: Path | str) -> AsyncIterator[Opener]:
    if isinstance(place, Path):
        opens: Opener = partial(SqliteStore.open_to_read, place)
    else:
        opens = partial(PostgresStore.open_to_read, place)
    async with _closing(opens) as one:
        yield one


@pytest.fixture
async def store(another: Opener) -> SqlStore:
    return await another()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(database(tmp_path))
    yield store
    await store.close()


@pytest.fixture
async def postgres_store(url: str) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(url)
    yield store
    await store.close()
