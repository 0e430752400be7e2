"""Events out: who tells others what becomes of mail."""

from __future__ import annotations

import random

from relay.assembly.base import Base
from relay.assembly.sealing import seal
from relay.http_out.poster import HttpPoster
from relay.notices import Means, Notifier, Pace

_DAY = 86400.0
_KEPT = 3  # times as long as a webhook is tried: so long a paused one may sleep


async def run(base: Base) -> None:
    """Until cancelled."""
    config = base.config.webhooks
    poster = HttpPoster(seconds=float(config.timeout_seconds), connections=config.connections)
    means = Means(
        webhooks=base.store.webhooks,
        notices=base.store.notices,
        poster=poster,
        seal=seal(base.config),
        clock=base.clock,
        chance=random.random,
    )
    give_up = _DAY * config.give_up_days
    delays = tuple(float(delay) for delay in config.delays_seconds)
    pace = Pace(connections=config.connections, delays=delays, give_up=give_up, kept=_KEPT * give_up)
    try:
        await Notifier(means, pace).run()
    finally:
        await poster.close()
