"""What readers do by the links in their mail: by a page, by one click of their mailbox provider, by mail."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum

from relay import journal
from relay.errors import UnknownLink
from relay.links import Addressee, Linker
from relay.ports.clock import Clock
from relay.ports.links import LinkStore
from relay.tokens import Kind


class By(StrEnum):
    """How somebody said it."""

    PAGE = "page"
    ONE_CLICK = "one click"  # RFC 8058
    MAIL = "mail"


class Unsubscribing:
    """All raise StoreUnavailable; then nothing has changed."""

    def __init__(self, *, linker: Linker, store: LinkStore, clock: Clock) -> None:
        self._linker = linker
        self._store = store
        self._clock = clock

    async def whom(self, token: str) -> Addressee:
        """Whose link it is. Raises UnknownLink."""
        whom = await self._store.addressee(self._linker.opened(token, Kind.UNSUBSCRIBE))
        if whom is None:
            raise UnknownLink
        return whom

    async def has_left(self, whom: Addressee) -> bool:
        """Whether he gets no more such mail because he said so."""
        return await self._store.has_left(whom, now=self._clock())

    async def leave(self, whom: Addressee, by: By) -> None:
        if await self._store.leave(whom, at=self._clock()):
            journal.unsubscribed(id=whom.delivery_id, address=whom.address, scope=whom.scope, by=by)

    async def leave_by_mail(self, token: str) -> None:
        """A token that we have not made changes nothing: anybody may write to us."""
        with suppress(UnknownLink):
            await self.leave(await self.whom(token), By.MAIL)

    async def come_back(self, whom: Addressee) -> None:
        """Who comes back to a list wants mail of that login."""
        for scope in dict.fromkeys((whom, replace(whom, list=""))):
            if await self._store.come_back(scope, at=self._clock()):
                journal.subscribed_again(id=whom.delivery_id, address=whom.address, scope=scope.scope)

    async def lists(self, whom: Addressee) -> Mapping[str, bool]:
        """The lists of that login whose mail reached him, and whether it still may."""
        return await self._store.lists(whom, now=self._clock())

    async def choose(self, whom: Addressee, wanted: Mapping[str, bool]) -> None:
        """Leaves some of those lists, and comes back to others: who wants one wants mail of that login."""
        known = await self.lists(whom)
        chosen = {name: wants for name, wants in wanted.items() if name in known}
        for name, wants in chosen.items():
            list_of_his = replace(whom, list=name)
            await (self.come_back(list_of_his) if wants else self.leave(list_of_his, By.PAGE))
