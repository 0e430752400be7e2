"""Requests that have an effect once: the same one, come again, gets the same answer and does nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from relay.errors import RelayError, StoreRefuses
from relay.model import Receipt
from relay.ports.receipts import Receipts


class Done(NamedTuple):
    """What was made, by the name that the store keeps, and whether by an earlier request."""

    made: str
    is_repeated: bool


class KeyReused(RelayError):
    """Another request came by the same key."""


async def once(receipts: Receipts, credential: str, receipt: Receipt, make: Callable[[], Awaitable[str]]) -> Done:
    """`make` stores the receipt with what it makes, in one transaction. Raises KeyReused, or what that raises."""
    if known := await _known(receipts, credential, receipt):
        return Done(known, is_repeated=True)
    try:
        return Done(await make(), is_repeated=False)
    except StoreRefuses:  # the same request came at the same time
        if known := await _known(receipts, credential, receipt):
            return Done(known, is_repeated=True)
        raise


async def _known(receipts: Receipts, credential: str, receipt: Receipt) -> str:
    """Empty where there was none."""
    for key in receipt.keys:
        found = await receipts.find(credential, key)
        if found and found.fingerprint != receipt.fingerprint:
            raise KeyReused
        if found:
            return found.answer
    return ""
