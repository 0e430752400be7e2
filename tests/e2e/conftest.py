"""moto_server: AWS as somebody else understood it. PostgreSQL, for those that want it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests import postgres


@pytest.fixture
async def moto_port(unused_tcp_port: int) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        str(unused_tcp_port),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(30), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{unused_tcp_port}/moto-api/"):
                    break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    yield unused_tcp_port
    process.terminate()
    await process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str]]:
    """Its URL, and the name of a database to copy."""
    with postgres.running_server() as url:
        yield url, postgres.template(url)


@pytest.fixture
def url(server: tuple[str, str]) -> Iterator[str]:
    """A fresh database."""
    with postgres.database(*server) as found:
        yield found
