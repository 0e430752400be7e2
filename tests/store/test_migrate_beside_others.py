"""A migration of PostgreSQL's tables while others use them: it waits for who writes, and is in nobody's way who reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from relay.errors import ConfigError
from relay.store.postgres import schema
from relay.store.scripts import scripts
from tests import postgres

# A table that others have at hand is the second that it wants.
_ADDS = "ALTER TABLE messages ADD COLUMN more INTEGER; ALTER TABLE deliveries ADD COLUMN more INTEGER;"
_WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
Connection = psycopg.AsyncConnection[tuple[object, ...]]


@pytest.fixture
def url(server: tuple[str, str]) -> Iterator[str]:
    with postgres.database(*server) as url:
        yield url


@pytest.fixture(autouse=True)
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scripts("postgres")
    monkeypatch.setattr(schema, "_scripts", lambda: [*found, _ADDS])


@asynccontextmanager
async def other(url: str) -> AsyncIterator[Connection]:
    """Within a transaction, until it ends."""
    async with await Connection.connect(url, autocommit=False) as connection:
        yield connection


async def migrating(url: str) -> asyncio.Task[int]:
    """Somebody is in its way, and it waits."""
    task = asyncio.create_task(asyncio.to_thread(schema.migrate, url))
    async with await Connection.connect(url, autocommit=True) as looking:
        while not await (await looking.execute(_WAITS)).fetchone():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return task


async def test_who_writes_goes_on_to_the_end(url: str) -> None:
    async with other(url) as node:
        await node.execute("SELECT pg_advisory_xact_lock_shared(7310)")
        await node.execute("LOCK TABLE deliveries IN ROW EXCLUSIVE MODE")
        task = await migrating(url)
        await node.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
    assert await task + 1 == schema.version(url)


async def test_who_reads_goes_on_to_the_end(url: str) -> None:
    async with other(url) as reader:
        await reader.execute("SELECT FROM deliveries")
        task = await migrating(url)
        await reader.execute("SELECT FROM messages")
    assert await task + 1 == schema.version(url)


async def test_all_others_do_meanwhile_what_they_do(url: str) -> None:
    """While one of them keeps a table for long, as who dumps it does."""
    async with other(url) as dumping:
        await dumping.execute("SELECT FROM deliveries")
        task = await migrating(url)
        async with other(url) as node:
            await node.execute("SET lock_timeout = '5s'")
            for _ in range(5):
                await node.execute("SELECT pg_advisory_xact_lock_shared(7310)")
                await node.execute("SELECT FROM messages JOIN deliveries ON true")
                await node.commit()
        assert not task.done()
    assert await task + 1 == schema.version(url)


async def test_it_gives_up_in_the_end_and_says_who_is_in_the_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_PATIENCE_SECONDS", 1.0)
    before = schema.version(url)
    async with other(url) as dumping:
        await dumping.execute("SELECT FROM deliveries")
        with pytest.raises(ConfigError, match=r"store\.url: others use the tables, which cannot be brought up to date: "):
            await asyncio.to_thread(schema.migrate, url)
    assert schema.version(url) == before
