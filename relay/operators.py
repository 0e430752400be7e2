"""Operators: who may use the console and for what, their sessions, and what they did there."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

HOUR, DAY = 3600.0, 86400.0
IDLE_SECONDS = 12 * HOUR  # without a page; then the session is over
LONGEST_SECONDS = 7 * DAY  # of any session
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class OperatorRole(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"  # looks
    OPERATOR = "operator"  # acts on mail, addresses and mailings
    ADMIN = "admin"  # decides who may do what: logins, senders, operators, the set-up at AWS

    def may(self, needed: OperatorRole) -> bool:
        """Whether it is enough."""
        roles = list(OperatorRole)
        return roles.index(self) >= roles.index(needed)


def new_password(chance: Callable[[int], bytes]) -> str:
    """One to be shown once, of 120 bits: letters and digits that nobody takes for others."""
    return base64.b32encode(chance(15)).decode().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person. The hash is argon2id's own notation; times are seconds since the epoch."""

    name: str
    password_hash: str
    role: OperatorRole
    created_at: float
    is_disabled: bool = False

    @property
    def password_hashes(self) -> tuple[str, ...]:
        """None while he may not come in."""
        return () if self.is_disabled else (self.password_hash,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser of an operator. `key` is the SHA-256 of what the browser shows."""

    key: bytes
    operator: str
    began_at: float
    seen_at: float
    peer: str
    agent: str

    def is_over(self, now: float) -> bool:
        """Whether it is not good any more."""
        return now >= self.seen_at + IDLE_SECONDS or now >= self.began_at + LONGEST_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something that an operator did: asked for first, and its outcome when there was one."""

    at: float
    operator: str
    peer: str
    action: str
    subject: str = ""
    detail: str = ""
    outcome: str = ""  # "": never heard of
    id: int = 0
