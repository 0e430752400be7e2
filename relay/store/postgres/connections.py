"""Connections to PostgreSQL: where to, how their values travel, and when one is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors, waiting
from psycopg.abc import RV, Buffer, PQGen
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import StrDumper

CONNECT_SECONDS = 5
ANSWER_SECONDS = 20.0
APPLICATION = "relay"
# Both sides notice within half a minute that the other is gone; the server by options, which a pooler lets nobody set.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is. `direct` is the way to it that leads through no pooler, where `url` leads through one."""

    url: str = field(repr=False)
    direct: str = field(default="", repr=False)

    @property
    def own(self) -> str:
        """For what needs a session of its own."""
        return self.direct or self.url

    @property
    def options(self) -> dict[str, Any]:
        """Of a connection by `url`. Behind a pooler nothing may be left in a session: no statement prepared, no setting."""
        options: dict[str, Any] = {
            "autocommit": True,
            "context": Context(),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": APPLICATION,
            **_KEEPALIVE,
        }
        return options | ({"prepare_threshold": None} if self.direct else {"options": _SERVER_KEEPALIVE})


class _Whole(NumericBinaryLoader):
    """Sums of integers: PostgreSQL makes them numeric, so that they cannot overflow."""

    def load(self, data: Buffer) -> int | float:  # type: ignore[override]
        found = super().load(data)
        return int(found) if found == found.to_integral_value() else float(found)


class _Text(StrDumper):
    """PostgreSQL takes no NUL, which SQLite does: clients may send one in their EHLO."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)


def adapters() -> AdaptersMap:
    """Text goes out as text, so that a function of several kinds is found by it."""
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(str, _Text)
    found.register_loader("numeric", _Whole)
    return found


class Connection(psycopg.Connection[Any]):
    """Lost where no answer comes in `seconds`, though somebody is there: a pooler or a server that hangs."""

    seconds = ANSWER_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """The same, if it is told to. Who is cancelled does not ask a server to stop that may not answer."""

    seconds: float | None = None

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval, self.seconds)
        except (errors._WaitTimeout, asyncio.CancelledError):
            self.pgconn.finish()
            raise


class Context:
    """Brings the adapters to connections."""

    connection = None

    def __init__(self) -> None:
        self.adapters = adapters()
