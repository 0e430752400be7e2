"""The last posts that the webhook refused, and why: they leave no other trace but a line of the journal."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from relay.ports.clock import Clock

_KEPT = 100


class RefusedPost(NamedTuple):
    """`at` is seconds since the epoch, `status` what SNS was answered."""

    at: float
    peer: str
    status: int
    why: str


class RefusedPosts:
    """Those of this process since its start, as many as are kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[RefusedPost] = deque(maxlen=_KEPT)
        self.count = 0  # of all

    def note(self, *, peer: str, status: int, why: str) -> None:
        """One more."""
        self.count += 1
        self._kept.appendleft(RefusedPost(self._clock(), peer, status, why))

    def newest(self) -> tuple[RefusedPost, ...]:
        """The newest first."""
        return tuple(self._kept)
