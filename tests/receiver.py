"""A receiver of webhooks, on this machine, that keeps what it took, and fails as it is told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Heard:
    """One request; `status` is what it was answered, 0 where it was not."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass
class Receiver:
    """Of each request a share is answered 500, is not answered at all, or is cut off, before or after it was taken."""

    failing: float = 0.0
    hanging: float = 0.0
    resetting: float = 0.0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: str = "taken"
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    heard: list[Heard] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Heard]:
        return [each for each in self.heard if each.status == 200]

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._hear)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        dice = self.chance.random()
        status = self.status
        if dice < self.failing:
            status = 500
        elif dice < self.failing + self.hanging + self.resetting:
            status = 0
        self.heard.append(Heard(request.method, request.raw_path, dict(request.headers), body, status))
        if status == 0:
            if dice < self.failing + self.hanging:
                await asyncio.sleep(30)
            assert request.transport
            request.transport.abort()
        return web.Response(status=status or 200, text=self.answer, headers=self.headers)

    async def until(self, count: int, *, within: float = 30.0) -> list[Heard]:
        """Waits until it has taken so many requests."""
        await self.when(lambda: len(self.taken) >= count, within=within)
        return self.taken

    async def when(self, is_so: Callable[[], bool], *, within: float = 30.0) -> None:
        """Waits until what it heard is so."""
        async with asyncio.timeout(within):
            while not is_so():  # noqa: ASYNC110 - any request may bring it about
                await asyncio.sleep(0.02)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """One that runs."""
    receiver = Receiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
