"""What a relay has for itself, or shares with the other nodes on its database."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import partial

from relay import __version__, ids
from relay.guesses import Guessed, Guesses
from relay.lifecycle import Patience
from relay.listening import Listening
from relay.membership import Alone, Membership, OneOfMany
from relay.ports.bodies import KeptBodies
from relay.ports.clock import Clock
from relay.ports.nodes import Node, Shared
from relay.ports.ses import Allowance
from relay.quota import Quota
from relay.rate import OwnAllowance
from relay.settings import Config, Role
from relay.steady import SteadyClock
from relay.store.bodies import Spool
from relay.store.shared_bodies import SharedBodies
from relay.store.sql.store import SqlStore
from relay.usage import Usage

_ACCEPTED = "accepted"


async def clock(store: SqlStore) -> SteadyClock:
    """This machine's time, or that of all nodes. Raises StoreUnavailable."""
    if store.shared:
        await store.shared.clock.look()
    return SteadyClock(wall=store.shared.clock if store.shared else time.time, monotonic=time.monotonic)


def bodies(config: Config, store: SqlStore, clock: Clock) -> KeptBodies:
    """Makes its folder."""
    return SharedBodies(config.store.spool, store.shared.content, clock) if store.shared else Spool(config.store.spool)


def allowance(store: SqlStore, clock: Clock) -> Allowance:
    """What the account may send."""
    return store.shared.allowance if store.shared else OwnAllowance(time.monotonic, clock)


def membership(
    config: Config, store: SqlStore, *, clock: SteadyClock, listening: Listening, patience: Patience
) -> tuple[Membership, OneOfMany | None]:
    """Whose turn the chores are; and where there are other nodes, what tells them of this one."""
    hears: Callable[[float], bool] = lambda now: listening.has_caught_up(now, wait=patience.in_doubt)  # noqa: E731
    if store.shared is None:
        return Alone(hears), None
    many = OneOfMany(
        nodes=store.shared.nodes,
        node=_node(config, clock()),
        time=store.shared.clock,
        clock=clock,
        monotonic=time.monotonic,
        hears=hears if config.node.does(Role.FEEDBACK) else lambda _: True,
        listening=listening,
        may_lead=config.node.does(Role.UPKEEP),
    )
    return many, many


def _node(config: Config, now: float) -> Node:
    return Node(
        id=ids.ulid(now, os.urandom(10)),
        name=config.node.name or socket.gethostname(),
        roles=config.node.roles,
        release=__version__,
        started_at=now,
    )


class Limits:
    """What is counted by login and by address, with what other nodes have counted where there are any."""

    def __init__(self, config: Config, clock: Clock, shared: Shared | None) -> None:
        logins = config.logins
        self.quota = Quota(
            clock=clock, per_minute=logins.messages_per_minute, per_day=logins.messages_per_day, tell=self._accepted
        )
        self.guesses = Guesses(
            monotonic=time.monotonic,
            seconds=logins.failure_seconds,
            per_address=logins.failures_per_address,
            per_name=logins.failures_per_name,
            tell=self._failed,
        )
        self.usage = self._usage(shared, clock) if shared else None

    def _usage(self, shared: Shared, clock: Clock) -> Usage:
        hear: dict[str, Callable[[str, int], None]] = {by: partial(self.guesses.elsewhere, by) for by in Guessed}
        hear[_ACCEPTED] = self.quota.elsewhere
        return Usage(store=shared.usage, node=ids.ulid(clock(), os.urandom(10)), clock=clock, hear=hear)

    def _accepted(self, name: str, count: int) -> None:
        if self.usage:
            self.usage.note(_ACCEPTED, name, count)

    def _failed(self, by: Guessed, key: str) -> None:
        if self.usage:
            self.usage.note(by, key)
