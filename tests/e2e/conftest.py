"""moto_server: AWS as somebody else understood it. PostgreSQL, for those that want it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests import postgres


@asynccontextmanager
async def running_moto(port: int) -> AsyncIterator[str]:
    """Its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/moto-api/"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def moto_port(unused_tcp_port: int) -> AsyncIterator[int]:
    async with running_moto(unused_tcp_port):
        yield unused_tcp_port


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, str]]:
    """Its URL, and the name of a database to copy."""
    with postgres.running_server() as url:
        yield url, postgres.template(url)


@pytest.fixture
def url(server: tuple[str, str]) -> Iterator[str]:
    """A fresh database."""
    with postgres.database(*server) as found:
        yield found
