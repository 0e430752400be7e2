"""The nodes on one database: what each tells the others, and hears of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from relay.ports.bodies import ContentStore
from relay.ports.ses import Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One relay. `hears`: whatever SES has published to it has come."""

    id: str
    name: str
    roles: tuple[str, ...]
    release: str
    started_at: float
    seen_at: float = 0.0
    hears: bool = True


class Roster(NamedTuple):
    """Those that are there, which of them leads, and those that were there without a sign of life for too long."""

    nodes: tuple[Node, ...]
    leader: str
    vanished: tuple[Node, ...] = ()


class Nodes(Protocol):
    """Who is there. All raise StoreUnavailable."""

    async def join(self, node: Node, *, now: float) -> None:
        """It is there, and has a number of its own under which it counts."""

    async def beat(self, node: Node, *, now: float, may_lead: bool) -> Roster:
        """A sign of life. Who may lead does so if nobody else does, and then finds out who has vanished."""

    async def leave(self, node: Node) -> None:
        """It stops in good order."""

    async def roster(self, *, now: float) -> Roster: ...


class Used(NamedTuple):
    """How often something that is limited has happened at one node in a period: what it is, to whom, and when that begins."""

    kind: str
    key: str
    period: int
    times: int


class UsageStore(Protocol):
    """All raise StoreUnavailable."""

    async def tell(self, node: str, used: Collection[Used], *, now: float) -> None:
        """In place of what this node told of the same."""

    async def heard(self, node: str, *, since: float) -> tuple[tuple[str, Used], ...]:
        """What others have told since then, each with its node."""

    async def forget(self, before: float) -> None:
        """Periods that began before that."""


class Wakes(Protocol):
    """Tells all nodes at once that something has become due. Nobody depends on it."""

    def announce(self) -> None:
        """Soon, and once for all that come together."""

    async def tell(self) -> None:
        """Does so, until cancelled."""

    async def listen(self) -> None:
        """Hears it of others, until cancelled."""


class SharedClock(Protocol):
    """The time of all nodes."""

    def __call__(self) -> float: ...

    async def look(self) -> None:
        """Raises StoreUnavailable."""


class Shared(Protocol):
    """What a store has that several nodes share."""

    @property
    def nodes(self) -> Nodes: ...
    @property
    def usage(self) -> UsageStore: ...
    @property
    def allowance(self) -> Allowance: ...
    @property
    def content(self) -> ContentStore: ...
    @property
    def clock(self) -> SharedClock: ...
    def wakes(self, heard: Callable[[], None]) -> Wakes: ...
