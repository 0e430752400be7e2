"""Opens the two databases of a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relay.assembly.database import driver
from relay.settings import StoreConfig
from relay.store.copying import sqlite
from relay.store.copying.sides import Side, Target
from relay.store.lock import Lock


@contextmanager
def source(where: StoreConfig) -> Iterator[Side]:
    """Raises ConfigError where there is none that can be copied; then, within, StoreUnavailable."""
    if where.is_postgres:
        with driver():
            from relay.store.copying import postgres
        with postgres.source(where.url, where.where) as found:
            yield found
    else:
        with sqlite.source(where.path, where.spool, Lock(where.lock)) as found:
            yield found


@contextmanager
def target(where: StoreConfig) -> Iterator[Target]:
    """Raises ConfigError where it is in use or cannot be used; then, within, StoreUnavailable."""
    if where.is_postgres:
        with driver():
            from relay.store.copying import postgres
        with postgres.target(where.url, where.where) as found:
            yield found
    else:
        with sqlite.target(where.path, where.spool, Lock(where.lock)) as found:
            yield found
