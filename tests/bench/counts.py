"""Counters that processes share: in one mapped file, each written by one process only, read by all."""

from __future__ import annotations

from pathlib import Path

from tests import slots

DELIVERED, POSTED, ACCEPTED = 0, 1, 2  # at SES; events taken by the webhook; from here on by the clients, one for each
_SLOTS = 128


class Counts:
    """Opens the file that `make` made."""

    def __init__(self, file: Path) -> None:
        self._slots = slots.opened(file, "Q")

    @staticmethod
    def make(file: Path) -> None:
        slots.make(file, _SLOTS)

    def add(self, slot: int, count: int = 1) -> None:
        self._slots[slot] += count

    def set(self, slot: int, count: int) -> None:
        self._slots[slot] = count

    @property
    def delivered(self) -> int:
        return self._slots[DELIVERED]

    @property
    def posted(self) -> int:
        return self._slots[POSTED]

    @property
    def accepted(self) -> int:
        return sum(self._slots[ACCEPTED:])

    def on_the_way(self, *, with_events: bool) -> int:
        """Messages accepted and not yet at SES, or whose two events have not both been recorded."""
        ended = min(self.delivered, self.posted // 2) if with_events else self.delivered
        return self.accepted - ended
