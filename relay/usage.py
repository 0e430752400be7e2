"""How often what is limited has happened at other nodes: each tells its counts once a second, and hears those of the others.

So a limit holds for all of them together but for the last second, and nobody asks the database while a client waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from relay import journal
from relay.errors import StoreRefuses, StoreUnavailable
from relay.ports.clock import Clock
from relay.ports.nodes import UsageStore, Used

_EVERY = 1.0
_PERIOD = 60
_OVERLAP = 5.0  # seconds that are read once more: what was told in them may have come later
_KEPT = 3600.0  # seconds
_TOLD_FOR = 120.0  # seconds after its period for which a count may still change

_Key = tuple[str, str, int]


class Usage:
    """`hear` has, by kind, who is called with a key and how many more there were at other nodes. What they told before this one
    began is not heard.
    """

    def __init__(self, *, store: UsageStore, node: str, clock: Clock, hear: Mapping[str, Callable[[str, int], None]]) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._hear = hear
        self._own: Counter[_Key] = Counter()
        self._untold: set[_Key] = set()
        self._heard: dict[tuple[str, _Key], int] = {}
        self._since = self._began = clock()
        self._forgotten_at = 0.0

    def note(self, kind: str, key: str, count: int = 1) -> None:
        """It happened here."""
        mark = (kind, key, int(self._clock() // _PERIOD * _PERIOD))
        self._own[mark] += count
        self._untold.add(mark)

    async def run(self) -> None:
        """Until cancelled."""
        is_told = False
        while True:
            try:
                await self.exchange()
                is_told = False
            except StoreUnavailable as error:
                if not is_told:
                    journal.trouble("limits are counted by each node alone", error)
                is_told = True
            await asyncio.sleep(_EVERY)

    async def exchange(self) -> None:
        """Raises StoreUnavailable; then all is told the next time."""
        now = self._clock()
        if self._untold:
            await self._tell(sorted(self._untold), now)
        for node, used in await self._store.heard(self._node, since=self._since - _OVERLAP):
            self._learn(node, used)
        self._since = now
        if now - self._forgotten_at > _KEPT / 10:
            await self._forget(now)

    async def _tell(self, untold: Sequence[_Key], now: float) -> None:
        try:
            await self._store.tell(self._node, [Used(*mark, self._own[mark]) for mark in untold], now=now)
        except StoreRefuses:  # told again, it would be in the way of all others for good
            self._untold.difference_update(untold)
            raise
        self._untold.difference_update(untold)

    def _learn(self, node: str, used: Used) -> None:
        mark = (node, (used.kind, used.key, used.period))
        more = used.times - self._heard.get(mark, 0)
        self._heard[mark] = used.times
        if more and used.kind in self._hear and used.period + _PERIOD > self._began:
            self._hear[used.kind](used.key, more)

    async def _forget(self, now: float) -> None:
        self._forgotten_at, old = now, now - _PERIOD - _TOLD_FOR
        self._own = Counter({mark: count for mark, count in self._own.items() if mark[2] > old or mark in self._untold})
        self._heard = {mark: count for mark, count in self._heard.items() if mark[1][2] > old}
        await self._store.forget(now - _KEPT)
