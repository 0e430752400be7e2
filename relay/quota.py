"""How many messages each credential has had accepted in this minute and on this day (UTC), and how many it may.

A message to several is as many. The last one may be to more than are left: refused, it would be so for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from relay import journal
from relay.credential import Credential
from relay.errors import TooManyMessages

_MINUTE, _DAY = 60, 86400


class Quota:
    """`clock` are seconds since the epoch; `per_minute` and `per_day` are for credentials that have no numbers of their own.
    `tell` hears how many messages of a credential there are more, and fewer where they were not accepted after all.
    """

    def __init__(
        self, *, clock: Callable[[], float], per_minute: int, per_day: int, tell: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._per_day = per_day
        self._tell = tell
        self._minute = self._day = -1
        self._this_minute: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._told: set[tuple[str, str]] = set()

    def restore(self, today: Mapping[str, int]) -> None:
        """What was accepted today before this process began."""
        self._turn()
        self._today.update(today)

    def check(self, credential: Credential) -> None:
        """Raises TooManyMessages."""
        self._turn()
        if self._this_minute[credential.name] >= (credential.per_minute or self._per_minute):
            self._refuse(credential, "minute")
        if self._today[credential.name] >= (credential.per_day or self._per_day):
            self._refuse(credential, "day")

    def take(self, credential: Credential, count: int = 1) -> None:
        """So many messages more, to be given back if they are not accepted. Raises TooManyMessages."""
        self.check(credential)
        self._told.discard((credential.name, "day"))  # it was given more since
        self._this_minute[credential.name] += count
        self._today[credential.name] += count
        self._tell(credential.name, count)

    def give_back(self, credential: Credential, count: int = 1) -> None:
        """Where a new minute or day has begun meanwhile there may be nothing left to take away."""
        self._add(credential.name, -count)
        self._tell(credential.name, -count)

    def elsewhere(self, name: str, count: int) -> None:
        """So many were accepted by other nodes, or fewer than was said."""
        self._turn()
        self._add(name, count)

    @property
    def used_up_today(self) -> tuple[str, ...]:
        """Who was refused because it has sent all that it may."""
        self._turn()
        return tuple(sorted(name for name, time in self._told if time == "day"))

    def _add(self, name: str, count: int) -> None:
        for accepted in (self._this_minute, self._today):
            accepted[name] = max(0, accepted[name] + count)

    def _turn(self) -> None:
        now = self._clock()
        minute, day = int(now // _MINUTE), int(now // _DAY)
        if minute != self._minute:
            self._minute = minute
            self._this_minute.clear()
            self._told = {told for told in self._told if told[1] != "minute"}
        if day != self._day:
            self._day = day
            self._today.clear()
            self._told.clear()

    def _refuse(self, credential: Credential, time: str) -> None:
        """The alarm comes once for each minute or day, and again where the login was given more meanwhile."""
        if (credential.name, time) not in self._told:
            self._told.add((credential.name, time))
            journal.quota_used_up(credential=credential.name, time=time)
        raise TooManyMessages(time)
