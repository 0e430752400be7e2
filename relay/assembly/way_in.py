"""The way in: SMTP, and who may come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay.assembly.base import Base, patience
from relay.backlog import Admission, BacklogLimits
from relay.credential import Credential
from relay.guesses import Guesses
from relay.identities import Identities
from relay.intake import Intake
from relay.judge import Rule
from relay.logins import Login
from relay.mailing_rules import MailingRules
from relay.ports.queue import Express
from relay.quota import Quota
from relay.receiving import Budget, in_base64
from relay.security.passwords import ArgonPasswords
from relay.security.tls import Pair, ServerTls
from relay.settings import ApiConfig, CallbacksConfig, Config, PrivateConfig
from relay.smtp.limits import Limits
from relay.store.room import Room
from relay.store.sql.store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Where all doors lead: who it is, the one way in, and what SES has verified. `tell` is called with each login that a door
    has changed.
    """

    intake: Intake
    login: Login
    identities: Identities
    passwords: ArgonPasswords
    tell: Callable[[Credential], None]


def mailing_rules(base: Base, entrance: Entrance) -> MailingRules:
    """What holds for mailings, by the API and by the console."""
    store = base.store
    return MailingRules(
        tasks=store.tasks, intake=entrance.intake, contacts=store.contacts, templates=store.templates, clock=base.clock
    )


def smtp_tls(config: Config) -> ServerTls:
    """Raises ConfigError for certificates that cannot be used."""
    smtp = config.smtp
    further = zip(map(Path, smtp.further_certificates), map(Path, smtp.further_keys), strict=True)
    pairs = [Pair(smtp.certificate, smtp.key), *(Pair(certificate, key) for certificate, key in further)]
    return ServerTls(pairs, section="smtp", file=config.file)


def http_tls(door: CallbacksConfig | ApiConfig | PrivateConfig, *, section: str, file: str) -> ServerTls | None:
    """None where it speaks plain HTTP. Raises ConfigError as above."""
    if not door.certificate:
        return None
    return ServerTls([Pair(Path(door.certificate), Path(door.key))], section=section, file=file)


def intake(
    base: Base, identities: Identities, admission: Admission, quota: Quota, ring: Callable[[], None], express: Express | None
) -> Intake:
    """The way in; `ring` is called when something became due."""
    config, smtp = base.config, base.config.smtp
    return Intake(
        queue=base.store.queue,
        bodies=base.bodies,
        suppressions=base.store.suppressions,
        clock=base.clock,
        chance=os.urandom,
        wake=ring,
        hostname=smtp.hostname,
        max_size=smtp.max_size,
        budget=Budget(max(smtp.max_octets_in_flight, in_base64(smtp.max_size))),
        quota=quota,
        admission=admission,
        refusals=base.refusals,
        patience=patience(config),
        observed=frozenset(map(Rule, config.policy.observed)),
        playpen=config.playpen.address,
        identities=identities,
        linker=base.linker,
        express=express,
    )


def login(store: SqlStore, passwords: ArgonPasswords, guesses: Guesses) -> Login:
    """Who it is."""
    return Login(store.credentials, store.access_keys, passwords, guesses, time.time)


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
        recipients=smtp.max_recipients,
        connections=smtp.max_connections,
        connections_per_client=smtp.max_connections_per_client,
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


def room(config: Config) -> Room:
    """The disk below the store."""
    store, queue = config.store, config.queue
    return Room(
        (store.path.parent, store.spool), ballast=store.ballast, octets=queue.ballast_octets, spare=queue.min_free_octets
    )
