"""Who is it? A name and a password from an address: a credential, or one answer for every failure. And what other nodes, and
the command line, change of logins and access keys: heard of within a second.

By SMTP the id of an access key is a name as well: its password is the one that SES makes of the secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import replace

from relay import access_keys, journal, policy
from relay.credential import Credential, LastUse, Scope
from relay.errors import StoreUnavailable, TooManyFailures, WrongLogin
from relay.guesses import Guesses
from relay.ports.access_keys import AccessKeys
from relay.ports.clock import Clock
from relay.ports.logins import Credentials, Passwords

_EVERY = 1.0
_NOTE_EVERY = 60.0


class Login:
    """Checks names and passwords. The client never learns which part was wrong; the journal does."""

    def __init__(
        self, credentials: Credentials, access_keys: AccessKeys, passwords: Passwords, guesses: Guesses, clock: Clock
    ) -> None:
        self._credentials = credentials
        self._access_keys = access_keys
        self._passwords = passwords
        self._guesses = guesses
        self._clock = clock
        self._known: dict[str, Credential] = {}
        self._changes = 0  # so many were told of
        self._noted: dict[tuple[str, str], LastUse] = {}

    async def check(self, name: str, password: str, *, peer: str, helo: str, scope: Scope | None = None) -> Credential:
        """Who is not for that `scope`, if one is given, is taken for a stranger. Takes the same time for an unknown name.

        Raises WrongLogin, TooManyFailures, TooBusy or StoreUnavailable.
        """
        credential = await self._named(name, scope)
        password_hash = self._passwords.remembered(password, credential)
        if password_hash is None and self._guesses.is_stopped(peer):
            raise TooManyFailures
        await asyncio.sleep(self._guesses.delay(name, peer))
        password_hash = password_hash or await self._passwords.verify(password, credential)
        if credential is None or password_hash is None:
            raise self.failed(name, peer, "wrong password" if credential else "unknown name")
        if objection := objection_to(credential, peer, scope):
            raise self.failed(name, peer, objection)
        await self.succeeded(name, password_hash, peer=peer, helo=helo)
        return await self._still(name, password_hash, peer=peer, scope=scope)

    async def find(self, name: str) -> Credential | None:
        """As it is now: who does not wait before he uses it misses no change. Raises StoreUnavailable."""
        while name not in self._known:
            changes = self._changes
            found = await self._credentials.get(name)
            if changes != self._changes:
                continue  # it may have been read before
            if found is None:
                return None
            self._known[name] = found
        return self._known[name]

    def failed(self, name: str, peer: str, why: str) -> WrongLogin:
        """It was somebody else, or may not come in. What to raise."""
        journal.login_refused(name=name, peer=peer, why=why)
        for by in self._guesses.failed(name, peer):
            journal.passwords_guessed(name=name, peer=peer, by=by)
        return WrongLogin()

    async def succeeded(self, name: str, password_hash: str, *, peer: str, helo: str) -> None:
        """He is in, by that password of his."""
        self._guesses.succeeded(name, peer)
        await self._note(LastUse(name=name, password_hash=password_hash, at=self._clock(), peer=peer, helo=helo))

    def forget(self, name: str) -> None:
        """The credential was changed."""
        self._known.pop(name, None)
        self._changes += 1

    async def _named(self, name: str, scope: Scope | None) -> Credential | None:
        is_key = scope is Scope.SMTP and access_keys.is_id(name)
        return await (self._of_key(name) if is_key else self.find(name))

    async def _of_key(self, id: str) -> Credential | None:
        """The login of an access key, with that one password; None for a key that is not for SMTP."""
        key = await self._access_keys.get(id)
        if key is None or key.disabled or not key.smtp_hash:
            return None
        credential = await self.find(key.credential)
        return replace(credential, password_hashes=(key.smtp_hash,)) if credential else None

    async def _still(self, name: str, password_hash: str, *, peer: str, scope: Scope | None) -> Credential:
        """Looks again: all that took its time, and nobody can be told yet. Raises WrongLogin or StoreUnavailable."""
        credential = await self._named(name, scope)
        if credential is None or password_hash not in credential.password_hashes:
            raise self.failed(name, peer, "wrong password")
        if objection := objection_to(credential, peer, scope):
            raise self.failed(name, peer, objection)
        return credential

    async def _note(self, use: LastUse) -> None:
        """Once a minute is enough, but for a new address. A store that cannot take it is no reason to refuse a login."""
        key = (use.name, use.password_hash)
        noted = self._noted.get(key)
        if noted and noted.peer == use.peer and use.at - noted.at < _NOTE_EVERY:
            return
        self._noted[key] = use
        with suppress(StoreUnavailable):
            await self._credentials.note_use(use)


def objection_to(credential: Credential, peer: str, scope: Scope | None) -> str:
    """Why it may not come in; mostly empty."""
    if credential.disabled:
        return "disabled"
    if scope and scope not in credential.scopes:
        return f"not for {scope}"
    return "" if policy.may_connect(credential, peer) else "not from this network"


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


class KeyChanges:
    """`tell` hears of each access key `in_use` that is disabled or gone."""

    def __init__(self, keys: AccessKeys, in_use: Callable[[], Set[str]], tell: Callable[[str], None]) -> None:
        self._keys = keys
        self._in_use = in_use
        self._tell = tell

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            if in_use := self._in_use():
                with suppress(StoreUnavailable):
                    for id in in_use - {key.id for key in await self._keys.all() if not key.disabled}:
                        self._tell(id)
