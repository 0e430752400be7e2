"""How fast we may send, and how much in a day: a token bucket that gives way when SES says so, and the account's quota.

One token is one recipient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from relay.model import Lane

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What SES says of an account: recipients a second, recipients in any 24 hours (-1: as many as you like), and how many of
    these are used up.
    """

    rate: float
    quota: float
    sent: float
    at: float


_SHARE = {Lane.TRANSACTIONAL: 1.0, Lane.BULK: 0.9}


class DailyQuota:
    """What is left of the account's quota: what SES said last, less the calls since. Without a word of SES, no limit."""

    def __init__(self) -> None:
        self._quota = self._used = -1.0

    def told(self, account: Account) -> None:
        """Calls that SES may not have counted yet are forgotten: it stops us itself before the quota is passed."""
        self._quota, self._used = account.quota, account.sent

    def count(self, calls: int) -> None:
        """So many calls begin. Those whose end is not known count as well."""
        self._used += calls

    def left(self, lane: Lane) -> float:
        """Recipients. Mail to many leaves the last tenth to mail that somebody waits for."""
        return math.inf if self._quota < 0 else max(0.0, self._quota * _SHARE[lane] - self._used)
