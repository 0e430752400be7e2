"""Events out: who tells others what becomes of mail, and a try whether that works."""

from __future__ import annotations

import random

from relay.assembly.base import Base
from relay.assembly.sealing import seal
from relay.courier import Means, Pace
from relay.errors import Unsealable
from relay.http_out.poster import HttpPoster
from relay.notices import Notifier
from relay.ports.notices import Answer
from relay.settings import Config
from relay.webhooks import sample
from relay.webhooks.formats import Request
from relay.webhooks.webhook import Webhook

_DAY = 86400.0
_KEPT = 3  # times as long as a webhook is tried: so long a paused one may sleep


async def run(base: Base) -> None:
    """Until cancelled."""
    config = base.config.webhooks
    poster = HttpPoster(seconds=float(config.timeout_seconds))
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


async def tried(config: Config, webhook: Webhook, *, at: float) -> Answer:
    """What it says to an event that never happened. Raises nothing: whatever goes wrong is an answer."""
    try:
        request = sample.request(webhook, _opened(config, webhook), at=at)
    except (Unsealable, ValueError) as error:
        return Answer(status=0, failure=str(error), seconds=0.0)
    return await _sent(config, webhook, request)


async def _sent(config: Config, webhook: Webhook, request: Request) -> Answer:
    poster = HttpPoster(seconds=float(config.webhooks.timeout_seconds))
    try:
        return await poster.send(webhook.method, request, is_private=webhook.is_private)
    finally:
        await poster.close()


def _opened(config: Config, webhook: Webhook) -> str:
    """Raises Unsealable."""
    if not webhook.secret:
        return ""
    if (sealing := seal(config)) is None:
        raise Unsealable("its secret needs the key in secrets.keys")
    return sealing.open(webhook.secret, about=webhook.name)
