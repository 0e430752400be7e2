"""Queues of events, and what was given up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FULL = 10  # messages that a queue gives at one time at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A message of a queue that is ours for the time for which it is hidden. `handle` is for this once."""

    id: str
    handle: str
    body: str
    sent_at: float


class FeedbackQueue(Protocol):
    """A queue that SNS puts notifications into. All raise QueueUnavailable."""

    @property
    def url(self) -> str: ...

    async def receive(self, *, wait: int) -> tuple[Queued, ...]:
        """Up to FULL of them, hidden from others for a while; none where for so many seconds none came."""

    async def delete(self, messages: Collection[Queued]) -> tuple[Queued, ...]:
        """For good. Those that could not be; up to FULL at once."""

    async def hide(self, messages: Collection[Queued], seconds: float) -> None:
        """From others, from now on for so long; those for whom it is too late are passed over. Up to FULL at once."""

    async def depth(self) -> int:
        """About how many it holds that are not hidden."""

    async def dead_letters(self) -> FeedbackQueue | None:
        """Where it moves what was received too often."""

    def close(self) -> None:
        """What a call under way brings after that is visible again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message of a queue that could not be used, and why. `id` is the one it had in the queue."""

    id: str
    queue: str
    sent_at: float
    received_at: float
    reason: str
    body: str


class PutAside(NamedTuple):
    """A message in quarantine as lists show it. `number` is its place there, and rises; `size` are octets."""

    number: int
    id: str
    queue: str
    received_at: float
    reason: str
    size: int


class Quarantine(Protocol):
    """What is in no queue any more, and not recorded either. All raise StoreUnavailable."""

    async def put(self, found: Quarantined) -> bool:
        """False if it was there; it has its new reason then."""

    async def get(self, id: str) -> Quarantined | None: ...

    async def newest(self, *, limit: int) -> tuple[Quarantined, ...]: ...

    async def listed(self, *, before: int, count: int) -> tuple[PutAside, ...]:
        """The newest with a smaller number, without what is in them."""

    async def ids(self) -> tuple[str, ...]:
        """All of them, the oldest first."""

    async def remove(self, id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """Of what was tried once more: how much is recorded now, and how much went into quarantine, or stays there."""

    taken: int
    put_aside: int


class SecondTry(Protocol):
    """What was given up before is taken up once more."""

    async def redrive(self) -> Redriven:
        """The dead letters of all queues. Raises QueueUnavailable or StoreUnavailable."""

    async def retry(self, ids: Collection[str]) -> Redriven:
        """Some of what is in quarantine; all of it for none. Raises StoreUnavailable."""
