"""What SES reported about each login's messages, one fact after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from relay.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event of our class `found`, the delivery it is about, and what the sender said of its message. `cursor` is its place
    among all facts.
    """

    cursor: int
    delivery_id: str
    event: Event
    found: str
    label_id: str
    campaign: str
    task: int


class Facts(Protocol):
    """In the order in which it was known whose they are."""

    async def read(self, credential: str, *, after: int, count: int) -> tuple[Fact, ...] | None:
        """Those of a login behind a cursor, at most so many; None for a cursor that nothing has had yet. Whoever goes on behind
        the last one that he got has seen all. Raises StoreUnavailable.
        """
