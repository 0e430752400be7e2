"""A message on its way in: its octets are counted as they come, each by itself and all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relay.errors import MessageTooLarge, NoRoom
from relay.ports.bodies import Draft


def in_base64(octets: int) -> int:
    """What so many octets of files may become in a message: 78 for 57 (RFC 2045 6.8), and some for their headers."""
    return octets * 11 // 8


class Budget:
    """Octets that may be in flight at once, over all connections, received or being judged."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self, count: int) -> None:
        """Raises NoRoom."""
        if count > self._free:
            raise NoRoom
        self._free -= count

    def give_back(self, count: int) -> None:
        self._free += count

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        """For as long as it is needed. Raises NoRoom."""
        self.take(count)
        try:
            yield
        finally:
            self.give_back(count)


class Receiving:
    """A message on its way in. What is closed before it was accepted leaves no trace."""

    def __init__(self, message_id: str, draft: Draft, budget: Budget, max_size: int) -> None:
        self.id = message_id
        self.draft = draft
        self._budget = budget
        self._taken = 0
        self.max_size = max_size

    def write(self, piece: bytes) -> None:
        """Raises MessageTooLarge or NoRoom; then nothing more may be written."""
        if self.draft.size + len(piece) > self.max_size:
            raise MessageTooLarge
        self._budget.take(len(piece))
        self._taken += len(piece)
        self.draft.write(piece)

    @property
    def wants_flush(self) -> bool:
        """So much waits in memory that `flush` must come before the next `write`."""
        return self.draft.wants_flush

    async def flush(self) -> None:
        """Raises StoreUnavailable; then nothing more may be written."""
        await self.draft.flush()

    def close(self, *, keep: bool = False) -> None:
        """To be called exactly once: by `Intake.accept`, or by the door if it never came to that."""
        self._budget.give_back(self._taken)
        self.draft.close(keep=keep)
