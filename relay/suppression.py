"""Addresses that must not be mailed: why, for which mail, for how long; and what was changed of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from time import gmtime, strftime

from relay import address

EVERYWHERE = ""


class Reason(StrEnum):
    """Why an address is suppressed. Of several that hold for one address the first of these is told."""

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    UNSUBSCRIBED = "unsubscribed"
    MANUAL = "manual"
    IMPORTED = "imported"
    SOFT_BOUNCES = "soft_bounces"


# What SES's own suppression list has a word for (SES API v2, SuppressionListReason).
SES_WORDS = {Reason.HARD_BOUNCE: "BOUNCE", Reason.COMPLAINT: "COMPLAINT"}

_WEIGHTS = {reason: weight for weight, reason in enumerate(reversed(Reason))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that must not be mailed. `source` says who or what put it there.

    `scope` is EVERYWHERE, or what `of_credential` and `of_list` give. `expires_at` is 0 for never; times are seconds.
    """

    address: str
    reason: Reason
    source: str
    created_at: float
    note: str = ""
    scope: str = EVERYWHERE
    expires_at: float = 0.0

    @property
    def why(self) -> str:
        """`hard_bounce since 2026-11-21`: for the reply and the record."""
        return f"{self.reason} since {strftime('%Y-%m-%d', gmtime(self.created_at))}"

    def outlasts(self, other: Suppression) -> bool:
        """Whether it ends later."""
        return (self.expires_at or inf) > (other.expires_at or inf)

    def replaces(self, other: Suppression) -> bool:
        """Which of two of one address, scope and reason stands, whichever came first: that which ends later, or else that
        which began earlier.
        """
        if self.expires_at != other.expires_at:
            return self.outlasts(other)
        return (-self.created_at, self.source) > (-other.created_at, other.source)

    @property
    def weight(self) -> tuple[int, float]:
        """Of all that hold for an address the heaviest is told."""
        return (_WEIGHTS[self.reason], -self.created_at)


class Change(StrEnum):
    """What happened to an entry."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    REVOKED = "revoked"  # what led to it does not hold any more
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """One line of an address's history. `source` says who or what did it; who was removed and was not there has no reason."""

    at: float
    change: Change
    address: str
    scope: str
    reason: Reason | None
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An address that may be mailed again, and is to be deleted from SES's own list. Facts of before `at` do not suppress it
    any more.
    """

    address: str
    source: str
    at: float
    scope: str = EVERYWHERE
    note: str = ""
    keep_at_ses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of the entries of a list: new ones, those that end later than what stood for the same reason, those that
    changed nothing for that, or they themselves, are over later or already, and those that somebody has removed since.
    """

    added: int = 0
    longer: int = 0
    stood: int = 0
    released: int = 0

    def __add__(self, other: Imported) -> Imported:
        return Imported(
            added=self.added + other.added,
            longer=self.longer + other.longer,
            stood=self.stood + other.stood,
            released=self.released + other.released,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are listed: all that fit what is given. `text` is a part of the address. Times are seconds, 0 for any. With
    a `credential` nothing that is of another's mail alone.
    """

    reason: Reason | None = None
    scope: str | None = None
    credential: str = ""
    text: str = ""
    since: float = 0.0
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which of the newest entries: all that fit what is given. `text` is a part of the address, `scopes` what a scope begins
    with.
    """

    reason: Reason | None = None
    scope: str | None = None
    scopes: str = ""
    text: str = ""


def of_credential(name: str) -> str:
    """The scope of one login's mail."""
    return f"credential:{name}"


def of_list(name: str) -> str:
    """The scope of mail to one list (X-Relay-List)."""
    return f"list:{name}"


class Suppressed:
    """The entries of some addresses, to be asked for one message after the other."""

    def __init__(self, entries: Iterable[Suppression]) -> None:
        self._entries: dict[str, list[Suppression]] = {}
        for entry in entries:
            self._entries.setdefault(address.key(entry.address), []).append(entry)

    def entries(self, wanted: str) -> tuple[Suppression, ...]:
        """All of an address, of every scope, also those whose time is over."""
        return tuple(self._entries.get(address.key(wanted), ()))

    def of(
        self, recipient: str, *, credential: str = "", list: str = "", is_transactional: bool = False, now: float
    ) -> Suppression | None:
        """What keeps such mail from the recipient, the gravest of it; None where nothing does. Who has unsubscribed from a
        login's or a list's mail still gets what is transactional: his order, his password.
        """
        entries = self._entries.get(address.key(recipient)) if self._entries else None
        if not entries:
            return None
        scopes = (EVERYWHERE, of_credential(credential), of_list(list))
        standing = (
            entry
            for entry in entries
            if entry.scope in scopes
            and not 0 < entry.expires_at <= now
            and not (is_transactional and entry.reason is Reason.UNSUBSCRIBED and entry.scope)
        )
        return max(standing, key=lambda entry: entry.weight, default=None)
