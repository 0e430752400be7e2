"""What the account may send: GetAccount, asked by one task, never more often than once a minute (SES allows one a second)."""

from __future__ import annotations

import asyncio
from typing import Any

from relay import journal
from relay.ports import AccountStore, Clock
from relay.rate import Account, Bucket, DailyQuota

_EVERY = 60.0


class AccountWatch:
    """Keeps the bucket at the account's rate, and the quota at what SES has counted."""

    def __init__(self, *, client: Any, store: AccountStore, bucket: Bucket, quota: DailyQuota, clock: Clock) -> None:
        self._client = client
        self._store = store
        self._bucket = bucket
        self._quota = quota
        self._clock = clock

    async def restore(self) -> None:
        """What SES said last, until it says more. Raises StoreUnavailable."""
        if known := await self._store.known():
            self._use(known)

    async def run(self) -> None:
        """Until cancelled. A failure leaves all as it is."""
        while True:
            try:
                await self._look()
            except Exception as error:  # whatever it answers, mail goes on at the rate we know
                journal.trouble("GetAccount does not answer", error)
            await asyncio.sleep(_EVERY)

    async def _look(self) -> None:
        found = (await asyncio.to_thread(self._client.get_account))["SendQuota"]
        account = Account(
            rate=float(found["MaxSendRate"]),
            quota=float(found["Max24HourSend"]),
            sent=float(found["SentLast24Hours"]),
            at=self._clock(),
        )
        self._use(account)
        journal.account(rate=account.rate, quota=account.quota, sent=account.sent)
        await self._store.put(account)

    def _use(self, account: Account) -> None:
        self._bucket.set_rate(account.rate)
        self._quota.told(account)
