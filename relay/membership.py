"""One node among others on the same database: a sign of life every two seconds, and a turn to do the chores of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from relay import journal
from relay.errors import StoreUnavailable
from relay.listening import Listening
from relay.ports.nodes import Node, Nodes, Roster, SharedClock
from relay.steady import SteadyClock

_EVERY = 2.0
_FAREWELL = 3.0
_TRUSTED_FOR = 8.0  # seconds after which it leads no more: others may from the tenth on

Chore = Callable[[], Coroutine[Any, Any, None]]


class Membership(Protocol):
    """Whether and when the chores of all are this node's."""

    async def lead(self, chore: Chore) -> None:
        """Does it whenever it is this node's turn, until cancelled. Raises what the chore raises."""

    @property
    def hears(self) -> Callable[[float], bool]:
        """Whether by now whatever SES has published has come, to all nodes."""


class Alone:
    """Implements Membership for the only relay there is."""

    def __init__(self, hears: Callable[[float], bool]) -> None:
        self.hears = hears

    async def lead(self, chore: Chore) -> None:
        await chore()


class OneOfMany:
    """Implements Membership for one of several, from `join` to `leave`. Nobody waits for its turn who may not lead."""

    def __init__(
        self,
        *,
        nodes: Nodes,
        node: Node,
        time: SharedClock,
        clock: SteadyClock,
        monotonic: Callable[[], float],
        hears: Callable[[float], bool],
        listening: Listening,
        may_lead: bool,
    ) -> None:
        self._nodes = nodes
        self._node = node
        self._time = time
        self._clock = clock
        self._monotonic = monotonic
        self._hears = hears
        self._listening = listening
        self._may_lead = may_lead
        self._roster = Roster((), "")
        self._leads, self._follows = asyncio.Event(), asyncio.Event()
        self._follows.set()
        self._end: asyncio.TimerHandle | None = None
        self._is_told = False

    async def join(self) -> None:
        """Raises StoreUnavailable."""
        await self._nodes.join(self._node, now=self._clock())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.beat()
                self._is_told = False
            except StoreUnavailable as error:
                if not self._is_told:
                    journal.trouble("this node cannot be heard by the others", error)
                self._is_told = True
            await asyncio.sleep(_EVERY)

    async def beat(self) -> None:
        """One sign of life, and what comes of it. Raises StoreUnavailable."""
        await self._time.look()
        began, now = self._monotonic(), self._clock()
        node = replace(self._node, hears=self._hears(now))
        roster = await self._nodes.beat(node, now=now, may_lead=self._may_lead)
        self._learn(roster)
        self._trust(began)
        if not self._leads.is_set():  # the leader moves what waits, and then his clock
            self._follow()

    async def leave(self) -> None:
        """In good order: nobody need wait until it has vanished."""
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._nodes.leave(self._node)
        except (StoreUnavailable, TimeoutError) as error:
            journal.trouble("the other nodes were not told of the stop", error)

    async def lead(self, chore: Chore) -> None:
        while True:
            await self._leads.wait()
            work = asyncio.ensure_future(chore())
            deposed = asyncio.ensure_future(self._follows.wait())
            try:
                await asyncio.wait({work, deposed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                is_done = work.done()
                for task in (work, deposed):
                    task.cancel()
                await asyncio.gather(work, deposed, return_exceptions=True)
            if is_done:
                return work.result()

    def hears(self, now: float) -> bool:
        return self._hears(now) and all(node.hears for node in self._roster.nodes)

    def _follow(self) -> None:
        if self._clock.jump():
            self._listening.begin_anew(self._time())
        self._clock.follow()

    def _learn(self, roster: Roster) -> None:
        for node in roster.vanished:  # an event may have been on its way through it
            journal.node_vanished(name=node.name)
            self._listening.begin_anew(self._clock())
        self._roster = roster
        self._lead(roster.leader == self._node.id)

    def _trust(self, since: float) -> None:
        """Who leads does so no more after a while without an answer, also where he still waits for one."""
        if self._end:
            self._end.cancel()
        left = _TRUSTED_FOR - (self._monotonic() - since)
        self._end = asyncio.get_running_loop().call_later(left, self._lead, False)

    def _lead(self, leads: bool) -> None:
        if leads != self._leads.is_set():
            journal.leads(name=self._node.name, leads=leads)
        (self._leads, self._follows)[not leads].set()
        (self._leads, self._follows)[leads].clear()
