"""Events out: facts become notices, and those are told, each webhook's at its own pace and each delivery's in their order.

At least once: what was taken is known only when that is in the store, and a relay that is killed before tells it again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

from relay import journal, metrics
from relay.courier import LOOK_SECONDS, Courier, Means, Pace
from relay.errors import StoreUnavailable
from relay.ports.notices import Standing, Waiting

_STEP = 500
_FORGET_SECONDS = 30.0
_COUNT_SECONDS = 15.0  # to count a million takes a tenth of one
_KEPT_REQUESTS = 1000


class Notifier:
    """On one node at a time."""

    def __init__(self, means: Means, pace: Pace) -> None:
        self._means = means
        self._pace = pace
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._counted_at = self._forgotten_at = -math.inf  # of the loop's time

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    is_behind = await self._look()
                except StoreUnavailable as error:
                    is_behind = False
                    journal.trouble("webhooks cannot be told", error)
                await asyncio.sleep(0 if is_behind else LOOK_SECONDS)
        finally:
            for _, task in self._couriers.values():
                task.cancel()
            await asyncio.gather(*(task for _, task in self._couriers.values()), return_exceptions=True)
            _show((), {})

    async def _look(self) -> bool:
        """Whether there are more facts than were spread now. Who was there when a fact became known is told it: so webhooks are
        looked at after facts.
        """
        after, upto, facts = await self._means.notices.unread(count=_STEP)
        standings = await self._means.webhooks.all()
        if upto > after:
            found = [(each.webhook.name, fact) for fact in facts for each in standings if each.webhook.wants(fact)]
            await self._means.notices.spread(after, upto, found, at=self._means.clock())
        self._employ(standings)
        for courier, _ in self._couriers.values():
            courier.wake.set()
        await self._count(standings)
        await self._forget()
        return len(facts) == _STEP

    def _employ(self, standings: Sequence[Standing]) -> None:
        """A courier for each that may be told, by what is known of it now."""
        active = {each.webhook.name: each for each in standings if each.is_active}
        for name in list(self._couriers):
            courier, task = self._couriers[name]
            if name not in active or courier.webhook != active[name].webhook or task.done():
                self._dismiss(name)
        for name, standing in active.items():
            if name not in self._couriers:
                courier = Courier(standing, self._means, self._pace)
                self._couriers[name] = courier, asyncio.create_task(courier.run(), name=f"webhook {name}")

    def _dismiss(self, name: str) -> None:
        _, task = self._couriers.pop(name)
        if task.done() and not task.cancelled() and (error := task.exception()):
            journal.trouble(f"the webhook {name} cannot be told", error)
        task.cancel()

    async def _count(self, standings: Sequence[Standing]) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._counted_at > _COUNT_SECONDS:
            self._counted_at = now
            _show(standings, await self._means.webhooks.waiting() if standings else {})

    async def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._forgotten_at > _FORGET_SECONDS:
            before = self._means.clock() - self._pace.kept
            forgotten = await self._means.notices.forget(before=before, last=_KEPT_REQUESTS)
            for name, count in forgotten.items():
                journal.notices_dropped(webhook=name, count=count, why="it was not told in time")
            self._forgotten_at = now if not forgotten else -math.inf


def _show(standings: Sequence[Standing], waiting: Mapping[str, Waiting]) -> None:
    for gauge in (metrics.webhook_waiting, metrics.webhook_disabled):
        gauge.clear()
    for each in standings:
        name = each.webhook.name
        metrics.webhook_disabled.labels(name).set(bool(each.disabled))
        metrics.webhook_waiting.labels(name).set(waiting[name].count if name in waiting else 0)
