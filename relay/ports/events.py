"""What became of each login's messages, one fact after the other."""

from __future__ import annotations

from typing import Protocol

from relay.event import Fact


class Facts(Protocol):
    """In the order in which it was known whose they are."""

    async def read(self, credential: str, *, after: int, count: int) -> tuple[Fact, ...] | None:
        """Those of a login behind a cursor, at most so many; None for a cursor that nothing has had yet. Whoever goes on behind
        the last one that he got has seen all. Raises StoreUnavailable.
        """
