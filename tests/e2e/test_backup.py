"""A backup under load, the machine gone, the backup restored on another: nothing is lost that was in it, nothing sent twice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.settings import StoreConfig
from tests import postgres
from tests.harness import APPLICATION, Relay, mail, running_relay
from tests.wire import logged_in

CLIENTS = 6
LARGE = mail(body=("x" * 70 + "\r\n") * 1500)


def slow() -> Cloud:
    """A far side that takes its time: something is always open."""
    cloud = Cloud(rate=200.0)
    cloud.faults.latency = 0.3
    return cloud


class Clients:
    """Each sends one message after the other, every tenth a large one, until the relay is gone."""

    def __init__(self, relay: Relay) -> None:
        self._port = relay.ports["submissions"]
        self.acked: list[str] = []

    async def run(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(CLIENTS)))

    async def come_to(self, count: int) -> None:
        for _ in range(600):
            if len(self.acked) >= count:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{len(self.acked)} messages in 30 seconds")

    async def _one(self) -> None:
        with suppress(AssertionError, OSError):
            async with logged_in(self._port) as wire:
                for number in range(100_000):
                    self.acked.append(await wire.submit(None if number % 10 else LARGE))


def sent(cloud: Cloud) -> Counter[str]:
    """How often the far side took each message."""
    return Counter(call.tags["relay_id"][:26] for call in cloud.calls)


def move(relay: Relay, folder: Path) -> None:
    """From now on it is on another machine, whose store has nothing yet."""
    relay.path = folder / "relay.db"
    relay.where = StoreConfig(path=relay.path)
    relay.settings["RELAY_STORE__PATH"] = str(relay.path)


async def start(relay: Relay, cloud: Cloud) -> None:
    await relay.start()
    assert cloud.topic
    cloud.topic.endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"


def states(relay: Relay) -> dict[str, str]:
    """Of each message in the store."""
    with closing(sqlite3.connect(f"{relay.path.as_uri()}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT message_id, state FROM deliveries").fetchall())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path, APPLICATION, far_side=slow) as found:
        yield found


async def test_a_backup_under_load_loses_nothing_and_repeats_nothing(scene: tuple[Relay, Cloud], tmp_path: Path) -> None:
    relay, cloud = scene
    clients = Clients(relay)
    running = asyncio.create_task(clients.run())
    await clients.come_to(150)
    before = set(clients.acked)
    _, said = await relay.cli("backup", str(tmp_path / "monday"))
    assert "deliveries not over" in said
    await clients.come_to(len(clients.acked) + 100)
    await relay.kill()
    await running
    await asyncio.sleep(0.5)  # what was on its way arrives
    taken = sent(cloud)

    move(relay, tmp_path / "new")
    assert "all of it is as it was written" in (await relay.cli("backup", "--verify", str(tmp_path / "monday")))[1]
    _, said = await relay.cli("restore", str(tmp_path / "monday"))
    assert "held, for they may have been sent since: " in said
    restored = states(relay)
    assert before <= restored.keys()
    held = {id for id, state in restored.items() if state == "queued"}
    assert held
    assert held & taken.keys()  # a restored queue that went on would send these again
    await start(relay, cloud)
    async with logged_in(relay.ports["submissions"]) as wire:
        new = [await wire.submit(), await wire.submit(LARGE)]
    for each in new:
        assert await relay.status(each, "delivered") == ["delivered"]
    assert {id: times for id, times in sent(cloud).items() if id not in new} == taken

    untaken = sorted(held - sent(cloud).keys())
    if untaken:
        _, said = await relay.cli("queue", "retry", *untaken, "--yes")
        assert f"{len(untaken)} of them may be sent twice" in said
    for _ in range(200):
        if sent(cloud).keys() >= restored.keys():
            break
        await asyncio.sleep(0.1)
    assert sent(cloud).keys() >= before
    assert set(sent(cloud).values()) == {1}


async def test_events_that_come_late_settle_what_is_held(scene: tuple[Relay, Cloud], tmp_path: Path) -> None:
    relay, cloud = scene
    assert cloud.topic
    await relay.cli("queue", "pause")
    async with logged_in(relay.ports["submissions"]) as wire:
        accepted = [await wire.submit() for _ in range(5)]
    await relay.cli("backup", str(tmp_path / "monday"))
    cloud.topic.delay = 1.0
    await relay.cli("queue", "resume")
    for _ in range(200):
        if len(cloud.calls) == len(accepted):
            break
        await asyncio.sleep(0.02)
    await relay.kill()
    move(relay, tmp_path / "new")
    assert "held, for they may have been sent since: 5;" in (await relay.cli("restore", str(tmp_path / "monday")))[1]
    _, shown = await relay.cli("message", "show", accepted[0])
    assert "held: since the restore, until it is retried" in shown
    cloud.topic.delay = 0.0
    await start(relay, cloud)
    await relay.cli("queue", "resume")  # it was paused when the backup was made
    for each in accepted:
        assert await relay.status(each, "delivered") == ["delivered"]
    assert sent(cloud) == Counter(accepted)


async def test_a_relay_that_was_killed_is_backed_up_with_its_log_and_starts_on_it(
    scene: tuple[Relay, Cloud], tmp_path: Path
) -> None:
    relay, cloud = scene
    await relay.cli("queue", "pause")
    async with logged_in(relay.ports["submissions"]) as wire:
        accepted = [await wire.submit() for _ in range(5)]
    await relay.kill()
    _, said = await relay.cli("backup", str(tmp_path / "monday"))
    assert "5 messages, 5 deliveries not over, 0 messages with their content in a file" in said
    await start(relay, cloud)
    await relay.cli("queue", "resume")
    for each in accepted:
        assert await relay.status(each, "delivered") == ["delivered"]


async def test_where_nothing_ran_since_nothing_is_held(scene: tuple[Relay, Cloud], tmp_path: Path) -> None:
    relay, cloud = scene
    await relay.cli("queue", "pause")
    async with logged_in(relay.ports["submissions"]) as wire:
        accepted = [await wire.submit(content) for content in (None, LARGE)]
    assert await relay.stop() == 0
    await relay.cli("backup", str(tmp_path / "monday"))
    move(relay, tmp_path / "new")
    _, said = await relay.cli("restore", str(tmp_path / "monday"), "--nothing-sent")
    assert "held" not in said
    await start(relay, cloud)
    await relay.cli("queue", "resume")
    for each in accepted:
        assert await relay.status(each, "delivered") == ["delivered"]
    assert sent(cloud) == Counter(accepted)


async def test_a_store_that_was_restored_by_other_means_is_marked(scene: tuple[Relay, Cloud]) -> None:
    relay, cloud = scene
    await relay.cli("queue", "pause")
    async with logged_in(relay.ports["submissions"]) as wire:
        accepted = await wire.submit()
    status, said = await relay.cli("restore", "--mark", check=False)
    assert (status, f"a relay runs on {relay.path.parent}: stop it first" in said) == (2, True)
    assert await relay.stop() == 0
    assert "held, for they may have been sent since: 1;" in (await relay.cli("restore", "--mark"))[1]
    assert "nothing is held" in (await relay.cli("restore", "--mark"))[1]
    await start(relay, cloud)
    await relay.cli("queue", "resume")
    await asyncio.sleep(1.5)
    assert not cloud.calls
    await relay.cli("queue", "retry", "--all", "--yes")
    assert await relay.status(accepted, "delivered") == ["delivered"]
    assert sent(cloud) == Counter([accepted])


async def test_on_postgres_it_is_only_marked(tmp_path: Path) -> None:
    with postgres.running_server() as server, postgres.database(server, "template1") as url:
        async with running_relay(tmp_path, APPLICATION, settings={"RELAY_STORE__URL": url}) as (relay, cloud):
            await relay.cli("queue", "pause")
            async with logged_in(relay.ports["submissions"]) as wire:
                accepted = await wire.submit(LARGE)
            status, said = await relay.cli("backup", str(tmp_path / "monday"), check=False)
            assert (status, "backed up and restored by its own means" in said) == (2, True)
            status, said = await relay.cli("restore", "--mark", check=False)
            assert (status, "a relay runs on" in said) == (2, True)
            assert await relay.stop() == 0
            assert "held, for they may have been sent since: 1;" in (await relay.cli("restore", "--mark"))[1]
            await start(relay, cloud)
            await relay.cli("queue", "resume")
            await asyncio.sleep(1.5)
            assert not cloud.calls
            await relay.cli("queue", "retry", accepted, "--yes")
            assert await relay.status(accepted, "delivered") == ["delivered"]


async def test_what_cannot_be_done_is_refused_with_what_to_do(scene: tuple[Relay, Cloud], tmp_path: Path) -> None:
    relay, _ = scene
    monday = tmp_path / "monday"
    async with logged_in(relay.ports["submissions"]) as wire:
        await wire.submit(LARGE)
    await relay.cli("backup", str(monday))

    async def refusal(*words: str) -> str:
        status, said = await relay.cli(*words, check=False)
        assert status == 2
        return said.splitlines()[-1]

    assert "is there already" in await refusal("backup", str(monday))
    assert "there is none: this is no backup" in await refusal("backup", "--verify", str(tmp_path))
    assert "say which backup" in await refusal("restore")
    assert "say which backup" in await refusal("restore", str(monday), "--mark")
    assert "stop it first" in await refusal("restore", str(monday))
    assert await relay.stop() == 0
    assert "relay.db: store.path: is there" in await refusal("restore", str(monday))
    move(relay, tmp_path / "new")
    assert "there is no database" in await refusal("backup", str(tmp_path / "tuesday"))
    assert "there is no database" in await refusal("restore", "--mark")
    with (monday / "relay.db").open("r+b") as file:
        file.seek(20_000)
        file.write(b"damaged")
    status, said = await relay.cli("backup", "--verify", str(monday), check=False)
    assert (status, "relay.db: is damaged: it is not what was written" in said) == (1, True)
    assert "is damaged, and nothing was restored" in await refusal("restore", str(monday))
    assert not relay.path.exists()
    newer = json.loads((monday / "backup.json").read_text())
    (monday / "backup.json").write_text(json.dumps(newer | {"format": 2}))
    assert "a backup of format 2, this release knows 1" in await refusal("restore", str(monday))
