"""250 means on disk: strace shows that the database's log, and a large message's file, were synced before the reply."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.scene import FULL, scene
from tests.e2e.test_clients import needs
from tests.harness import Relay, mail
from tests.wire import connected

MESSAGES = 1000 if FULL else 50
CLIENTS = 10
# Without TLS, so that the trace shows the replies.
TRUSTED = {
    "RELAY_SMTP__TRUSTED": "127.0.0.1:0",
    "RELAY_SMTP__TRUSTED_NETWORKS": "127.0.0.0/8",
    "RELAY_SMTP__TRUSTED_CREDENTIAL": "app",
}
CALLS = "trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync"
# `12345 pwrite64(9</x/relay.db-wal>, "...", 4096, 0) = 4096`, and in two lines where another thread came between.
_LINE = re.compile(r"(?P<thread>\d+) +(?P<resumed><\.\.\. )?(?P<name>\w+)(?:\(\d+<(?P<file>[^>]*)>)?(?P<rest>.*)")
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_QUEUED = re.compile(r'"250 2\.0\.0 Ok: queued as (\w{26})')
_LARGE = ("y" * 70 + "\r\n") * 1500

pytestmark = pytest.mark.timeout(600)


@asynccontextmanager
async def traced(relay: Relay, trace: Path) -> AsyncIterator[None]:
    """All threads of the relay, from when strace has attached to them."""
    command = [needs("strace"), "-f", "-y", "-s", "5000", "-e", CALLS, "-o", str(trace), "-p", str(relay.process_id)]
    strace = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert strace.stderr
    attached = await asyncio.wait_for(strace.stderr.readline(), 10)
    if b"attached" not in attached:
        pytest.skip(f"strace may not attach here: {attached.decode()}")
    try:
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        await strace.wait()


async def submit_all(port: int) -> None:
    """Every tenth is large."""

    async def client() -> None:
        async with connected(port) as wire:
            await wire.reply()
            await wire.ask("EHLO client.example")
            for number in range(MESSAGES // CLIENTS):
                await wire.submit(mail(body="small\r\n" if number % 10 else _LARGE))

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())


class Disk:
    """What the trace tells, line by line, of what a power cut would leave: a sync keeps what was written before it began.

    A message is kept by the log of the database; a large one by its file as well, and by the file's name in the folder.
    """

    def __init__(self) -> None:
        self._logged: set[str] = set()
        self._spooled: set[str] = set()
        self._syncing: dict[str, set[tuple[str, str]]] = {}
        self._kept: set[tuple[str, str]] = set()

    def wrote(self, file: str, octets: str) -> None:
        if file.endswith("relay.db-wal"):
            self._logged.update(_ID.findall(octets))
        elif file.endswith(".eml"):
            self._spooled.add(Path(file).stem)

    def sync_begins(self, thread: str, file: str) -> None:
        if file.endswith("relay.db-wal"):
            self._syncing[thread] = {("log", id) for id in self._logged}
        elif file.endswith(".eml"):
            self._syncing[thread] = {("file", Path(file).stem)}
        elif file.endswith("spool"):
            self._syncing[thread] = {("name", id) for id in self._spooled}

    def sync_ends(self, thread: str) -> None:
        self._kept |= self._syncing.pop(thread, set())

    def keeps(self, id: str) -> bool:
        needed = {("log", id)} | ({("file", id), ("name", id)} if id in self._spooled else set())
        return needed <= self._kept


def replies(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Each message that got its 250, and whether it was on disk by then."""
    disk = Disk()
    for line in lines:
        if not (found := _LINE.match(line)):
            continue
        if found["name"] in ("fsync", "fdatasync"):
            if not found["resumed"]:
                disk.sync_begins(found["thread"], found["file"])
            if found["rest"].endswith("= 0"):
                disk.sync_ends(found["thread"])
        elif queued := _QUEUED.search(found["rest"]):
            yield queued[1], disk.keeps(queued[1])
        elif found["file"]:
            disk.wrote(found["file"], found["rest"])


async def test_every_250_comes_after_the_sync_of_its_message(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    async with scene(tmp_path, settings=TRUSTED) as found, traced(found.relay, trace):
        await submit_all(found.relay.ports["trusted"])
    with trace.open(encoding="latin-1") as lines:
        seen = dict(replies(lines))
    kept = [id for id, is_kept in seen.items() if is_kept]
    print(f"{len(kept)} of {len(seen)} were on disk before their 250")
    assert len(kept) == len(seen) == MESSAGES
