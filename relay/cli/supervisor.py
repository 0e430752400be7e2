"""What the process tells the supervisor that started it, as sd_notify(3) has it: ready, reloading, stopping, still alive."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

ADDRESS, WATCHDOG, WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Supervisor:
    """That of the environment; where it names none, nothing is told. `patience` is the seconds of silence that it bears: 0 is
    all of them.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get(ADDRESS, "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # unix(7): no file, but a name
        microseconds = environ.get(WATCHDOG, "")
        is_ours = environ.get(WATCHED, "") in ("", str(os.getpid()))
        self.patience = int(microseconds) / 1e6 if microseconds.isdecimal() and is_ours else 0.0

    def ready(self, status: str) -> None:
        """All doors are open; `status` is for people."""
        self._tell("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for people."""
        self._tell(f"STATUS={status}")

    def reloading(self) -> None:
        """Until `ready`. The time is what systemd 253 and later want beside it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """In good order."""
        self._tell("STOPPING=1", "STATUS=stops")

    async def stay_alive(self) -> None:
        """Says twice in its patience that the event loop goes round. Until cancelled."""
        while self.patience:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.patience / 2)

    def _tell(self, *lines: str) -> None:
        """Whoever is gone, or has too much to read, is not waited for."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
                mouth.setblocking(False)
                mouth.sendto("\n".join(lines).encode(), self._address)
