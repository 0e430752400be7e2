"""What most parts stand on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay import tokens
from relay.lifecycle import Patience
from relay.links import PURPOSE, Linker
from relay.listening import Listening
from relay.refusals import Refusals
from relay.settings import Config
from relay.steady import SteadyClock
from relay.store.bodies import Spool
from relay.store.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What most parts stand on. `wake` is set where something may have become due. Without a
    `linker` there are no links in mail.
    """

    config: Config
    store: SqliteStore
    spool: Spool
    clock: SteadyClock
    listening: Listening
    refusals: Refusals
    linker: Linker | None
    wake: asyncio.Event


def linker(config: Config) -> Linker | None:
    """None where there are no links in mail: without a key, or without an address that the Internet reaches."""
    keys, url = tokens.derived(config.secrets.keys, PURPOSE), config.callbacks.public_url
    return Linker(url, keys) if keys and url else None


def patience(config: Config) -> Patience:
    """The waits of the queue."""
    return Patience(
        delays=tuple(float(delay) for delay in config.retry.delays_seconds),
        lifetime=float(config.retry.lifetime_seconds),
        in_doubt=float(config.retry.in_doubt_seconds),
    )
