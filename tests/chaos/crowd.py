"""Clients that do no good, as bare sockets: light enough for one process to be thousands of them."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.harness import PASSWORD, Relay, mail, unverified

_PER_ADDRESS = 50
_THREADS = 8
_TLS = unverified()
_LOGIN = b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode())
ENVELOPE = (b"MAIL FROM:<shop@example.com>", b"RCPT TO:<reader@example.net>")

Knock = Callable[[Relay, int], socket.socket]


def allow_many_descriptors() -> None:
    """For this process and the relays that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connect(port: int, number: int) -> socket.socket:
    """From one of many addresses of loopback."""
    source = f"127.0.0.{2 + number // _PER_ADDRESS}"
    return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))


def greeted(relay: Relay, number: int) -> socket.socket:
    """On 587, without TLS."""
    connection = connect(relay.ports["submission"], number)
    _reply(connection)
    return connection


def logged_in(relay: Relay, number: int) -> socket.socket:
    """Over TLS, by turns from the first octet and by STARTTLS."""
    if number % 2:
        connection = _TLS.wrap_socket(connect(relay.ports["submissions"], number))
        _reply(connection)
    else:
        plain = greeted(relay, number)
        say(plain, b"STARTTLS")
        connection = _TLS.wrap_socket(plain)
    for line in (b"EHLO client.example.com", _LOGIN):
        assert say(connection, line)[:1] == b"2"
    return connection


def say(connection: socket.socket, line: bytes) -> bytes:
    """One command; the last line of its reply."""
    connection.sendall(line + b"\r\n")
    return _reply(connection)


def _reply(connection: socket.socket) -> bytes:
    octets = b""
    while not octets.endswith(b"\r\n") or octets.splitlines()[-1][3:4] != b" ":
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("closed")
        octets += piece
    return octets.splitlines()[-1]


def submit(connection: socket.socket, content: bytes = mail()) -> bytes:
    """One message; the reply to its content."""
    for line in (*ENVELOPE, b"DATA"):
        say(connection, line)
    return say(connection, content + b".")


# Who does no good.


def slow_command(relay: Relay, number: int) -> socket.socket:
    return greeted(relay, number)


def slow_content(relay: Relay, number: int) -> socket.socket:
    connection = logged_in(relay, number)
    for line in (*ENVELOPE, b"DATA"):
        say(connection, line)
    return connection


def deaf(relay: Relay, number: int) -> socket.socket:
    """Asks until nothing more fits into the way back, and never reads."""
    connection = logged_in(relay, number) if number % 2 else greeted(relay, number)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(0.5)
    with contextlib.suppress(OSError):
        for _ in range(1000):
            connection.sendall(b"HELP\r\n" * 1000)
    return connection


def half_handshake(relay: Relay, number: int) -> socket.socket:
    """A piece of a ClientHello, or STARTTLS and nothing behind it."""
    if number % 2:
        connection = connect(relay.ports["submissions"], number)
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    else:
        connection = greeted(relay, number)
        say(connection, b"STARTTLS")
    return connection


@contextmanager
def many(relay: Relay, *kinds: tuple[Knock, int]) -> Iterator[list[list[socket.socket]]]:
    """So many of each kind, opened by a few threads; a list for each kind."""
    wanted = [kind for kind, count in kinds for _ in range(count)]
    opened: list[list[socket.socket]] = [[] for _ in kinds]
    order = [number for number, (_, count) in enumerate(kinds) for _ in range(count)]
    with ThreadPoolExecutor(_THREADS) as threads:
        for kind, connection in zip(order, threads.map(lambda n: wanted[n](relay, n), range(len(wanted))), strict=True):
            opened[kind].append(connection)
    try:
        yield opened
    finally:
        for connection in (c for connections in opened for c in connections):
            connection.close()


def drip(connections: Iterable[socket.socket]) -> None:
    """One octet a second to each, until all are gone."""
    alive = set(connections)
    while alive:
        for connection in list(alive):
            try:
                connection.send(b"x")
            except OSError:
                alive.discard(connection)
        time.sleep(1.0)


def last_words(connection: socket.socket) -> str:
    """What the relay said before it closed; "" for a connection that was cut, "open" for one that is still there."""
    connection.settimeout(1.0)
    octets = b""
    try:
        while piece := connection.recv(65536):
            octets += piece
    except TimeoutError:
        return "open"
    except (ssl.SSLError, OSError):
        pass
    lines = octets.decode("latin-1").splitlines()
    return lines[-1] if lines else ""
