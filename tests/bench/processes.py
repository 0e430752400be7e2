"""What all sides share: a free port, a process that is up when it greets and always ends, a word for one that is not here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Target

LOGIN = ("app", "a password")
_PATIENCE = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class NotHereError(Exception):
    """This peer cannot run on this machine; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that runs: its process, and its doors by what they are called in a scenario."""

    process_id: int
    doors: dict[str, Target]


def processor_seconds(root: int) -> float:
    """User and system time of a process, of those that it has waited for, and of its children, by proc(5)'s stat."""
    fields = Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    with contextlib.suppress(OSError):  # one that ended meanwhile is counted by its parent
        for thread in Path(f"/proc/{root}/task").iterdir():
            own += sum(map(processor_seconds, map(int, (thread / "children").read_text().split())))
    return own


def resident_megabytes(process_id: int) -> float:
    """With what it shares with others."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def process(*command: str | Path, port: int, log: Path) -> AsyncIterator[Process]:
    """From when `port` greets until the process has ended."""
    with log.open("ab") as output:
        started = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=output, stderr=output)
    try:
        await _greeting(started, port, log)
        yield started
    finally:
        await end(started)


async def finished(*command: str | Path, octets: bytes = b"") -> None:
    """Runs a command to its end. Raises RuntimeError with what it said if it fails."""
    started = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await started.communicate(octets)
    if started.returncode:
        raise RuntimeError(f"{command[0]}: {said.decode(errors='replace')}")


async def _greeting(started: Process, port: int, log: Path) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not await _greets(port):
            if started.returncode is not None:
                raise RuntimeError(f"it did not start: {log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.05)


async def _greets(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    greeting = await reader.readline()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return greeting.startswith(b"220")


async def end(started: Process) -> None:
    """SIGTERM, and SIGKILL to what does not listen."""
    with contextlib.suppress(ProcessLookupError):
        started.terminate()
    try:
        await asyncio.wait_for(started.wait(), _PATIENCE)
    except TimeoutError:
        started.kill()
        await started.wait()
