"""Calls with an Idempotency-Key: the same call has an effect once, and the same answer each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from relay.model import Receipt
from relay.once import Done, KeyReused, once
from relay.ports.receipts import Receipts
from relay.web.api.calls import Call
from relay.web.api.codes import KEY_REUSED, Code, Fault


class Once:
    """Asks what was done before it does anything."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    async def do(self, call: Call, make: Callable[[Receipt | None], Awaitable[str]]) -> Done:
        """`make` stores the receipt with what it makes, in one transaction. Raises Fault, or what that raises."""
        if not call.idempotency_key:
            return Done(await make(None), is_repeated=False)
        receipt = Receipt(call.idempotency_key, call.fingerprint)
        try:
            return await once(self._receipts, call.credential.name, receipt, lambda: make(receipt))
        except KeyReused:
            raise Fault(Code.INVALID_VALUE, KEY_REUSED, status=422) from None
