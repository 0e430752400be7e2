"""Where relays that send by SMTP send to: Postfix's smtp-sink, whose own count goes where the other far side's does."""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.counts import DELIVERED, Counts
from tests.bench.processes import NotHereError, end, free_port

_MESSAGES = re.compile(rb"mesg=(\d+)\r")
_BACKLOG = "200"


@asynccontextmanager
async def running(counts: Path) -> AsyncIterator[int]:
    """Its port."""
    program = shutil.which("smtp-sink")
    if not program:
        raise NotHereError("no smtp-sink")
    port = free_port()
    words = ("-c", "-u", "nobody", f"127.0.0.1:{port}", _BACKLOG)
    started = await asyncio.create_subprocess_exec(program, *words, stdin=DEVNULL, stdout=PIPE)
    assert started.stdout
    counting = asyncio.create_task(_count(started.stdout, Counts(counts)))
    try:
        yield port
    finally:
        counting.cancel()
        await end(started)


async def _count(told: asyncio.StreamReader, counts: Counts) -> None:
    before = b""
    while piece := await told.read(65536):
        if found := _MESSAGES.findall(before + piece):
            counts.set(DELIVERED, int(found[-1]))
        before = piece[-40:]
