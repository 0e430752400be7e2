"""Full, locked and read-only disks below a relay at work: clients are put off, what was acknowledged is sent once.

Verdicts are sets: what clients were told is accepted, and what the far side got. A scaled version runs with all tests;
`make chaos` runs the figures of docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests import disks
from tests.harness import APPLICATION, Relay, mail, running_relay
from tests.wire import Wire, logged_in

FULL = os.environ.get("RELAY_CHAOS") == "full"
MEGABYTE = 1 << 20
CLIENTS = 10
LONGEST_WAIT = 12.0  # what is under way when a lock is taken waits for it, and then five seconds of its own
WATERMARK, BALLAST = 20 * MEGABYTE, 24 * MEGABYTE  # the log may grow to 16 MB between two looks at the disk

pytestmark = pytest.mark.timeout(900 if FULL else 120)


class Clients:
    """They send on whatever they are told, and write down what that was and how long it took."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.acknowledged: set[str] = set()
        self.replies: list[tuple[float, str, float]] = []  # when, the reply, seconds
        self._is_over = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client())

    def stop(self) -> None:
        self._is_over = True

    def since(self, at: float) -> Counter[str]:
        """Replies by their codes, to what was begun since."""
        return Counter(reply[:9].rstrip() for when, reply, seconds in self.replies if when - seconds >= at)

    def longest(self) -> float:
        return max(seconds for _, _, seconds in self.replies)

    async def _client(self) -> None:
        async with logged_in(self._relay.ports["submissions"]) as wire:
            while not self._is_over:
                began = time.monotonic()
                reply = await self._message(wire)
                self.replies.append((time.monotonic(), reply, time.monotonic() - began))
                if reply.startswith("250 "):
                    self.acknowledged.add(reply.split()[-1])
                await asyncio.sleep(0.1)

    async def _message(self, wire: Wire) -> str:
        reply = ""
        for command in ("MAIL FROM:<shop@example.com>", "RCPT TO:<reader@example.net>", "DATA"):
            reply = await wire.ask(command)
            if reply[0] not in "23":
                return reply
        return await wire.ask(mail(body="x" * 70 + "\r\n").decode() + ".")


@asynccontextmanager
async def working(folder: Path, disk: Path, *, rate: float = 300.0) -> AsyncIterator[tuple[Relay, Cloud, Clients]]:
    """A relay with its store on the disk, and clients that are at it. In the end all that was acknowledged is delivered."""
    settings = {
        "RELAY_STORE__PATH": str(disk / "relay.db"),
        "RELAY_QUEUE__MIN_FREE_OCTETS": str(WATERMARK),
        "RELAY_QUEUE__BALLAST_OCTETS": str(BALLAST),
    }
    async with running_relay(folder, APPLICATION, far_side=lambda: Cloud(rate=rate), settings=settings) as (relay, cloud):
        clients = Clients(relay)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run())
            await asyncio.sleep(2)
            yield relay, cloud, clients
            clients.stop()
        await until(lambda: clients.acknowledged <= set(delivered(cloud)), seconds=60)
        twice = {message_id for message_id, count in delivered(cloud).items() if count > 1}
        print(f"{len(clients.acknowledged)} acknowledged, {dict(clients.since(0))}, {len(twice)} delivered twice,", end=" ")
        print(f"longest wait {clients.longest():.1f} s")
        assert twice == set()
        await intents_are_stored(relay, cloud)


async def intents_are_stored(relay: Relay, cloud: Cloud) -> None:
    """No call of SES without a try that was written down before."""
    store = await SqliteStore.open_to_read(relay.path)
    try:
        for call in cloud.calls:
            life = await store.messages.show(call.tags["relay_id"])
            assert life
            assert life.deliveries[0].attempt >= int(call.tags["relay_try"])
    finally:
        await store.close()


def delivered(cloud: Cloud) -> Counter[str]:
    return Counter(call.tags["relay_id"][:26] for call in cloud.calls)


async def until(is_reached: Callable[[], bool], *, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not is_reached():
        await asyncio.sleep(0.1)
        assert time.monotonic() < ends


async def accepting(clients: Clients) -> None:
    """Until a message is taken that came now."""
    began = time.monotonic()
    await until(lambda: clients.since(began)["250 2.0.0"] > 0, seconds=30)


def doors(relay: Relay) -> list[str]:
    return [line["event"] for line in relay.journal() if line["event"].startswith("door_")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "disk") as folder:
        yield folder


async def test_a_full_disk(tmp_path: Path, disk: Path) -> None:
    """452 while it is full; what was stored is sent on, with the room of the ballast; all as before once there is room."""
    async with working(tmp_path, disk, rate=10.0) as (relay, cloud, clients):
        assert (disk / "relay.ballast").stat().st_size == BALLAST
        filler = disks.fill(disk)
        await relay.told("door_closed")
        began, calls = time.monotonic(), len(cloud.calls)
        await asyncio.sleep(20 if FULL else 4)
        assert set(clients.since(began)) == {"452 4.3.1"}
        assert not (disk / "relay.ballast").exists()
        assert len(cloud.calls) > calls
        filler.unlink()
        await accepting(clients)
        assert (disk / "relay.ballast").stat().st_size == BALLAST
        assert doors(relay) == ["door_closed", "door_opened"]
        assert clients.longest() < LONGEST_WAIT


async def test_a_disk_so_full_that_not_even_the_ballast_helps(tmp_path: Path, disk: Path) -> None:
    """What cannot be written down is not sent; results of calls wait in memory until there is room."""
    async with working(tmp_path, disk, rate=25.0) as (relay, _, clients):
        fillers = [disks.fill(disk)]
        await until(lambda: not (disk / "relay.ballast").exists(), seconds=10)
        fillers.append(disks.fill(disk, name="another"))
        await asyncio.sleep(1.5)
        began = time.monotonic()
        await asyncio.sleep(20 if FULL else 4)
        assert set(clients.since(began)) == {"452 4.3.1"}
        for filler in fillers:
            filler.unlink()
        await accepting(clients)
        assert doors(relay) == ["door_closed", "door_opened"]


async def test_a_relay_that_starts_on_a_full_disk(tmp_path: Path, disk: Path) -> None:
    """It takes nothing and sends what it has."""
    settings = {
        "RELAY_STORE__PATH": str(disk / "relay.db"),
        "RELAY_QUEUE__MIN_FREE_OCTETS": str(WATERMARK),
        "RELAY_QUEUE__BALLAST_OCTETS": str(BALLAST),
    }
    async with running_relay(tmp_path, APPLICATION, far_side=lambda: Cloud(rate=1.0), settings=settings) as (relay, cloud):
        async with logged_in(relay.ports["submissions"]) as wire:
            accepted = {await wire.submit() for _ in range(100)}
        await relay.kill()
        cloud.account.rate = 20.0
        filler = disks.fill(disk)
        assert (disk / "relay.ballast").exists()
        assert len(cloud.calls) < 100
        await relay.start()
        assert cloud.topic
        cloud.topic.endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
        async with logged_in(relay.ports["submissions"]) as wire:
            assert (await wire.ask("MAIL FROM:<shop@example.com>")).startswith("452 4.3.1 ")
            await until(lambda: accepted <= set(delivered(cloud)) | doubtful(relay), seconds=30)
            filler.unlink()
            await until(lambda: doors(relay)[-1] == "door_opened", seconds=10)
            await wire.submit()
        assert await relay.stop() == 0


def doubtful(relay: Relay) -> set[str]:
    """Those whose call was open when the relay was killed."""
    return {line["id"][:26] for line in relay.journal() if line["event"] == "in_doubt"}


async def test_a_disk_below_its_watermark(tmp_path: Path, disk: Path) -> None:
    """452 before it is full, and nothing needs the ballast."""
    async with working(tmp_path, disk) as (relay, _, clients):
        filler = disks.fill(disk, leave=WATERMARK - MEGABYTE)
        await relay.told("door_closed")
        began = time.monotonic()
        await asyncio.sleep(1)
        assert set(clients.since(began)) == {"452 4.3.1"}
        filler.unlink()
        await accepting(clients)
        assert (disk / "relay.ballast").exists()
        assert doors(relay) == ["door_closed", "door_opened"]
        assert relay.faults() == [line for line in relay.journal() if line["event"] == "door_closed"]


async def test_a_body_for_which_there_is_no_room(tmp_path: Path, disk: Path) -> None:
    """A large message does not fit, a small one does."""
    settings = {"RELAY_STORE__PATH": str(disk / "relay.db"), "RELAY_QUEUE__MIN_FREE_OCTETS": "0"}
    async with running_relay(tmp_path, APPLICATION, settings=settings) as (relay, cloud):
        filler = disks.fill(disk, leave=3 * MEGABYTE)
        async with logged_in(relay.ports["submissions"]) as wire:
            await wire.start_message()
            reply = await wire.ask(mail(body=("x" * 70 + "\r\n") * 80_000).decode() + ".")
            assert reply == "452 4.3.1 Insufficient system storage, try again later"
            await wire.submit()
            filler.unlink()
            await wire.submit(mail(body=("x" * 70 + "\r\n") * 80_000))
        await until(lambda: len(cloud.calls) == 2, seconds=20)
        assert [path.name for path in (disk / "spool").iterdir()] == [f"{large(cloud)}.eml"]


def large(cloud: Cloud) -> str:
    """The message that lies in the spool folder."""
    [found] = [call.tags["relay_id"][:26] for call in cloud.calls if len(call.raw) > MEGABYTE]
    return found


async def test_a_store_that_cannot_be_written_for_a_while(tmp_path: Path, ext4: Path) -> None:
    async with working(tmp_path, ext4) as (relay, cloud, clients):
        with unwritable(relay.path, relay.path.with_name("relay.db-wal")):
            await asyncio.sleep(0.5)
            began, calls = time.monotonic(), len(cloud.calls)
            await asyncio.sleep(20 if FULL else 4)
            assert set(clients.since(began)) == {"451 4.3.0"}
            assert len(cloud.calls) == calls
        await accepting(clients)
        assert clients.longest() < LONGEST_WAIT


async def test_a_file_system_that_has_become_read_only(tmp_path: Path, ext4: Path) -> None:
    """As ext4 does after an error of the disk. Only a disk that is mounted anew can be written to, so the relay is killed."""
    settings = {
        "RELAY_STORE__PATH": str(ext4 / "relay.db"),
        "RELAY_QUEUE__MIN_FREE_OCTETS": "0",
        "RELAY_RETRY__IN_DOUBT_SECONDS": "4",
    }
    async with running_relay(tmp_path, APPLICATION, far_side=lambda: Cloud(rate=1.0), settings=settings) as (relay, cloud):
        clients = Clients(relay)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run())
            await asyncio.sleep(2)
            disks.run("mount", "-o", "remount,abort", str(ext4))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            await asyncio.sleep(2)
            assert set(clients.since(began)) == {"451 4.3.0"}
            clients.stop()
        await relay.kill()
        disks.mount_again(ext4)
        cloud.account.rate = 20.0
        assert len(clients.acknowledged) > len(cloud.calls)
        await relay.start()
        assert cloud.topic
        cloud.topic.endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
        await until(lambda: clients.acknowledged <= set(delivered(cloud)), seconds=60)


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Path]:
    with disks.journaling_disk(tmp_path / "disk") as folder:
        yield folder


@contextmanager
def unwritable(*paths: Path) -> Iterator[None]:
    """Not even by who has them open."""
    disks.run("chattr", "+i", *map(str, paths))
    try:
        yield
    finally:
        disks.run("chattr", "-i", *map(str, paths))


@pytest.mark.parametrize("seconds", [5, 30, 120] if FULL else [7])
async def test_a_database_that_somebody_else_has_locked(tmp_path: Path, seconds: int) -> None:
    (tmp_path / "store").mkdir()
    async with working(tmp_path, tmp_path / "store") as (relay, cloud, clients):
        with locked(relay.path):
            await asyncio.sleep(0.5)
            began, calls = time.monotonic(), len(cloud.calls)
            await asyncio.sleep(seconds - 0.5)
            assert set(clients.since(began)) <= {"451 4.3.0"}
            assert len(cloud.calls) <= calls + 1
        await accepting(clients)
        assert clients.longest() < LONGEST_WAIT


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """By another process, which has begun to write and does not come to an end."""
    script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
    script += "db.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read(); db.execute('ROLLBACK')"
    words = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"locked\n"
        yield
        assert holder.stdin
        holder.stdin.close()
        assert holder.wait() == 0
