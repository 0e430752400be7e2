"""What stands between a node and its database, and may keep what it is given: a network that is cut, a pooler that hangs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

_CLAIM = b"attempt = attempt + 1"
_COMMITTED = b"C\0\0\0\x0bCOMMIT\0"  # the server's CommandComplete


class Forwarder:
    """From a TCP port to a server's socket. While it is cut connections stay open, and nothing passes."""

    def __init__(self, server: str, *, loses: int = 0) -> None:
        """Of the first claims that are committed it `loses` so many answers, and the connection with each."""
        self.loses = loses
        parts = urlsplit(server)
        self._there = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._user, self._name = parts.username, parts.path
        self._passes = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """The URL through it."""
        self._passes.set()
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://{self._user}@127.0.0.1:{port}{self._name}"

    def cut(self) -> None:
        self._passes.clear()

    def mend(self) -> None:
        self._passes.set()

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, claims = await asyncio.open_unix_connection(self._there), asyncio.Event()
        for source, sink in ((reader, there[1]), (there[0], writer)):
            pump = asyncio.create_task(self._pump(source, sink, claims))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, claims: asyncio.Event) -> None:
        with suppress(OSError):
            while (octets := await source.read(65536)) and not self._is_lost(octets, claims):
                await self._passes.wait()
                sink.write(octets)
                await sink.drain()
        await self._passes.wait()
        with suppress(OSError):
            sink.close()

    def _is_lost(self, octets: bytes, claims: asyncio.Event) -> bool:
        if _CLAIM in octets:
            claims.set()
        if not (self.loses and claims.is_set() and _COMMITTED in octets):
            return False
        self.loses -= 1
        return True
