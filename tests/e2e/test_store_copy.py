"""A whole relay moves from SQLite to PostgreSQL: copied while mail comes in, stopped, copied again, started there."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from relay.sandbox.cloud import Cloud
from relay.settings import StoreConfig
from tests import postgres
from tests.e2e.readers import LINK, LOGINS, WEB_LINK, Scene, settings, texts
from tests.harness import Relay, arrived, mail, running_relay, submit
from tests.store.copies import change, everything, last_line, made

NEWSLETTER = "See [WebVersion] or [Unsubscribe]\r\n"
LARGE = "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 3000
SIMULATOR = "simulator.amazonses.com"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.running_server() as url:
        yield url


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A database without tables."""
    with postgres.database(server, "template1") as found:
        yield found


@pytest.fixture
async def scene(tmp_path: Path, unused_tcp_port: int, url: str) -> AsyncIterator[Scene]:
    """Ends before the database goes that it may have moved to."""
    async with running_relay(tmp_path, *LOGINS, settings=settings(unused_tcp_port)) as (relay, cloud):
        yield Scene(relay, cloud)
        assert relay.faults() == []


async def copy(relay: Relay, url: str) -> tuple[int, str]:
    return await relay.cli("store", "copy", f"sqlite:{relay.path}", url, check=False)


async def send(relay: Relay, *contents: bytes, to: str = "reader@example.net", login: str = "app") -> list[str]:
    def session() -> list[str]:
        with relay.smtp(login=login) as client:
            return [submit(client, content, to=to) for content in contents]

    return await asyncio.to_thread(session)


async def shown(relay: Relay, message_ids: list[str]) -> list[object]:
    """What the command line says of everything."""
    said: list[object] = [(await relay.cli("message", "show", message_id))[1] for message_id in message_ids]
    said.append((await relay.cli("message", "list"))[1])
    said.append((await relay.cli("suppression", "check", "added@example.net", f"bounce@{SIMULATOR}", check=False))[1])
    said.append((await relay.cli("suppression", "list"))[1])
    said.append((await relay.cli("credential", "list"))[1])
    said.append(json.loads((await relay.cli("stats", "--since", "30d", "--json"))[1]))
    return said


def on_postgres(relay: Relay, url: str) -> None:
    """From now on its store is there."""
    relay.settings["RELAY_STORE__URL"] = url
    relay.where = StoreConfig(url=url, path=relay.path)


def calls(cloud: Cloud) -> Counter[str]:
    """How often each message was sent."""
    return Counter(call.tags["relay_id"][:26] for call in cloud.calls)


async def test_a_relay_goes_on_where_it_was(scene: Scene, url: str) -> None:
    relay, cloud = scene.relay, scene.cloud
    newsletter = await scene.sent(mail(body=NEWSLETTER))
    (web,) = {match[1].decode() for match in WEB_LINK.finditer(texts(newsletter))}
    (leave,) = {match[1].decode() for match in LINK.finditer(texts(newsletter))}
    done = await send(relay, mail(), mail(body=LARGE))
    for each in done:
        assert await relay.status(each, "delivered") == ["delivered"]
    (bounced,) = await send(relay, mail(), to=f"bounce@{SIMULATOR}")
    assert await relay.status(bounced, "bounced hard") == ["bounced hard"]
    await relay.cli("suppression", "add", "added@example.net", "--note", "Grüße")
    await relay.cli("queue", "pause")
    waiting = await send(relay, mail(), mail(body=LARGE), mail(body=NEWSLETTER), login="news")
    held, *_ = await send(relay, mail())
    await relay.cli("queue", "hold", held, "--yes")

    coming = asyncio.create_task(send(relay, *(mail(subject=str(number)) for number in range(300))))
    status, said = await copy(relay, url)
    assert status == 1
    assert f"a relay runs on {relay.path}: this is not all of it yet" in last_line(said)
    later = await coming
    assert await relay.stop() == 0
    every = [*done, bounced, *waiting, held, later[0]]
    before, found, sent = await shown(relay, every), everything(f"sqlite:{relay.path}"), calls(cloud)

    status, said = await copy(relay, url)
    assert (status, last_line(said).startswith("whole: ")) == (0, True)
    assert everything(url) == found
    assert len(found["large"]) == 2
    on_postgres(relay, url)
    assert await shown(relay, every) == before

    await relay.start()
    await relay.cli("queue", "resume")
    await arrived(relay, cloud, sent.total() + len(waiting) + len(later))
    for each in (*waiting, later[0]):
        assert await relay.status(each, "delivered") == ["delivered"]
    assert "queued (held back by the operator)" in (await relay.cli("message", "show", held))[1]
    assert calls(cloud) - sent == Counter([*waiting, *later])
    assert sum(LARGE.encode() in call.raw for call in cloud.calls) == 2
    assert (await scene.ask("GET", web))[0] == 200
    assert (await scene.ask("GET", leave))[0] == 200
    (fresh,) = await send(relay, mail())
    assert await relay.status(fresh, "delivered") == ["delivered"]
    (stopped,) = await send(relay, mail(), to="added@example.net")
    assert await relay.status(stopped, "suppressed") == ["suppressed"]


async def test_a_row_that_was_changed_behind_its_back_is_found(scene: Scene, url: str) -> None:
    relay = scene.relay
    sent = await send(relay, *(mail(subject=str(number)) for number in range(20)))
    assert await relay.status(sent[-1], "delivered") == ["delivered"]
    assert await relay.stop() == 0
    source = f"sqlite:{relay.path}"
    assert (await copy(relay, url))[0] == 0
    for side in (source, url):
        change(side, "UPDATE messages SET subject = subject || '!' WHERE id = ?", sent[7])
        change(side, "UPDATE deliveries SET sent_at = sent_at + 0.000001 WHERE message_id = ?", sent[8])
        status, said = await copy(relay, url)
        assert (status, last_line(said).startswith("whole: ")) == (0, True)
        assert {line for line in said.splitlines() if not line.endswith(" 0 copied")} - {last_line(said)} == {
            "messages: 20 rows, 20 copied",
            "deliveries: 20 rows, 20 copied",
        }
        assert everything(url) == everything(source)


async def test_a_relay_that_was_killed_is_copied_and_can_start_where_it_was(scene: Scene, url: str) -> None:
    relay, cloud = scene.relay, scene.cloud
    await relay.cli("queue", "pause")
    waiting = await send(relay, mail(), mail(body=LARGE))
    await relay.kill()
    status, said = await copy(relay, url)
    assert (status, last_line(said).startswith("whole: ")) == (0, True)
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id FROM messages ORDER BY id").fetchall()
    assert [message_id for (message_id,) in rows] == sorted(waiting)
    await relay.start()
    await relay.cli("queue", "resume")
    for each in waiting:
        assert await relay.status(each, "delivered") == ["delivered"]
    assert calls(cloud) == Counter(waiting)
    relay.path.with_name("relay.log").write_text("")  # the end of the first was no good one


async def test_a_copy_that_was_killed_is_whole_the_next_time(tmp_path: Path, url: str) -> None:
    source = made(tmp_path / "from" / "relay.db", rows=150)
    many = f"WITH n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 40000) {COPIES}"
    change(source, many)
    words = ("-m", "relay", "store", "copy", source, url)
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        await until_some(url)
        process.kill()
        await process.communicate()
        assert 0 < await count(url) < 40150
    again = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await again.communicate()
    assert (again.returncode, last_line(said.decode()).startswith("whole: ")) == (0, True)
    assert everything(url) == everything(source)


# With texts that any language would sort otherwise.
COPIES = """INSERT INTO messages SELECT 'z' || n || id, accepted_at, credential, sender, header_from, client_message_id,
    subject, peer, size, digest, edits, has_links, lasts, label_id, campaign, list, message_class, send_at, expires_at, tags,
    ses_tags, configuration_set, task FROM n, messages WHERE size = 1"""


async def count(url: str) -> int:
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            row = await (await connection.execute("SELECT count(*) FROM messages")).fetchone()
            return int(row[0]) if row else 0
    except psycopg.errors.UndefinedTable:
        return 0


async def until_some(url: str) -> None:
    """More than there were."""
    before = await count(url)
    for _ in range(3000):
        if await count(url) > before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing is copied")


async def test_migrate_says_what_it_did_to_a_database_of_a_relay(scene: Scene) -> None:
    relay = scene.relay
    status, said = await relay.cli("migrate", check=False)
    assert (status, f"a relay runs on {relay.path.parent}: stop it first" in said) == (2, True)
    assert (await relay.cli("migrate", "--check"))[1].endswith(" is up to date\n")


async def test_two_databases_in_one_folder_are_refused(tmp_path: Path) -> None:
    relay = Relay(tmp_path, 1)
    await relay.cli("migrate")
    status, said = await relay.cli("store", "copy", f"sqlite:{relay.path}", f"sqlite:{tmp_path}/other.db", check=False)
    assert (status, "each wants a folder of its own" in said) == (2, True), said
