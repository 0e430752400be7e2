"""Where the content of messages is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from typing import Protocol

from relay.model import Message
from relay.reading.mime import Octets, Slices


class Draft(Protocol):
    """The content of one message while it comes in: in memory first, in a file once it is large."""

    @property
    def size(self) -> int: ...

    @property
    def wants_flush(self) -> bool: ...

    def write(self, piece: bytes) -> None:
        """Into memory; to be followed by `flush` when that is wanted."""

    async def flush(self) -> None:
        """Raises StoreUnavailable where the disk does not take it."""

    async def finish(self) -> bytes:
        """All has come. Returns its BLAKE3. Raises StoreUnavailable."""

    def octets(self) -> Octets:
        """The content, readable after `finish`."""

    async def store(self) -> None:
        """What does not belong in the row lies where it survives whatever happens. After `finish`; raises StoreUnavailable."""

    @property
    def inline(self) -> bytes | None:
        """The content if it belongs in the row; None if it lies in a file."""

    def close(self, *, keep: bool) -> None:
        """Lets go of the file, and removes it unless a stored message needs it."""


class Bodies(Protocol):
    """Where content is kept."""

    def draft(self, message_id: str) -> Draft: ...

    async def read(self, message: Message, content: bytes | None) -> Slices:
        """The accepted content: what the row has of it, or else that of its file.

        Raises DamagedBody if it is not what was accepted, StoreUnavailable if unreadable.
        """


class SpooledFiles(Protocol):
    """Large content. Both raise StoreUnavailable."""

    async def listed(self) -> tuple[str, ...]:
        """The messages that have one."""

    async def remove(self, message_ids: Collection[str]) -> None: ...


class KeptBodies(Bodies, SpooledFiles, Protocol):
    """All of it."""

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> int:
        """Before the first draft: puts aside what no stored message needs, and counts it. `known` says which of some messages
        have their content here.
        """


class ContentStore(SpooledFiles, Protocol):
    """Large content in the database, in pieces. All raise StoreUnavailable."""

    async def put(self, message_id: str, pieces: Iterable[bytes]) -> None:
        """All of it or nothing."""

    def pieces(self, message_id: str) -> AsyncIterator[bytes]:
        """In their order; none for what is not there."""

    async def strays(self, before: str) -> tuple[str, ...]:
        """Messages that were never stored, by identifiers below that, whose content is here."""
