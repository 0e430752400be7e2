"""Wrong passwords, counted by address and by name. Who guesses is stopped; the owner of the name never is, elsewhere.

An address with too many failures is not listened to for a while, but for passwords that were right a moment ago: others may
sit behind the same address. A name with too many, from wherever they came, makes strangers wait: to refuse it would let
anybody lock anybody out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from hashlib import blake2b

from relay.windows import Window

_MOST_KEYS = 10_000
_STRANGERS_WAIT = 5.0
_LONGEST_NAME = 200  # characters; strangers choose them, and they are keys, of the database too


class Guessed(StrEnum):
    """By what failures are counted."""

    ADDRESS = "address"
    NAME = "name"


class Guesses:
    """`monotonic` are seconds; `seconds` is how long a failure counts. `tell` hears of each, by what it is counted."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        seconds: float,
        per_address: int,
        per_name: int,
        tell: Callable[[Guessed, str], None] = lambda *_: None,
    ) -> None:
        self._monotonic = monotonic
        self._windows = {Guessed.ADDRESS: Window(seconds, per_address), Guessed.NAME: Window(seconds, per_name)}
        self._tell = tell
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_stopped(self, peer: str) -> bool:
        """Whether passwords from there are not looked at."""
        return self._windows[Guessed.ADDRESS].is_full(peer, self._monotonic())

    def delay(self, name: str, peer: str) -> float:
        """Seconds that a password must wait before it is looked at."""
        is_stranger = (name, peer) not in self._known
        return _STRANGERS_WAIT if is_stranger and self._windows[Guessed.NAME].is_full(_key(name), self._monotonic()) else 0.0

    def failed(self, name: str, peer: str) -> list[Guessed]:
        """What has too many failures from now on: the address, the name, both, or nothing."""
        now, keys = self._monotonic(), {Guessed.ADDRESS: peer, Guessed.NAME: _key(name)}
        for by, key in keys.items():
            self._tell(by, key)
        return [by for by, window in self._windows.items() if window.add(keys[by], now)]

    def elsewhere(self, by: Guessed, key: str, count: int) -> None:
        """So many failures were counted by other nodes."""
        for _ in range(count):
            self._windows[by].add(key, self._monotonic())

    def succeeded(self, name: str, peer: str) -> None:
        self._known[name, peer] = None
        self._known.move_to_end((name, peer))
        if len(self._known) > _MOST_KEYS:
            self._known.popitem(last=False)


def _key(name: str) -> str:
    is_long = len(name) > _LONGEST_NAME
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest() if is_long else name
