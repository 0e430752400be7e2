"""Passwords: argon2id in a small pool of threads, so that a login never stops the loop; a verified one is remembered.

Parameters: OWASP password storage cheat sheet, argon2id with 19 MiB, two passes, one lane (~23 ms here).
"""

from __future__ import annotations

import asyncio
import hmac
import os
from base64 import b64encode
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from relay.errors import TooBusy
from relay.ports.clock import Clock
from relay.ports.logins import HasPasswords

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_THREADS = 2
_MAX_WAITING = 100  # some two seconds of work
_REMEMBERED = 1000


def hash_password(password: str) -> str:
    """An argon2id hash in its own notation, salt included."""
    return _HASHER.hash(password)


def hash_of_nobody() -> str:
    """A hash of no password, which takes as long to compare as any; to make a real one would take as long as well."""
    salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (_HASHER.salt_len, _HASHER.hash_len))
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


class ArgonPasswords:
    """Implements ports.Passwords.

    What was verified is kept as an HMAC under a key of this process, for `remember` seconds from its last use on.
    """

    def __init__(self, *, monotonic: Clock, remember: float = 300.0) -> None:
        self._monotonic = monotonic
        self._remember = remember
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._key = os.urandom(32)
        self._verified: OrderedDict[bytes, float] = OrderedDict()
        self._decoy = (hash_of_nobody(),)

    def remembered(self, password: str, credential: HasPasswords | None) -> str | None:
        now = self._monotonic()
        for stored in credential.password_hashes if credential else ():
            tag = self._tag(stored, password)
            if self._verified.get(tag, 0.0) > now:
                self._keep(tag, now)
                return stored
        return None

    async def hashed(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, hash_password, password)

    async def verify(self, password: str, credential: HasPasswords | None) -> str | None:
        if self._waiting >= _MAX_WAITING:
            raise TooBusy
        hashes = credential.password_hashes if credential else self._decoy
        # All of them, at the same time: how long it takes must not tell how many there are, nor which one fits.
        results = await asyncio.gather(*(self._fits(stored, password) for stored in hashes))
        found = next((stored for stored, fits in zip(hashes, results, strict=True) if fits), None)
        if credential is None or found is None:
            return None
        self._keep(self._tag(found, password), self._monotonic())
        return found

    async def _fits(self, stored: str, password: str) -> bool:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _fits, stored, password.encode("utf-8"))
        finally:
            self._waiting -= 1

    def _tag(self, stored: str, password: str) -> bytes:
        """The hash is part of it: a changed password is forgotten at once."""
        return hmac.digest(self._key, stored.encode() + b"\0" + password.encode("utf-8"), "sha256")

    def _keep(self, tag: bytes, now: float) -> None:
        self._verified[tag] = now + self._remember
        self._verified.move_to_end(tag)
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _fits(stored: str, secret: bytes) -> bool:
    try:
        return _HASHER.verify(stored, secret)
    except (VerificationError, InvalidHashError):
        return False
