"""Finding deliveries among very many."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Place = tuple[str, int]
"""Of a delivery in the order of all: its message, and its number there."""

TOP: Place = ("~", 0)
"""Before the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is said must fit; what is empty may be anything. Times are seconds since the epoch.

    A `recipient` is an address, or with a * at its end what addresses begin with; it and a `sender` may be a domain after @.
    All `words` are in the subject, in any case of letters. `statuses` are words on a
    delivery, any of which it has.
    """

    message_id: str = ""
    ses_message_id: str = ""
    label_id: str = ""
    recipient: str = ""
    sender: str = ""
    statuses: tuple[str, ...] = ()
    credential: str = ""
    words: tuple[str, ...] = ()
    since: float = 0.0
    until: float = 0.0


class Hit(NamedTuple):
    """A delivery that was found, and what is shown of it in a list."""

    place: Place
    recipient: str
    status: str
    accepted_at: float
    sender: str
    subject: str
    credential: str
    reason: str

    @property
    def id(self) -> str:
        return f"{self.place[0]}-{self.place[1]}"


class Found(NamedTuple):
    """Some of what fits, the newest first. `rest` is where to look further, None where all has been looked at.

    Where not as many were found as were wanted, and there is a rest, so many were looked at as can be in a moment: all that
    were accepted after `looked_to`. What an index has found beyond is found there again.
    """

    hits: tuple[Hit, ...]
    rest: Place | None
    looked_to: float = 0.0


class Report(NamedTuple):
    """What SES has reported of a delivery; as it was posted, as long as that is kept."""

    delivery_id: str
    at: float
    what: str
    found: str  # our class of it
    recipient: str
    detail: str
    posted: bytes


class Search(Protocol):
    """All raise StoreUnavailable."""

    async def find(self, query: Query, *, before: Place = TOP, count: int) -> Found:
        """Of those behind that place."""

    async def newest(self, *, since: float, count: int) -> tuple[Hit, ...]:
        """The deliveries of the newest so many messages since then; of mail to very many the first."""

    async def reports(self, deliveries: Collection[str], *, count: int) -> tuple[Report, ...]:
        """The last so many of these, by their ids; the oldest first."""
