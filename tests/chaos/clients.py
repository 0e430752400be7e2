"""Clients that write down what they heard. Each message has a recipient of its own, which names it wherever it goes."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Protocol

from tests.harness import PASSWORD, mail, unverified

_TLS = unverified()
_LOGIN = b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode())
_LARGE_SHARE = 0.05
SMALL = "x" * 70 + "\r\n"
LARGE = ("y" * 70 + "\r\n") * 1500  # goes to a spool file


class Doors(Protocol):
    """A relay, or what stands before several."""

    @property
    def ports(self) -> dict[str, int]: ...


class EndedError(Exception):
    """The relay closed the connection, or is gone."""


class Session:
    """One connection to the TLS port, logged in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, relay: Doors) -> Session:
        """Raises EndedError where nobody listens, or no longer, or cannot tell who we are."""
        try:
            session = cls(*await asyncio.open_connection("127.0.0.1", relay.ports.get("submissions", 1), ssl=_TLS))
        except (OSError, ssl.SSLError) as error:
            raise EndedError from error
        await session.hear()
        await session.say(b"EHLO client.example")
        if not (await session.say(_LOGIN)).startswith(b"235"):
            session.close()
            raise EndedError
        return session

    async def say(self, line: bytes) -> bytes:
        """The last line of the reply. Raises EndedError."""
        self._writer.write(line + b"\r\n")
        return await self.hear()

    async def hear(self) -> bytes:
        try:
            reply = await self._reader.readuntil(b"\n")
            while reply[3:4] == b"-":
                reply = await self._reader.readuntil(b"\n")
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            raise EndedError from error
        return reply

    async def envelope(self, recipient: str) -> bytes:
        """Up to the 354, or the refusal."""
        reply = b""
        for command in (b"MAIL FROM:<shop@example.com>", b"RCPT TO:<%b>" % recipient.encode(), b"DATA"):
            reply = await self.say(command)
            if reply[:1] not in (b"2", b"3"):
                break
        return reply

    async def content(self, recipient: str, body: str) -> bytes:
        return await self.say(mail(to=recipient, body=body) + b".")

    def close(self) -> None:
        self._writer.transport.abort()


class Clients:
    """`number` of them, from `run` to `stop`; who loses the connection opens another.

    `acked` are the recipients whose message got its 250. `unsure` are those whose content went out and got no reply: the relay
    may have them or not. `refused` counts what else was answered. `seconds` are those from content to reply. `pace` is the
    seconds between messages of one client, 0 for as fast as it goes; `name` is what the recipients begin with.
    """

    def __init__(self, relay: Doors, number: int, *, pace: float = 0.0, body: str = "", name: str = "r") -> None:
        self._relay = relay
        self._number = number
        self._pace = pace
        self._body = body
        self._names: Iterator[str] = (f"{name}{number}@example.net" for number in count(1))
        self._is_over = False
        self.acked: set[str] = set()
        self.unsure: set[str] = set()
        self.refused: Counter[bytes] = Counter()
        self.seconds: list[float] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._number):
                group.create_task(self._client())

    def stop(self) -> None:
        self._is_over = True

    async def send(self, number: int) -> None:
        """So many over one connection. Raises EndedError."""
        session = await Session.open(self._relay)
        try:
            for _ in range(number):
                await self.submit(session)
        finally:
            session.close()

    async def submit(self, session: Session) -> None:
        """One message. Raises EndedError."""
        recipient = next(self._names)
        if (reply := await session.envelope(recipient))[:3] != b"354":
            self._refused(reply)
            return
        self.unsure.add(recipient)
        began = time.monotonic()
        reply = await session.content(recipient, self._body or _some_body())
        self.unsure.discard(recipient)
        self.seconds.append(time.monotonic() - began)
        if reply.startswith(b"250 "):
            self.acked.add(recipient)
        else:
            self._refused(reply)

    def _refused(self, reply: bytes) -> None:
        self.refused[reply.rstrip()] += 1
        if reply.startswith(b"421"):
            raise EndedError

    async def _client(self) -> None:
        while not self._is_over:
            try:
                await self._session()
            except EndedError:
                await asyncio.sleep(0.05)

    async def _session(self) -> None:
        session = await Session.open(self._relay)
        due = time.monotonic() + self._pace * random.random()
        try:
            while not self._is_over:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += self._pace
                await self.submit(session)
        finally:
            session.close()


def _some_body() -> str:
    return LARGE if random.random() < _LARGE_SHARE else SMALL
