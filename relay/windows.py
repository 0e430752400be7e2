"""Counts by key, each for so many seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MINUTE = 60.0
_MOST_KEYS = 10_000


@dataclass(slots=True)
class _Count:
    number: int
    ends: float


class Window:
    """So many seconds from the first of a key on, `most` are enough. The oldest keys are forgotten where there are too many."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def add(self, key: str, now: float) -> bool:
        """Whether it is now, for the first time, too many."""
        count = self._counts.get(key)
        if count is None or count.ends <= now:
            count = self._counts[key] = _Count(0, now + self._seconds)
            self._counts.move_to_end(key)
        count.number += 1
        if len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)
        return count.number == self._most

    def is_full(self, key: str, now: float) -> bool:
        count = self._counts.get(key)
        return count is not None and count.ends > now and count.number >= self._most
