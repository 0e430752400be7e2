"""The load: processes with one blocking connection each, so that the generator is no event loop and no bottleneck.

They are forked from a server that has imported this file: so it imports nothing that takes long.
"""

from __future__ import annotations

import multiprocessing
import random
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from threading import Barrier

from tests.bench.counts import ACCEPTED, Counts

_HEADERS = (
    b"From: shop@example.com\r\nTo: reader@example.net\r\nSubject: Bench\r\n"
    b"Date: Fri, 21 Nov 2025 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
)
_MAIL, _RCPT, _DATA = b"MAIL FROM:<shop@example.com>\r\n", b"RCPT TO:<%s@example.net>\r\n", b"DATA\r\n"
_PATIENCE = 60.0
_HELD_BACK = 0.0005  # seconds between looks, times the clients: all of them that wait must not be a load of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A door to knock at: STARTTLS, or TLS from the first octet, or no TLS; a login where there is one."""

    port: int
    starttls: bool
    login: tuple[str, str] | None
    tls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """The clients wait while more than `most` messages are on their way, by the counters in `counts`."""

    counts: Path
    most: int
    with_events: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What each client does for `seconds`. `pause` is the mean time in seconds between a reply and the next message. It writes
    to one of so many `readers`, by chance.
    """

    size: int
    connections: int = 10
    kept: bool = True  # or a new connection for each message
    pipelining: bool = False
    pause: float = 0.0
    brake: Brake | None = None
    readers: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """What one client did: for each message the seconds from its content to the reply; how long it was at it, and how long the
    processor was for it."""

    latencies: list[float]
    seconds: float
    processor: float


def content_of(size: int) -> bytes:
    """A message of about `size` octets in lines of 72."""
    return _HEADERS + (b"x" * 70 + b"\r\n") * max(1, (size - len(_HEADERS)) // 72)


def run(target: Target, load: Load, seconds: float) -> list[Share]:
    """All clients at once, from when each has had one message accepted."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    barrier = context.Barrier(load.connections)
    with ProcessPoolExecutor(load.connections, context, initializer=_meet_at, initargs=(barrier,)) as pool:
        return list(pool.map(_client, repeat(target), repeat(load), repeat(seconds), range(load.connections)))


_barrier: Barrier


def _meet_at(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _client(target: Target, load: Load, seconds: float, number: int) -> Share:
    links = _kept(target) if load.kept else _fresh(target)
    content = content_of(load.size) + b".\r\n"
    dice = random.Random(number)
    accepted = _held_back(load.brake, number, _HELD_BACK * load.connections) if load.brake else lambda: None
    next(links).deliver(_envelope(load, dice), content)
    accepted()
    _barrier.wait(_PATIENCE)
    began, processor = time.monotonic(), time.process_time()
    time.sleep(dice.uniform(0.0, load.pause))
    latencies = []
    while time.monotonic() < began + seconds:
        latencies.append(next(links).deliver(_envelope(load, dice), content))
        accepted()
        if load.pause:
            time.sleep(dice.uniform(0.5, 1.5) * load.pause)
    return Share(latencies, time.monotonic() - began, time.process_time() - processor)


def _envelope(load: Load, dice: random.Random) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """What is said before the content, and the codes that answer."""
    rcpt = _RCPT % (b"old%d" % dice.randrange(load.readers) if load.readers > 1 else b"reader")
    if load.pipelining:
        return ((_MAIL + rcpt + _DATA, (b"250", b"250", b"354")),)  # RFC 2920: DATA may end a group
    return ((_MAIL, (b"250",)), (rcpt, (b"250",)), (_DATA, (b"354",)))


def _held_back(brake: Brake, number: int, seconds: float) -> Callable[[], None]:
    """To be called after each message: counts it, and waits where too many are on the way."""
    counts = Counts(brake.counts)

    def accepted() -> None:
        counts.add(ACCEPTED + number)
        while counts.on_the_way(with_events=brake.with_events) > brake.most:
            time.sleep(seconds)

    return accepted


def _kept(target: Target) -> Iterator[_Link]:
    return repeat(_Link(target))


def _fresh(target: Target) -> Iterator[_Link]:
    while True:
        link = _Link(target)
        yield link
        link.quit()


class _Link:
    """One blocking SMTP connection."""

    def __init__(self, target: Target) -> None:
        self._socket = socket.create_connection(("127.0.0.1", target.port), _PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls and not target.starttls:
            self._secure()
        self._read((b"220",))
        if target.starttls:
            self._say(b"EHLO bench.example\r\n", (b"250",))
            self._say(b"STARTTLS\r\n", (b"220",))
            self._secure()
        self._say(b"EHLO bench.example\r\n", (b"250",))
        if target.login:
            name, password = target.login
            self._say(b"AUTH PLAIN " + b64encode(f"\0{name}\0{password}".encode()) + b"\r\n", (b"235",))

    def deliver(self, envelope: tuple[tuple[bytes, tuple[bytes, ...]], ...], content: bytes) -> float:
        """One message; the seconds from before its content is written until its reply is read."""
        for commands, expected in envelope:
            self._say(commands, expected)
        began = time.monotonic()
        self._say(content, (b"250",))
        return time.monotonic() - began

    def quit(self) -> None:
        self._say(b"QUIT\r\n", (b"221",))
        self._socket.close()

    def _secure(self) -> None:
        self._socket = _TLS.wrap_socket(self._socket)

    def _say(self, octets: bytes, expected: tuple[bytes, ...]) -> None:
        self._socket.sendall(octets)
        self._read(expected)

    def _read(self, expected: tuple[bytes, ...]) -> None:
        """Reads as many replies as are expected; each ends with a line that has a space behind its code."""
        received = b""
        codes: tuple[bytes, ...] = ()
        while not received.endswith(b"\r\n") or len(codes) < len(expected):
            piece = self._socket.recv(65536)
            assert piece, f"the connection was closed after {received!r}"
            received += piece
            codes = tuple(line[:3] for line in received.splitlines() if line[3:4] == b" ")
        assert codes == expected, received


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


_TLS = _unverified()
