"""GET /metrics: the text format of Prometheus."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import generate_latest

from relay import __version__, metrics


def routes() -> list[web.RouteDef]:
    """For the private listener only: names and numbers are nobody else's business."""
    metrics.build.labels(__version__).set(1)
    return [web.get("/metrics", _metrics)]


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": "text/plain; version=0.0.4"})
