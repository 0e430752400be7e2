"""One listening socket: who knocks is counted, named by a trusted proxy before us, and shaken hands with in bounded time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from contextlib import closing
from typing import Protocol

from aiosmtpd.proxy_protocol import AF, V2_CMD, ProxyData, get_proxy

from relay import journal, policy
from relay.credential import Credential
from relay.replies import Reply
from relay.smtp.limits import Crowd
from relay.smtp.protocol import Door, SubmissionProtocol
from relay.smtp.tasks import Tasks
from relay.smtp.transport import SocketTransport

_BACKLOG = 1024
_ACCEPTS_AT_ONCE = 64
_PAUSE_WITHOUT_DESCRIPTORS = 0.5
_LONGEST_PROXY_LINE = 107  # of version 1
_TO_READ = 0.1  # seconds for who is turned away; a socket that is closed with octets unread is reset
_MOST_TO_READ = 100  # at one time; more are closed at once


class Guests(Protocol):
    """Who may submit without a login, and as whom."""

    async def welcome(self, peer: str) -> tuple[Credential | None, Reply | None]:
        """The credential of its messages, or what it is told instead."""


class Listener:
    """From `open` to `close`. With `implicit_tls` the handshake comes first; with `guests` nobody else is let in."""

    def __init__(
        self, door: Door, crowd: Crowd, *, implicit_tls: bool, proxies: Collection[str] = (), guests: Guests | None = None
    ) -> None:
        self._door = door
        self._crowd = crowd
        self._implicit_tls = implicit_tls
        self._proxies = tuple(proxies)
        self._guests = guests
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._serving = Tasks()
        self._turned_away = 0

    def open(self, host: str, port: int, *, is_shared: bool = False) -> int:
        """Returns the port (asked for with port 0 in tests), which other processes may share. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=is_shared)
        self._socket.setblocking(False)
        self._listen()
        bound: int = self._socket.getsockname()[1]
        return bound

    def close(self) -> None:
        """No new connections; those that are there go on."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def end(self) -> None:
        """Nobody is served any more."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _listen(self) -> None:
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors left: the next look would only find the same
                journal.trouble("no connection can be accepted", error)
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE_WITHOUT_DESCRIPTORS, self._listen)
                return
            self._serving.begin(self._serve(accepted, address[0]))

    async def _serve(self, accepted: socket.socket, address: str) -> None:
        """One connection, from its first octet to its end. Who is turned away takes nobody's place: he is not counted."""
        peer = address
        try:
            with closing(accepted):
                with self._crowd.one_more() as crowded:
                    peer = await self._peer(accepted, address)
                    with self._crowd.one_more_of(peer) as crowded_there:
                        unwelcome = crowded or crowded_there or await self._converse(accepted, peer)
                if unwelcome:
                    await self._turn_away(accepted, unwelcome)
        except (OSError, EOFError) as error:
            journal.connection_failed(peer=peer, why=str(error) or type(error).__name__)
        except Exception:
            journal.bug("a connection failed")

    async def _peer(self, accepted: socket.socket, address: str) -> str:
        """Whose connection it is. Raises OSError or EOFError where a trusted proxy does not say so as it should."""
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not policy.is_within(address, self._proxies):
            return address
        async with asyncio.timeout(self._crowd.limits.handshake_seconds):
            header = await get_proxy(_Exact(self._loop, accepted))
        if not header.valid:
            raise ConnectionError(header.error)
        return _source(header) or address

    async def _converse(self, accepted: socket.socket, peer: str) -> Reply | None:
        """Until the end of the connection. Returns what somebody is told instead who may not submit here."""
        guest, unwelcome = await self._guests.welcome(peer) if self._guests else (None, None)
        if unwelcome:
            return unwelcome
        transport = SocketTransport(self._loop, accepted, peer)
        try:
            if self._implicit_tls:
                await transport.start_tls(self._door.tls, seconds=self._crowd.limits.handshake_seconds)
            connection = SubmissionProtocol(self._door, peer=peer, guest=guest)
            transport.begin(connection)
            await connection.ended
        finally:
            transport.abort()
        return None

    async def _turn_away(self, accepted: socket.socket, why: Reply) -> None:
        """Says why, and that it is over. Raises OSError; before TLS nobody can be told."""
        if self._implicit_tls:
            raise ConnectionError(why.text)
        accepted.send(why.line())
        accepted.shutdown(socket.SHUT_WR)
        if self._turned_away >= _MOST_TO_READ:
            return
        self._turned_away += 1
        await asyncio.sleep(_TO_READ)
        self._turned_away -= 1


def _source(header: ProxyData) -> str | None:
    """None where the proxy speaks for itself, as in its health checks: LOCAL, whatever addresses it has."""
    if header.command == V2_CMD.LOCAL or header.family not in (AF.INET, AF.INET6):
        return None
    return str(header.src_addr) if header.src_addr else None


class _Exact:
    """Reads not one octet too many, for what follows belongs to TLS. Implements aiosmtpd's AsyncReader."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: socket.socket) -> None:
        self._loop = loop
        self._source = source

    async def read(self, count: int = 1) -> bytes:
        return await self._loop.sock_recv(self._source, count)

    async def readexactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            if not (piece := await self.read(count - len(found))):
                raise EOFError("the proxy said nothing")
            found += piece
        return found

    async def readuntil(self, until: bytes = b"\n") -> bytes:
        found = b""
        while not found.endswith(until) and len(found) < _LONGEST_PROXY_LINE:
            found += await self.readexactly(1)
        return found
