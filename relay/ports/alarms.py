"""What stands, where all nodes see it; and the ways by which somebody is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from relay.alarm import Alarm, Kind, Stands


class AlarmStore(Protocol):
    """All raise StoreUnavailable."""

    async def all(self) -> tuple[Stands, ...]:
        """What stands, and what is over and not told yet; the oldest first."""

    async def report(self, node: str, alarms: Sequence[Alarm], *, unknown: Collection[Kind], now: float) -> None:
        """What a node sees now; of kinds that it does not know, what it saw before. What has got worse is to be told anew."""

    async def end(self, *, unseen_since: float, now: float) -> None:
        """What nobody has seen since then is over."""

    async def told(self, way: str, some: Sequence[Stands], *, at: float) -> None:
        """When they were told by that way; 0.0 for those that were over."""

    async def failed(self, some: Sequence[Stands], why: str) -> None:
        """Who was to be told did not take it."""

    async def forget(self, *, over_before: float) -> None:
        """What is over and told, or was over before that; and tests that are over."""
