"""SES's own suppression list, one for all of the account: what it says, and what is to be done there."""

from __future__ import annotations

from dataclasses import dataclass

from relay.suppression import Reason, Suppression

SOURCE = "SES account list"

# When an errand is due that waits for SES to tell how it writes the address, if it has it.
UNTIL_LISTED = 1e12

Place = tuple[str, str, str, int]
"""Of an entry among all of ours, in the order in which they are looked at."""
BEGINNING: Place = ("", "", "", 0)

_FIRST_WAIT, _LONGEST_WAIT = 30.0, 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An address on SES's list, as SES writes it, since when."""

    address: str
    reason: Reason
    at: float

    def entry(self, now: float) -> Suppression:
        """For ours. It is not younger than what is done from now on."""
        return Suppression(address=self.address, reason=self.reason, source=SOURCE, created_at=min(self.at, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An address to be put on SES's list for a reason, or to be deleted where there is none; tried so often already.

    SES compares with the case that it was put in, and may have several: `spellings` are those that we know of, ours first.
    """

    address: str
    reason: Reason | None
    tries: int = 0
    spellings: tuple[str, ...] = ()

    @property
    def wait(self) -> float:
        """Seconds until it is tried once more."""
        return float(min(_FIRST_WAIT * 2 ** min(self.tries, 10), _LONGEST_WAIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSync:
    """What came of comparing both lists: how many are there (that are new since the last time), how many of them are new here,
    and how many of ours are to be put there.
    """

    listed: int
    added: int
    queued: int
