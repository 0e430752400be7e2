"""The way back: events, by webhook and by queue, and what rings."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
from aiohttp import web

from relay.alarms import Alarms
from relay.assembly import at_aws, sharing
from relay.assembly.base import Base, linker, patience, texts
from relay.aws import clients
from relay.aws.certificates import FetchedCertificates, PinnedCertificate
from relay.aws.sns import SnsTopics
from relay.aws.sqs import SqsQueue, endpoint_and_region
from relay.collector import Collector
from relay.errors import ConfigError
from relay.feedback import Feedback
from relay.links import Linker
from relay.listening import Listening
from relay.ports.event_queues import FeedbackQueue
from relay.ports.feedback import Certificates
from relay.redrive import Redrive
from relay.refusals import Refusals
from relay.settings import Config
from relay.silence import Silence
from relay.steady import SteadyClock
from relay.store.sql.store import SqlStore
from relay.unsubscribing import Unsubscribing
from relay.web.callbacks.limits import Limits
from relay.web.callbacks.look import Look, look
from relay.web.callbacks.pages import Pages
from relay.web.callbacks.refusals import RefusedPosts
from relay.web.callbacks.sns import Door, Webhook
from relay.web.callbacks.unsubscribe import UnsubscribePages
from relay.web.callbacks.web_versions import WebVersionPages


def feedback(base: Base, session: boto3.Session) -> Feedback:
    """The way back. Raises ConfigError for a pinned certificate that cannot be read."""
    config = base.config
    return Feedback(
        store=base.store.feedback,
        certificates=_certificates(config),
        sns=SnsTopics(clients.client(session, "sns", config.feedback.sns_endpoint)),
        clock=base.clock,
        listening=base.listening,
        rules=config.bounces.rules,
        topics=config.feedback.topics,
        versions=config.feedback.signature_versions,
        unsubscribing=unsubscribing(base, base.linker) if base.linker else None,
        mailbox=config.pages.unsubscribe_mailbox,
    )


def webhook(config: Config, feedback: Feedback, refused: RefusedPosts) -> Webhook:
    """Where SNS posts."""
    settings = config.feedback
    door = Door(
        path=settings.webhook_path,
        user=settings.webhook_user,
        password=settings.webhook_password,
        takes_raw=settings.raw_webhook,
    )
    return Webhook(feedback, door, refused)


def unsubscribing(base: Base, linker: Linker) -> Unsubscribing:
    """What readers do by the links in their mail."""
    return Unsubscribing(linker=linker, store=base.store.links, clock=base.clock)


def link_pages(base: Base, linker: Linker) -> Iterator[web.RouteDef]:
    """Where links in mail lead. Raises ConfigError for texts or a look that cannot be used."""
    pages, limits = Pages(_look(base.config), texts(base.config)), Limits(time.monotonic)
    leaving = unsubscribing(base, linker)
    yield from UnsubscribePages(unsubscribing=leaving, pages=pages, limits=limits).routes()
    seeing = WebVersionPages(linker=linker, store=base.store.links, bodies=base.bodies, pages=pages, limits=limits)
    yield from seeing.routes()


def _look(config: Config) -> Look:
    pages = config.pages
    try:
        return look(company=pages.company, logo=pages.logo, colour=pages.colour, background=pages.background)
    except (OSError, ValueError) as error:
        raise ConfigError(config.file, "pages", str(error)) from error


def listening(config: Config, now: float) -> Listening:
    """By which doors events come."""
    return Listening(now, webhook=bool(config.callbacks.listen), queues=config.feedback.queues)


def queues(config: Config, session: boto3.Session) -> tuple[SqsQueue, ...]:
    """Where events wait."""
    found = ((url, *endpoint_and_region(url, config.ses.region)) for url in config.feedback.queues)
    return tuple(
        SqsQueue(clients.polling_client(session, "sqs", endpoint=endpoint, region=region), url)
        for url, endpoint, region in found
    )


def collector(base: Base, feedback: Feedback, queue: FeedbackQueue) -> Collector:
    """Who takes them from there."""
    return Collector(
        queue,
        feedback=feedback,
        quarantine=base.store.quarantine,
        listening=base.listening,
        clock=base.clock,
        takes_raw=base.config.feedback.raw_queues,
    )


def redrive(base: Base, feedback: Feedback, queues: tuple[SqsQueue, ...]) -> Redrive:
    """What was given up."""
    return Redrive(
        queues=queues,
        collector=lambda queue: collector(base, feedback, queue),
        feedback=feedback,
        quarantine=base.store.quarantine,
        takes_raw=base.config.feedback.raw_queues,
    )


def redrive_alone(config: Config, store: SqlStore) -> Redrive:
    """The same while no relay runs. Raises ConfigError as above."""
    clock, session = SteadyClock(wall=time.time, monotonic=time.monotonic), at_aws.session(config)
    heard = listening(config, clock())
    base = Base(
        config=config,
        store=store,
        bodies=sharing.bodies(config, store, clock),
        clock=clock,
        listening=heard,
        refusals=Refusals(store=store.counters, clock=clock, every=math.inf),  # nothing comes in
        linker=linker(config),
        wake=asyncio.Event(),
        allowance=sharing.allowance(store, clock),
        membership=sharing.membership(config, store, clock=clock, listening=heard, patience=patience(config))[0],
    )
    return redrive(base, feedback(base, session), queues(config, session))


def _certificates(config: Config) -> Certificates:
    if not config.feedback.pinned_certificate:
        return FetchedCertificates()
    try:
        return PinnedCertificate(Path(config.feedback.pinned_certificate))
    except (OSError, ValueError) as error:
        raise ConfigError(config.file, "feedback.pinned_certificate", str(error)) from error


def alarms(base: Base) -> Alarms:
    """What rings."""
    config = base.config
    silence = Silence(
        after_sent=config.feedback.alarm_after_sent, after_seconds=60.0 * config.feedback.alarm_after_minutes, now=base.clock()
    )
    return Alarms(
        counters=base.store.counters,
        desk=base.store.desk,
        clock=base.clock,
        rules=config.reputation.rules,
        silence=silence,
    )
