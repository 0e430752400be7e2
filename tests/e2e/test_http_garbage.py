"""What is no HTTP is answered as such on every door that speaks it, and is no fault of the relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness import Relay

DOORS = {"callbacks": b"/sns", "api": b"/Messages", "private": b"/login"}  # and what reads a body there
HEAD = b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NO_HTTP = {
    "SMTP": b"EHLO scanner.example\r\nMAIL FROM:<>\r\n",
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(506),
    "a version that is none": b"GET / HTTP/9\r\n\r\n",
    "a control character in the path": b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a field without a colon": b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
    "a blank in a field's name": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length beside chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a line of 100 KB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a field of 100 KB": b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 100_000 + b"\r\n\r\n",
    "a chunk whose size is no number": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    found = Relay(tmp_path_factory.mktemp("relay"), 1)  # SES is not asked for anything
    await found.start()
    yield found
    await found.stop()


def complaints(relay: Relay, began: int = 0) -> list[dict[str, Any]]:
    """Of the libraries, and of what nobody foresaw."""
    return [line for line in relay.journal(began) if line["event"] in ("library", "bug")]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("octets", NO_HTTP.values(), ids=NO_HTTP)
async def test_it_is_answered_and_no_fault(relay: Relay, door: str, octets: bytes) -> None:
    began = relay.log.stat().st_size
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports[door])
    writer.write(octets.replace(b"/body", DOORS[door]))
    status = (await asyncio.wait_for(reader.readline(), 10)).split()[1:2]
    writer.close()
    assert status in ([b"400"], [b"404"], [b"413"], [b"414"], [b"431"])
    assert complaints(relay, began) == []


async def test_the_doors_go_on(relay: Relay) -> None:
    for door in DOORS:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports[door])
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"404"
        writer.close()
    assert complaints(relay) == []
