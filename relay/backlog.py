"""How much may wait: the limits of the queue and of the disk, asked before a message is taken.

Every message accepted since the last count is added to it, so that a burst between two counts cannot overrun a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from relay import journal, metrics
from relay.errors import DoorClosed

_OPENS_BELOW = 0.95  # of a limit, so that the door does not open and close with every message
_ROWS, _OCTETS = "too many messages wait", "too many octets wait"


class Load(NamedTuple):
    """So many deliveries, and so many octets of messages."""

    rows: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, and the room there is for more.

    `rows` are deliveries that are not over, `octets` are those of their messages. `oldest_at` is when the oldest became due
    that nothing holds and nobody has tried; None where there is none. `free_octets` are those of the disk that messages may
    take.
    """

    rows: int
    octets: int
    oldest_at: float | None
    free_octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogLimits:
    """How much of it there may be. 0 seconds, and 0 octets that must stay free, are no limits."""

    rows: int
    octets: int
    seconds: float
    free_octets: int


_UNKNOWN = Backlog(rows=0, octets=0, oldest_at=None, free_octets=1 << 62)


class Admission:
    """Opens and closes the door. Open until the first count says otherwise."""

    def __init__(self, limits: BacklogLimits) -> None:
        self._limits = limits
        self._accepted = Load()
        self._room = Load(limits.rows, limits.octets)
        self._closed = ""  # why
        self.counted: Backlog | None = None
        """At the last count."""

    @property
    def closed(self) -> str:
        """Why the door is; empty while it is open."""
        return self._closed

    @property
    def accepted(self) -> Load:
        """All since the process began: to be taken down before a count begins."""
        return self._accepted

    def learn(self, counted: Backlog, *, now: float, included: Load) -> None:
        """A new count; `included` is what was accepted before it began, and so is in it."""
        self.counted = counted
        since = Load(self._accepted.rows - included.rows, self._accepted.octets - included.octets)
        room = _room(counted, self._limits)
        self._room = Load(room.rows - since.rows, room.octets - since.octets)
        reached = _reached(counted, self._limits, now=now, part=_OPENS_BELOW if self._closed else 1.0)
        if reached:
            self._close(reached)
        elif self._closed:
            self._closed = ""
            journal.door_opened()

    def disk_is_full(self) -> None:
        """Closes until a count finds room. May be called from any thread."""
        self._close("the disk is full")

    def check(self, rows: int = 1, octets: int = 0) -> None:
        """Whether a message to so many recipients and of that size may come in. Raises DoorClosed."""
        if self._closed or rows > self._room.rows or octets >= self._room.octets:
            self._close_if_used_up()
            metrics.queue_refusals.inc()
            raise DoorClosed

    @contextmanager
    def taking(self, rows: int, octets: int) -> Iterator[None]:
        """The message counts from here on, unless it comes to nothing. Raises DoorClosed."""
        self.check(rows, octets)
        self._add(rows, octets)
        try:
            yield
        except BaseException:
            self._add(-rows, -octets)
            raise

    def _close_if_used_up(self) -> None:
        """Not for a large message alone: a smaller one may still fit."""
        if self._room.rows < 1:
            self._close(_ROWS)
        elif self._room.octets < 1:
            self._close(_OCTETS)

    def _close(self, why: str) -> None:
        if not self._closed:
            self._closed = why
            journal.door_closed(why=why)

    def _add(self, rows: int, octets: int) -> None:
        self._accepted = Load(self._accepted.rows + rows, self._accepted.octets + octets)
        self._room = Load(self._room.rows - rows, self._room.octets - octets)


def _room(counted: Backlog, limits: BacklogLimits) -> Load:
    """What may still be taken."""
    octets = min(limits.octets - counted.octets, counted.free_octets - limits.free_octets)
    return Load(limits.rows - counted.rows, octets)


def _reached(counted: Backlog, limits: BacklogLimits, *, now: float, part: float) -> str:
    """Which limit is, or such a part of it; empty where none is."""
    seconds = now - counted.oldest_at if counted.oldest_at is not None else 0.0
    reached = (
        (counted.rows >= limits.rows * part, _ROWS),
        (counted.octets >= limits.octets * part, _OCTETS),
        (seconds >= limits.seconds * part > 0, "the oldest message waits for too long"),
        (counted.free_octets <= limits.free_octets / part, "too little of the disk is free"),
    )
    return next((why for is_reached, why in reached if is_reached), "")
