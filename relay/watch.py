"""Looks at what waits and at the disk, and tells the door whether it may stay open."""

from __future__ import annotations

import asyncio

from relay import journal, metrics
from relay.backlog import Admission, Backlog
from relay.errors import StoreUnavailable
from relay.ports.clock import Clock
from relay.ports.queue import BacklogStore, Room

_SHARE = 20  # a look that takes long comes more rarely: so many times as long lies between two


async def look(store: BacklogStore, room: Room, admission: Admission, *, now: float) -> None:
    """One count. Raises StoreUnavailable; then the door stays as it is."""
    await room.restore()
    included = admission.accepted
    waiting = await store.waiting(now=now)
    free = room.free_octets()
    counted = Backlog(*waiting, free_octets=free if room.has_ballast else 0)
    admission.learn(counted, now=now, included=included)
    metrics.queue_messages.set(waiting.rows)
    metrics.queue_octets.set(waiting.octets)
    metrics.queue_oldest.set(max(0.0, now - waiting.oldest_at) if waiting.oldest_at is not None else 0.0)
    metrics.disk_free.set(free)


async def run(store: BacklogStore, room: Room, admission: Admission, *, clock: Clock, every: float) -> None:
    """A look every so many seconds, until cancelled. A store that does not answer is told once."""
    monotonic = asyncio.get_running_loop().time
    is_told = False
    while True:
        began = monotonic()
        try:
            await look(store, room, admission, now=clock())
            is_told = False
        except StoreUnavailable as error:
            if not is_told:
                journal.trouble("the queue and its disk cannot be looked at", error)
            is_told = True
        await asyncio.sleep(max(every, _SHARE * (monotonic() - began)))
