"""The suppression list in the words of SES: the relay's own entries that hold for all mail, as bounces or complaints."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from relay import address
from relay.ports.clock import Clock
from relay.ports.operators import Admin
from relay.ports.suppressions import Suppressions
from relay.suppression import EVERYWHERE, Filter, Reason, Release, Suppression
from relay.web.ses_door.calls import Caller
from relay.web.ses_door.faults import Kind, SesFault

MOST = 1000
_LOOKED_AT = 10_000  # entries; what is beyond is for the next page
_WORDS = dict.fromkeys(Reason, "BOUNCE") | {Reason.COMPLAINT: "COMPLAINT", Reason.UNSUBSCRIBED: "COMPLAINT"}
_REASONS = {"BOUNCE": Reason.HARD_BOUNCE, "COMPLAINT": Reason.COMPLAINT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which entries: of these words, put there within that time (seconds, 0 for any), so many, behind a token."""

    words: Collection[str]
    since: float
    until: float
    count: int
    token: str


class Suppressed:
    """Looks it up and changes it."""

    def __init__(self, *, suppressions: Suppressions, admin: Admin, clock: Clock) -> None:
        self._suppressions = suppressions
        self._admin = admin
        self._clock = clock

    async def list(self, page: Page) -> Mapping[str, Any]:
        """By address, of each the gravest entry. Raises SesFault for a token that is none."""
        wanted, found, seen, last = Filter(scope=EVERYWHERE), dict[str, Suppression](), 0, ""
        async for entries in self._suppressions.pages(wanted, now=self._clock(), after=_opened(page.token)):
            for entry in entries:
                key = address.key(entry.address)
                if key != last and (len(found) == page.count or seen >= _LOOKED_AT):
                    return _shown(found, _sealed(last))
                seen, last = seen + 1, key
                if _fits(entry, page) and (key not in found or entry.weight > found[key].weight):
                    found[key] = entry
        return _shown(found, "")

    async def get(self, wanted: str) -> Mapping[str, Any]:
        """Raises SesFault where it is not there."""
        found = (await self._suppressions.find([wanted])).of(wanted, now=self._clock())
        if found is None:
            raise _not_there(wanted)
        return {"SuppressedDestination": _summary(found)}

    async def put(self, caller: Caller, given: str, word: str) -> Mapping[str, Any]:
        """Raises SesFault for what is no address, and no reason of SES."""
        if word not in _REASONS:
            raise SesFault(Kind.INVALID, f"Reason must be one of: {', '.join(sorted(_REASONS))}")
        added = Suppression(
            address=_plain(given),
            reason=_REASONS[word],
            source=_source(caller),
            created_at=self._clock(),
            note="by the SES door",
        )
        await self._admin.suppress(added)
        return {}

    async def delete(self, caller: Caller, wanted: str) -> Mapping[str, Any]:
        """At SES as well. Raises SesFault where it is not there."""
        release = Release(address=_plain(wanted), source=_source(caller), at=self._clock(), note="by the SES door")
        if not await self._admin.release(release):
            raise _not_there(wanted)
        return {}


def _fits(entry: Suppression, page: Page) -> bool:
    is_in_time = page.since <= _at(entry) and (not page.until or _at(entry) <= page.until)
    return is_in_time and (not page.words or _WORDS[entry.reason] in page.words)


def _shown(found: Mapping[str, Suppression], token: str) -> Mapping[str, Any]:
    shown: dict[str, Any] = {"SuppressedDestinationSummaries": [_summary(entry) for entry in found.values()]}
    return shown | ({"NextToken": token} if token else {})


def _summary(entry: Suppression) -> Mapping[str, Any]:
    return {"EmailAddress": entry.address, "Reason": _WORDS[entry.reason], "LastUpdateTime": _at(entry)}


def _at(entry: Suppression) -> float:
    """Seconds, as exact as clients can say them again."""
    return round(entry.created_at, 3)


def _source(caller: Caller) -> str:
    return f"login {caller.credential.name}"


def _plain(given: str) -> str:
    """Raises SesFault."""
    try:
        return address.plain(given.encode("utf-8", "replace"))
    except ValueError:
        raise SesFault(Kind.INVALID, f"Illegal address: {given}") from None


def _not_there(wanted: str) -> SesFault:
    return SesFault(Kind.NOT_THERE, f"Email address {wanted} does not exist on your suppression list.")


def _sealed(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def _opened(token: str) -> str:
    """Raises SesFault."""
    try:
        return urlsafe_b64decode(token.encode("ascii")).decode().replace("\0", "")
    except (binascii.Error, ValueError):
        raise SesFault(Kind.NO_TOKEN, "The specified next token is invalid.") from None
