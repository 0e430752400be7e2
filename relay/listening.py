"""Since when every event that came could be kept, and by when all that was published before has been heard."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

# What a crash left hidden in a queue is visible again within 30 seconds: the second empty poll after that would have found it.
_QUEUE_SECONDS = 60.0
_EMPTY_POLLS = 2


@dataclass(slots=True)
class _Queue:
    empty_polls: int = 0
    behind_at: float = 0.0  # when it last gave something of before


class Listening:
    """What came before `since` may be lost, or come again much later. Each door has its own rule of how much later.

    The webhook: as long as SNS goes on trying. A queue: until it is empty; or, where it never is, until for as long nothing
    came out of it that was put in before `since`.
    """

    def __init__(self, since: float, *, webhook: bool = True, queues: Collection[str] = ()) -> None:
        self.since = since
        self._webhook = webhook or not queues
        self._queues = {queue: _Queue() for queue in queues}

    def begin_anew(self, now: float) -> None:
        """Something could not be kept, or could not be heard."""
        self.since = now
        for queue in self._queues.values():
            queue.empty_polls, queue.behind_at = 0, now

    def polled_empty(self, queue: str) -> None:
        """A long poll brought nothing, and nothing of that queue is in hand."""
        if queue in self._queues:
            self._queues[queue].empty_polls += 1

    def polled(self, queue: str, *, oldest: float, now: float) -> None:
        """A poll brought something; `oldest` is when the first of it was put into the queue."""
        if queue in self._queues and oldest < self.since:
            self._queues[queue].empty_polls, self._queues[queue].behind_at = 0, now

    def has_caught_up(self, now: float, *, wait: float) -> bool:
        """Whether an event that was published before `since` would have come by now. `wait` is the webhook's patience."""
        heard = now - self.since
        if self._webhook and heard < wait:
            return False
        return all(
            (heard >= _QUEUE_SECONDS and queue.empty_polls >= _EMPTY_POLLS) or now - max(queue.behind_at, self.since) >= wait
            for queue in self._queues.values()
        )
