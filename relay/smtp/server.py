"""The listeners of the SMTP door: 587 with STARTTLS, 465 with TLS from the first octet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any

from relay import journal
from relay.intake import Intake
from relay.replies import Reply
from relay.smtp.limits import Crowd, Limits
from relay.smtp.login import Login
from relay.smtp.protocol import SubmissionProtocol

_BACKLOG = 1024
_LOOK_EVERY = 0.02


class SmtpServer:
    """Implements protocol.Door. Opens listeners, knows the open connections, and ends them in good order."""

    def __init__(self, *, intake: Intake, login: Login, hostname: str, tls: ssl.SSLContext, limits: Limits) -> None:
        self.intake = intake
        self.login = login
        self.hostname = hostname
        self.limits = limits
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._connections: set[SubmissionProtocol] = set()
        self._crowd = Crowd(limits)
        self._kept: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, *, implicit_tls: bool) -> int:
        """Opens one listener and returns its port (asked for with port 0 in tests)."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SubmissionProtocol(self, self._tls, loop),
            host,
            port,
            ssl=self._tls if implicit_tls else None,
            backlog=_BACKLOG,
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        journal.started(what="smtp submissions (TLS)" if implicit_tls else "smtp submission", where=f"{host}:{bound}")
        return bound

    def opened(self, connection: SubmissionProtocol) -> Reply | None:
        """None if it may stay. Called a second time for a connection that has started TLS."""
        if connection in self._connections:
            return None
        self._connections.add(connection)
        return self._crowd.enter(connection.dialogue.peer)

    def closed(self, connection: SubmissionProtocol) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self._crowd.leave(connection.dialogue.peer)

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it to its end, even if the connection does not last so long."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def stop(self, *, limit: float) -> None:
        """No new connections, 421 to those that wait, `limit` seconds for those in the middle of a message."""
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        ends = loop.time() + limit
        while any(connection.is_busy for connection in self._connections) and loop.time() < ends:
            self._close_idle()
            await asyncio.sleep(_LOOK_EVERY)
        if self._kept:
            await asyncio.wait(self._kept, timeout=max(1.0, ends - loop.time()))
        for connection in list(self._connections):
            connection.shut_down()
        await asyncio.sleep(_LOOK_EVERY)
        for connection in list(self._connections):
            connection.abort()

    def _close_idle(self) -> None:
        for connection in list(self._connections):
            if not connection.is_busy:
                connection.shut_down()
