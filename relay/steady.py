"""A clock for the waits of the queue: it goes on evenly when the wall clock jumps, and jumps only when it is told to."""

from __future__ import annotations

from collections.abc import Callable

_A_JUMP = 30.0  # seconds; less than that is a clock that is being set right


class SteadyClock:
    """Seconds since the epoch, as the wall clock had it when it was last followed. To be used in the place of time.time."""

    def __init__(self, *, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._ahead

    def jump(self) -> float:
        """By how much the wall clock has jumped since it was last followed; 0.0 for no jump worth the name."""
        seconds = self._wall() - self()
        return seconds if abs(seconds) >= _A_JUMP else 0.0

    def follow(self) -> None:
        """Shows the wall clock's time from now on."""
        self._ahead = self._wall() - self._monotonic()
