"""What SES says of an account, of what the relay knows: quota, statistics, identities."""

from __future__ import annotations

from collections.abc import Mapping
from time import gmtime, strftime
from typing import Any

from relay import policy
from relay.credential import Credential
from relay.errors import SenderNotAllowed
from relay.identities import Identities, IdentityState
from relay.outcome import HoldScope
from relay.ports.clock import Clock
from relay.ports.operators import Counters
from relay.ports.queue import Desk
from relay.queueing import QueueStatus
from relay.statistics import COMPLAINED, DAY, SENT, By, Figures, Wanted
from relay.suppression import SES_WORDS
from relay.web.ses_door.calls import Caller
from relay.web.ses_door.faults import Kind, SesFault

_DAYS = 14
_FIRST = {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0}  # what every account may


class Account:
    """The account as a login may see it. Statistics are of its own mail; rate and quota of all."""

    def __init__(self, *, desk: Desk, counters: Counters, identities: Identities, clock: Clock) -> None:
        self._desk = desk
        self._counters = counters
        self._identities = identities
        self._clock = clock

    async def quota(self, caller: Caller) -> dict[str, float]:
        """Recipients in 24 hours and a second, as SES said last; until it has what every account may."""
        return _quota(await self._status(caller))

    async def shown(self, caller: Caller) -> Mapping[str, Any]:
        """GetAccount. What the relay does not know is not there."""
        status = await self._status(caller)
        return {
            "SendQuota": _quota(status),
            "SendingEnabled": not any(hold.scope is HoldScope.ACCOUNT for hold in status.holds),
            "SuppressionAttributes": {"SuppressedReasons": sorted(SES_WORDS.values())},
        }

    async def statistics(self, caller: Caller) -> Mapping[str, Any]:
        """GetSendStatistics: of two weeks, by the hour, and of days that are long over by the day."""
        now = self._clock()
        wanted = Wanted(since=now - _DAYS * DAY, until=now, by=By.HOUR, credential=caller.credential.name)
        sums = await self._counters.sums(wanted)
        return {"SendDataPoints": [_point(int(hour), figures) for hour, figures in sorted(sums.items())]}

    def identities(self, credential: Credential, kind: str) -> list[str]:
        """Domains and addresses that a login may send as; `kind` is Domain, EmailAddress, or empty for both."""
        found = [sender.removeprefix("@") for sender in credential.senders if not sender.startswith("@*.")]
        return [name for name in found if not kind or ("@" in name) == (kind == "EmailAddress")]

    def check_verified(self, credential: Credential, address: str) -> None:
        """Nothing is verified here: what is, is. Raises SesFault."""
        try:
            policy.allowed_sender(address, credential)
        except SenderNotAllowed:
            raise SesFault(Kind.DENIED, f"Senders are added at the relay, and {address} is none of this login.") from None
        if self._identities.known and self._identities.state_of(address) is not IdentityState.VERIFIED:
            raise SesFault(Kind.DENIED, f"Senders are verified at the relay, and {address} is not.")

    async def _status(self, caller: Caller) -> QueueStatus:
        return await self._desk.status_of(caller.credential.name, now=self._clock())


def _quota(status: QueueStatus) -> dict[str, float]:
    account = status.account
    if account is None:
        return dict(_FIRST)
    return {"Max24HourSend": account.quota, "MaxSendRate": account.rate, "SentLast24Hours": account.sent}


def _point(hour: int, figures: Figures) -> Mapping[str, Any]:
    return {
        "Timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(hour)),
        "DeliveryAttempts": figures.of(SENT),
        "Bounces": figures.bounced,
        "Complaints": figures.of(COMPLAINED),
        "Rejects": figures.of("rejected"),
    }
