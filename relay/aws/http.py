"""POST over kept connections of HTTP/1.1, and whether a request that failed can have been taken.

Less than half the work of aiohttp's client, which was a quarter of all that a message costs (docs/benchmarks.md). A
connection is used again only if its last answer left no doubt about it.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

from relay.aws.http_answers import Answer, AnswerReader
from relay.aws.names import ServerName
from relay.reading.octets import slices

# Shorter than the far side's: a request into a connection it is just closing would be in doubt.
_KEEP_ALIVE = 10.0
_HIGH = 64 * 1024  # octets written and not yet taken by the socket at which a body has to wait
_AT_ONCE = 192 * 1024  # of a body: a slow line is seen to move when it has taken so much

Body = bytes | AsyncIterator[bytes]


class NotSent(Exception):
    """No octet of the request has left."""


class NoConnection(NotSent):
    """None could be made."""


class NoAnswer(Exception):
    """The request, or some of it, was sent, and what became of it is not known."""


class HttpClient:
    """For one server, at a URL without a path. Times are seconds; `connections` are the most at one time. Without a `tls`
    of their own https servers are known by the authorities of the machine.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        keep_alive: float = _KEEP_ALIVE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._name = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._server = ServerName(self._name, self._port)
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._slots = asyncio.Semaphore(connections)
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._keep_alive = keep_alive
        self._kept: list[_Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: Body, *, seconds: Callable[[], float]) -> Answer:
        """`headers` hold Host and Content-Length. `seconds` tells how long the call may take, once the connection stands.

        Raises NotSent or NoAnswer. Neither has anything of the request in it.
        """
        head = _head(path, headers)
        async with self._slots:
            connection = self._take_kept() or await self._connect()
            if (limit := seconds()) < self._read_timeout:
                self._keep(connection)
                raise NotSent("no time was left for the call")
            answer = await connection.exchange(head, body, silence=self._read_timeout, limit=limit)
            self._keep(connection)
        return answer

    async def close(self) -> None:
        """No call may be open."""
        if self._sweep:
            self._sweep.cancel()
        while self._kept:
            self._kept.pop().abort()

    def _take_kept(self) -> _Connection | None:
        """The one that was used last: those that are too many grow old."""
        while self._kept:
            connection = self._kept.pop()
            if connection.is_usable(self._keep_alive):
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        """Tries the server's addresses in turn. They share the time, so that a dead one does not use up that of all."""
        clock = asyncio.get_running_loop().time
        ends = clock() + self._connect_timeout
        failure: Exception | None = None
        try:
            async with asyncio.timeout_at(ends):
                addresses = await self._server.addresses()
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                try:
                    async with asyncio.timeout_at(clock() + (ends - clock()) / left):
                        return await self._connect_to(address)
                except OSError as error:
                    self._server.has_failed(address)
                    failure = error
        except (OSError, UnicodeError) as error:  # no such name, or one that cannot be
            failure = error
        raise NoConnection(type(failure).__name__) from failure

    async def _connect_to(self, address: str) -> _Connection:
        """Raises OSError; ssl.SSLError and TimeoutError are some."""
        name = self._name if self._tls else None
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, address, self._port, ssl=self._tls, server_hostname=name
        )
        return connection

    def _keep(self, connection: _Connection) -> None:
        if not connection.is_spent:
            self._kept.append(connection)
            if not self._sweep:
                self._sweep = asyncio.get_running_loop().call_later(self._keep_alive, self._forget_old)

    def _forget_old(self) -> None:
        usable = [connection for connection in self._kept if connection.is_usable(self._keep_alive)]
        for connection in set(self._kept) - set(usable):
            connection.abort()
        self._kept = usable
        self._sweep = asyncio.get_running_loop().call_later(self._keep_alive, self._forget_old) if usable else None


class _Connection(asyncio.Protocol):
    """One request at a time. Spent once there is a doubt about it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader()
        self._answer: asyncio.Future[Answer] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._may_write = asyncio.Event()
        self._moved_at = self._loop.time()  # when octets went last, or came
        self.is_spent = False

    async def exchange(self, head: bytes, body: Body, *, silence: float, limit: float) -> Answer:
        """One request, one answer. Where nothing moves for `silence` seconds, or `limit` is over: NoAnswer."""
        self._reader, self._answer = AnswerReader(), self._loop.create_future()
        self._moved_at = self._loop.time()
        self._look(silence, self._moved_at + limit)
        try:
            await self._write(head, body, self._answer)
            return await self._answer
        except OSError as error:  # the body could not be read to its end
            raise NoAnswer(type(error).__name__) from error
        finally:
            if self._watch:
                self._watch.cancel()
            if self._answer.cancel() or self._answer.cancelled() or self.is_spent:
                self.abort()

    async def _write(self, head: bytes, body: Body, answer: asyncio.Future[Answer]) -> None:
        """A server may answer before it has read all: then the rest is not for it, and the connection is spent."""
        if isinstance(body, bytes):
            self._transport.write(head + body)
            return
        self._transport.write(head)
        async for made in body:
            for piece in slices(made, 0, len(made), length=_AT_ONCE):
                await self._may_write.wait()
                if answer.done():
                    self.is_spent = True
                    return
                self._transport.write(piece)

    def _look(self, silence: float, ends: float) -> None:
        """Now and then at the clock: one timer for a call, whatever moves."""
        at = min(self._moved_at + silence, ends)
        if self._loop.time() < at:
            self._watch = self._loop.call_at(at, self._look, silence, ends)
        else:
            self._fail("TimeoutError")

    def is_usable(self, keep_alive: float) -> bool:
        """Whether nothing has come since its last answer: least of all its end, which the loop may not have looked at yet."""
        is_young = self._loop.time() - self._moved_at < keep_alive
        return is_young and not self.is_spent and not self._transport.is_closing() and not self._input.poll(0)

    def abort(self) -> None:
        self.is_spent = True
        self._transport.abort()

    def _fail(self, why: str) -> None:
        self.is_spent = True
        self._may_write.set()
        if self._answer and not self._answer.done():
            self._answer.set_exception(NoAnswer(why))

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # which uvloop's only behave as
        self._transport.set_write_buffer_limits(high=_HIGH)
        self._may_write.set()
        self._input = select.poll()
        self._input.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._moved_at = self._loop.time()
        if not self._answer or self._answer.done():  # nobody has asked
            self.abort()
            return
        try:
            answer = self._reader.feed(data)
        except ValueError as error:
            self._fail(str(error))
            return
        if answer:
            self._take(answer)

    def eof_received(self) -> None:
        if self._answer and not self._answer.done():
            try:
                self._take(self._reader.end())
            except ValueError as error:
                self._fail(str(error))
        self.is_spent = True

    def _take(self, answer: Answer) -> None:
        assert self._answer
        self.is_spent |= not answer.leaves_open
        self._answer.set_result(answer)
        self._may_write.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(type(error).__name__ if error else "the connection was closed")

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._moved_at = self._loop.time()
        self._may_write.set()


def _head(path: str, headers: Mapping[str, str]) -> bytes:
    """Raises NotSent for a header that would be several."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
    head = "\r\n".join(lines)
    if not head.isascii() or head.count("\n") != len(lines) or head.count("\r") != len(lines):
        raise NotSent("a header that cannot be sent")
    return head.encode()
