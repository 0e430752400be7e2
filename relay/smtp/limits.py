"""What one connection, one client and all of them together may do before they are sent away."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from relay.replies import Reply

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections")
TOO_MANY_FROM_HERE = Reply(421, "4.7.0", "Too many connections from your address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`errors` are refusals in one connection since its last accepted message; the time is seconds of silence."""

    idle_seconds: float
    errors: int
    connections: int
    connections_per_client: int


class Crowd:
    """Counts the open connections, in all and by client address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_client: Counter[str] = Counter()

    def enter(self, client: str) -> Reply | None:
        """One more, counted in any case until it leaves: None if it may stay, or what it is told."""
        self._by_client[client] += 1
        if self._by_client.total() > self._limits.connections:
            return TOO_MANY_CONNECTIONS
        if self._by_client[client] > self._limits.connections_per_client:
            return TOO_MANY_FROM_HERE
        return None

    def leave(self, client: str) -> None:
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]
