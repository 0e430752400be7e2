"""What most parts stand on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay.lifecycle import Patience
from relay.listening import Listening
from relay.refusals import Refusals
from relay.settings import Config
from relay.steady import SteadyClock
from relay.store.bodies import Spool
from relay.store.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What most parts stand on. `wake` is set where something may have become due."""

    config: Config
    store: SqliteStore
    spool: Spool
    clock: SteadyClock
    listening: Listening
    refusals: Refusals
    wake: asyncio.Event


def patience(config: Config) -> Patience:
    """The waits of the queue."""
    return Patience(
        delays=tuple(float(delay) for delay in config.retry.delays_seconds),
        lifetime=float(config.retry.lifetime_seconds),
        in_doubt=float(config.retry.in_doubt_seconds),
    )
