"""What the page of a login shows of access keys: those there are, and one that was just made."""

from __future__ import annotations

from dataclasses import dataclass

from relay.ports.access_keys import AccessKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """Access keys, and whether there is anything to seal them with; their passwords by SMTP are those of `region`."""

    keys: AccessKeys
    is_sealed: bool
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """An access key that was just made, as it is shown this once. Without `password` it is not for SMTP."""

    id: str
    secret: str
    password: str
