"""Takes feedback out of one queue: received, committed, only then deleted. What cannot be used goes to quarantine.

A message that was received is hidden from others for a while, not gone. As long as our store is down it is kept hidden: each
time it showed itself again would count, and after a few the queue would move it to its dead letters, though nothing is wrong
with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

from relay import journal, metrics
from relay.errors import QueueUnavailable, StoreRefuses, StoreUnavailable, TryAgain, Unreadable, Untrusted
from relay.feedback import Feedback
from relay.listening import Listening
from relay.ports.clock import Clock
from relay.ports.event_queues import FULL, FeedbackQueue, Quarantine, Quarantined, Queued, Redriven

HIDDEN_SECONDS = 30.0  # Listening knows that it is no more
_LONG_POLL = 20  # seconds, the most that SQS waits
_DRAIN_POLL = 2
_HELPERS = 7
_LONGEST_PAUSE = 30.0
_LONGEST_BACK_OFF = 60.0
_CERTIFICATE_TRIES = 16  # about five minutes: the address is one of SNS's own, and what lies there may never have been there
_RELEASE_SECONDS = 3.0


class Collector:
    """One queue: `run` until cancelled, or `drain` until it is empty. With `takes_raw` its policy vouches for what is in it."""

    def __init__(
        self,
        queue: FeedbackQueue,
        *,
        feedback: Feedback,
        quarantine: Quarantine,
        listening: Listening,
        clock: Clock,
        takes_raw: bool,
    ) -> None:
        self._queue = queue
        self._feedback = feedback
        self._quarantine = quarantine
        self._listening = listening
        self._clock = clock
        self._takes_raw = takes_raw
        self._in_hand = 0
        self._helpers = 0
        self._back_off = 0.0
        self._told = ""
        self._undeleted: QueueUnavailable | None = None
        self._put_aside = 0

    @property
    def trouble(self) -> tuple[str, str]:
        """The queue's URL, and why it cannot be read, or nothing in it be deleted; empty if all is well."""
        return self._queue.url, self._told

    async def run(self) -> None:
        """Long polls, and helpers beside them while the queue is full."""
        try:
            async with asyncio.TaskGroup() as helpers:
                while True:
                    if await self._turn() == FULL and self._helpers < _HELPERS:
                        self._helpers += 1
                        helpers.create_task(self._help())
        finally:
            self._queue.close()

    async def drain(self) -> Redriven:
        """All that is in it now, and how much that was. Raises QueueUnavailable, also where nothing can be deleted: it would
        come again without end.
        """
        taken = 0
        while messages := await self._queue.receive(wait=_DRAIN_POLL):
            await self._work_off(messages)
            if self._undeleted:
                raise self._undeleted
            taken += len(messages)
        return Redriven(taken=taken - self._put_aside, put_aside=self._put_aside)

    async def _turn(self) -> int:
        """One long poll and what it brought; how much that was."""
        try:
            messages = await self._queue.receive(wait=_LONG_POLL)
        except QueueUnavailable as error:
            await self._wait_out(error)
            return 0
        self._back_off = 0.0
        self._tell(self._undeleted)
        if messages:
            await self._work_off(messages)
            self._tell(self._undeleted)
        elif not self._in_hand:
            self._listening.polled_empty(self._queue.url)
        return len(messages)

    async def _help(self) -> None:
        """Until the queue is not full any more."""
        try:
            with suppress(QueueUnavailable):  # the long poll tells of it
                while len(messages := await self._queue.receive(wait=0)) == FULL:
                    await self._work_off(messages)
                if messages:
                    await self._work_off(messages)
        finally:
            self._helpers -= 1

    async def _wait_out(self, error: QueueUnavailable) -> None:
        """Whatever it is (no such queue, no right to it, too many requests), it may be mended. Told once."""
        self._listening.begin_anew(self._clock())
        self._tell(error)
        self._back_off = min(max(1.0, 2 * self._back_off), _LONGEST_BACK_OFF)
        await asyncio.sleep(self._back_off)

    def _tell(self, error: QueueUnavailable | None) -> None:
        """What is wrong with it, or nothing."""
        if error and error.kind != self._told:
            journal.queue_unreadable(queue=self._queue.url, why=str(error))
        elif self._told and not error:
            journal.queue_readable(queue=self._queue.url)
        metrics.queue_readable.labels(self._queue.url).set(not error)
        self._told = error.kind if error else ""

    async def _work_off(self, messages: Sequence[Queued]) -> None:
        """Until each is committed or in quarantine, and deleted. Cancelled, what is left is visible again."""
        oldest = min(message.sent_at for message in messages)
        self._listening.polled(self._queue.url, oldest=oldest, now=self._clock())
        left = list(messages)
        keeper = asyncio.create_task(self._keep_hidden(left))
        self._in_hand += len(messages)
        try:
            await self._take_all(left)
        except asyncio.CancelledError:
            with suppress(QueueUnavailable, TimeoutError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._queue.hide(left, 0.0)
            raise
        finally:
            keeper.cancel()
            self._in_hand -= len(messages)

    async def _take_all(self, left: list[Queued]) -> None:
        """Takes out of `left` what is done."""
        for tries, pause in enumerate(_pauses(), 1):
            outcomes = await asyncio.gather(*(self._take(message, tries) for message in left))
            done = [message for message, is_done in zip(left, outcomes, strict=True) if is_done]
            left[:] = [message for message in left if message not in done]
            if done:
                await self._delete(done)
            if not left:
                return
            await asyncio.sleep(pause)

    async def _take(self, message: Queued, tries: int) -> bool:
        """Whether it may be deleted."""
        try:
            await self._feedback.receive_queued(message.body, id=message.id, queue=self._queue.url, takes_raw=self._takes_raw)
        except StoreRefuses as error:
            return await self._keep_aside(message, f"a fault of ours: {error}")
        except StoreUnavailable:
            return False
        except (Unreadable, Untrusted, TryAgain) as error:
            if isinstance(error, TryAgain) and tries < _CERTIFICATE_TRIES:
                return False
            return await self._keep_aside(message, str(error))
        except Exception as error:
            journal.bug("a message of a queue could not be taken")
            return await self._keep_aside(message, f"a fault of ours: {error!r}")
        return True

    async def _keep_aside(self, message: Queued, reason: str) -> bool:
        found = Quarantined(
            id=message.id,
            queue=self._queue.url,
            sent_at=message.sent_at,
            received_at=self._clock(),
            reason=reason,
            body=message.body,
        )
        try:
            is_new = await self._quarantine.put(found)
        except StoreUnavailable:
            self._listening.begin_anew(self._clock())
            return False
        self._put_aside += 1
        if is_new:
            metrics.quarantined.labels(self._queue.url).inc()
            journal.quarantined(queue=self._queue.url, id=message.id, why=reason)
        return True

    async def _delete(self, done: Sequence[Queued]) -> None:
        """What is not deleted comes again, is known, and is deleted then. Of two tries the last one counts."""
        with suppress(QueueUnavailable):
            done = await self._queue.delete(done)
        try:
            if done:
                await self._queue.delete(done)
            self._undeleted = None
        except QueueUnavailable as error:
            self._undeleted = error

    async def _keep_hidden(self, left: list[Queued]) -> None:
        """While it is in hand. SQS ends that after twelve hours; then it comes again."""
        while True:
            await asyncio.sleep(HIDDEN_SECONDS / 3)
            if left:
                with suppress(QueueUnavailable):
                    await self._queue.hide(tuple(left), HIDDEN_SECONDS)


def _pauses() -> Iterator[float]:
    pause = 0.5
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)
