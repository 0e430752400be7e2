"""Calls with an Idempotency-Key: the same call has an effect once, and the same answer each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from relay.errors import StoreRefuses
from relay.model import Receipt
from relay.ports.receipts import Receipts
from relay.web.api.calls import Call
from relay.web.api.codes import KEY_REUSED, Code, Fault


class Done(NamedTuple):
    """What was made, by the name that the store keeps, and whether by an earlier call."""

    made: str
    is_repeated: bool


class Once:
    """Asks what was done before it does anything."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    async def do(self, call: Call, make: Callable[[Receipt | None], Awaitable[str]]) -> Done:
        """`make` stores the receipt with what it makes, in one transaction. Raises Fault, or what that raises."""
        if not call.idempotency_key:
            return Done(await make(None), is_repeated=False)
        if known := await self._known(call):
            return Done(known, is_repeated=True)
        try:
            return Done(await make(Receipt(call.idempotency_key, call.fingerprint)), is_repeated=False)
        except StoreRefuses:  # the same call came at the same time
            if known := await self._known(call):
                return Done(known, is_repeated=True)
            raise

    async def _known(self, call: Call) -> str:
        """Empty where there was none. Raises Fault."""
        found = await self._receipts.find(call.credential.name, call.idempotency_key)
        if found and found.fingerprint != call.fingerprint:
            raise Fault(Code.INVALID_VALUE, KEY_REUSED, status=422)
        return found.answer if found else ""
