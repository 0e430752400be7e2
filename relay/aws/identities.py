"""Our identities at SES: ListEmailIdentities and GetEmailIdentity of the v2 API, one try each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relay.aws.sesv2 import ask
from relay.errors import SesUnavailable
from relay.identities import Identity, IdentityState
from relay.ports.clock import Clock

_PAGE = 1000  # the most that SES gives at once
_MAX_PAGES = 100  # SES keeps 10,000 identities; what goes on and on is not SES
_PAUSE = 1.1  # seconds; the API takes one request a second

_HOSTED_ZONE = "dkim.amazonses.com"  # of regions whose SES does not name one
_OWN_KEYS = "EXTERNAL"  # not made by SES: its records are for those to know who made them

_STATES = {
    "SUCCESS": IdentityState.VERIFIED,
    "PENDING": IdentityState.PENDING,
    "FAILED": IdentityState.FAILED,
    "NOT_STARTED": IdentityState.NOT_STARTED,
}


class BotoIdentities:
    """Implements ports.SesIdentities with a boto3 client. `pause` is in seconds, between pages."""

    def __init__(self, client: Any, clock: Clock, *, pause: float = _PAUSE) -> None:
        self._client = client
        self._clock = clock
        self._pause = pause

    async def all(self) -> tuple[Identity, ...]:
        found: dict[str, Identity] = {}
        page: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            answer = await ask(self._client, "list_email_identities", PageSize=_PAGE, **page)
            if "EmailIdentities" not in answer:
                raise SesUnavailable("listless", "ListEmailIdentities answered without a list")
            found.update((identity.name, identity) for identity in map(listed, answer["EmailIdentities"]))
            if not answer.get("NextToken"):
                return tuple(found.values())
            page = {"NextToken": answer["NextToken"]}
            await asyncio.sleep(self._pause)
        raise SesUnavailable("endless", "ListEmailIdentities has no last page")

    async def look(self, identity: Identity) -> Identity:
        answer = await ask(self._client, "get_email_identity", EmailIdentity=identity.name)
        return replace(
            identity,
            dkim=_word(answer, "DkimAttributes", "Status"),
            mail_from=_word(answer, "MailFromAttributes", "MailFromDomainStatus"),
            error=_word(answer, "VerificationInfo", "ErrorType"),
            dkim_hosts=_dkim_hosts(answer) if identity.kind == "domain" else (),
            looked_at=self._clock(),
        )


def listed(row: Mapping[str, Any]) -> Identity:
    """A row of ListEmailIdentities.

    SendingEnabled is false as well for what is not verified yet; TEMPORARY_FAILURE still sends while it is true.
    """
    name, may_send = str(row.get("IdentityName", "")), bool(row.get("SendingEnabled", True))
    state = _STATES.get(str(row.get("VerificationStatus")), IdentityState.VERIFIED if may_send else IdentityState.UNKNOWN)
    if state is IdentityState.VERIFIED and not may_send:
        state = IdentityState.PAUSED
    return Identity(name=name, state=state)


def _dkim_hosts(answer: Mapping[str, Any]) -> tuple[str, ...]:
    dkim = answer.get("DkimAttributes") or {}
    if dkim.get("SigningAttributesOrigin") == _OWN_KEYS:
        return ()
    zone = str(dkim.get("SigningHostedZone") or _HOSTED_ZONE).strip(".")
    return tuple(f"{token}.{zone}" for token in dkim.get("Tokens") or ())


def _word(answer: Mapping[str, Any], section: str, key: str) -> str:
    return str((answer.get(section) or {}).get(key) or "").lower()
