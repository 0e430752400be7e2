"""What other nodes, and the command line, change of logins: heard of within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from relay.credential import Credential
from relay.errors import StoreUnavailable
from relay.ports.logins import Credentials

_EVERY = 1.0


class LoginChanges:
    """`tell` hears of each login that was changed."""

    def __init__(self, credentials: Credentials, tell: Callable[[Credential], None]) -> None:
        self._credentials = credentials
        self._tell = tell
        self._last = 0

    async def run(self) -> None:
        """Until cancelled. Those that were there before are told of as well: they may have been asked for already."""
        while True:
            with suppress(StoreUnavailable):
                changed, self._last = await self._credentials.changed(self._last)
                for credential in changed:
                    self._tell(credential)
            await asyncio.sleep(_EVERY)
