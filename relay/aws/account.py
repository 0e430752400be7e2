"""What the account may send: GetAccount, asked by one task, never more often than once a minute (SES allows one a second)."""

from __future__ import annotations

import asyncio
from typing import Any

from relay import journal, metrics
from relay.aws.threads import in_daemon
from relay.ports.clock import Clock
from relay.ports.ses import AccountStore, Allowance
from relay.rate import Account

_EVERY = 60.0
_HEALTHY = "HEALTHY"


class AccountWatch:
    """Keeps the allowance at the account's rate and at what SES has counted; tells what SES thinks of the account."""

    def __init__(self, *, client: Any, store: AccountStore, allowance: Allowance, clock: Clock) -> None:
        self._client = client
        self._store = store
        self._allowance = allowance
        self._clock = clock
        self._standing = (_HEALTHY, True)
        self.standing: tuple[str, bool, bool] | None = None
        """What SES thinks of it, whether it lets it send, whether all is well; None before the first answer, and where
        another looks.
        """

    async def restore(self) -> None:
        """What SES said last, until it says more. Raises StoreUnavailable."""
        if known := await self._store.known():
            await self._allowance.told(known)

    async def run(self) -> None:
        """Until cancelled. A failure leaves all as it is."""
        try:
            while True:
                try:
                    await self._look()
                except Exception as error:  # whatever it answers, mail goes on at the rate we know
                    journal.trouble("GetAccount does not answer", error)
                await asyncio.sleep(_EVERY)
        finally:
            self._forget()

    def _forget(self) -> None:
        """From now on another may know better."""
        self.standing = None
        metrics.account_healthy.set(0)
        metrics.account_sending.set(0)

    async def _look(self) -> None:
        answer = await in_daemon(self._client.get_account)
        self._judge(str(answer.get("EnforcementStatus", _HEALTHY)), bool(answer.get("SendingEnabled", True)))
        found = answer["SendQuota"]
        account = Account(
            rate=float(found["MaxSendRate"]),
            quota=float(found["Max24HourSend"]),
            sent=float(found["SentLast24Hours"]),
            at=self._clock(),
        )
        await self._allowance.told(account)
        journal.account(rate=account.rate, quota=account.quota, sent=account.sent)
        await self._store.put(account)

    def _judge(self, enforcement: str, sends: bool) -> None:
        """HEALTHY, PROBATION (under review) or SHUTDOWN; told when it changes, and at the start where it is not well."""
        metrics.account_healthy.set(enforcement == _HEALTHY)
        metrics.account_sending.set(sends)
        is_well = enforcement == _HEALTHY and sends
        if (enforcement, sends) != self._standing:
            journal.account_standing(enforcement=enforcement, sends=sends, is_well=is_well)
        self._standing = (enforcement, sends)
        self.standing = (enforcement, sends, is_well)
