"""Chores of the queue: one function per chore, and the loop that does them."""

from __future__ import annotations

import asyncio

from relay import journal
from relay.errors import StoreUnavailable
from relay.lifecycle import Patience
from relay.model import State
from relay.ports import Clock, Queue


async def rescue(queue: Queue, *, now: float, everything: bool, patience: Patience) -> None:
    """Calls whose end nobody saw: `in_doubt`, until an event proves them sent or the time is up."""
    for delivery in await queue.rescue(now=now, everything=everything, patience=patience):
        journal.interrupted(id=delivery.id, attempt=delivery.attempt)


async def decide(queue: Queue, *, now: float) -> None:
    """Doubts that no event settled in time: sent once more, and said so."""
    for delivery in await queue.decide(now=now):
        if delivery.state is State.QUEUED:
            journal.sent_again(id=delivery.id, attempt=delivery.attempt)
        else:
            journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)


async def run(queue: Queue, *, clock: Clock, every: float, patience: Patience, wake: asyncio.Event) -> None:
    """All chores, every so many seconds, until cancelled. `wake` is set where something may have become due."""
    while True:
        try:
            await rescue(queue, now=clock(), everything=False, patience=patience)
            await decide(queue, now=clock())
            wake.set()
        except StoreUnavailable as error:
            journal.trouble("the queue's chores wait", error)
        await asyncio.sleep(every)
