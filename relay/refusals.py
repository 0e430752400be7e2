"""Counts what is refused at the door: in memory, for a refusal is worth no transaction, and every few seconds in the store."""

from __future__ import annotations

import asyncio
from collections import Counter

from relay import metrics, statistics
from relay.errors import Refused, RefusedForNow, StoreUnavailable
from relay.ports.clock import Clock
from relay.ports.operators import Counters


class Refusals:
    """`every` are the seconds between two writings; a crash loses so many seconds of them."""

    def __init__(self, *, store: Counters, clock: Clock, every: float) -> None:
        self._store = store
        self._clock = clock
        self._every = every
        self._counts: Counter[tuple[str, str, float]] = Counter()

    def note(self, refusal: Refused, credential: str) -> None:
        """One more; `credential` is empty before a login."""
        name = statistics.of_refusal(type(refusal))
        metrics.refusals.labels(name.partition(".")[2], "4xx" if isinstance(refusal, RefusedForNow) else "5xx").inc()
        hour = self._clock() // statistics.HOUR * statistics.HOUR
        self._counts[name, credential, hour] += 1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.flush()

    async def flush(self) -> None:
        """What a store does not take that cannot be written to is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._store.count([(*key, count) for key, count in counts.items()])
        except StoreUnavailable:
            self._counts.update(counts)
