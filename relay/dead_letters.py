"""Looks at how much waits in the queues of events, and at what they gave up. Says when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from relay import journal, metrics
from relay.errors import QueueUnavailable
from relay.ports.clock import Clock
from relay.ports.event_queues import FeedbackQueue

_EVERY = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSeen:
    """How a queue stood at a time: about how many wait in it, and how many it gave up; or why it could not be asked."""

    url: str
    at: float = 0.0  # never
    waiting: int = 0
    dead_letters: int = 0
    trouble: str = ""


class DeadLetterWatch:
    """`run` until cancelled. That a queue cannot be asked is told once for each kind of trouble."""

    def __init__(self, queues: Sequence[FeedbackQueue], clock: Clock) -> None:
        self._queues = queues
        self._clock = clock
        self._told: dict[str, int] = {}
        self._troubles: dict[str, str] = {}
        self._seen = {queue.url: QueueSeen(url=queue.url) for queue in queues}

    @property
    def seen(self) -> tuple[QueueSeen, ...]:
        """Each queue as it stood last; only the node looks that does the chores, or was asked to."""
        return tuple(self._seen.values())

    async def run(self) -> None:
        try:
            while True:
                await self.look()
                await asyncio.sleep(_EVERY)
        finally:  # from now on another may know better
            metrics.queue_depth.clear()
            metrics.dead_letters.clear()

    async def look(self) -> None:
        """At all of them, now."""
        for queue in self._queues:
            try:
                self._seen[queue.url] = await self._look(queue)
                self._troubles.pop(queue.url, None)
            except QueueUnavailable as error:
                self._seen[queue.url] = QueueSeen(url=queue.url, at=self._clock(), trouble=str(error))
                self._tell(queue.url, error)

    def _tell(self, url: str, error: QueueUnavailable) -> None:
        if self._troubles.get(url) != error.kind:
            journal.trouble(f"the queue {url} cannot be looked at", error)
        self._troubles[url] = error.kind

    async def _look(self, queue: FeedbackQueue) -> QueueSeen:
        """Raises QueueUnavailable."""
        waiting = await queue.depth()
        metrics.queue_depth.labels(queue.url).set(waiting)
        dead_letters = await queue.dead_letters()
        count = await dead_letters.depth() if dead_letters else 0
        metrics.dead_letters.labels(queue.url).set(count)
        if count != self._told.get(queue.url, 0):
            journal.dead_letters(queue=queue.url, count=count)
        self._told[queue.url] = count
        return QueueSeen(url=queue.url, at=self._clock(), waiting=waiting, dead_letters=count)
