"""The console, on the listener for those who run the relay."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from aiohttp import web

from relay.assembly.base import Base
from relay.assembly.way_in import Entrance
from relay.guesses import Guesses
from relay.settings import Config
from relay.web.console.door import Console
from relay.web.console.files import Files
from relay.web.console.login import LoginPages
from relay.web.console.operators import OperatorPages
from relay.web.console.overview import OverviewPages
from relay.web.console.sessions import Sessions
from relay.web.console.visits import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Its routes, and the path by which the first operator comes in; empty once there is one."""

    routes: list[web.RouteDef]
    first_link: Callable[[], Awaitable[str]]


def made(base: Base, entrance: Entrance) -> Made:
    """All of it."""
    config, operators = base.config, base.store.operators
    is_secure = bool(config.private.certificate or config.private.proxies)
    sessions = Sessions(operators, clock=base.clock, chance=os.urandom, is_secure=is_secure)
    console = Console(list(_pages(base, entrance)), files=Files(), sessions=sessions, operators=operators, clock=base.clock)
    login = LoginPages(
        console,
        operators=operators,
        sessions=sessions,
        passwords=entrance.passwords,
        guesses=_guesses(config),
        clock=base.clock,
        chance=os.urandom,
    )
    return Made(routes=[*login.routes(), *console.routes()], first_link=login.first_link)


def _pages(base: Base, entrance: Entrance) -> Iterator[Route]:
    store = base.store
    yield from OverviewPages(counters=store.counters, desk=store.desk, rules=base.config.reputation.rules).routes()
    yield from OperatorPages(operators=store.operators, passwords=entrance.passwords, chance=os.urandom).routes()


def _guesses(config: Config) -> Guesses:
    """Wrong passwords of operators, apart from those of logins."""
    logins = config.logins
    return Guesses(
        monotonic=time.monotonic,
        seconds=logins.failure_seconds,
        per_address=logins.failures_per_address,
        per_name=logins.failures_per_name,
    )
