"""What is old is let go: content first, then what is known of a message; small steps, and a pass an hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from relay import journal
from relay.errors import StoreUnavailable
from relay.lifecycle import DAY
from relay.ports.bodies import SpooledFiles
from relay.ports.clock import Clock
from relay.ports.queue import Retention
from relay.statistics import HOURS_KEPT

_RECEIPT_DAYS = 1
_NAMES = 500  # files that are asked for at once


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFor:
    """Days after which it goes; 0 for never."""

    bodies: int
    web_versions: int  # the content of messages with links to it
    notifications: int
    facts: int
    links: int = 0
    history: int = 0
    audit: int = 0


class Keeping:
    """`every` are the seconds between passes, `pause` those between steps: others write meanwhile."""

    def __init__(
        self, *, store: Retention, files: SpooledFiles, clock: Clock, kept_for: KeptFor, every: float, pause: float
    ) -> None:
        self._store = store
        self._files = files
        self._clock = clock
        self._kept_for = kept_for
        self._every = every
        self._pause = pause

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                journal.trouble("what is old is kept for now", error)
            await asyncio.sleep(self._every)

    async def once(self) -> None:
        """Content goes before its facts, and a file once the store says so: what a crash leaves is found the next time."""
        now = self._clock()
        gone = {
            "bodies": await self._forget(self._store.bodies, now, self._kept_for.bodies),
            "web_versions": await self._forget(self._store.web_versions, now, self._kept_for.web_versions),
            "files": await self._remove_files(),
            "notifications": await self._forget(self._store.notifications, now, self._kept_for.notifications),
            "tasks": await self._forget(self._store.tasks, now, self._kept_for.facts),
            "facts": await self._forget(self._store.facts, now, self._kept_for.facts),
            "links": await self._forget(self._store.links, now, self._kept_for.links),
            "history": await self._forget(self._store.history, now, self._kept_for.history),
            "audit": await self._forget(self._store.audit, now, self._kept_for.audit),
            "counters": await self._forget(self._store.counters, now, self._kept_for.facts),
            "hours": await self._count(self._store.hours(now - HOURS_KEPT)),
            "suppressions": await self._count(self._store.suppressions(now)),
            "imports": await self._count(self._store.imports(now)),
            "receipts": await self._forget(self._store.receipts, now, _RECEIPT_DAYS),
            "flows_and_holds": await self._store.flows_and_holds(now),
            "pages": await self._count(self._store.free_pages()),
        }
        if any(gone.values()):
            journal.forgotten(**gone)

    async def _forget(self, steps: Callable[[float], AsyncIterator[int]], now: float, days: int) -> int:
        return await self._count(steps(now - days * DAY)) if days else 0

    async def _count(self, steps: AsyncIterator[int]) -> int:
        count = 0
        async for some in steps:
            count += some
            await asyncio.sleep(self._pause)
        return count

    async def _remove_files(self) -> int:
        names, count = await self._files.listed(), 0
        for first in range(0, len(names), _NAMES):
            old = await self._store.files_to_go(names[first : first + _NAMES])
            await self._files.remove(old)
            count += len(old)
            await asyncio.sleep(self._pause)
        return count
