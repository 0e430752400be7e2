"""Ports that a test may give away and nobody else gets meanwhile: tests run beside each other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for a listener that comes and goes: bound, with the options that listeners have, and not listened on."""
    with _bound(0) as reserved:
        yield reserved.getsockname()[1]


@contextmanager
def reserved_pair() -> Iterator[int]:
    """The same, and the port behind it."""
    with ExitStack() as both:
        while True:
            first = both.enter_context(_bound(0)).getsockname()[1]
            try:
                both.enter_context(_bound(first + 1))
            except (OSError, OverflowError):
                continue
            break
        yield first


def _bound(port: int) -> socket.socket:
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind(("127.0.0.1", port))
    except OSError:
        reserved.close()
        raise
    return reserved
