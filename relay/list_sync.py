"""Keeps our list and SES's own alike: what is new there comes in, and what is to be done there is done, a request a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from relay import address, journal
from relay.account_list import BEGINNING, UNTIL_LISTED, Errand, Listed, ListSync
from relay.errors import SesUnavailable, StoreUnavailable
from relay.ports.clock import Clock
from relay.ports.suppressions import AccountList, AccountListStore

_PAUSE = 1.1  # seconds; the API takes one request a second
_LOOK_SECONDS = 5.0
_SLACK = 3600.0  # SES's clock and ours, and what it lists late
_MOST_QUEUED = 1000
_MOST_PAGES = 10_000  # what goes on and on is not SES
_HOPELESS = frozenset({"BadRequestException", "InvalidParameterValue", "ParamValidationError"})


class SuppressionSync:
    """One comparison at a time, whoever asks. Ours are put there if it `pushes`; `pause` is in seconds. Where nobody
    `compares` regularly nothing waits until it is found there.
    """

    def __init__(
        self,
        *,
        ses: AccountList,
        store: AccountListStore,
        clock: Clock,
        pushes: bool,
        compares: bool = True,
        pause: float = _PAUSE,
    ) -> None:
        self._ses = ses
        self._store = store
        self._clock = clock
        self._pushes = pushes
        self._compares = compares
        self._pause = pause
        self._comparing = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._after = BEGINNING
        self._told: set[str] = set()

    async def run(self, *, every: float, chance: Callable[[], float]) -> None:
        """Now, and every so many seconds, spread by 10 %, until cancelled."""
        while True:
            try:
                await self.once()
                self._told.clear()
            except (SesUnavailable, StoreUnavailable) as error:
                self._tell(error)
            await asyncio.sleep(every * (0.9 + 0.2 * chance()))

    async def once(self, *, dry: bool = False) -> ListSync:
        """Compares both. Where it is `dry` nothing is changed, and all of SES's list is looked at.

        Raises SesUnavailable or StoreUnavailable.
        """
        async with self._comparing:
            began, since, listed, added = self._clock(), 0.0 if dry else await self._store.known_until(), set[str](), 0
            async for page in self._pages(max(0.0, since - _SLACK)):
                added += await self._store.learn(page, now=began, dry=dry)
                listed.update(address.key(each.address) for each in page)
            if not dry:
                await self._store.know_until(began)
            queued = await (self._count_missing(listed) if dry else self._queue_missing())
        done = ListSync(listed=len(listed), added=added, queued=queued)
        if not dry:
            journal.list_synced(listed=done.listed, added=done.added, queued=done.queued)
        return done

    async def _pages(self, since: float) -> AsyncIterator[tuple[Listed, ...]]:
        token = ""
        for _ in range(_MOST_PAGES):
            async with self._turn():
                page, token = await self._ses.page(since=since, token=token)
            yield page
            if not token:
                return
        raise SesUnavailable("endless", "ListSuppressedDestinations has no last page")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One request, whatever comes of it, and the pause behind it."""
        async with self._asking:
            try:
                yield
            finally:
                await asyncio.sleep(self._pause)

    async def _queue_missing(self) -> int:
        """Goes on where it was the last time, until there is enough to do for now or all was looked at."""
        queued = 0
        while self._pushes and queued < _MOST_QUEUED:
            missing, self._after = await self._store.missing(self._after)
            queued += await self._store.queue(missing)
            if self._after == BEGINNING:
                break
        return queued

    async def _count_missing(self, listed: set[str]) -> int:
        count, after = 0, BEGINNING
        while self._pushes:
            missing, after = await self._store.missing(after)
            count += sum(address.key(entry.address) not in listed for entry in missing)
            if after == BEGINNING:
                break
        return count

    async def work(self) -> None:
        """Does what is to be done at SES, one thing after the other, until cancelled."""
        while True:
            try:
                is_idle = not await self.work_once()
            except StoreUnavailable as error:
                self._tell(error)
                is_idle = True
            await asyncio.sleep(_LOOK_SECONDS if is_idle else 0)

    async def work_once(self) -> bool:
        """The errand that is due first; False where none is. What SES does not take is tried again later, or given up."""
        errand = await self._store.due(self._clock())
        if errand is None:
            return False
        try:
            if await self._do(errand):
                await self._store.done(errand, now=self._clock())
                journal.list_errand_done(address=errand.address, reason=errand.reason or "")
            elif self._compares:
                await self._store.postpone(errand, until=UNTIL_LISTED)
            else:  # nobody compares: nothing will ever tell
                await self._store.done(errand, now=self._clock(), in_vain=True)
        except SesUnavailable as error:
            self._tell(error)
            if error.kind in _HOPELESS:
                await self._store.done(errand, now=self._clock(), in_vain=True)
            else:
                await self._store.postpone(errand, until=self._clock() + errand.wait)
        return True

    async def _do(self, errand: Errand) -> bool:
        """False where nothing was there to be deleted. Each way in which it is written is another address to SES."""
        if errand.reason:
            async with self._turn():
                await self._ses.put(errand.address, errand.reason)
            return True
        was_there = False
        for spelling in dict.fromkeys((errand.address, *errand.spellings, address.key(errand.address))):
            async with self._turn():
                was_there = await self._ses.delete(spelling) or was_there
        return was_there

    def _tell(self, error: SesUnavailable | StoreUnavailable) -> None:
        """Once for each kind of trouble, until a comparison succeeds."""
        kind = error.kind if isinstance(error, SesUnavailable) else type(error).__name__
        if kind not in self._told:
            self._told.add(kind)
            journal.trouble("the suppression list at SES cannot be kept like ours", error)
