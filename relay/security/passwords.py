"""Passwords: argon2id in a small pool of threads, so that a login never stops the loop; a verified one is remembered.

Parameters: OWASP password storage cheat sheet, argon2id with 19 MiB, two passes, one lane (~23 ms here).
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from relay.model import Credential
from relay.ports import Clock

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_THREADS = 2
_REMEMBERED = 1000


def hash_password(password: str) -> str:
    """An argon2id hash in its own notation, salt included."""
    return _HASHER.hash(password)


class ArgonPasswords:
    """Implements ports.Passwords. What was verified is kept for `remember` seconds as an HMAC under a key of this process."""

    def __init__(self, *, monotonic: Clock, remember: float = 300.0) -> None:
        self._monotonic = monotonic
        self._remember = remember
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._key = os.urandom(32)
        self._verified: OrderedDict[bytes, float] = OrderedDict()
        self._decoy = hash_password("nobody has this password")

    async def verify(self, password: str, credential: Credential | None) -> bool:
        stored = credential.password_hash if credential else self._decoy
        secret = password.encode("utf-8")
        # The hash is part of the tag: a changed password is forgotten at once.
        tag = hmac.digest(self._key, stored.encode() + b"\0" + secret, "sha256")
        now = self._monotonic()
        if self._verified.get(tag, 0.0) > now:
            return True
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._pool, _fits, stored, secret) or credential is None:
            return False
        self._verified[tag] = now + self._remember
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return True

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _fits(stored: str, secret: bytes) -> bool:
    try:
        return _HASHER.verify(stored, secret)
    except (VerificationError, InvalidHashError):
        return False
