"""What calls with an Idempotency-Key have done."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Received(NamedTuple):
    """The fingerprint of the request that came with a key, and what it was answered."""

    fingerprint: bytes
    answer: str


class Receipts(Protocol):
    """Kept for a day."""

    async def find(self, credential: str, key: str) -> Received | None:
        """Raises StoreUnavailable."""
