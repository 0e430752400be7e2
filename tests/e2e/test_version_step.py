"""A migration of the next release, while nodes of this one run: they go on, and may be started, until one step later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.store.postgres import schema
from relay.store.scripts import scripts
from tests.cluster import cluster
from tests.harness import Relay, mail, submit

# Whatever a release may add: a column of each table, an index, a table.
_EXPAND = """-- works with: 1
DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'relay_schema' LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN of_the_next_release INTEGER NOT NULL DEFAULT 0', name);
        EXECUTE format('CREATE INDEX ON %I (of_the_next_release)', name);
    END LOOP;
    CREATE TABLE next_release (id BIGINT PRIMARY KEY);
END $$"""
_CONTRACT = """-- works with: 2
DROP TABLE next_release"""
Migrated = Callable[..., Awaitable[int]]
LARGE = mail(body=("y" * 70 + "\r\n") * 3000)
BOUNCES = "bounce@simulator.amazonses.com"


@pytest.fixture
def migrated(url: str, monkeypatch: pytest.MonkeyPatch) -> Migrated:
    """Does what a release with these scripts more would do; the version after that."""

    async def migrate(*more: str) -> int:
        after = [*scripts("postgres"), *more]
        monkeypatch.setattr(schema, "_scripts", lambda: after)
        await asyncio.to_thread(schema.migrate, url)
        return schema.version(url)

    return migrate


async def whole_story(relay: Relay) -> None:
    """In, out and back, and what an operator asks."""
    id = await mailed(relay)
    for words in (("nodes",), ("queue", "status"), ("stats",), ("message", "show", id), ("credential", "list")):
        await relay.cli(*words)


async def mailed(relay: Relay) -> str:
    """In, out and back, and released by hand; the id of one that was delivered."""

    def submitted(content: bytes, to: str) -> str:
        with relay.smtp() as client:
            return submit(client, content, to=to)

    small, large, bounced = [
        await asyncio.to_thread(submitted, content, to)
        for content, to in ((mail(), "reader@example.net"), (LARGE, "reader@example.net"), (mail(), BOUNCES))
    ]
    for id, status in ((small, "delivered"), (large, "delivered"), (bounced, "bounced hard")):
        assert await relay.status(id, status) == [status]
    assert BOUNCES in (await relay.cli("suppression", "list"))[1]
    await relay.cli("suppression", "remove", BOUNCES)
    return small


async def test_nodes_of_this_release_go_on_beside_those_of_the_next(tmp_path: Path, url: str, migrated: Migrated) -> None:
    async with cluster(tmp_path, url, {}, {}) as (relays, _):
        await mailed(relays[0])
        version = await migrated(_EXPAND)
        await whole_story(relays[0])
        await mailed(relays[1])
        assert await relays[1].stop() == 0
        await relays[1].start()
        await whole_story(relays[1])
        said = (await relays[1].cli("migrate"))[1]
        assert said == f"schema {version} of a newer release, beside which this one ({version - 1}) may run\n"
        assert [relay.faults() for relay in relays] == [[], []]


async def test_a_step_later_they_are_refused(tmp_path: Path, url: str, migrated: Migrated) -> None:
    async with cluster(tmp_path, url, {}) as ([relay], _):
        await migrated(_EXPAND)
        version = await migrated(_EXPAND, _CONTRACT)
        assert await relay.stop() == 0
        with pytest.raises(RuntimeError, match=f"written by a newer relay .schema {version}, known {version - 2}"):
            await relay.start()
