"""What a step needs of the store to say all that is kept of an address, and to erase it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from relay.erasure import ErasedAddress, Erasure, MarkedAddress
from relay.model import Message

Cursor = tuple[int, tuple[Any, ...] | None]
"""How far all that is kept was looked at: the kind, and the last key in it."""
BEGINNING: Cursor = (0, None)


class Record(NamedTuple):
    """One row about an address. Where it is of a delivery, `message` and what its row has of the content come with it."""

    kind: str
    facts: Mapping[str, Any]
    message: Message | None = None
    content: bytes | None = None


class Some(NamedTuple):
    """A part of all that is kept, which may be none of it, and where it goes on; None where it does not."""

    records: tuple[Record, ...]
    rest: Cursor | None


class Personal(Protocol):
    """Reads what is kept of an address. All raise StoreUnavailable."""

    async def some(self, address: str, after: Cursor) -> Some:
        """Looks at so many rows at a time that others can read meanwhile."""


class Waits(NamedTuple):
    """Of an address's deliveries: those that were cancelled, and those whose call has no end yet."""

    cancelled: int
    called: int


class Erasing(Protocol):
    """Erases in small steps; whatever breaks off, the same steps once more are right. All raise StoreUnavailable."""

    def cancel(self, address: str, *, now: float) -> AsyncIterator[Waits]:
        """Ends what waits to be sent to it."""

    async def reached(self, address: str) -> int:
        """How many mailings that are being made are just at it."""

    async def begin(self, erasure: Erasure, *, now: float) -> str:
        """Its mark. From now on only that keeps mail from it, and what is heard of it later is not kept."""

    def deliveries(self, address: str) -> AsyncIterator[Sequence[tuple[str, int]]]:
        """Those that have ended."""

    async def let_go(self, some: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        """The content of their messages, where nobody waits for it. Those whose files are to be removed next."""

    async def forget(self, some: Sequence[tuple[str, int]]) -> Mapping[str, int]:
        """All that is known of them, and of messages that were to nobody else. How much went, by kind."""

    def everything_else(self, address: str) -> AsyncIterator[tuple[str, int]]:
        """Removes it: of which kind, and how many."""

    async def end(self, address: str, mark: str, *, now: float) -> None:
        """All of it is gone. What has come to keep mail from it since `begin` stays as a mark as well."""

    async def erased(self) -> tuple[ErasedAddress, ...]:
        """The addresses that were erased, by their marks; the newest first."""


class Marked(Protocol):
    """What is known of erased addresses, to be kept beside backups. All raise StoreUnavailable."""

    def all(self) -> AsyncIterator[MarkedAddress]:
        """By their marks."""

    async def put(self, some: Sequence[MarkedAddress]) -> None:
        """In a store that may not know of them."""

    def addresses(self) -> AsyncIterator[frozenset[str]]:
        """The keys of all that anything is kept of, some after others and some more than once."""
