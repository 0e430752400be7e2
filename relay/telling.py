"""Reports what stands to the store, where all nodes see it, and tells of it: one node does, by each way at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

from relay import journal, metrics, standing
from relay.alarm import Alarm, Kind, Level, Stands
from relay.errors import StoreUnavailable
from relay.lookout import OWN, Lookout
from relay.ports.alarms import AlarmStore
from relay.ports.clock import Clock
from relay.standing import News, Pace, Seen, State, Way
from relay.tellers import NotTold, Teller

_EVERY = 10.0
_LONGEST_REST = 300.0
_KEPT = 86400.0  # seconds for which it is tried to tell that something is over
_COMMON = frozenset(Kind) - OWN - {Kind.TEST}


class Telling:
    """`report` on each node, and `tell` on the one that does the chores of all. `node` is for people, and empty where there is
    but one; `monotonic` are seconds.
    """

    def __init__(
        self,
        *,
        lookout: Lookout,
        store: AlarmStore,
        tellers: Iterable[Teller],
        pace: Pace,
        node: str,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._lookout = lookout
        self._store = store
        self._tellers = {teller.way: teller for teller in tellers}
        self._pace = pace
        self._node = node
        self._clock = clock
        self._monotonic = monotonic
        self._every = min(_EVERY, pace.after)
        self._rests: dict[Way, tuple[float, float]] = {}  # until when, and for how long
        self._unanswered = _Unanswered(self._tellers.get(Way.WEBHOOK), pace.after, node)

    async def report(self) -> None:
        """What this node sees by itself, until cancelled."""
        while True:
            now = self._clock()
            seen = self._lookout.own(now)
            try:
                await self._put(self._node, seen, now)
                await self._unanswered.answers(now)
            except StoreUnavailable:
                await self._unanswered.is_silent(now, self._monotonic())
            _show((*seen.alarms, *self._unanswered.alarms), OWN)
            await asyncio.sleep(self._every)

    async def tell(self) -> None:
        """What all nodes see, until cancelled."""
        self._lookout.leads = True
        began = self._monotonic()
        try:
            while True:
                with suppress(StoreUnavailable):  # who reports tells of it
                    await self._look(has_led_for=self._monotonic() - began)
                await asyncio.sleep(self._every)
        finally:
            self._lookout.leads = False
            _show((), _COMMON)

    async def _look(self, *, has_led_for: float) -> None:
        """Raises StoreUnavailable."""
        now = self._clock()
        seen = await self._lookout.common(now)
        _show(seen.alarms, _COMMON)
        await self._put("", seen, now)
        known = await self._store.all()
        unseen = now - self._pace.after - self._every
        have_spoken = has_led_for >= self._pace.after and self._lookout.jumped_at <= unseen  # all nodes, by the clock of now
        if have_spoken and any(each.seen_at < unseen for each in known):
            await self._store.end(unseen_since=unseen, now=now)
            known = await self._store.all()
        for way in self._tellers:
            await self._tell(way, known, now)
        if any(each.over_at for each in known):
            await self._store.forget(over_before=now - _KEPT)

    async def _put(self, node: str, seen: Seen, now: float) -> None:
        """Nothing is written where nothing stands and nothing did. Raises StoreUnavailable."""
        told = [each for each in seen.alarms if each.level > Level.NOTE]
        known = await self._store.all()
        if told or any(each.alarm.kind in seen.unknown for each in known):
            await self._store.report(node, told, unknown=seen.unknown, now=now)

    async def _tell(self, way: Way, known: Sequence[Stands], now: float) -> None:
        """Raises StoreUnavailable."""
        until, rest = self._rests.get(way, (0.0, self._every))
        some = standing.news(known, way, self._pace, now=now)
        if not some or self._monotonic() < until:
            return
        try:
            if await self._tellers[way].tell(some):
                await self._store.told(way, [each.stands for each in some], at=now)
                self._rests.pop(way, None)
        except NotTold as error:
            await self._rest(way, rest, some, str(error))

    async def _rest(self, way: Way, rest: float, some: Sequence[News], why: str) -> None:
        if way not in self._rests:
            journal.alarms_untold(way=way, why=why)
        self._rests[way] = (self._monotonic() + rest, min(2 * rest, _LONGEST_REST))
        await self._store.failed([each.stands for each in some], f"{way}: {why}")


class _Unanswered:
    """The store itself, of which nothing can be told by way of it: each node tells its own webhook."""

    def __init__(self, teller: Teller | None, after: float, node: str) -> None:
        self._teller = teller
        self._after = after
        self._node = node
        self._since: tuple[float, float] | None = None  # of the clock, and of the even one
        self._is_told = False
        self.alarms: tuple[Alarm, ...] = ()

    async def is_silent(self, now: float, monotonic: float) -> None:
        """It did not answer."""
        self._since = self._since or (now, monotonic)
        began, since = self._since
        self.alarms = (standing.alarm(Kind.STORE, Level.CRITICAL),)
        if not self._is_told and monotonic - since >= self._after:
            self._is_told = await self._tell(State.BEGINS, began, 0.0)

    async def answers(self, now: float) -> None:
        """It does."""
        self.alarms = ()
        if self._is_told and self._since:
            self._is_told = not await self._tell(State.OVER, self._since[0], now)
        if not self._is_told:
            self._since = None

    async def _tell(self, state: State, began: float, over: float) -> bool:
        stands = Stands(
            alarm=standing.alarm(Kind.STORE, Level.CRITICAL),
            node=self._node,
            began_at=began,
            seen_at=began,
            over_at=over,
            journal_at=0.0,
            webhook_at=0.0,
            mail_at=0.0,
            failure="",
        )
        try:
            return self._teller is None or await self._teller.tell([News(stands, state)])
        except NotTold:
            return False


def _show(alarms: Iterable[Alarm], kinds: Collection[Kind]) -> None:
    told = [each.kind for each in alarms if each.level > Level.NOTE]
    for kind in kinds:
        metrics.alarm.labels(kind).set(told.count(kind))
