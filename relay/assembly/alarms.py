"""What stands, and who is told."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterator

from relay.assembly.base import Base
from relay.backlog import Admission
from relay.http_out.poster import HttpPoster
from relay.intake import Intake
from relay.lookout import Leader, Limits, Lookout, Machine, Tables
from relay.quota import Quota
from relay.settings import Config
from relay.standing import Pace
from relay.tellers import JournalTeller, MailTeller, Teller, WebhookTeller
from relay.telling import Telling

_HOUR = 3600.0
_POST_SECONDS = 15.0


def lookout(base: Base, machine: Machine, leader: Leader, admission: Admission, quota: Quota) -> Lookout:
    """Who looks at it."""
    config, store = base.config, base.store
    return Lookout(
        machine=machine,
        leader=leader,
        tables=Tables(alarms=store.alarms, desk=store.desk, webhooks=store.webhooks, quarantine=store.quarantine),
        admission=admission,
        quota=quota,
        limits=Limits(
            queue_age=float(config.alarms.queue_age_seconds),
            certificate_days=config.alarms.certificate_days,
            free_octets=config.queue.min_free_octets,
        ),
        node=_node(config),
    )


def poster() -> HttpPoster:
    """To be made within the loop, and closed in the end."""
    return HttpPoster(seconds=_POST_SECONDS)


def telling(base: Base, lookout: Lookout, intake: Intake, poster: HttpPoster) -> Telling:
    """Who tells of it."""
    config = base.config
    return Telling(
        lookout=lookout,
        store=base.store.alarms,
        tellers=_tellers(base, intake, poster),
        pace=Pace(float(config.alarms.after_seconds), _HOUR * config.alarms.repeat_hours or math.inf),
        node=_node(config),
        clock=base.clock,
        monotonic=time.monotonic,
    )


def _node(config: Config) -> str:
    """What this node is called, where there may be several. Its workers see the same."""
    return (config.node.name or socket.gethostname()) if config.store.is_postgres else ""


def _tellers(base: Base, intake: Intake, poster: HttpPoster) -> Iterator[Teller]:
    alarms, hostname = base.config.alarms, base.config.smtp.hostname
    yield JournalTeller()
    if receiver := alarms.receiver:
        yield WebhookTeller(receiver, alarms.webhook_secret, poster, hostname=hostname, clock=base.clock)
    if alarms.mail_to:
        yield MailTeller(
            intake,
            base.store.desk,
            sender=alarms.mail_from,
            recipients=alarms.mail_to,
            hostname=hostname,
            clock=base.clock,
        )
