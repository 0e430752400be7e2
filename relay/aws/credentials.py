"""AWS credentials from the boto3 chain (environment, profile, role), refreshed off the loop and never stored."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from relay import journal
from relay.aws.threads import in_daemon
from relay.ports.clock import Clock
from relay.sigv4 import AccessKey

# It has ended, or was taken from us: the chain may hold another by now.
KEY_REFUSED = ("ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId")
# botocore asks for new ones 15 minutes before the end of the old, but only when it is asked itself. What lives for less is
# looked at when half of its time is over.
_LOOK_EVERY = 60.0
_LOOK_AGAIN = 5.0
_PAUSE = 1.0  # after each look: SES may refuse many calls at a time
_MARGIN = 5.0  # seconds for a request to get to SES
_PATIENCE = 5.0


class Renewed(Credentials):  # type: ignore[misc]
    """What all clients of a session sign with: what the chain finds, looked for anew once AWS refuses it. botocore itself looks
    once; what somebody puts into a file later it never sees.
    """

    method = "relay-chain"

    def __init__(self, find: Callable[[], Credentials | None]) -> None:
        self._find = find
        self._found: Credentials | None = None
        self._is_refused = False
        self._looked_at = -math.inf
        self._looking = Lock()

    def refused(self) -> None:
        """Who signs next looks for others, in files and at servers; not more often than once a second."""
        self._is_refused = time.monotonic() - self._looked_at >= _PAUSE

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """May take as long as a role's HTTP call. Raises NoCredentialsError, and what the chain raises."""
        with self._looking:
            if self._found is None or self._is_refused:
                self._looked_at, self._is_refused = time.monotonic(), False
                self._found = self._find() or self._found
        if self._found is None:
            raise NoCredentialsError
        return self._found.get_frozen_credentials()

    @property
    def ends(self) -> float:
        """When, in seconds since 1970; botocore says it nowhere else. What has no such time does not end."""
        time_of_end = getattr(self._found, "_expiry_time", None)
        return time_of_end.timestamp() if time_of_end else math.inf


class _Chain:
    """In place of botocore's own resolver."""

    def __init__(self, found: Renewed) -> None:
        self._found = found

    def load_credentials(self) -> Renewed:
        return self._found


def session(*, profile: str, region: str | None) -> boto3.Session:
    """One whose clients, all of them, take another key where AWS refuses theirs. Raises botocore's error for a profile that is
    not there.
    """

    def fresh() -> boto3.Session:
        return boto3.Session(profile_name=profile or None, region_name=region)

    found = Renewed(lambda: fresh().get_credentials())
    core = botocore.session.Session()
    core.register_component("credential_provider", _Chain(found))

    def heed(parsed: Mapping[str, Any], **_: object) -> None:
        if str(parsed.get("Error", {}).get("Code", "")).startswith(KEY_REFUSED):
            found.refused()

    core.register("after-call", heed)
    return boto3.Session(profile_name=profile or None, region_name=region, botocore_session=core)


class ChainCredentials:
    """The key to sign with, out of a `session` of ours. `run` keeps it fresh."""

    def __init__(self, session: boto3.Session, *, clock: Clock) -> None:
        self._found: Renewed = session.get_credentials()
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
            found = await in_daemon(self._from_chain)
        except Exception as error:  # botocore raises many kinds: its own, the service's, those of a credential process
            journal.trouble("AWS credentials cannot be refreshed", error)
            return
        if found:
            self._key, self._expires_at = found
        else:
            journal.trouble("no AWS credentials found: environment, profile and role are all empty")

    def _from_chain(self) -> tuple[AccessKey, float] | None:
        if self._refused and self._refused == self._key:
            self._found.refused()
        try:
            frozen = self._found.get_frozen_credentials()
        except NoCredentialsError:
            return None
        return AccessKey(id=frozen.access_key or "", secret=frozen.secret_key or "", token=frozen.token or ""), self._found.ends

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
