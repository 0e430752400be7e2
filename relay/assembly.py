"""Makes the parts from the settings: Config in, a part out. Nothing is started here, and nothing is stopped: that is app.py."""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from relay.alarms import Alarms
from relay.aws import clients
from relay.aws.asking import Aws
from relay.aws.certificates import FetchedCertificates, PinnedCertificate
from relay.aws.credentials import ChainCredentials
from relay.aws.identities import BotoIdentities
from relay.aws.ses import SesSender
from relay.aws.sns import SnsTopics
from relay.aws.sqs import SqsQueue, endpoint_and_region
from relay.aws.suppressed import BotoAccountList
from relay.backlog import Admission, BacklogLimits
from relay.collector import Collector
from relay.config_rules import is_loopback
from relay.dispatch import Dispatcher
from relay.errors import ConfigError
from relay.feedback import Feedback
from relay.guesses import Guesses
from relay.identities import Identities
from relay.intake import Budget, Intake
from relay.judge import Rule
from relay.keeping import Keeping, KeptFor
from relay.lifecycle import Patience
from relay.list_sync import SuppressionSync
from relay.listening import Listening
from relay.ports import Certificates, FeedbackQueue
from relay.quota import Quota
from relay.rate import Bucket, DailyQuota
from relay.redrive import Redrive
from relay.refusals import Refusals
from relay.security.passwords import ArgonPasswords
from relay.security.tls import Pair, ServerTls
from relay.senders import IdentitySync
from relay.settings import Config, LoginsConfig
from relay.silence import Silence
from relay.smtp.limits import Limits
from relay.smtp.login import Login
from relay.steady import SteadyClock
from relay.store.bodies import Spool
from relay.store.room import Room
from relay.store.sqlite.store import SqliteStore
from relay.upkeep import Upkeep
from relay.web.callbacks.sns import Door, Webhook

_UPKEEP_SECONDS = 5.0
_KEEPING_SECONDS = 3600.0
_KEEPING_PAUSE = 0.02
_SIMULATOR = "success@simulator.amazonses.com"  # SES developer guide, "Using the mailbox simulator"


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


def aws_session(config: Config) -> boto3.Session:
    """Raises ConfigError for a profile that is not there."""
    try:
        return boto3.Session(profile_name=config.ses.profile or None, region_name=config.ses.region)
    except Exception as error:  # botocore raises its own kinds
        raise ConfigError(config.file, "ses.profile", str(error)) from error


def patience(config: Config) -> Patience:
    """The waits of the queue."""
    return Patience(
        delays=tuple(float(delay) for delay in config.retry.delays_seconds),
        lifetime=float(config.retry.lifetime_seconds),
        in_doubt=float(config.retry.in_doubt_seconds),
    )


def smtp_tls(config: Config) -> ServerTls:
    """Raises ConfigError for certificates that cannot be used."""
    smtp = config.smtp
    further = zip(map(Path, smtp.further_certificates), map(Path, smtp.further_keys), strict=True)
    pairs = [Pair(smtp.certificate, smtp.key), *(Pair(certificate, key) for certificate, key in further)]
    return ServerTls(pairs, section="smtp", file=config.file)


def callbacks_tls(config: Config) -> ServerTls | None:
    """None where a proxy before us ends TLS. Raises ConfigError as above."""
    if not config.callbacks.certificate:
        return None
    pair = Pair(Path(config.callbacks.certificate), Path(config.callbacks.key))
    return ServerTls([pair], section="callbacks", file=config.file)


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
    )


def webhook(config: Config, feedback: Feedback) -> Webhook:
    """Where SNS posts."""
    settings = config.feedback
    door = Door(
        path=settings.webhook_path,
        user=settings.webhook_user,
        password=settings.webhook_password,
        takes_raw=settings.raw_webhook,
    )
    return Webhook(feedback, door)


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


def redrive_alone(config: Config, store: SqliteStore) -> Redrive:
    """The same while no relay runs. Raises ConfigError as above."""
    clock, session = SteadyClock(wall=time.time, monotonic=time.monotonic), aws_session(config)
    base = Base(
        config=config,
        store=store,
        spool=Spool(config.store.spool),
        clock=clock,
        listening=listening(config, clock()),
        refusals=Refusals(store=store.counters, clock=clock, every=math.inf),  # nothing comes in
        wake=asyncio.Event(),
    )
    return redrive(base, feedback(base, session), queues(config, session))


def _certificates(config: Config) -> Certificates:
    if not config.feedback.pinned_certificate:
        return FetchedCertificates()
    try:
        return PinnedCertificate(Path(config.feedback.pinned_certificate))
    except (OSError, ValueError) as error:
        raise ConfigError(config.file, "feedback.pinned_certificate", str(error)) from error


def ses_sender(config: Config, credentials: ChainCredentials, endpoint: str) -> SesSender:
    """The way out."""
    return SesSender(
        endpoint=endpoint,
        region=config.ses.region,
        configuration_set=config.ses.configuration_set,
        credentials=credentials,
        clock=time.time,
        connections=config.ses.connections,
        connect_timeout=config.ses.connect_timeout_seconds,
        read_timeout=config.ses.read_timeout_seconds,
        tls=ssl.create_default_context(),
    )


def dispatcher(base: Base, sender: SesSender, bucket: Bucket, quota: DailyQuota) -> Dispatcher:
    """The lease is longer than any call can take."""
    config = base.config
    return Dispatcher(
        queue=base.store.queue,
        bodies=base.spool,
        sender=sender,
        clock=base.clock,
        monotonic=time.monotonic,
        wake=base.wake,
        bucket=bucket,
        quota=quota,
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
        files=base.spool,
        clock=base.clock,
        kept_for=KeptFor(bodies=days.bodies_days, notifications=days.notifications_days, facts=days.facts_days),
        every=_KEEPING_SECONDS,
        pause=_KEEPING_PAUSE,
    )


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


def sesv2(config: Config, session: boto3.Session) -> Any:
    """The client for all of SES but sending."""
    return clients.client(session, "sesv2", config.ses.endpoint)


def aws(config: Config, session: boto3.Session) -> Aws:
    """For the verbs that look at AWS as a whole. Where SNS is on loopback, as in the sandbox, nothing real is asked."""
    endpoints = {"sesv2": config.ses.endpoint, "sns": config.feedback.sns_endpoint}
    elsewhere = config.feedback.sns_endpoint if is_loopback(config.feedback.sns_endpoint) else ""
    return Aws(lambda service: clients.client(session, service, endpoints.get(service, elsewhere)))


async def identity_sync(store: SqliteStore, client: Any) -> IdentitySync:
    """What SES has verified, as far as it is known. Raises StoreUnavailable."""
    sync = IdentitySync(ses=BotoIdentities(client, time.time), store=store.identities, clock=time.time)
    await sync.restore()
    return sync


def suppression_sync(config: Config, store: SqliteStore, client: Any) -> SuppressionSync:
    """Our suppression list beside SES's own."""
    pushes = config.suppression.push
    return SuppressionSync(ses=BotoAccountList(client), store=store.account_list, clock=time.time, pushes=pushes)


def room(config: Config) -> Room:
    """The disk below the store."""
    store, queue = config.store, config.queue
    return Room(
        (store.path.parent, store.spool), ballast=store.ballast, octets=queue.ballast_octets, spare=queue.min_free_octets
    )


def admission(config: Config) -> Admission:
    """How much may wait."""
    queue = config.queue
    return Admission(
        BacklogLimits(
            rows=queue.max_messages,
            octets=queue.max_octets,
            seconds=float(queue.max_age_seconds),
            free_octets=queue.min_free_octets,
        )
    )


async def intake(base: Base, identities: Identities, admission: Admission) -> Intake:
    """The way in. Raises StoreUnavailable."""
    config, smtp = base.config, base.config.smtp
    return Intake(
        queue=base.store.queue,
        bodies=base.spool,
        suppressions=base.store.suppressions,
        clock=base.clock,
        chance=os.urandom,
        wake=base.wake,
        hostname=smtp.hostname,
        max_size=smtp.max_size,
        budget=Budget(max(smtp.max_octets_in_flight, smtp.max_size)),
        quota=await _quota(config.logins, base.store),
        admission=admission,
        refusals=base.refusals,
        patience=patience(config),
        observed=frozenset(map(Rule, config.policy.observed)),
        playpen=_SIMULATOR if config.playpen.recipient == "simulator" else config.playpen.recipient,
        identities=identities if config.ses.identities_seconds else Identities(),
    )


async def _quota(logins: LoginsConfig, store: SqliteStore) -> Quota:
    quota = Quota(clock=time.time, per_minute=logins.messages_per_minute, per_day=logins.messages_per_day)
    quota.restore(await store.credentials.accepted_since(time.time() // 86400 * 86400))
    return quota


def login(logins: LoginsConfig, store: SqliteStore, passwords: ArgonPasswords) -> Login:
    """Who it is."""
    guesses = Guesses(
        monotonic=time.monotonic,
        seconds=logins.failure_seconds,
        per_address=logins.failures_per_address,
        per_name=logins.failures_per_name,
    )
    return Login(store.credentials, passwords, guesses, time.time)


def limits(config: Config) -> Limits:
    """What connections may do."""
    smtp = config.smtp
    return Limits(
        handshake_seconds=smtp.handshake_seconds,
        login_seconds=smtp.login_seconds,
        line_seconds=smtp.line_seconds,
        idle_seconds=smtp.timeout_seconds,
        session_seconds=smtp.session_seconds,
        data_rate=smtp.min_data_rate,
        soft_errors=smtp.soft_errors,
        error_seconds=smtp.error_seconds,
        errors=smtp.max_errors,
        login_failures=config.logins.failures_per_connection,
        messages=smtp.max_messages_per_connection,
        connections=smtp.max_connections,
        connections_per_client=smtp.max_connections_per_client,
    )
