"""What the sandbox's account may send: GetAccount, and the refusal once its quota of 24 hours is used up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from relay.sandbox import mailbox
from relay.sandbox.faults import SesError


class SendingAccount:
    """`rate` is MaxSendRate, which is told and not enforced; `quota` is Max24HourSend, -1 for none. `sent` never rolls on.

    `details` is what else GetAccount says, in place of what is usual.
    """

    def __init__(self, *, rate: float, quota: float) -> None:
        self.rate = rate
        self.quota = quota
        self.sent = 0
        self.enforcement = "HEALTHY"
        self.is_enabled = True
        self.details: dict[str, Any] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v2/email/account", self._get)]

    def use(self, recipients: Sequence[str]) -> None:
        """Mail to the simulator is not counted. Raises SesError where the quota has not enough left."""
        count = sum(not mailbox.is_simulated(recipient) for recipient in recipients)
        if 0 <= self.quota < self.sent + count:
            raise SesError(400, "ThrottlingException", "Daily message quota exceeded.")
        self.sent += count

    async def _get(self, request: web.Request) -> web.StreamResponse:
        quota = {"Max24HourSend": self.quota, "MaxSendRate": self.rate, "SentLast24Hours": float(self.sent)}
        return web.json_response(
            {
                "SendQuota": quota,
                "SendingEnabled": self.is_enabled,
                "ProductionAccessEnabled": True,
                "EnforcementStatus": self.enforcement,
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
                **self.details,
            }
        )
