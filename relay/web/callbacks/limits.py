"""How often the pages may be asked for: enough for readers and scanners, too little for who makes a game of it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from relay.windows import Window

SECONDS = 60.0
_LOOKS = 600  # of one network: all of an office may sit behind one address
_DEEDS = 30  # of one reader with one sender's or one list's mail


class Limits:
    """`monotonic` are seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._looks = Window(SECONDS, _LOOKS + 1)
        self._deeds = Window(SECONDS, _DEEDS + 1)

    def may_look(self, peer: str) -> bool:
        """Whether this one is not too many; it counts."""
        return self._takes(self._looks, _network(peer))

    def may_act(self, reader: str) -> bool:
        """The same."""
        return self._takes(self._deeds, reader)

    def _takes(self, window: Window, key: str) -> bool:
        now = self._monotonic()
        window.add(key, now)
        return not window.is_full(key, now)


def _network(peer: str) -> str:
    """Whoever has an address of IPv6 has 2 to the power of 64 of them."""
    try:
        found = ip_address(peer)
    except ValueError:
        return peer
    found = getattr(found, "ipv4_mapped", None) or found
    return str(int(found) >> 64) if found.version == 6 else str(found)
