"""A client that says exactly what a test wants, octet by octet, and hears everything until the end."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from tests.harness import PASSWORD, mail, unverified

_PATIENCE = 20.0
_UNVERIFIED = unverified()


class Wire(asyncio.Protocol):
    """One connection. Replies are texts without their CRLF; what was heard is kept, even when a reset follows it."""

    def __init__(self) -> None:
        self._heard = b""
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self._news.set()

    def send(self, octets: bytes) -> None:
        assert self._transport
        self._transport.write(octets)

    async def reply(self) -> str:
        """The last line of the next reply; empty where the connection ends instead."""
        while True:
            line = await self._line()
            if line[3:4] != "-":
                return line

    async def _line(self) -> str:
        async with asyncio.timeout(_PATIENCE):
            while b"\n" not in self._heard and not self.is_closed:
                self._news.clear()
                await self._news.wait()
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode("latin-1").rstrip("\r")

    async def rest(self) -> list[str]:
        """All lines until the relay closes the connection."""
        async with asyncio.timeout(_PATIENCE):
            while not self.is_closed:
                self._news.clear()
                await self._news.wait()
        return self._heard.decode("latin-1").splitlines()

    async def ask(self, command: str) -> str:
        self.send(command.encode("latin-1") + b"\r\n")
        return await self.reply()

    async def shake_hands(self, context: ssl.SSLContext | None = None) -> None:
        """TLS from here on. Raises OSError."""
        assert self._transport
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, context or _UNVERIFIED, server_hostname="localhost")
        assert transport
        self._transport = transport

    async def log_in(self, name: str = "app") -> None:
        assert (await self.ask("EHLO client.example")).startswith("250 ")
        login = b64encode(f"\0{name}\0{PASSWORD}".encode()).decode()
        assert await self.ask(f"AUTH PLAIN {login}") == "235 2.7.0 Authentication successful"

    async def start_message(self) -> None:
        """Until the content may come."""
        assert await self.ask("MAIL FROM:<shop@example.com>") == "250 2.1.0 Ok"
        assert await self.ask("RCPT TO:<reader@example.net>") == "250 2.1.5 Ok"
        assert (await self.ask("DATA")).startswith("354 ")

    async def submit(self, content: bytes | None = None) -> str:
        """One message; its id."""
        await self.start_message()
        reply = await self.ask((content or mail()).decode("latin-1") + ".")
        assert reply.startswith("250 2.0.0 Ok: queued as "), reply
        return reply.rpartition(" ")[2]

    def hang_up(self) -> None:
        if self._transport:
            self._transport.abort()


@asynccontextmanager
async def connected(port: int, *, source: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """A connection from `source`, which is aborted at the end."""
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port, local_addr=(source, 0))
    try:
        yield wire
    finally:
        wire.hang_up()


@asynccontextmanager
async def logged_in(port: int, *, source: str = "127.0.0.1", name: str = "app") -> AsyncIterator[Wire]:
    """The same on port 465, with TLS, greeted and logged in."""
    async with connected(port, source=source) as wire:
        await wire.shake_hands()
        assert (await wire.reply()).startswith("220 ")
        await wire.log_in(name)
        yield wire


def client_hello(name: str = "localhost") -> bytes:
    """The first octets of a TLS client."""
    outgoing = ssl.MemoryBIO()
    shy = _UNVERIFIED.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        shy.do_handshake()
    return outgoing.read()
