"""What one connection, one client and all of them together may do before they are sent away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from relay import metrics
from relay.replies import Reply
from relay.smtp import answers

_CROWDED = 0.8  # of all connections there may be


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one connection: seconds, octets a second, and counts; then of all connections and those of one address."""

    handshake_seconds: float  # for PROXY header and TLS
    login_seconds: float  # from the greeting to a login
    line_seconds: float  # for one command line, and before the data rate counts
    idle_seconds: float
    session_seconds: float  # without an accepted message
    data_rate: float  # of content, on the average of a message
    soft_errors: int  # refusals since the last accepted message, from which on each costs `error_seconds`
    error_seconds: float
    errors: int
    login_failures: int
    messages: int
    recipients: int  # of one message
    connections: int
    connections_per_client: int

    def tightened(self) -> Limits:
        """While nearly all connections are taken: who works may go on, who waits makes room."""
        return replace(
            self,
            handshake_seconds=min(self.handshake_seconds, 5.0),
            login_seconds=min(self.login_seconds, 10.0),
            line_seconds=min(self.line_seconds, 10.0),
            idle_seconds=min(self.idle_seconds, 10.0),
            errors=min(self.errors, 3),
            connections_per_client=max(1, self.connections_per_client // 2),
        )


class Crowd:
    """Counts the open connections, in all and by client address."""

    def __init__(self, limits: Limits) -> None:
        self._usual = limits
        self._tight = limits.tightened()
        self._all = 0
        self._by_client: Counter[str] = Counter()

    @property
    def limits(self) -> Limits:
        """Those of the moment."""
        return self._tight if self._all > _CROWDED * self._usual.connections else self._usual

    @contextmanager
    def one_more(self) -> Iterator[Reply | None]:
        """A connection, from its first octet to its end: None if it may stay, or what it is told."""
        self._all += 1
        metrics.smtp_connections.inc()
        try:
            yield answers.TOO_MANY_CONNECTIONS if self._all > self._usual.connections else None
        finally:
            self._all -= 1
            metrics.smtp_connections.dec()

    @contextmanager
    def one_more_of(self, client: str) -> Iterator[Reply | None]:
        """The same, once it is known whose it is."""
        self._by_client[client] += 1
        try:
            yield answers.TOO_MANY_FROM_HERE if self._by_client[client] > self.limits.connections_per_client else None
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
