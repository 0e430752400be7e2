"""One HTTP listener: a group of routes on an address of its own."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from relay import journal

# SNS posts 256 KB at most unless the topic allows more; nothing else on these routes is as large.
MAX_BODY = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Starts with `listen`, ends with `stop`."""

    def __init__(self, name: str, routes: Iterable[web.RouteDef]) -> None:
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_our_fault])
        app.add_routes(routes)
        self._name = name
        # Bodies are never decompressed: a small one could become a large one.
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=2.0)

    async def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> int:
        """Opens the listener and returns its port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        bound: int = self._runner.addresses[0][1]
        journal.started(what=f"http {self._name}", where=f"{host}:{bound}")
        return bound

    async def stop(self) -> None:
        await self._runner.cleanup()


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
