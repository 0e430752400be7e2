"""One HTTP listener: a group of routes on an address of its own."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from relay import journal

# SNS posts 256 KB at most unless the topic allows more; nothing else on these routes is as large.
MAX_BODY = 256 * 1024

_LONGEST_LINE = 16 * 1024  # octets: GET /Messages/ has up to 300 ids in it

_WITH_PORT = re.compile(r"\[([^]]*)\](?::\d+)?|([\d.]+):\d+")  # as some proxies write addresses

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _is_ours(record: logging.LogRecord) -> bool:
    """Not what strangers send that is no HTTP: it is answered 400, and aiohttp would tell of each as of an error."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log = logging.getLogger("relay.web")
_log.addFilter(_is_ours)


class HttpServer:
    """Starts with `listen`, ends with `stop`."""

    def __init__(self, name: str, routes: Iterable[web.RouteDef], proxies: Collection[str] = ()) -> None:
        """`proxies` are CIDR blocks: what comes from there says for whom, in X-Forwarded-For."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_our_fault, _seen_through(proxies)])
        app.add_routes(routes)
        self._name = name
        # Bodies are never decompressed: a small one could become a large one.
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, shutdown_timeout=2.0, logger=_log, max_line_size=_LONGEST_LINE
        )

    async def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None, is_shared: bool = False) -> int:
        """Opens the listener, on a port that other processes may share, and returns that."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls, reuse_port=is_shared).start()
        bound: int = self._runner.addresses[0][1]
        journal.started(what=f"http {self._name}", where=f"{host}:{bound}")
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()


def _seen_through(proxies: Collection[str]) -> Middleware:
    networks = [ip_network(block) for block in proxies]

    @web.middleware
    async def with_remote(request: web.Request, handler: Handler) -> web.StreamResponse:
        if networks and (forwarded := request.headers.getall("X-Forwarded-For", ())):
            hops = [*(hop.strip() for line in forwarded for hop in line.split(",")), request.remote or ""]
            request = request.clone(remote=_first_outside(hops, networks))
        return await handler(request)

    return with_remote


def _first_outside(hops: Sequence[str], networks: Sequence[IPv4Network | IPv6Network]) -> str:
    """The last one that no proxy of ours has vouched for: what stands before it anybody may have written."""
    for hop in reversed(hops):
        try:
            with_port = _WITH_PORT.fullmatch(hop)
            found = ip_address((with_port[1] or with_port[2] or "") if with_port else hop)
        except ValueError:
            return hops[-1]
        found = getattr(found, "ipv4_mapped", None) or found
        if not any(found in network for network in networks):
            return str(found)
    return hops[-1]


@web.middleware
async def _our_fault(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An exception nobody foresaw is ours: logged whole, answered 503, so that the other side tries again."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        journal.bug("an HTTP request failed")
        return web.Response(status=503)
