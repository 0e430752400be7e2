"""Whose turn it is: flows that have something due share what may be sent, by stride scheduling (Waldspurger, 1995).

Lanes have weights, the credentials of a lane are equal, and so are the flows of a credential. Who begins to have something due
starts level with those who had it before: waiting in silence saves nothing up.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection

from relay.model import Flow, Lane

_WEIGHT = {Lane.TRANSACTIONAL: 4.0, Lane.BULK: 1.0}


class Turns:
    """Remembers how far each flow has come. One per process; nothing is lost with it but a moment's fairness."""

    def __init__(self) -> None:
        self._passes: dict[int, float] = {}
        self._strides: dict[int, float] = {}
        self._level = 0.0

    def share(self, due: Collection[Flow], count: int) -> dict[int, int]:
        """How many of `count` each flow may send, by its id; none of those that may send nothing.

        Supposes that each has enough: give back the turns of those that had not, and call it again without them.
        """
        self._strides = _strides(due)
        queue = [(self._start(flow), flow) for flow in self._strides]
        heapq.heapify(queue)
        shares: Counter[int] = Counter()
        for _ in range(count if queue else 0):
            self._level, flow = queue[0]
            shares[flow] += 1
            heapq.heapreplace(queue, (self._level + self._strides[flow], flow))
        self._passes |= {flow: passed for passed, flow in queue}
        self._forget()
        return dict(shares)

    def give_back(self, flow: int, count: int) -> None:
        """So many of its turns in the last share it had nothing for."""
        self._passes[flow] = self._passes.get(flow, self._level) - count * self._strides[flow]

    def _start(self, flow: int) -> float:
        """No more than one turn ahead: the last one may have been taken in a crowd, where turns are far between."""
        passed = min(self._passes.get(flow, self._level), self._level + self._strides[flow])
        return max(passed, self._level)

    def _forget(self) -> None:
        """Those that are level. Others are ahead also while they have nothing due: else who comes and goes is always first."""
        self._passes = {flow: passed for flow, passed in self._passes.items() if passed > self._level}


def _strides(due: Collection[Flow]) -> dict[int, float]:
    """How far a turn takes each: the less its weight, the farther."""
    credentials = Counter(lane for lane, _ in {(flow.lane, flow.credential) for flow in due})
    flows = Counter((flow.lane, flow.credential) for flow in due)
    return {flow.id: credentials[flow.lane] * flows[flow.lane, flow.credential] / _WEIGHT[flow.lane] for flow in due}
