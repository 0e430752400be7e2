"""Plain aiosmtpd 1.4.6 as its manual shows it, handlers for it, and a client that speaks octets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

from tests.harness import unverified
from tests.ports import reserved_port


class Taking:
    """The handler of the manual: it keeps what comes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str]]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 OK"


class Slow(Taking):
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(0.3)
        return await super().handle_DATA(server, session, envelope)


class Failing(Taking):
    """Its disk is not there for the first message."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if b"first" in envelope.content:
            raise FileNotFoundError("/a/secret/place")
        return await super().handle_DATA(server, session, envelope)


@contextmanager
def plain(handler: Taking | None = None, **options: Any) -> Iterator[int]:
    """A plain aiosmtpd that runs; its port."""
    with reserved_port() as port:
        controller = Controller(handler or Taking(), hostname="127.0.0.1", port=port, **options)
        controller.start()
        try:
            yield port
        finally:
            controller.stop()


def connect(port: int, *, implicit_tls: bool = False) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    return unverified().wrap_socket(connection) if implicit_tls else connection


def greeted(port: int, *, implicit_tls: bool = False, starttls: bool = False) -> socket.socket:
    """A connection whose greeting has been read."""
    connection = connect(port, implicit_tls=implicit_tls)
    connection.recv(4096)
    if starttls:
        connection.sendall(b"STARTTLS\r\n")
        connection.recv(4096)
        connection = unverified().wrap_socket(connection)
    return connection


def to_the_end(connection: socket.socket) -> list[str]:
    """All lines until the server closes."""
    octets = b""
    while piece := connection.recv(65536):
        octets += piece
    return octets.decode("latin-1").splitlines()


def said_lines(port: int, octets: bytes, **options: bool) -> list[str]:
    with greeted(port, **options) as connection:
        connection.sendall(octets + b"QUIT\r\n")
        return to_the_end(connection)


async def said(port: int, octets: bytes, **options: bool) -> list[str]:
    """The replies to some commands in one write, goodbye included; of each its last line."""
    lines = await asyncio.to_thread(said_lines, port, octets, **options)
    return [line for line in lines if line[3] == " "]


def until(connection: socket.socket, wanted: bytes) -> str:
    """The last line of what comes until something is in it."""
    octets = b""
    while wanted not in octets:
        piece = connection.recv(4096)
        assert piece, octets
        octets += piece
    return octets.decode().splitlines()[-1]
