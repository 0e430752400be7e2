"""Keeps what SES says of our senders: asks it on a schedule, and when told to. What fails changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from relay import journal, metrics
from relay.errors import SesUnavailable, StoreUnavailable
from relay.identities import Identities, Identity, IdentityState, KnownIdentities, detailed, merged
from relay.ports.clock import Clock
from relay.ports.ses import IdentityStore, SesIdentities

_LOOKS = 50
_PAUSE = 1.1  # seconds; the API takes one request a second


class IdentitySync:
    """All are asked for by one at a time. `identities` has what is known, from `restore` on; `pause` is in seconds."""

    def __init__(self, *, ses: SesIdentities, store: IdentityStore, clock: Clock, pause: float = _PAUSE) -> None:
        self.identities = Identities()
        self._ses = ses
        self._store = store
        self._clock = clock
        self._pause = pause
        self._turn = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._told: set[str] = set()

    async def restore(self) -> None:
        """What was known when the relay stopped. Raises StoreUnavailable."""
        if known := await self._store.known():
            self._learn(known)

    async def run(self, *, every: float, chance: Callable[[], float]) -> None:
        """Now, and every so many seconds, spread by 10 %, until cancelled."""
        while True:
            try:
                await self.once()
            except (SesUnavailable, StoreUnavailable) as error:
                self._tell(error)
            await asyncio.sleep(every * (0.9 + 0.2 * chance()))

    async def follow(self, *, every: float) -> None:
        """What another node has found out, every so many seconds, until cancelled."""
        mark: object = None
        while True:
            await asyncio.sleep(every)
            with suppress(StoreUnavailable):
                before, mark = mark, await self._store.mark()
                if mark != before:
                    await self.restore()

    async def once(self) -> KnownIdentities:
        """Asks SES for all of them: what it lists is obeyed at once. Raises SesUnavailable or StoreUnavailable."""
        async with self._turn:
            known = await self._list()
            known = await self._keep_details(await self._in_detail(known.identities))
        journal.identities_synced(**_counts(known.identities))
        return known

    async def look(self, name: str) -> Identity | None:
        """Asks SES for the list, and for the rest of this one alone; None where it does not list it. Waits for nobody's turn.

        Raises SesUnavailable or StoreUnavailable.
        """
        known = await self._list()
        found = next((identity for identity in known.identities if identity.name.lower() == name.lower()), None)
        if found:
            known = await self._keep_details({found.name: await self._look(found)})
        return next((identity for identity in known.identities if found and identity.name == found.name), None)

    async def _list(self) -> KnownIdentities:
        async with self._writing:
            known = merged(await self._ses.all(), self.identities.known, at=self._clock())
            await self._keep(known)
        return known

    async def _keep_details(self, looked: Mapping[str, Identity]) -> KnownIdentities:
        """Beside what is known of them by now."""
        async with self._writing:
            assert self.identities.known  # they were listed before
            known = detailed(self.identities.known, looked)
            await self._keep(known)
        return known

    async def _in_detail(self, listed: Collection[Identity]) -> dict[str, Identity]:
        """Asks for each of those that were asked for longest ago."""
        found: dict[str, Identity] = {}
        longest_ago = sorted(listed, key=lambda identity: identity.looked_at)[:_LOOKS]
        try:
            for identity in longest_ago:
                found[identity.name] = await self._look(identity)
            self._told.clear()
        except SesUnavailable as error:  # the list was enough to judge by
            self._tell(error)
        return found

    async def _look(self, identity: Identity) -> Identity:
        """After a pause: something else was asked before."""
        await asyncio.sleep(self._pause)
        return await self._ses.look(identity)

    async def _keep(self, known: KnownIdentities) -> None:
        before = self.identities.known
        self._learn(known)
        if before:
            _tell_changes(before.identities, known.identities)
        await self._store.put(known)

    def _learn(self, known: KnownIdentities) -> None:
        self.identities.learn(known)
        metrics.identities_synced.set(known.at)
        for state, count in _counts(known.identities).items():
            metrics.identities.labels(state).set(count)

    def _tell(self, error: SesUnavailable | StoreUnavailable) -> None:
        """Once for each kind of trouble, until all is well."""
        kind = error.kind if isinstance(error, SesUnavailable) else type(error).__name__
        if kind not in self._told:
            self._told.add(kind)
            journal.trouble("the identities at SES cannot be read", error)


def _counts(identities: Collection[Identity]) -> dict[str, int]:
    counted = Counter(identity.state for identity in identities)
    return {str(state): counted[state] for state in IdentityState}


def _tell_changes(before: Collection[Identity], now: Collection[Identity]) -> None:
    was = {identity.name: str(identity.state) for identity in before}
    states = {identity.name: str(identity.state) for identity in now}
    for name in sorted(was.keys() | states.keys()):
        if was.get(name) != states.get(name):
            journal.identity_changed(name=name, was=was.get(name, ""), state=states.get(name, ""))
