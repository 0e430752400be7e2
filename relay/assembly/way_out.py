"""The way out: the queue, SES, and what is known of the account."""

from __future__ import annotations

import time

from relay.assembly.base import Base, patience
from relay.aws.credentials import ChainCredentials
from relay.aws.ses import SesSender
from relay.dispatch import Dispatcher
from relay.keeping import Keeping, KeptFor
from relay.upkeep import Upkeep

_UPKEEP_SECONDS = 5.0
_KEEPING_SECONDS = 3600.0
_KEEPING_PAUSE = 0.02


def ses_sender(base: Base, credentials: ChainCredentials, endpoint: str) -> SesSender:
    """The way out."""
    config = base.config
    return SesSender(
        endpoint=endpoint,
        region=config.ses.region,
        configuration_set=config.ses.configuration_set,
        credentials=credentials,
        clock=time.time,
        connections=config.ses.connections,
        connect_timeout=config.ses.connect_timeout_seconds,
        read_timeout=config.ses.read_timeout_seconds,
        linker=base.linker,
    )


def dispatcher(base: Base, sender: SesSender) -> Dispatcher:
    """The lease is longer than any call can take."""
    config = base.config
    return Dispatcher(
        queue=base.store.queue,
        bodies=base.bodies,
        sender=sender,
        clock=base.clock,
        monotonic=time.monotonic,
        wake=base.wake,
        allowance=base.allowance,
        patience=patience(config),
        max_calls=config.ses.connections,
        lease=2 * (config.ses.connect_timeout_seconds + config.ses.read_timeout_seconds) + 30,
    )


def upkeep(base: Base) -> Upkeep:
    """The chores of the queue."""
    retry = base.config.retry
    return Upkeep(
        queue=base.store.queue,
        feedback=base.store.feedback,
        clock=base.clock,
        listening=base.listening,
        hears=base.membership.hears,
        is_alone=base.store.shared is None,
        patience=patience(base.config),
        resends=retry.doubt == "resend",
        max_hold=float(retry.max_hold_seconds),
        every=_UPKEEP_SECONDS,
        wake=base.wake,
    )


def keeping(base: Base) -> Keeping:
    """What is old is let go."""
    days = base.config.retention
    return Keeping(
        store=base.store.retention,
        files=base.bodies,
        clock=base.clock,
        kept_for=KeptFor(
            bodies=days.bodies_days,
            web_versions=days.web_versions_days,
            notifications=days.notifications_days,
            facts=days.facts_days,
            links=days.links_days,
            history=days.history_days,
            audit=days.audit_days,
        ),
        every=_KEEPING_SECONDS,
        pause=_KEEPING_PAUSE,
    )
