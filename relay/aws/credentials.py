"""AWS credentials from the boto3 chain (environment, profile, role), refreshed off the loop and never stored."""

from __future__ import annotations

import asyncio

import boto3

from relay import journal
from relay.sigv4 import AccessKey

# botocore refreshes 15 minutes before expiry on its own; ask it well before it would have to do so in our path.
_LOOK_EVERY = 60.0


class ChainCredentials:
    """The key to sign with now. `run` keeps it fresh; until the first success there is none."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self.key: AccessKey | None = None

    async def refresh(self) -> None:
        """Asks the chain; a role may mean HTTP calls, so in a thread. A failure keeps the key we have."""
        try:
            self.key = await asyncio.to_thread(self._from_chain) or self.key
        except Exception as error:  # botocore raises many kinds: its own, the service's, those of a credential process
            journal.trouble("AWS credentials cannot be refreshed", error)

    def _from_chain(self) -> AccessKey | None:
        credentials = self._session.get_credentials()
        if credentials is None:
            journal.trouble("no AWS credentials found: environment, profile and role are all empty")
            return None
        frozen = credentials.get_frozen_credentials()
        return AccessKey(id=frozen.access_key or "", secret=frozen.secret_key or "", token=frozen.token or "")

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self.refresh()
