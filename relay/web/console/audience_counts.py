"""Whom mailings would reach, counted beside the pages: a million contacts take seconds."""

from __future__ import annotations

from relay.mailing import Reach
from relay.ports.clock import Clock
from relay.ports.tasks import Tasks
from relay.web.console.chores import Chores
from relay.web.console.visits import Said


class AudienceCounts:
    """One at a time of each mailing."""

    def __init__(self, *, tasks: Tasks, chores: Chores, clock: Clock) -> None:
        self._tasks = tasks
        self._chores = chores
        self._clock = clock
        self._wanted = set[int]()

    def begin(self, task_id: int) -> None:
        """Once more, where it is being counted: it may have been changed since."""

        async def count() -> Said:
            reach = Reach()
            while task_id in self._wanted:
                self._wanted.discard(task_id)
                reach = await self._tasks.reach(task_id, now=self._clock())
            return Said("{count} contacts.", {"count": reach.contacts})

        self._wanted.add(task_id)
        if not self.is_under_way(task_id):
            self._chores.begin(_name(task_id), count)

    def is_under_way(self, task_id: int) -> bool:
        """Whether it is being counted."""
        return self._chores.is_under_way(_name(task_id))


def _name(task_id: int) -> str:
    return f"audience of {task_id}"
