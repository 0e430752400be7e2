"""What an operator changes: the same verbs whether the relay runs (through its control socket) or not."""

from __future__ import annotations

from collections.abc import Callable

from relay import journal
from relay.credential import Credential
from relay.model import Suppression
from relay.ports import Credentials, Suppressions


class Admin:
    """Implements ports.Admin over the stores. All verbs raise StoreUnavailable."""

    def __init__(
        self, suppressions: Suppressions, credentials: Credentials, tell: Callable[[Credential], None] = lambda _: None
    ) -> None:
        """`tell` hears of every credential that was changed, at once."""
        self._suppressions = suppressions
        self._credentials = credentials
        self._tell = tell

    async def suppress(self, suppression: Suppression) -> bool:
        added = await self._suppressions.add(suppression)
        if added:
            journal.suppressed(address=suppression.address, reason=suppression.reason, source=suppression.source)
        return added

    async def release(self, address: str) -> bool:
        removed = await self._suppressions.remove(address)
        if removed:
            journal.released(address=address)
        return removed

    async def put_credential(self, credential: Credential) -> None:
        await self._credentials.put(credential)
        self._tell(credential)
        journal.credential_changed(name=credential.name, disabled=credential.disabled)
