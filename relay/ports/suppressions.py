"""Who must not be mailed: our list, whole lists, and SES's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from relay.account_list import Errand, Listed, Place
from relay.suppression import Filter, Imported, PastChange, Reason, Release, Suppressed, Suppression


class Suppressions(Protocol):
    """Addresses that must not be mailed. All raise StoreUnavailable."""

    async def find(self, addresses: Collection[str]) -> Suppressed:
        """All entries of these."""

    async def add(self, suppression: Suppression) -> bool:
        """False if an entry of that reason was there already, for as long."""

    async def remove(self, release: Release) -> bool:
        """All that there is of the address in that scope. False if there was nothing."""

    async def listed(self, wanted: Filter, *, limit: int) -> tuple[Suppression, ...]:
        """The newest first; behind them what came with lists, the last list first."""

    def pages(self, wanted: Filter, *, now: float, after: str = "") -> AsyncIterator[tuple[Suppression, ...]]:
        """All whose time is not over, by address and behind the key of one, some at a time; what changes meanwhile may or may
        not be among them.
        """

    async def history(self, address: str) -> tuple[PastChange, ...]:
        """The oldest first."""


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
