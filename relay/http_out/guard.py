"""Where a request may go: not into the machine's own network, whatever a name means when it is asked for.

The address that was looked at is the one that is connected to, so a name that means another one a moment later helps nobody.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL


class NotForUs(OSError):
    """An address of a private network, this machine, or nobody's."""


def is_public(text: str) -> bool:
    """An address that the whole Internet reaches. IPv4 within IPv6 counts as what it is."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        return found.is_global and found in _UNICAST
    return found.is_global and not found.is_multicast and found != _WIRE_SERVER


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 2.4: no other is given to anybody
_WIRE_SERVER = ipaddress.ip_address("168.63.129.16")  # of every machine at Azure, and only of it


def check_literal(url: str) -> None:
    """An address in a URL is asked of no resolver. Raises NotForUs."""
    host = URL(url).host or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(host):
        raise NotForUs(f"{host} is not public")


class Resolver(AbstractResolver):
    """As the machine does, each name in a thread of its own: where names are not answered, the few threads that mail is judged
    in stay free, and the process need not wait for them to end.
    """

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Raises OSError."""
        found: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        Thread(target=_look_up, args=(found, host, port, family), name="webhook-name", daemon=True).start()
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=where[0], port=where[1], family=kind, proto=proto, flags=flags)
            for kind, _, proto, _, where in await found
        ]

    async def close(self) -> None:
        pass


class PublicResolver(Resolver):
    """Leaves public addresses only."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Raises NotForUs where none is left."""
        public = [each for each in await super().resolve(host, port, family) if is_public(each["host"])]
        if not public:
            raise NotForUs(f"{host} has no public address")
        return public


def _look_up(found: asyncio.Future[list[Any]], host: str, port: int, family: int) -> None:
    result, failure = [], None
    try:
        result = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError) as error:
        failure = error

    def settle() -> None:
        if found.done():
            return
        if failure:
            found.set_exception(failure)
        else:
            found.set_result(result)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        found.get_loop().call_soon_threadsafe(settle)
