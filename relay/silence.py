"""Mail goes out and nothing comes back: told from a quiet hour by what was sent, and when."""

from __future__ import annotations

from collections import deque


class Silence:
    """Once `after_sent` messages have each been sent for `after_seconds`, and no event of any has come since; 0 for never."""

    def __init__(self, *, after_sent: int, after_seconds: float, now: float) -> None:
        self._after_sent = after_sent
        self._after_seconds = after_seconds
        self._heard = 0
        self._first: int | None = None  # hour of the sums
        self._before = 0  # what is in them and was sent before `since`
        self._sent: deque[tuple[float, int]] = deque()
        self.since = now  # when anything was heard last

    @property
    def is_watched(self) -> bool:
        """Whether there can be one."""
        return self._after_sent > 0 and self._after_seconds > 0

    @property
    def sent(self) -> int:
        """How many since then."""
        return self._sent[-1][1] if self._sent else 0

    def hear(self, newest: int, now: float) -> None:
        """The number of the newest event: they rise."""
        if newest > self._heard:
            self.since, self._first = now, None
            self._sent.clear()
        self._heard = newest

    def look(self, sent: int, now: float, *, first: int) -> bool:
        """Whether it lasts. `sent` is what was sent in the hour `first`, which is that of `since` or before it, and later."""
        if first != self._first:
            self._first, self._before = first, sent - self.sent
        self._sent.append((now, sent - self._before))
        while len(self._sent) > 1 and self._sent[1][0] <= now - self._after_seconds:
            self._sent.popleft()
        at, waiting = self._sent[0]
        return 0 < self._after_sent <= waiting and 0 < self._after_seconds <= now - at
