"""What was given up is taken up once more, when an operator says so: dead letters of the queues, and our own quarantine.

Dead letters are not moved back into their queue but taken where they are, through the same door: what still cannot be used
goes to quarantine, and nothing goes round in circles.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from relay import journal
from relay.collector import Collector
from relay.errors import FeedbackError
from relay.feedback import Feedback
from relay.ports.event_queues import FeedbackQueue, Quarantine, Redriven


class Redrive:
    """Implements ports.SecondTry. `collector` makes one that reads a queue."""

    def __init__(
        self,
        *,
        queues: Sequence[FeedbackQueue],
        collector: Callable[[FeedbackQueue], Collector],
        feedback: Feedback,
        quarantine: Quarantine,
        takes_raw: bool,
    ) -> None:
        self._queues = queues
        self._collector = collector
        self._feedback = feedback
        self._quarantine = quarantine
        self._takes_raw = takes_raw

    async def redrive(self) -> Redriven:
        taken = put_aside = 0
        for queue in self._queues:
            if dead_letters := await queue.dead_letters():
                found = await self._collector(dead_letters).drain()
                journal.redriven(what=dead_letters.url, taken=found.taken, put_aside=found.put_aside)
                taken, put_aside = taken + found.taken, put_aside + found.put_aside
        return Redriven(taken=taken, put_aside=put_aside)

    async def retry(self, ids: Collection[str]) -> Redriven:
        outcomes = [await self._retry(id) for id in ids or await self._quarantine.ids()]
        done = Redriven(taken=outcomes.count(True), put_aside=outcomes.count(False))
        journal.redriven(what="quarantine", taken=done.taken, put_aside=done.put_aside)
        return done

    async def _retry(self, id: str) -> bool | None:
        """Whether it is recorded now; None for what is not there any more."""
        found = await self._quarantine.get(id)
        if found is None:
            return None
        try:
            await self._feedback.receive_queued(found.body, id=found.id, queue=found.queue, takes_raw=self._takes_raw)
        except FeedbackError as error:
            await self._quarantine.put(replace(found, reason=str(error)))
            return False
        await self._quarantine.remove(id)
        return True
