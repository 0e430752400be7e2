"""What a relay consists of while it runs: begun in an order, ended in the reverse of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from relay import journal

_LEAST_SECONDS = 1.0  # for a part whose turn to end comes when the time is over


class Parts:
    """From the first part to `end`. `failed` is set when one that is kept running ends by an exception of ours: the relay is to
    stop then, and to be started afresh.
    """

    def __init__(self) -> None:
        self._begun = AsyncExitStack()
        self._ends_at = 0.0
        self.failed = asyncio.Event()

    def ends_with(self, step: Callable[..., Coroutine[Any, Any, object]], **options: Any) -> None:
        """What began just now ends by this."""
        self._begun.push_async_callback(self._end, step.__qualname__, partial(step, **options))

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

        self._begun.push_async_callback(self._end, what, end)

    async def end(self, *, within: float) -> None:
        """All of them. What takes longer than so many seconds in all is not waited for: a disk or a database that hangs. No
        part needs its end for what it has promised, or a power cut would break it.
        """
        self._ends_at = asyncio.get_running_loop().time() + within
        await self._begun.aclose()

    async def _end(self, what: str, step: Callable[[], Coroutine[Any, Any, object]]) -> None:
        left = self._ends_at - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(left, _LEAST_SECONDS)):
                await step()
        except TimeoutError:
            journal.trouble(f"{what} takes too long and is not waited for")
