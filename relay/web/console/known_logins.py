"""All logins, for pages that show them: read once, and then only what has changed of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from relay.credential import Credential
from relay.ports.logins import Credentials


class KnownLogins:
    """As they are whenever they are asked for, whoever has changed them. Pages that read one and change it hold `changing`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._known: dict[str, Credential] = {}
        self._last = 0
        self._turn = asyncio.Lock()
        self.changing = asyncio.Lock()

    async def all(self) -> Sequence[Credential]:
        """By their names. Raises StoreUnavailable."""
        async with self._turn:
            changed, self._last = await self._credentials.changed(self._last)
            if changed:
                self._known |= {login.name: login for login in changed}
                self._known = dict(sorted(self._known.items()))
        return list(self._known.values())
