"""What programs sign with, where they speak to the relay as they would to SES."""

from __future__ import annotations

from typing import Protocol

from relay.access_keys import IssuedKey


class AccessKeys(Protocol):
    """All raise StoreUnavailable."""

    async def get(self, id: str) -> IssuedKey | None: ...

    async def all(self) -> tuple[IssuedKey, ...]:
        """By their logins, the oldest first."""

    async def add(self, key: IssuedKey) -> bool:
        """False if there is one of that id."""

    async def change(self, key: IssuedKey) -> bool:
        """Whether it is disabled. False if there is none of that id."""

    async def remove(self, id: str) -> bool:
        """With what is known of its use. False if there is none of that id."""
