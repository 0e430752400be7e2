"""Chores of the queue: one method per chore, and the loop that does them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from relay import journal
from relay.errors import StoreUnavailable
from relay.lifecycle import Patience
from relay.listening import Listening
from relay.model import Delivery, State
from relay.ports.feedback import FeedbackStore
from relay.ports.queue import Queue
from relay.queueing import Doubt
from relay.steady import SteadyClock

_BEAT_SECONDS = 60.0
# Feedback is alive when so much of what was sent has its event.
_ALIVE = 0.99
_LONGEST_WAIT = 4  # times the wait for a doubt's event: sends of before that say nothing of today


class Upkeep:
    """`hears`: whatever SES has published by then has come. `max_hold` and `every` are seconds. What stays in doubt is sent
    again if it `resends`, or else waits. `wake` is set where something may have become due.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        feedback: FeedbackStore,
        clock: SteadyClock,
        listening: Listening,
        hears: Callable[[float], bool],
        is_alone: bool,
        patience: Patience,
        resends: bool,
        max_hold: float,
        every: float,
        wake: asyncio.Event,
    ) -> None:
        self._queue = queue
        self._feedback = feedback
        self._clock = clock
        self._listening = listening
        self._hears = hears
        self._is_alone = is_alone
        self._patience = patience
        self._resends = resends
        self._max_hold = max_hold
        self._every = every
        self._wake = wake
        self.doubts_wait: bool | None = None
        """Whether mail stays in doubt; not known before all has been heard."""
        self.jump = (0.0, 0.0)
        """The last jump of the clock: by how many seconds, and when; 0.0 for none."""
        self._has_jumped = False
        self._beaten_at = 0.0
        self._joined = self._looked = 0

    async def begin(self) -> None:
        """Before anything is sent: the clock may have been set back, and calls may have been open."""
        if back := await self._queue.catch_up(self._clock()):
            journal.clock_jumped(seconds=back)
            self.jump = (back, self._clock())
        await self.rescue(everything=self._is_alone)

    async def run(self) -> None:
        """All chores, over and over, until cancelled."""
        self.doubts_wait = None  # others may have decided since
        while True:
            try:
                await self.keep_time()
                await self.rescue(everything=False)
                await self.decide()
                if abs(self._clock() - self._beaten_at) >= _BEAT_SECONDS:
                    await self.expire()
                    await self.beat()
                    await self.join()
                self._wake.set()
            except StoreUnavailable as error:
                journal.trouble("the queue's chores wait", error)
            await asyncio.sleep(self._every)

    async def keep_time(self) -> None:
        """After a jump of the wall clock the waits in the store are shifted in the same step as our own clock."""
        if jump := self._clock.jump():
            journal.clock_jumped(seconds=jump)
            await self._queue.shift(jump)
        self._clock.follow()
        if jump:
            self.jump = (jump, self._clock())
            self._listening.begin_anew(self._clock())
        if self._has_jumped:
            await self._queue.straighten(self._clock())
        self._has_jumped = bool(jump)

    async def beat(self) -> None:
        """A sign of life, by which the next start knows whether the clock was set back."""
        self._beaten_at = self._clock()
        await self._queue.beat(self._beaten_at)

    async def join(self) -> None:
        """Looks at each event twice, a minute apart: by then no transaction of its time is under way."""
        if not self._is_alone:
            before, self._joined = self._joined, self._looked
            self._looked = await self._feedback.join(after=before)

    async def rescue(self, *, everything: bool) -> None:
        """Calls whose end nobody saw: `in_doubt`, until an event proves them sent or the time is up."""
        for delivery in await self._queue.rescue(now=self._clock(), everything=everything, patience=self._patience):
            journal.interrupted(id=delivery.id, attempt=delivery.attempt)

    async def decide(self) -> None:
        """Doubts that no event settled, though for long enough it could have come: sent once more, and said so."""
        now = self._clock()
        if not self._hears(now):
            return
        if not await self._queue.has_doubts(now=now):
            self.doubts_wait = False
            return
        is_alive = await self._is_alive(now)
        if is_alive or self._resends:
            while doubts := await self._queue.decide(now=now):
                for doubt in doubts:
                    _tell(doubt, is_alive)
        elif not self.doubts_wait:
            journal.doubts_wait()
        self.doubts_wait = not (is_alive or self._resends)

    async def _is_alive(self, now: float) -> bool:
        """Whether the events of what was sent around the time of the doubt have come."""
        wait = self._patience.in_doubt
        sent, heard = await self._feedback.heard(since=now - _LONGEST_WAIT * wait, until=now - wait)
        return sent > 0 and heard >= _ALIVE * sent

    async def expire(self) -> None:
        """What was held for too long beyond its time."""
        while expired := await self._queue.expire(now=self._clock(), max_hold=self._max_hold):
            for delivery in expired:
                _tell_end(delivery)


def _tell(doubt: Doubt, is_alive: bool) -> None:
    delivery = doubt.delivery
    if delivery.state is State.QUEUED:
        journal.sent_again(id=delivery.id, attempt=delivery.attempt, tries=doubt.tries, listening=is_alive)
    else:
        _tell_end(delivery)


def _tell_end(delivery: Delivery) -> None:
    journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)
