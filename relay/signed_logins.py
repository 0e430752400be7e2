"""Who is it? A signature by an access key of ours from an address: a credential, or what AWS would say of the signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from relay import journal, sigv4
from relay.access_keys import IssuedKey
from relay.credential import Credential
from relay.logins import Login, objection_to
from relay.ports.access_keys import AccessKeys
from relay.ports.clock import Clock
from relay.ports.sealing import Seal
from relay.sigv4 import BadSignature, Claim, Flaw, Request

_SERVICE = "ses"
_KNOWN_SECONDS = 1.0  # after which a key that was changed, here or by another node, is looked up anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who says that he has signed a request; whether he has is seen once its body is there."""

    claim: Claim
    credential: Credential
    secret: str = field(repr=False)
    peer: str


@dataclass(frozen=True, slots=True)
class _Opened:
    key: IssuedKey
    secret: str
    until: float


class SignedLogin:
    """Checks signatures. `clock` is the time that they are of; `monotonic` are seconds."""

    def __init__(
        self, *, login: Login, access_keys: AccessKeys, seal: Seal, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._login = login
        self._access_keys = access_keys
        self._seal = seal
        self._clock = clock
        self._monotonic = monotonic
        self._opened: dict[str, _Opened] = {}

    async def claimant(self, request: Request, *, peer: str) -> Claimant:
        """Whose key it says it is signed with, before anything is read of its body.

        Raises BadSignature, StoreUnavailable, or Unsealable.
        """
        claim = sigv4.claimed(request, service=_SERVICE)
        opened, credential = await self._standing(claim, peer)
        self._check_time(claim, peer)
        return Claimant(claim=claim, credential=credential, secret=opened.secret, peer=peer)

    async def check(self, claimant: Claimant, request: Request, *, payload_sha256: str, agent: str) -> Credential:
        """His login as it is by now: a body may have come slowly. Raises BadSignature where it is not his, or no longer,
        StoreUnavailable, or Unsealable.
        """
        claim, peer = claimant.claim, claimant.peer
        try:
            sigv4.check(request, claim, payload_sha256=payload_sha256, secret=claimant.secret)
        except BadSignature:
            self._login.failed(claim.key_id, peer, "wrong signature")
            raise
        _, credential = await self._standing(claim, peer)
        await self._login.succeeded(claim.key_id, "", peer=peer, helo=agent)
        return credential

    async def _standing(self, claim: Claim, peer: str) -> tuple[_Opened, Credential]:
        """Raises BadSignature, StoreUnavailable, or Unsealable."""
        opened = await self._find(claim.key_id)
        credential = await self._login.find(opened.key.credential) if opened else None
        if opened is None or credential is None:
            raise self._refused(claim, peer, "unknown access key")
        if objection := "disabled access key" if opened.key.disabled else objection_to(credential, peer, None):
            raise self._refused(claim, peer, objection)
        return opened, credential

    def _check_time(self, claim: Claim, peer: str) -> None:
        """Raises BadSignature. A wrong clock is no guess."""
        try:
            sigv4.check_time(claim, self._clock())
        except BadSignature:
            journal.login_refused(name=claim.key_id, peer=peer, why="signature of another time")
            raise

    async def _find(self, id: str) -> _Opened | None:
        now = self._monotonic()
        if (known := self._opened.get(id)) and known.until > now:
            return known
        self._opened.pop(id, None)
        key = await self._access_keys.get(id)
        if key:
            self._opened[id] = _Opened(key, self._seal.open(key.secret, about=key.id), now + _KNOWN_SECONDS)
        return self._opened.get(id)

    def _refused(self, claim: Claim, peer: str, why: str) -> BadSignature:
        """One answer for all: the journal has the reason."""
        self._login.failed(claim.key_id, peer, why)
        return BadSignature(Flaw.UNKNOWN_KEY, sigv4.UNKNOWN)
