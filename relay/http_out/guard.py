"""Where a request may go: not into the machine's own network, whatever a name means when it is asked for.

The address that was looked at is the one that is connected to, so a name that means another one a moment later helps nobody.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
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
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_literal(url: str) -> None:
    """An address in a URL is asked of no resolver. Raises NotForUs."""
    host = URL(url).host or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(host):
        raise NotForUs(f"{host} is not public")


class PublicResolver(AbstractResolver):
    """Leaves public addresses only."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Raises NotForUs where none is left."""
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise NotForUs(f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()
