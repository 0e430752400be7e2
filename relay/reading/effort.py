"""What looking into one message may cost, over all of its parts."""

from __future__ import annotations

from relay.errors import Malformed


class Effort:
    """At most so much may be spent; more is Malformed, for that reason."""

    def __init__(self, most: int, reason: str) -> None:
        self._left = most
        self._reason = reason

    def spend(self, cost: int = 1) -> None:
        """Raises Malformed."""
        self._left -= cost
        if self._left < 0:
            raise Malformed(self._reason)
