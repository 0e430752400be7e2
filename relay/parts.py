"""What a relay consists of while it runs: begun in an order, ended in the reverse of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from relay import journal


class Parts:
    """From the first part to `end`. `failed` is set when one that is kept running ends by an exception of ours: the relay is to
    stop then, and to be started afresh.
    """

    def __init__(self) -> None:
        self._begun = AsyncExitStack()
        self.failed = asyncio.Event()

    def ends_with(self, step: Callable[..., Coroutine[Any, Any, object]], **options: Any) -> None:
        """What began just now ends by this."""
        self._begun.push_async_callback(step, **options)

    def closes_with(self, step: Callable[[], None]) -> None:
        """The same, where nobody waits."""
        self._begun.callback(step)

    def keep_running(self, part: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
        """A task until the end."""

        async def run() -> None:
            try:
                await part()
            except Exception:
                journal.bug(f"{what} failed")
                self.failed.set()

        task = asyncio.create_task(run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._begun.push_async_callback(end)

    async def end(self) -> None:
        """All of them."""
        await self._begun.aclose()
