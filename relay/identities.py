"""What SES has verified, as it was told last: which addresses may be sent from, and why not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from time import gmtime, strftime


class IdentityState(StrEnum):
    """What SES says of an address or domain of ours."""

    VERIFIED = "verified"
    PENDING = "pending"  # its owner, or DNS, has not answered yet
    FAILED = "failed"
    NOT_STARTED = "not_started"
    UNKNOWN = "unknown"  # SES cannot tell for the moment
    PAUSED = "paused"  # verified, and nothing may be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An address or domain that the account has at SES, `name` as SES writes it.

    It is seen in its state `since`. `dkim`, `mail_from` and `error` are words of SES in lower case, empty until it was
    asked for them at `looked_at`; `dkim_hosts` is where SES shows a domain's keys, the first label of each its selector.
    """

    name: str
    state: IdentityState
    since: float = 0.0
    dkim: str = ""
    mail_from: str = ""
    error: str = ""
    dkim_hosts: tuple[str, ...] = ()
    looked_at: float = 0.0

    @property
    def kind(self) -> str:
        return "address" if "@" in self.name else "domain"

    @property
    def dkim_records(self) -> tuple[tuple[str, str], ...]:
        """What SES wants to find in a domain's DNS: the name of each CNAME, and what it stands for."""
        return tuple((f"{host.partition('.')[0]}._domainkey.{self.name}", host) for host in self.dkim_hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIdentities:
    """All of them, as SES listed them last."""

    at: float
    identities: tuple[Identity, ...]


_WHY = {
    IdentityState.PENDING: "verification at SES is pending{since}",
    IdentityState.FAILED: "verification at SES has failed",
    IdentityState.NOT_STARTED: "verification at SES was not started",
    IdentityState.UNKNOWN: "SES cannot tell whether it is verified",
    IdentityState.PAUSED: "SES has paused sending for it",
}
_NOT_THERE = "not verified at SES"


class Identities:
    """The last answer of SES, until the next one takes its place. Knows nothing, and says no to nothing, before the first.

    A verified domain stands for its addresses and its sub-domains, and a verified address for itself with any label (SES
    developer guide, "Creating and verifying identities", "Verifying email addresses"). All is compared in lower case, though
    SES tells the case of a verified address apart: what it would still refuse is for it to refuse.
    """

    def __init__(self) -> None:
        self.known: KnownIdentities | None = None
        self._by_name: dict[str, Identity] = {}
        self._verified: frozenset[str] = frozenset()

    def learn(self, known: KnownIdentities) -> None:
        """In place of what was known."""
        self._verified = frozenset(
            identity.name.lower() for identity in known.identities if identity.state is IdentityState.VERIFIED
        )
        self._by_name = {identity.name.lower(): identity for identity in known.identities}
        self.known = known  # last, for large messages are judged in threads

    def why_not(self, sender: str) -> str:
        """Empty if mail may be sent from the address, as far as is known."""
        if sender.rpartition("@")[2] in self._verified:  # of nearly every message, and so asked first
            return ""
        if self.known is None:
            return ""
        for name in _covering(sender):
            if name in self._verified:
                return ""
        for name in _covering(sender):
            if name in self._by_name:
                return why_not(self._by_name[name])
        return _NOT_THERE

    def state_of(self, sender: str) -> IdentityState | None:
        """Of what stands for an address, or for a domain as `@example.com`: VERIFIED if any of it is, else that of the nearest;
        None where SES knows nothing of it, as far as is known.
        """
        found = [self._by_name[name].state for name in _covering(sender) if name in self._by_name]
        return IdentityState.VERIFIED if IdentityState.VERIFIED in found else next(iter(found), None)


def _covering(sender: str) -> Iterator[str]:
    """What may stand for an address, the nearest first: itself, itself without its label, its domain, each domain above."""
    name = sender.lower()
    yield name
    local, _, domain = name.rpartition("@")
    if "+" in local:
        yield f"{local.partition('+')[0]}@{domain}"
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def why_not(identity: Identity) -> str:
    """Empty for one that may be sent from."""
    since = strftime(" since %Y-%m-%d", gmtime(identity.since)) if identity.since else ""
    return _WHY.get(identity.state, "").format(since=since)


def merged(seen: Collection[Identity], known: KnownIdentities | None, *, at: float) -> KnownIdentities:
    """What SES lists now, with what was found out before about the same identities.

    That SES cannot tell for the moment takes nothing from what was verified.
    """
    before = {identity.name: identity for identity in (known.identities if known else ())}
    return KnownIdentities(at=at, identities=tuple(_merged(found, before.get(found.name), at) for found in seen))


def detailed(known: KnownIdentities, looked: Mapping[str, Identity]) -> KnownIdentities:
    """The same with what was found out of some, by their names, but for their states; unless something newer is known."""
    return replace(known, identities=tuple(_detailed(identity, looked.get(identity.name)) for identity in known.identities))


def _detailed(identity: Identity, looked: Identity | None) -> Identity:
    if looked is None or looked.looked_at < identity.looked_at:
        return identity
    return replace(looked, state=identity.state, since=identity.since)


def _merged(found: Identity, before: Identity | None, at: float) -> Identity:
    if before is None:
        return replace(found, since=at)
    is_unsure = found.state is IdentityState.UNKNOWN and before.state is IdentityState.VERIFIED
    state = before.state if is_unsure else found.state
    return replace(before, state=state, since=before.since if state is before.state else at)
