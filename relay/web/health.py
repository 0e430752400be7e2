"""GET /healthz: the process answers. GET /readyz: it can take mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.errors import StoreUnavailable


def routes(check: Callable[[], Awaitable[object]]) -> list[web.RouteDef]:
    """`check` touches the store and raises StoreUnavailable where it does not answer."""

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        try:
            await check()
        except StoreUnavailable:
            return web.Response(status=503, text="the store does not answer\n")
        return web.Response(text="ok\n")

    return [web.get("/healthz", healthy), web.get("/readyz", ready)]
