"""Access keys of our own, by which programs sign as they would for AWS. Frozen values, and how new ones look."""

from __future__ import annotations

import re
from base64 import b32encode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

_ID = re.compile(r"AKIA[A-Z2-7]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A key of the login `credential`. The secret is sealed; `smtp_hash` is argon2id's of the password that SMTP clients have
    in its place, empty where it is not for SMTP. Times are seconds since the epoch.
    """

    id: str
    credential: str
    secret: str = field(repr=False)
    smtp_hash: str = field(repr=False)
    created_at: float
    disabled: bool = False


def is_id(text: str) -> bool:
    """Whether it may be the id of a key of ours."""
    return bool(_ID.fullmatch(text))


def new_id(chance: Callable[[int], bytes]) -> str:
    """As long as those of AWS, and of the same letters."""
    return "AKIA" + b32encode(chance(10)).decode()


def new_secret(chance: Callable[[int], bytes]) -> str:
    """40 characters, of 240 bits."""
    return b64encode(chance(30)).decode()
