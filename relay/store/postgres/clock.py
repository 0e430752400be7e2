"""The time of all nodes is the database server's: their own clocks may differ."""

from __future__ import annotations

import time
from collections.abc import Callable

from relay.store.postgres.pool import PostgresPool

_NOW = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
_WORTH_IT = 1.0  # seconds: an answer that took longer says too little


class DatabaseClock:
    """To be used in the place of time.time, once it was looked at; goes on by itself between two looks."""

    def __init__(self, pool: PostgresPool, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._ahead = time.time() - monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._ahead

    async def look(self) -> None:
        """Raises StoreUnavailable."""
        asked = self._monotonic()
        ((now,),) = await self._pool.rows(_NOW)
        heard = self._monotonic()
        if heard - asked < _WORTH_IT:
            self._ahead = now - (asked + heard) / 2
