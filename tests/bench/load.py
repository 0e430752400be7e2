"""The load: processes with one blocking connection each, so that the generator is no event loop and no bottleneck.

Each process imports this file anew: so it imports nothing that takes long.
"""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass

_HEADERS = (
    b"From: shop@example.com\r\nTo: reader@example.net\r\nSubject: Bench\r\n"
    b"Date: Fri, 21 Nov 2025 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A door to knock at: implicit TLS; a login where there is one."""

    port: int
    login: tuple[str, str] | None


def content_of(size: int) -> bytes:
    """A message of about `size` octets in lines of 72."""
    return _HEADERS + (b"x" * 70 + b"\r\n") * max(1, (size - len(_HEADERS)) // 72)


def accepts_per_second(target: Target, *, connections: int, size: int, seconds: float) -> float:
    """Messages acknowledged per second over kept connections, from when all are logged in."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(connections)
    counts = context.Array("l", connections)
    workers = [
        context.Process(target=_client, args=(target, content_of(size), seconds, barrier, counts, number))
        for number in range(connections)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return float(sum(counts[:])) / seconds


def _client(target: Target, content: bytes, seconds: float, barrier: object, counts: object, number: int) -> None:
    link = _Link(target)
    content += b".\r\n"
    barrier.wait()  # type: ignore[attr-defined]
    ends = time.monotonic() + seconds
    done = 0
    while time.monotonic() < ends:
        link.say(b"MAIL FROM:<shop@example.com>\r\n", b"250")
        link.say(b"RCPT TO:<reader@example.net>\r\n", b"250")
        link.say(b"DATA\r\n", b"354")
        link.say(content, b"250")
        done += 1
    counts[number] = done  # type: ignore[index]


class _Link:
    """One blocking SMTP connection over TLS."""

    def __init__(self, target: Target) -> None:
        raw = socket.create_connection(("127.0.0.1", target.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: ssl.SSLSocket = _unverified().wrap_socket(raw)
        self._read(b"220")
        self.say(b"EHLO bench.example\r\n", b"250")
        if target.login:
            name, password = target.login
            self.say(b"AUTH PLAIN " + b64encode(f"\0{name}\0{password}".encode()) + b"\r\n", b"235")

    def say(self, octets: bytes, expected: bytes) -> None:
        self._socket.sendall(octets)
        self._read(expected)

    def _read(self, expected: bytes) -> None:
        reply = b""
        while not (reply.endswith(b"\r\n") and reply[reply.rfind(b"\n", 0, -1) + 1 :][3:4] == b" "):
            received = self._socket.recv(65536)
            assert received, "the connection was closed"
            reply += received
        assert reply.rpartition(b"\r\n")[0].rpartition(b"\n")[2].startswith(expected), reply


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
