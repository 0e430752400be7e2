"""A connected socket as an asyncio transport, plain or TLS, on OpenSSL's own sockets.

asyncio and uvloop both move TLS through buffers in memory: 180 µs a message of four exchanges on uvloop, 136 on asyncio, where
reading and writing the socket itself takes 65 (docs/decisions/0008). And a handshake that fails sends its alert here, a close
does not lose our last words, and a peer that does not read cannot keep it from ending.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_AT_ONCE = 128 * 1024
_READ = 16 * 1024  # all of one TLS record (RFC 8446 5.1): OpenSSL holds nothing back. Behind a full one there is more as a rule
_HIGH, _LOW = 64 * 1024, 16 * 1024  # octets not yet written at which the protocol is told to stop, and to go on
_LINGER = 2.0  # seconds for the peer to read what was said last
_RESET = struct.pack("ii", 1, 0)  # the kernel would keep for minutes what a peer does not read


class SocketTransport(asyncio.Transport):
    """Owns a non-blocking connected socket. TLS by `start_tls`; then `begin`, or the other way round for STARTTLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connected: socket.socket, address: str) -> None:
        super().__init__()
        self._about: dict[str, Any] = {"peername": (address, 0)}
        self._loop = loop
        self._socket = connected
        self._protocol: asyncio.Protocol | None = None
        self._outgoing = b""
        self._is_tls = False
        self._is_reading = False
        self._has_answered = False  # since octets were last read
        self._is_choked = False
        self._is_closing = False
        self._is_lost = False
        self._broken_by: OSError | None = None  # which the kernel tells but once
        self._last_resort: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Event | None = None  # set when it may go on

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._about.get(name, default)

    def begin(self, protocol: asyncio.Protocol) -> None:
        """From now on it is the protocol's."""
        self._protocol = protocol
        protocol.connection_made(self)
        self.resume_reading()

    async def start_tls(self, context: ssl.SSLContext, *, seconds: float) -> None:
        """The server's side of a handshake. Raises OSError, TimeoutError being one; then the transport is to be aborted."""
        if self._outgoing or self._is_lost:
            raise ConnectionError("the client does not read")
        self.pause_reading()
        self._socket = tls = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        async with asyncio.timeout(seconds):
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await self._until(self._loop.add_reader, self._loop.remove_reader)
                except ssl.SSLWantWriteError:
                    await self._until(self._loop.add_writer, self._loop.remove_writer)
        self._is_tls = True
        self._about["ssl_object"] = tls
        if self._protocol:
            self.resume_reading()

    async def _until(self, add: Callable[..., Any], remove: Callable[[int], bool]) -> None:
        """Raises ConnectionError where it was aborted meanwhile."""
        self._handshake = ready = asyncio.Event()
        descriptor = self._socket.fileno()
        add(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            self._handshake = None
            remove(descriptor)
        if self._is_lost:
            raise ConnectionError("it was broken off")

    # Reading.

    def pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    def resume_reading(self) -> None:
        if self._is_reading or self._is_lost:
            return
        self._is_reading = True
        self._loop.add_reader(self._socket.fileno(), self._read)

    def _read(self) -> None:
        if not self._is_reading:
            return
        try:
            data, has_ended = self._received()
        except OSError as error:
            self._lose(error)
            return
        self._has_answered = False
        if data and self._protocol and not self._is_closing:
            self._protocol.data_received(data)
        if has_ended:
            self._end_of_input()
        elif data and self._is_reading and not self._has_answered:
            # uvloop reports a reset once, even where octets had come before it; an answer would have found it out.
            self._loop.call_soon(self._read)

    def _received(self) -> tuple[bytes, bool]:
        """What there is, and whether nothing more will come. Raises OSError."""
        if self._broken_by:
            raise self._broken_by
        pieces: list[bytes] = []
        size = 0
        try:
            while size < _AT_ONCE:
                # Without TLS the rest comes in one call: each lets go of the interpreter, and has to wait for it again.
                most = _READ if self._is_tls or not size else _AT_ONCE - size
                piece = self._socket.recv(most)
                if not piece:
                    return b"".join(pieces), True
                pieces.append(piece)
                size += len(piece)
                if len(piece) < most:
                    break
        except _NOT_NOW:
            pass
        except OSError as error:
            if not pieces:
                raise
            self._broken_by = error  # what had come before it counts
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), False

    def _end_of_input(self) -> None:
        self.pause_reading()
        if self._is_closing:
            if not self._outgoing:  # otherwise the goodbye is still to come, and reads on
                self._lose(None)
        elif self._protocol and not self._protocol.eof_received():
            self.close()

    # Writing.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._is_lost or self._handshake:
            return
        self._has_answered = True
        left = self._outgoing + data if self._outgoing else self._sent(bytes(data))
        if left and not self._outgoing and not self._is_lost:
            self._loop.add_writer(self._socket.fileno(), self._write)
        self._outgoing = left
        if len(left) > _HIGH and not self._is_choked and self._protocol:
            self._is_choked = True
            self._protocol.pause_writing()

    def _sent(self, data: bytes) -> bytes:
        """Sends what the socket takes, and returns the rest."""
        try:
            while data:
                data = data[self._socket.send(data) :]
        except _NOT_NOW:
            pass
        except OSError as error:
            self._lose(error)
            return b""
        return data

    def _write(self) -> None:
        self._outgoing = self._sent(self._outgoing)
        if self._is_lost:
            return
        if not self._outgoing:
            self._loop.remove_writer(self._socket.fileno())
            if self._is_closing:
                self._say_goodbye()
        if self._is_choked and len(self._outgoing) <= _LOW and self._protocol and not self._is_closing:
            self._is_choked = False
            self._protocol.resume_writing()

    # Its end.

    def is_closing(self) -> bool:
        return self._is_closing or self._is_lost

    def close(self) -> None:
        """What was written is sent; nothing more is read. Over after two seconds at the latest; in a handshake at once."""
        if self._is_closing or self._is_lost:
            return
        if self._handshake:
            self.abort()
            return
        self._is_closing = True
        self._last_resort = self._loop.call_later(_LINGER, self._cut_off)
        if not self._outgoing:
            self._say_goodbye()

    def abort(self) -> None:
        self._lose(None)

    def _cut_off(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._lose(None)

    def _say_goodbye(self) -> None:
        """A socket closed with octets unread is reset, and the peer may lose our last reply: so it is read to its end."""
        try:
            if self._is_tls:
                self._close_tls()
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)
            return
        self.resume_reading()

    def _close_tls(self) -> None:
        """Our close_notify (RFC 8446 6.1). What still comes is not for us: it need not be decrypted."""
        self.pause_reading()
        try:
            self._socket.unwrap()  # type: ignore[attr-defined]
        except (*_NOT_NOW, ssl.SSLError):
            pass  # the peer's own need not be waited for
        self._is_tls = False
        self._socket = socket.socket(fileno=self._socket.detach())
        self._socket.setblocking(False)

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self.pause_reading()
        if self._outgoing:
            self._loop.remove_writer(self._socket.fileno())
            self._outgoing = b""
        if self._last_resort:
            self._last_resort.cancel()
        self._is_lost = True
        if self._handshake:
            self._handshake.set()  # its end comes before ours: the descriptor is no longer looked at when it is closed
        self._loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        self._socket.close()
        if self._protocol:
            self._protocol.connection_lost(error)
