"""The listeners of a relay, SMTP and HTTP, and the certificates that they show."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp.web import RouteDef

from relay import config_rules
from relay.assembly import sharing, way_in
from relay.assembly.base import Base
from relay.assembly.way_in import Entrance
from relay.backlog import Admission
from relay.credential import Credential
from relay.errors import ConfigError
from relay.identities import Identities
from relay.lifecycle import DAY
from relay.logins import KeyChanges, LoginChanges
from relay.parts import Parts
from relay.ports.queue import Express
from relay.security.passwords import ArgonPasswords
from relay.security.tls import ServerTls
from relay.settings import Config, Role
from relay.smtp.login import TrustedNetworks
from relay.smtp.server import SmtpServer
from relay.standing import Certificate
from relay.web.server import HttpServer

_STOP_SECONDS = 8.0  # for SMTP; see app.py
_WATCH_SECONDS = 5.0
_FILES_SETTLE_SECONDS = 1.0


class Doors:
    """Opened one by one; the parts end them. `ports` tells where they are."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config = config
        self._parts = parts
        self._tls: list[ServerTls] = []
        self._changed: list[Callable[[Credential], None]] = []
        self.ports: dict[str, int] = {}

    def shown(self, tls: ServerTls) -> ssl.SSLContext:
        """What a door needs to show these certificates, which are read anew when they change."""
        self._tls.append(tls)
        return tls.context

    def certificates(self) -> list[Certificate]:
        """Those that are shown."""
        return [Certificate(tls.section, name, ends) for tls in self._tls for name, ends in tls.expires.items()]

    def refused_certificates(self) -> dict[str, str]:
        """By section: why its new ones cannot be used."""
        return {tls.section: tls.refused for tls in self._tls if tls.refused}

    def reload(self) -> None:
        """Reads the certificates anew."""
        for tls in self._tls:
            tls.reload()

    async def watch_certificates(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for tls in self._tls:
                if tls.has_changed():
                    await asyncio.sleep(_FILES_SETTLE_SECONDS)  # the key is written a moment after the certificate
                    tls.reload()

    async def open_http(
        self,
        name: str,
        listener: str,
        routes: Iterable[RouteDef],
        *,
        tls: ssl.SSLContext | None = None,
        proxies: Collection[str] = (),
    ) -> None:
        """Raises ConfigError where nobody can listen."""
        server = HttpServer(name, routes, proxies)
        host, port = config_rules.address(listener, self._config.file, f"{name}.listen")
        self._parts.ends_with(server.stop)
        with _listening(self._config, f"{name}.listen"):
            is_shared = name != "private" and bool(self._config.worker)
            self.ports[name] = await server.listen(host, port, tls=tls, is_shared=is_shared)

    async def entrance(self, base: Base, identities: Identities, admission: Admission, express: Express | None) -> Entrance:
        """What all doors lead to. Raises StoreUnavailable."""
        store = base.store
        passwords = ArgonPasswords(monotonic=time.monotonic)
        self._parts.closes_with(passwords.close)
        limits = sharing.Limits(self._config, base.clock, store.shared)
        limits.quota.restore(await store.credentials.accepted_since(base.clock() // DAY * DAY))
        login = way_in.login(store, passwords, limits.guesses)
        self._changed.append(lambda credential: login.forget(credential.name))
        if limits.usage:
            self._parts.keep_running(limits.usage.run, "what other nodes count")
            changes = LoginChanges(store.credentials, self.credential_changed)
            self._parts.keep_running(changes.run, "what others change of logins")
        known = identities if self._config.ses.identities_seconds else Identities()
        intake = way_in.intake(base, known, admission, limits.quota, self._bell(base), express)
        return Entrance(intake=intake, login=login, identities=known, passwords=passwords, tell=self.credential_changed)

    async def open_smtp(self, base: Base, entrance: Entrance, tls: ssl.SSLContext) -> None:
        """Raises ConfigError as above."""
        config = self._config.smtp
        server = SmtpServer(
            intake=entrance.intake,
            login=entrance.login,
            hostname=config.hostname,
            tls=tls,
            limits=way_in.limits(self._config),
            proxies=config.proxies,
            shares_ports=bool(self._config.worker),
        )
        self._changed.append(server.credential_changed)
        keys = KeyChanges(base.store.access_keys, server.access_keys, server.access_key_gone)
        self._parts.keep_running(keys.run, "the look at the access keys in use")
        self._parts.ends_with(server.stop, limit=_STOP_SECONDS)
        guests = TrustedNetworks(config.trusted_networks, config.trusted_credential, entrance.login.find)
        self._listen(server, "submission", config.submission)
        self._listen(server, "submissions", config.submissions, implicit_tls=True)
        self._listen(server, "trusted", config.trusted, guests=guests)

    def credential_changed(self, credential: Credential) -> None:
        """Whoever remembers it, and open sessions, hear of it."""
        for tell in self._changed:
            tell(credential)

    def _bell(self, base: Base) -> Callable[[], None]:
        """What to call when mail came in: a node that does not send it tells the others, who would look within a second."""
        if base.store.shared is None or self._config.node.does(Role.DISPATCH):
            return base.wake.set
        wakes = base.store.shared.wakes(base.wake.set)
        self._parts.keep_running(wakes.tell, "the word of mail to other nodes")
        return wakes.announce

    def _listen(self, server: SmtpServer, name: str, listener: str, **options: Any) -> None:
        if listener:
            host, port = config_rules.address(listener, self._config.file, f"smtp.{name}")
            with _listening(self._config, f"smtp.{name}"):
                self.ports[name] = server.listen(host, port, **options)


@contextmanager
def _listening(config: Config, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(config.file, key, f"cannot listen there: {error.strerror or error}") from error
