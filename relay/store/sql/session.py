"""What the verbs of the store see of a database, whichever it is.

Statements are in the SQL that SQLite and PostgreSQL share, with `?` and `:name` for values; what they do not share is in the
few words that a database's own module translates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from relay.erasure import Marks
from relay.errors import StoreUnavailable

Values = Sequence[Any] | Mapping[str, Any]

LOCK = "SELECT ?"
"""Whoever else locks that text waits until this transaction is over. Nobody else writes to SQLite: there it does nothing."""

F = TypeVar("F", bound=Callable[..., Any])


def beside_others(verb: F) -> F:
    """A verb that is right also while other nodes run such verbs at the same time: it locks what it reads and then changes. All
    others are alone in the database as long as they take.
    """
    verb.is_beside_others = True  # type: ignore[attr-defined]
    return verb


def short(verb: F) -> F:
    """A verb of few statements, each by an index and of few rows, however much the tables hold: where these wait for nobody, it
    is not worth a thread.
    """
    verb.is_short = True  # type: ignore[attr-defined]
    return verb


def changes(deliveries: Callable[[Any], Iterable[str]]) -> Callable[[F], F]:
    """A verb that changes these for an item. All that the verbs of a transaction change are locked before it does anything, in
    one order: two nodes that wait for each other's would be found out, and one of them thrown back, only after a second.
    """

    def mark(verb: F) -> F:
        verb.changes = deliveries  # type: ignore[attr-defined]
        return verb

    return mark


class Cursor(Protocol):
    """What a statement gave. `rowcount` is how many rows it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Session(Protocol):
    """A connection within a transaction. Raises the database's own errors."""

    @property
    def writer(self) -> int:
        """The number of this node among those that write: what all change often each counts in rows of its own."""

    @property
    def marks(self) -> Marks:
        """By what erased addresses are known."""

    def execute(self, query: str, values: Values = (), /) -> Cursor: ...

    def executemany(self, query: str, rows: Iterable[Values], /) -> object: ...

    def each(self, query: str, rows: Iterable[Values], /) -> list[Cursor]:
        """What the statement gave for each, one after the other; where the database is far off, with one journey for all."""


class Database(Session, Protocol):
    """The connection that writes, between transactions and in them. Belongs to one thread at a time."""

    @property
    def is_alone(self) -> bool:
        """No other node writes to it, and between BEGIN and COMMIT its statements wait for nobody."""

    def begin(self, *, lazily: bool, alone: bool, patiently: bool) -> None:
        """Raises the database's own errors. `lazily`: the commit need not survive a power cut by itself. `alone`: nobody else
        may write meanwhile. `patiently`: who writes now is waited for.
        """

    def lock(self, deliveries: Sequence[str]) -> None:
        """Nobody else changes them until the transaction is over. Raises the database's own errors."""

    def commit(self) -> None:
        """All of it is kept from now on. Raises the database's own errors."""

    def rollback(self) -> None:
        """Raises nothing."""

    def stands(self) -> bool:
        """Whether there is still a transaction: an error may have ended it."""

    def refusal(self, error: Exception) -> Exception:
        """What an item hears whose fault the error may be."""

    def outage(self, error: Exception) -> StoreUnavailable:
        """What all hear whose transaction the error has ended."""

    def is_worth_repeating(self, error: Exception) -> bool:
        """The same transaction may come through the next time: others were in its way."""

    def is_final(self, error: Exception) -> bool:
        """Nothing is tried once more: it would take as long again, or do again what may be done."""

    def make_room(self) -> None:
        """After the disk was full."""

    def close(self) -> None: ...


class Reader(Protocol):
    """Looks without changing anything."""

    async def rows(self, query: str, values: Values = (), /) -> list[Any]:
        """Raises StoreUnavailable."""

    async def close(self) -> None: ...
