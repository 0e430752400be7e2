"""Looks a server's name up: once for all that connect at a time, and not again for a while."""

from __future__ import annotations

import asyncio
import math
import socket

_KEPT_SECONDS = 10.0


class ServerName:
    """A name and its addresses. `has_failed` puts one behind the others, for those that connect next."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._found: list[str] = []
        self._until = -math.inf
        self._asking: asyncio.Task[None] | None = None

    async def addresses(self) -> tuple[str, ...]:
        """At least one. Raises OSError or UnicodeError."""
        if asyncio.get_running_loop().time() >= self._until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
                self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may be there to hear
            await asyncio.shield(self._asking)
        return tuple(self._found)

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        self._found = [str(address[0]) for *_, address in found]
        self._until = loop.time() + _KEPT_SECONDS

    def has_failed(self, address: str) -> None:
        if address in self._found:
            self._found.remove(address)
            self._found.append(address)
