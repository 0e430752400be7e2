"""What secrets in the database are sealed with, and erased addresses known by."""

from __future__ import annotations

from relay import tokens
from relay.erasure import PURPOSE, Marks
from relay.ports.sealing import Seal
from relay.security.sealing import AesSeal
from relay.settings import Config

_PURPOSE = "secrets"


def seal(config: Config) -> Seal | None:
    """None without secrets.keys: then there are no such secrets."""
    keys = tokens.derived(config.secrets.keys, _PURPOSE)
    return AesSeal(keys) if keys else None


def marks(config: Config) -> Marks:
    """None of any address without secrets.keys."""
    return Marks(tokens.derived(config.secrets.keys, PURPOSE))
