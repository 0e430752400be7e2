"""The listeners of the SMTP door: 587 with STARTTLS, 465 with TLS from the first octet, one for a trusted network if wanted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Set

from relay import journal
from relay.credential import Credential, Scope
from relay.intake import Intake
from relay.logins import Login, objection_to
from relay.smtp import answers
from relay.smtp.connection import Connection
from relay.smtp.limits import Crowd, Limits
from relay.smtp.listener import Guests, Listener
from relay.smtp.tasks import Tasks

_LOOK_AT_TIME = 1.0
_LOOK_AT_STOP = 0.02


class SmtpServer:
    """Implements protocol.Door. Opens listeners, knows the open connections, and ends them in good order."""

    def __init__(
        self,
        *,
        intake: Intake,
        login: Login,
        hostname: str,
        tls: ssl.SSLContext,
        limits: Limits,
        proxies: Collection[str] = (),
        shares_ports: bool = False,
    ) -> None:
        self.intake = intake
        self.login = login
        self.hostname = hostname
        self.tls = tls
        self.tasks = Tasks()
        self._proxies = proxies
        self._shares_ports = shares_ports
        self._crowd = Crowd(limits)
        self._listeners: list[Listener] = []
        self._connections: set[Connection] = set()
        self._clock: asyncio.TimerHandle | None = None

    @property
    def limits(self) -> Limits:
        """Those of the moment."""
        return self._crowd.limits

    def listen(self, host: str, port: int, *, implicit_tls: bool = False, guests: Guests | None = None) -> int:
        """Opens one listener and returns its port (asked for with port 0 in tests). Raises OSError."""
        listener = Listener(self, self._crowd, implicit_tls=implicit_tls, proxies=self._proxies, guests=guests)
        bound = listener.open(host, port, is_shared=self._shares_ports)
        self._listeners.append(listener)
        kind = "smtp submissions (TLS)" if implicit_tls else "smtp trusted" if guests else "smtp submission"
        journal.started(what=kind, where=f"{host}:{bound}")
        if self._clock is None:
            self._look_at_time()
        return bound

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def credential_changed(self, credential: Credential) -> None:
        """Open sessions go by the new settings at once; those that might not begin any more end."""
        self.login.forget(credential.name)
        for connection in list(self._connections):
            known = connection.dialogue.credential
            if known is None or known.name != credential.name:
                continue
            connection.dialogue.credential = credential
            if objection_to(credential, connection.dialogue.peer, Scope.SMTP):
                connection.part(answers.DISABLED if credential.disabled else answers.LOGIN_CHANGED)

    def access_keys(self) -> Set[str]:
        """By which open sessions were logged in."""
        return {connection.dialogue.access_key for connection in self._connections} - {""}

    def access_key_gone(self, id: str) -> None:
        """Its sessions end."""
        for connection in list(self._connections):
            if connection.dialogue.access_key == id:
                connection.part(answers.DISABLED)

    async def stop(self, *, limit: float) -> None:
        """No new connections, 421 to those that wait, `limit` seconds for those in the middle of a message."""
        for listener in self._listeners:
            listener.close()
        loop = asyncio.get_running_loop()
        ends = loop.time() + limit
        self._close_idle()
        while any(connection.is_busy for connection in self._connections) and loop.time() < ends:
            await asyncio.sleep(_LOOK_AT_STOP)
            self._close_idle()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=max(1.0, ends - loop.time()))
        for connection in list(self._connections):
            connection.shut_down()
        await asyncio.sleep(_LOOK_AT_STOP)
        for connection in list(self._connections):
            connection.abort()
        for listener in self._listeners:
            await listener.end()
        if self._clock is not None:
            self._clock.cancel()

    def _close_idle(self) -> None:
        for connection in list(self._connections):
            if not connection.is_busy:
                connection.shut_down()

    def _look_at_time(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(_LOOK_AT_TIME, self._look_at_time)
        now = loop.time()
        for connection in list(self._connections):
            connection.look_at_time(now)
