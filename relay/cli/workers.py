"""Several relays on one machine, each a process of its own: they share its ports (SO_REUSEPORT) and a PostgreSQL database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from relay import journal
from relay.cli.supervisor import ADDRESS, WATCHED, Supervisor
from relay.config import WORKER

_STOP_SECONDS = 40.0  # a relay needs 35 at most
_FIRST_SECONDS = 5.0  # who ends so early with an error cannot be helped by another try, unless it was ready before
_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds to the next start: longer the more of them have ended early
_IN_GOOD_ORDER = (0, -signal.SIGTERM)  # told while it started
_PARENT = "RELAY_PARENT"
_ORPHANED = 1.0
_MOST = 4096  # octets of what a worker says at once


class Workers:
    """`run` starts them, and starts anew what has ended or says nothing any more, until `stop`. Raises SystemExit where one
    cannot start. They are to the supervisor as one.
    """

    def __init__(self, count: int, arguments: list[str], supervisor: Supervisor) -> None:
        self._numbers = range(1, count + 1)
        self._arguments = arguments
        self._supervisor = supervisor
        self._running: dict[int, Process] = {}
        self._ready: set[int] = set()
        self._were_ready = False
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for told in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(told, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        alive = asyncio.create_task(self._supervisor.stay_alive())
        with TemporaryDirectory(prefix="relay-") as folder:
            failed = await asyncio.gather(*(self._keep(number, Path(folder)) for number in self._numbers))
        alive.cancel()
        if any(failed):
            sys.exit(1)

    def stop(self) -> None:
        """All of them, in good order; a second time at once."""
        self._supervisor.stopping()
        self._tell(signal.SIGKILL if self._stopping.is_set() else signal.SIGTERM, self._running)
        if not self._stopping.is_set():
            asyncio.get_running_loop().call_later(_STOP_SECONDS, self._tell, signal.SIGKILL, self._running)
        self._stopping.set()

    def _reload(self) -> None:
        """Who starts reads all there is, and may not know the signal yet: it would end by it."""
        if not self._were_ready:
            return
        self._supervisor.reloading()
        self._tell(signal.SIGHUP, self._ready)
        self._supervisor.ready(self._count())

    def _heard(self, number: int) -> None:
        """One of them is ready: once all are, so is this."""
        self._ready.add(number)
        if self._were_ready or len(self._ready) < len(self._numbers):
            self._supervisor.status(self._count())
            return
        self._were_ready = True
        self._supervisor.ready(self._count())

    def _count(self) -> str:
        return f"{len(self._ready)} of {len(self._numbers)} workers are ready"

    def _tell(self, what: signal.Signals, whom: Iterable[int]) -> None:
        for number in whom:
            with suppress(ProcessLookupError):
                self._running[number].send_signal(what)

    async def _keep(self, number: int, folder: Path) -> bool:
        """Until it is told to stop. Whether it failed."""
        loop = asyncio.get_running_loop()
        early = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._once(number, folder / str(number))
            if self._stopping.is_set():
                return status not in _IN_GOOD_ORDER
            journal.trouble(f"worker {number} has ended with status {status}")
            early = early + 1 if status and loop.time() - began < _FIRST_SECONDS else 0
            if early and not self._were_ready:
                self.stop()
                return True
            await self._pause(_AGAIN[min(early, len(_AGAIN) - 1)])
        return False

    async def _pause(self, seconds: float) -> None:
        """Shorter where it is told to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _once(self, number: int, address: Path) -> int:
        environment = os.environ | {WORKER: str(number), _PARENT: str(os.getpid()), ADDRESS: str(address), WATCHED: ""}
        with closing(_Ear(address, lambda: self._heard(number))) as ear:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "relay", *self._arguments, env=environment)
            self._running[number] = process
            if self._stopping.is_set():  # all were told while it was not there yet
                with suppress(ProcessLookupError):
                    process.terminate()
            watch = asyncio.create_task(ear.kill_when_silent(process, self._supervisor.patience))
            try:
                return await process.wait()
            finally:
                watch.cancel()
                self._ready.discard(number)
                del self._running[number]


class _Ear:
    """Hears one worker, as a supervisor would: a socket at `address`, until `close`."""

    def __init__(self, address: Path, on_ready: Callable[[], None]) -> None:
        self._address = address
        self._on_ready = on_ready
        self._heard_at = 0.0  # never: whoever starts is not watched
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(address))
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self) -> None:
        lines = self._socket.recv(_MOST).split(b"\n")
        is_ready = b"READY=1" in lines
        if is_ready or self._heard_at:
            self._heard_at = asyncio.get_running_loop().time()
        if is_ready:
            self._on_ready()

    async def kill_when_silent(self, process: Process, patience: float) -> None:
        """Once it was ready. A patience of 0 never ends."""
        loop = asyncio.get_running_loop()
        while patience:
            await asyncio.sleep(patience / 2)
            if self._heard_at and loop.time() - self._heard_at > patience:
                process.kill()  # it may be stopped, and no other signal would end it
                return

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._address.unlink(missing_ok=True)


async def until_orphaned() -> None:
    """Returns when the process that started this one as a worker is gone, also where it was gone before this began."""
    parent = int(os.environ[_PARENT])
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_ORPHANED)
