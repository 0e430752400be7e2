"""How fast we may send: a token bucket that gives way when SES says so. One token is one recipient."""

from __future__ import annotations

import math

_GENTLER = 0.7
_LEAST = 0.1
_REGAIN_PER_SECOND = 0.02


class Bucket:
    """Tokens flow in at `rate` a second and one second's worth is kept at most. Times are monotonic seconds."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._factor = 1.0
        self._tokens = 1.0
        self._at = now

    def set_rate(self, rate: float) -> None:
        """The account's rate has become known, or has changed. An account that was shut down may have 0."""
        self._rate = max(rate, 0.0)

    def available(self, now: float) -> int:
        """Whole tokens that may be taken now."""
        passed = max(0.0, now - self._at)
        self._at = now
        self._factor = min(1.0, self._factor + passed * _REGAIN_PER_SECOND)
        self._tokens = min(max(1.0, self._rate), self._tokens + passed * self._rate * self._factor)
        return int(self._tokens)

    def take(self, count: int) -> None:
        self._tokens -= count

    def slow_down(self) -> None:
        """SES throttled us: send more slowly for a while, and not at once."""
        self._factor = max(_LEAST, self._factor * _GENTLER)
        self._tokens = min(self._tokens, 0.0)

    def seconds_to_next(self) -> float:
        """Until one token is there."""
        return max(0.0, (1.0 - self._tokens) / (self._rate * self._factor)) if self._rate else math.inf
