"""How fast we may send, and how much in a day: a token bucket that gives way when SES says so, and the account's quota.

One token is one recipient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from relay.model import Lane

GENTLER = 0.7
LEAST = 0.1
REGAIN_PER_SECOND = 0.02
RECENT = 3600.0
_FIRST_RATE = 1.0  # recipients a second until GetAccount has answered: what every account may


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
        self._factor = min(1.0, self._factor + passed * REGAIN_PER_SECOND)
        self._tokens = min(max(1.0, self._rate), self._tokens + passed * self._rate * self._factor)
        return int(self._tokens)

    def take(self, count: int) -> None:
        self._tokens -= count

    def slow_down(self) -> None:
        """SES throttled us: send more slowly for a while, and not at once."""
        self._factor = max(LEAST, self._factor * GENTLER)
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

    def is_recent(self, now: float) -> bool:
        """Whether the quota and what is used of it still say anything: at SES the 24 hours roll on."""
        return abs(now - self.at) <= RECENT


SHARE = {Lane.TRANSACTIONAL: 1.0, Lane.BULK: 0.9}


class DailyQuota:
    """What is left of the account's quota: what SES said last, less the calls since. Without a recent word of SES, no limit:
    it stops us itself.
    """

    def __init__(self) -> None:
        self._account = Account(rate=0.0, quota=-1.0, sent=0.0, at=0.0)
        self._used = 0.0

    def told(self, account: Account) -> None:
        """Calls that SES may not have counted yet are forgotten: it stops us itself before the quota is passed."""
        self._account, self._used = account, account.sent

    def count(self, calls: int) -> None:
        """So many calls begin, or did not after all. Those whose end is not known count as well; what SES has counted stays."""
        self._used = max(self._account.sent, self._used + calls)

    def left(self, lane: Lane, now: float) -> float:
        """Recipients. Mail to many leaves the last tenth to mail that somebody waits for."""
        quota = self._account.quota
        return max(0.0, quota * SHARE[lane] - self._used) if quota >= 0 and self._account.is_recent(now) else math.inf


class Grant(NamedTuple):
    """To how many recipients may be sent now, and mail of which lanes: all of it may be of any of these."""

    recipients: int
    lanes: tuple[Lane, ...]


class OwnAllowance:
    """Implements ports.Allowance for a relay that has the account for itself. `clock` is the one of `Account.at`."""

    def __init__(self, monotonic: Callable[[], float], clock: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._clock = clock
        self._bucket = Bucket(_FIRST_RATE, monotonic())
        self._quota = DailyQuota()

    async def take(self, wanted: int) -> Grant:
        now = self._clock()
        lanes = tuple(lane for lane in Lane if self._quota.left(lane, now) >= 1)
        left = min((self._quota.left(lane, now) for lane in lanes), default=0.0)
        count = max(0, int(min(wanted, self._bucket.available(self._monotonic()), left)))
        self._bucket.take(count)
        self._quota.count(count)
        return Grant(count, lanes)

    def take_at_once(self, wanted: int, lane: Lane) -> bool:
        if self._quota.left(lane, self._clock()) < wanted or self._bucket.available(self._monotonic()) < wanted:
            return False
        self._bucket.take(wanted)
        self._quota.count(wanted)
        return True

    async def give_back(self, *, tokens: int, calls: int) -> None:
        self._bucket.take(-tokens)
        self._quota.count(-calls)

    async def slow_down(self) -> None:
        self._bucket.slow_down()

    async def told(self, account: Account) -> None:
        self._bucket.set_rate(account.rate)
        self._quota.told(account)

    def seconds_to_next(self) -> float:
        return self._bucket.seconds_to_next()
