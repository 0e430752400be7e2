"""Who must not be mailed: our list, whole lists, and SES's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from relay.account_list import Errand, Listed, Place
from relay.event import EventType
from relay.suppression import Filter, Imported, PastChange, Reason, Release, Sought, Suppressed, Suppression


class Spot(NamedTuple):
    """A place in the list of the newest: behind the entry of this key. `import_id` is 0 where it came with no list."""

    import_id: int
    created_at: float
    key: str
    scope: str
    reason: str


class Newest(NamedTuple):
    """Some of the list, and where it goes on; None where it does not."""

    entries: tuple[Suppression, ...]
    rest: Spot | None


class Suppressions(Protocol):
    """Addresses that must not be mailed. All raise StoreUnavailable."""

    async def find(self, addresses: Collection[str]) -> Suppressed:
        """All entries of these."""

    async def add(self, suppression: Suppression) -> bool:
        """False if an entry of that reason was there already, for as long."""

    async def remove(self, release: Release) -> bool:
        """All that there is of the address in that scope. False if there was nothing."""

    async def newest(self, wanted: Sought, *, behind: Spot | None, count: int) -> Newest:
        """Up to so many in the order of `listed`, from the beginning or behind a spot. It looks at a part of a long list at a
        time, and may find fewer, or none, where there are more.
        """

    async def listed(self, wanted: Filter, *, limit: int) -> tuple[Suppression, ...]:
        """The newest first; behind them what came with lists, the last list first."""

    def pages(self, wanted: Filter, *, now: float, after: str = "") -> AsyncIterator[tuple[Suppression, ...]]:
        """All whose time is not over, by address and behind the key of one, some at a time; what changes meanwhile may or may
        not be among them.
        """

    async def history(self, address: str) -> tuple[PastChange, ...]:
        """The oldest first."""


class Told(NamedTuple):
    """What SES said of an address: what, by our class of it, when, in which words, and the id of our delivery; "" for none."""

    type: EventType
    found: str
    at: float
    detail: str
    delivery_id: str


class AtSes(NamedTuple):
    """What is known of an address on SES's own list: as it is written there, and whether the relay has still to put it there,
    or to delete it.
    """

    spellings: tuple[str, ...]
    is_to_come: bool
    is_to_go: bool


class Provenance(Protocol):
    """Where the entries of an address come from. All raise StoreUnavailable."""

    async def deliveries(self, ses_message_ids: Collection[str]) -> Mapping[str, str]:
        """The ids of our deliveries, by SES's ids of what it was sent; of what we do not know nothing."""

    async def told(self, address: str, *, count: int) -> tuple[Told, ...]:
        """The last so many, the newest first."""

    async def at_ses(self, address: str) -> AtSes: ...


class SortedList(Protocol):
    """Entries that are put in any order and taken by address, kept on the disk. All of it in one thread."""

    def put(self, entry: Suppression) -> None: ...
    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[list[Suppression]]:
        """So many at once, or fewer."""

    def close(self) -> None:
        """It is gone."""


class Imports(Protocol):
    """Whole lists at once: nothing of one counts before all of it does."""

    async def take(self, batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool, now: float) -> Imported:
        """In small steps, and one list after the other. Who was removed since stays so, unless it is `again`.

        Whatever ends it before its time leaves nothing that counts. Raises StoreUnavailable, and what `batches` raises.
        """


class AccountList(Protocol):
    """SES's own suppression list. Each is one request, and raises SesUnavailable."""

    async def page(self, *, since: float, token: str) -> tuple[tuple[Listed, ...], str]:
        """Some that were put there since, and the token of the page behind it; "" where there is none."""

    async def put(self, address: str, reason: Reason) -> None: ...

    async def delete(self, address: str) -> bool:
        """False if it was not there, written like this."""


class AccountListStore(Protocol):
    """What is known of SES's own list, and what is to be done there. All raise StoreUnavailable."""

    async def known_until(self) -> float:
        """0.0 before the first time."""

    async def know_until(self, at: float) -> None: ...

    async def learn(self, page: Sequence[Listed], *, now: float, dry: bool) -> int:
        """How many of these are new on ours; who was removed after SES listed him is none of them."""

    async def missing(self, after: Place) -> tuple[tuple[Suppression, ...], Place]:
        """Those of some of ours that belong there and are not, and where the next ones begin; at the beginning, if these were
        the last."""

    async def queue(self, missing: Sequence[Suppression]) -> int:
        """They are to be put there."""

    async def due(self, now: float) -> Errand | None:
        """The first thing that is to be done."""

    async def done(self, errand: Errand, *, now: float, in_vain: bool = False) -> None: ...
    async def postpone(self, errand: Errand, *, until: float) -> None: ...
