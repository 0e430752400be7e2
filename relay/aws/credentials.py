"""AWS credentials from the boto3 chain (environment, profile, role), refreshed off the loop and never stored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

import boto3

from relay import journal
from relay.ports.clock import Clock
from relay.sigv4 import AccessKey

# botocore asks for new ones 15 minutes before the end of the old, but only when it is asked itself. What lives for less is
# looked at when half of its time is over.
_LOOK_EVERY = 60.0
_LOOK_AGAIN = 5.0
_PAUSE = 1.0  # after each look: SES may refuse many calls at a time
_MARGIN = 5.0  # seconds for a request to get to SES
_PATIENCE = 5.0


class ChainCredentials:
    """The key to sign with. `run` keeps it fresh. `new_session` is for when SES refuses what the session still holds."""

    def __init__(self, session: boto3.Session, *, new_session: Callable[[], boto3.Session], clock: Clock) -> None:
        self._session = session
        self._new_session = new_session
        self._clock = clock
        self._key: AccessKey | None = None
        self._expires_at = math.inf
        self._refused: AccessKey | None = None
        self._wanted = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    async def key(self) -> AccessKey | None:
        """One that has not expired. Where there is none a new one is waited for, but not for long."""
        if not self._is_usable():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self.refresh()
        return self._key if self._is_usable() else None

    def _is_usable(self) -> bool:
        return self._key is not None and self._clock() < self._expires_at - _MARGIN

    def refused(self, key: AccessKey) -> None:
        """SES does not take it, or no more: another is looked for at once, in files and at servers, not in memory."""
        if key == self._key:
            self._refused = key
            self._wanted.set()

    async def refresh(self) -> None:
        """Asks the chain; a role may mean HTTP calls, so in a thread. Who comes meanwhile waits for the same answer.

        A failure keeps the key we have.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        try:
            found = await asyncio.to_thread(self._from_chain)
        except Exception as error:  # botocore raises many kinds: its own, the service's, those of a credential process
            journal.trouble("AWS credentials cannot be refreshed", error)
            return
        if found:
            self._key, self._expires_at = found
        else:
            journal.trouble("no AWS credentials found: environment, profile and role are all empty")

    def _from_chain(self) -> tuple[AccessKey, float] | None:
        if self._refused and self._refused == self._key:
            self._session = self._new_session()
        credentials = self._session.get_credentials()
        if credentials is None:
            return None
        frozen = credentials.get_frozen_credentials()
        ends = getattr(credentials, "_expiry_time", None)  # botocore says it nowhere else; without it nothing expires
        key = AccessKey(id=frozen.access_key or "", secret=frozen.secret_key or "", token=frozen.token or "")
        return key, ends.timestamp() if ends else math.inf

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_look()):
                    await self._wanted.wait()
            self._wanted.clear()
            await self.refresh()
            await asyncio.sleep(_PAUSE)

    def _seconds_to_look(self) -> float:
        return min(_LOOK_EVERY, max(_LOOK_AGAIN, (self._expires_at - self._clock()) / 2))
