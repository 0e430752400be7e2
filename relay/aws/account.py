"""What the account may send: GetAccount, asked by one task, never more often than once a minute (SES allows one a second)."""

from __future__ import annotations

import asyncio
from typing import Any

from relay import journal
from relay.rate import Bucket

_EVERY = 60.0


async def run(client: Any, bucket: Bucket) -> None:
    """Keeps the bucket at the account's rate, until cancelled. A failure leaves it as it is."""
    while True:
        try:
            quota = (await asyncio.to_thread(client.get_account))["SendQuota"]
            bucket.set_rate(float(quota["MaxSendRate"]))
            journal.account(rate=quota["MaxSendRate"], quota=quota["Max24HourSend"], sent=quota["SentLast24Hours"])
        except Exception as error:  # whatever it answers, mail goes on at the rate we know
            journal.trouble("GetAccount does not answer", error)
        await asyncio.sleep(_EVERY)
