"""Looks at how much waits in the queues of events, and at what they gave up. Says when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from relay import journal, metrics
from relay.errors import QueueUnavailable
from relay.ports.event_queues import FeedbackQueue

_EVERY = 60.0


class DeadLetterWatch:
    """`run` until cancelled. A queue that cannot be asked is told of by who reads it."""

    def __init__(self, queues: Sequence[FeedbackQueue]) -> None:
        self._queues = queues
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            for queue in self._queues:
                with suppress(QueueUnavailable):
                    await self.look(queue)
            await asyncio.sleep(_EVERY)

    async def look(self, queue: FeedbackQueue) -> None:
        """Raises QueueUnavailable."""
        metrics.queue_depth.labels(queue.url).set(await queue.depth())
        dead_letters = await queue.dead_letters()
        count = await dead_letters.depth() if dead_letters else 0
        metrics.dead_letters.labels(queue.url).set(count)
        if count != self._told.get(queue.url, 0):
            journal.dead_letters(queue=queue.url, count=count)
        self._told[queue.url] = count
