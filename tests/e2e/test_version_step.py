"""A migration of the next release, while nodes of this one run: they go on, and may be started, until one step later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.cluster import cluster
from tests.harness import Relay, mail, submit

# Whatever a release may add: a column of each table, an index, a table.
_EXPAND = """DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'relay_schema' LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN of_the_next_release INTEGER NOT NULL DEFAULT 0', name);
        EXECUTE format('CREATE INDEX ON %I (of_the_next_release)', name);
    END LOOP;
    CREATE TABLE next_release (id BIGINT PRIMARY KEY);
END $$"""
LARGE = mail(body=("y" * 70 + "\r\n") * 3000)
BOUNCES = "bounce@simulator.amazonses.com"


def migrated(url: str, *, works_with: int, script: str = _EXPAND) -> int:
    """The version after the step of a release that came behind this one."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT max(version) + 1 FROM relay_schema").fetchone()
        assert row
        connection.execute(script.encode())
        connection.execute("INSERT INTO relay_schema (version, works_with) VALUES (%s, %s)", (row[0], works_with))
        return int(row[0])


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


async def test_nodes_of_this_release_go_on_beside_those_of_the_next(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}, {}) as (relays, _):
        await mailed(relays[0])
        version = migrated(url, works_with=1)
        await whole_story(relays[0])
        await mailed(relays[1])
        assert await relays[1].stop() == 0
        await relays[1].start()
        await whole_story(relays[1])
        said = (await relays[1].cli("migrate"))[1]
        assert said == f"schema {version} of a newer release, beside which this one ({version - 1}) may run\n"
        assert [relay.faults() for relay in relays] == [[], []]


async def test_a_step_later_they_are_refused(tmp_path: Path, url: str) -> None:
    async with cluster(tmp_path, url, {}) as ([relay], _):
        migrated(url, works_with=1)
        version = migrated(url, works_with=2, script="DROP TABLE next_release")
        assert await relay.stop() == 0
        with pytest.raises(RuntimeError, match=f"written by a newer relay .schema {version}, known {version - 2}"):
            await relay.start()
