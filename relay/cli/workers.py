"""Several relays on one machine, each a process of its own: they share its ports (SO_REUSEPORT) and a PostgreSQL database."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress

from relay import journal
from relay.config import WORKER

_STOP_SECONDS = 40.0  # a relay needs 35 at most
_FIRST_SECONDS = 5.0  # who ends so early with an error cannot be helped by another try
_AGAIN = 1.0
_ORPHANED = 1.0


class Workers:
    """`run` starts them, and starts anew what has ended, until `stop`. Raises SystemExit where one cannot start."""

    def __init__(self, count: int, arguments: list[str]) -> None:
        self._numbers = range(1, count + 1)
        self._arguments = arguments
        self._running: dict[int, Process] = {}
        self._is_stopping = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for told in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(told, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._tell, signal.SIGHUP)
        failed = await asyncio.gather(*(self._keep(number) for number in self._numbers))
        if any(failed):
            sys.exit(1)

    def stop(self) -> None:
        """All of them, in good order; a second time at once."""
        self._tell(signal.SIGKILL if self._is_stopping else signal.SIGTERM)
        if not self._is_stopping:
            asyncio.get_running_loop().call_later(_STOP_SECONDS, self._tell, signal.SIGKILL)
        self._is_stopping = True

    def _tell(self, what: signal.Signals) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(what)

    async def _keep(self, number: int) -> bool:
        """Until it is told to stop. Whether it failed."""
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            began = loop.time()
            status = await self._once(number)
            if self._is_stopping:
                return status != 0
            journal.trouble(f"worker {number} has ended with status {status}")
            if status and loop.time() - began < _FIRST_SECONDS:
                self.stop()
                return True
            await asyncio.sleep(_AGAIN)
        return False

    async def _once(self, number: int) -> int:
        environment = os.environ | {WORKER: str(number)}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "relay", *self._arguments, env=environment)
        self._running[number] = process
        try:
            return await process.wait()
        finally:
            del self._running[number]


async def until_orphaned() -> None:
    """Returns when the process that started this one is gone."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_ORPHANED)
