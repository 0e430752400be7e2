"""What takes longer than a page may: begun by somebody, gone on with beside the pages, and looked at until it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from relay import journal
from relay.errors import RelayError, RightMissing
from relay.ports.clock import Clock
from relay.web.console.visits import Objection, Said

_REMEMBERED = 86400.0


@dataclass(slots=True)
class Chore:
    """Times are seconds since the epoch, `ended_at` 0.0 while it is under way. Then `said` is what came of it."""

    began_at: float
    ended_at: float = 0.0
    said: Said | None = None
    has_failed: bool = False


class Chores:
    """By their names, the last of each name, for a day. They end with the process: nothing needs one to come to its end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._chores: dict[str, Chore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, name: str, work: Callable[[], Awaitable[Said]]) -> None:
        """Raises Objection while one of that name is under way."""
        if self.is_under_way(name):
            raise Objection("This is under way already.")
        now = self._clock()
        self._chores = {key: each for key, each in self._chores.items() if not 0 < each.ended_at < now - _REMEMBERED}
        self._chores[name] = Chore(now)
        task = asyncio.create_task(self._run(self._chores[name], work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def of(self, name: str) -> Chore | None:
        """As it stands, None where there was none. A page asks before it reads what the chore changes: otherwise it may
        say that all is done, and show what was before.
        """
        chore = self._chores.get(name)
        return replace(chore) if chore else None

    def is_under_way(self, *names: str) -> bool:
        """Whether any of them is."""
        return any(chore is not None and not chore.ended_at for chore in map(self.of, names))

    async def stop(self) -> None:
        """What is under way is broken off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, chore: Chore, work: Callable[[], Awaitable[Said]]) -> None:
        chore.has_failed = True
        try:
            chore.said = await work()
            chore.has_failed = False
        except RelayError as error:
            chore.said = why(error)
        except Exception:
            journal.bug("a chore of the console failed")
            chore.said = Said("A fault of ours: the journal has it.")
        finally:
            chore.ended_at = self._clock()


def why(error: RelayError) -> Said:
    """What is said of a trouble that somebody can mend."""
    if isinstance(error, RightMissing):
        return Said("AWS does not let us: the right {right} is missing.", {"right": error.right})
    return Said("It could not be done: {why}", {"why": str(error)})
