"""What the relay tells the supervisor that started it, as systemd hears it: over a Unix datagram socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex

import pytest

from relay.cli import workers
from relay.cli.supervisor import Supervisor
from relay.cli.workers import Workers
from tests.cluster import two_workers
from tests.harness import APPLICATION, Relay, running_relay

PATIENCE = 0.6


class Told:
    """What came in at `address`, a path or an abstract `@name`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address.replace("@", "\0", 1))
        self.lines: list[str] = []

    def environment(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(int(PATIENCE * 1e6)), **more}

    def read(self) -> list[str]:
        """All lines so far."""
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.lines

    async def until(self, line: str, within: float = 15.0) -> list[str]:
        """The lines up to this one."""
        async with asyncio.timeout(within):
            while line not in self.read():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return self.lines[: self.lines.index(line) + 1]

    def forget(self) -> None:
        self.read()
        self.lines.clear()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def told(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Told]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@relay-{token_hex(8)}"
    with closing(Told(address)) as heard:
        yield heard


def status(lines: list[str]) -> str:
    return next(line for line in reversed(lines) if line.startswith("STATUS="))


async def test_it_is_ready_with_its_doors_open_reloads_and_stops(tmp_path: Path, told: Told) -> None:
    async with running_relay(tmp_path, APPLICATION, settings=told.environment()) as (relay, _):
        assert [line for line in await told.until("READY=1") if line != "WATCHDOG=1"] == ["READY=1"]
        await asyncio.sleep(0)
        assert status(told.read()) == "STATUS=open: " + ", ".join(f"{door} {port}" for door, port in relay.ports.items())
        told.forget()
        relay.send(signal.SIGHUP)
        reloading = await told.until("READY=1")
        assert reloading[-2].startswith("MONOTONIC_USEC=")
        assert "RELOADING=1" in reloading
        told.forget()
        assert await relay.stop() == 0
        assert "STOPPING=1" in told.read()


async def test_who_is_told_to_reload_while_it_starts_does_so_once_it_is_ready(tmp_path: Path, told: Told) -> None:
    async with running_relay(tmp_path, APPLICATION, settings=told.environment()) as (relay, _):
        await relay.stop()
        told.forget()
        last = relay.process_id
        starting = asyncio.create_task(relay.start())
        while relay.process_id == last or not heeds(relay, signal.SIGHUP):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.002)
        relay.send(signal.SIGHUP)
        await starting
        assert "RELOADING=1" not in await told.until("READY=1")
        await told.until("RELOADING=1")
        await relay.told("certificate_loaded", section="smtp")


def heeds(relay: Relay, number: signal.Signals) -> bool:
    """Whether the process has a handler for that signal."""
    status = Path(f"/proc/{relay.process_id}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> number - 1 & 1)


async def test_a_loop_that_stands_still_does_not_say_that_it_lives(tmp_path: Path, told: Told) -> None:
    async with running_relay(tmp_path, APPLICATION, settings=told.environment()) as (relay, _):
        await told.until("READY=1")
        told.forget()
        await asyncio.sleep(2 * PATIENCE)
        assert 2 <= told.read().count("WATCHDOG=1") <= 6  # every half of its patience
        relay.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(0.1)
            told.forget()
            await asyncio.sleep(2 * PATIENCE)
            assert told.read() == []
        finally:
            relay.send(signal.SIGCONT)
        await told.until("WATCHDOG=1")


async def test_a_supervisor_that_is_gone_or_never_was_keeps_nobody_from_working(tmp_path: Path) -> None:
    nobody = {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "100000"}
    async with running_relay(tmp_path, APPLICATION, settings=nobody) as (relay, _):
        await asyncio.sleep(0.3)
        assert relay.faults() == []
        assert await relay.stop() == 0


@pytest.mark.parametrize(
    ("environ", "patience"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_whose_silence_is_borne_how_long(environ: dict[str, str], patience: float) -> None:
    assert Supervisor(environ).patience == patience


async def test_workers_are_ready_when_all_are_and_a_silent_one_is_started_anew(tmp_path: Path, url: str) -> None:
    with closing(Told(str(tmp_path / "notify"))) as told:
        async with two_workers(tmp_path, url) as relay:
            await relay.start(**told.environment(WATCHDOG_USEC="5500000"))
            lines = await told.until("READY=1")
            assert "STATUS=1 of 2 workers are ready" in lines
            await told.until("STATUS=2 of 2 workers are ready")
            told.forget()
            stopped = workers_of(relay)[0]
            os.kill(stopped, signal.SIGSTOP)
            await told.until("STATUS=2 of 2 workers are ready", within=40)
            assert stopped not in workers_of(relay)
            # Where it stood still within a transaction the other may have had its trouble first.
            troubles = {line["what"] for line in relay.journal() if line["event"] == "trouble"}
            assert troubles & {f"worker {number} has ended with status -9" for number in (1, 2)}
            assert await relay.stop() == 0
            assert {"STOPPING=1", "WATCHDOG=1"} <= {*told.read()}


class Failing(Workers):
    """Two workers that were ready once, and cannot be started again."""

    def __init__(self) -> None:
        super().__init__(2, [], Supervisor({}))
        self.starts: list[int] = []

    async def _once(self, number: int, address: Path) -> int:
        self.starts.append(number)
        self._heard(number)
        await asyncio.sleep(0)
        return 2

    async def failed(self, number: int) -> bool:
        return await self._keep(number, Path())


async def test_a_worker_that_cannot_be_started_again_is_tried_less_often_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "_AGAIN", (0.001, 0.001, 0.001, 60.0))
    failing = Failing()
    failing._heard(2)
    one = asyncio.create_task(failing.failed(1))
    async with asyncio.timeout(5):
        while len(failing.starts) < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert failing.starts == [1, 1, 1]
        assert not one.done()
        failing.stop()
        assert not await one


async def test_workers_that_cannot_be_started_at_all_end_together() -> None:
    failing = Failing()
    async with asyncio.timeout(5):
        assert await failing.failed(1)
        assert not await failing.failed(2)
    assert failing.starts == [1]


@pytest.mark.parametrize(("told", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
async def test_workers_that_are_still_starting_end_with_their_supervisor(
    tmp_path: Path, url: str, told: signal.Signals, status: int
) -> None:
    async with two_workers(tmp_path, url) as relay:
        last = relay.process_id
        starting = asyncio.create_task(relay.start())
        while relay.process_id == last or len(started := workers_of(relay)) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        relay.send(told)
        with pytest.raises(RuntimeError, match="did not start"):
            await starting
        assert await relay.ended() == status
        async with asyncio.timeout(40):  # they see it once all is imported
            while any(Path(f"/proc/{worker}").exists() for worker in started):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)


def workers_of(relay: Relay) -> list[int]:
    return list(map(int, Path(f"/proc/{relay.process_id}/task/{relay.process_id}/children").read_text().split()))
