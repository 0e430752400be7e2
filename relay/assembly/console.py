"""The console, on the listener for those who run the relay."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from relay.alarms import Alarms
from relay.assembly import privacy, setting_up
from relay.assembly.base import Base
from relay.assembly.sealing import seal
from relay.assembly.way_in import Entrance, mailing_rules
from relay.assembly.webhooks import tried
from relay.dead_letters import DeadLetterWatch
from relay.guesses import Guesses
from relay.lookout import Lookout
from relay.ports.event_queues import SecondTry
from relay.ports.notices import Answer
from relay.ports.ses import Verification
from relay.ports.setting_up import Examine
from relay.provisioning import Transport
from relay.senders import IdentitySync
from relay.settings import Config
from relay.store.sorting import Sorted
from relay.web.callbacks.refusals import RefusedPosts
from relay.web.console.chores import Chores
from relay.web.console.client_settings import Doors
from relay.web.console.contents import Contents
from relay.web.console.credentials import CredentialPages, Quotas
from relay.web.console.door import Console
from relay.web.console.feedback import FeedbackPages, Ways
from relay.web.console.files import Files
from relay.web.console.key_ring import KeyRing
from relay.web.console.known_logins import KnownLogins
from relay.web.console.login import LoginPages
from relay.web.console.login_keys import LoginKeyPages
from relay.web.console.mailing_previews import MailingPreviews
from relay.web.console.mailings import MailingPages, Stores
from relay.web.console.message import MessagePages
from relay.web.console.message_contents import MessageContents
from relay.web.console.messages import MessageListPages
from relay.web.console.operators import OperatorPages
from relay.web.console.overview import OverviewPages
from relay.web.console.privacy import PrivacyPages
from relay.web.console.queue import QueuePages
from relay.web.console.senders import SenderPages
from relay.web.console.sessions import Sessions
from relay.web.console.setup import SetupPages
from relay.web.console.suppression_imports import ImportPages
from relay.web.console.suppressions import SuppressionPages
from relay.web.console.tail import Tail
from relay.web.console.visits import Route
from relay.web.console.webhooks import WebhookPages
from relay.webhooks.webhook import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the relay knows of the way back, and can do about it."""

    refused: RefusedPosts
    queues: DeadLetterWatch
    alarms: Alarms
    second_try: SecondTry
    examine: Examine


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSes:
    """What the relay knows of our addresses and domains there, and how it adds some."""

    sync: IdentitySync
    verification: Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Its routes, and the path by which the first operator comes in; empty once there is one. In the end it is stopped."""

    routes: list[web.RouteDef]
    first_link: Callable[[], Awaitable[str]]
    stop: Callable[[], Coroutine[Any, Any, None]]


def made(base: Base, entrance: Entrance, heard: Heard, at_ses: AtSes, lookout: Lookout) -> Made:
    """All of it."""
    config, operators = base.config, base.store.operators
    is_secure = bool(config.private.certificate or config.private.proxies)
    sessions = Sessions(operators, clock=base.clock, chance=os.urandom, is_secure=is_secure)
    chores = Chores(base.clock)
    guesses = _guesses(config)
    operator_pages = OperatorPages(operators=operators, passwords=entrance.passwords, guesses=guesses, chance=os.urandom)
    pages = [*_overview(base, lookout), *operator_pages.routes(), *_pages(base, entrance, heard, at_ses, chores)]
    console = Console(pages, files=Files(), sessions=sessions, operators=operators, clock=base.clock)
    login = LoginPages(
        console,
        operators=operators,
        sessions=sessions,
        passwords=entrance.passwords,
        guesses=guesses,
        clock=base.clock,
        chance=os.urandom,
    )
    return Made(routes=[*login.routes(), *console.routes()], first_link=login.first_link, stop=chores.stop)


def _overview(base: Base, lookout: Lookout) -> Iterator[Route]:
    store, rules = base.store, base.config.reputation.rules
    yield from OverviewPages(counters=store.counters, desk=store.desk, rules=rules, lookout=lookout).routes()


def _pages(base: Base, entrance: Entrance, heard: Heard, at_ses: AtSes, chores: Chores) -> Iterator[Route]:
    store = base.store
    logins = KnownLogins(store.credentials)
    yield from _logins(base, entrance, at_ses, chores, logins)
    yield from _feedback(base, entrance, heard, chores)
    yield from _mailings(base, entrance, chores, logins)
    yield from _suppressions(base, entrance, chores, logins)
    yield from _messages(base, entrance)
    yield from _webhooks(base, entrance, chores)
    yield from QueuePages(
        desk=store.desk,
        admin=base.admin(tell=entrance.tell),
        credentials=store.credentials,
        logins=logins,
        chores=chores,
        own_set=base.config.ses.configuration_set,
    ).routes()


def _messages(base: Base, entrance: Entrance) -> Iterator[Route]:
    store = base.store
    yield from MessageListPages(search=store.search).routes()
    yield from Tail(search=store.search, operators=store.operators, clock=base.clock).routes()
    contents = MessageContents(messages=store.messages, contents=Contents(store=store.links, bodies=base.bodies))
    admin = base.admin(tell=entrance.tell)
    yield from MessagePages(messages=store.messages, search=store.search, contents=contents, admin=admin).routes()
    yield from contents.routes()


def _webhooks(base: Base, entrance: Entrance, chores: Chores) -> Iterator[Route]:
    async def attempt(webhook: Webhook) -> Answer:
        return await tried(base.config, webhook, at=base.clock())

    yield from WebhookPages(
        webhooks=base.store.webhooks,
        admin=base.admin(tell=entrance.tell),
        attempt=attempt,
        seal=seal(base.config),
        chance=os.urandom,
        chores=chores,
    ).routes()


def _suppressions(base: Base, entrance: Entrance, chores: Chores, logins: KnownLogins) -> Iterator[Route]:
    store, admin = base.store, base.admin(tell=entrance.tell)
    yield from SuppressionPages(
        suppressions=store.suppressions,
        provenance=store.provenance,
        credentials=store.credentials,
        logins=logins,
        admin=admin,
    ).routes()
    eraser = privacy.eraser(base.config, store, base.bodies, base.clock)
    yield from PrivacyPages(export=privacy.export(store, base.bodies), eraser=eraser).routes()
    yield from ImportPages(
        admin=admin,
        credentials=store.credentials,
        logins=logins,
        operators=store.operators,
        chores=chores,
        new_list=Sorted,
        clock=base.clock,
    ).routes()


def _logins(base: Base, entrance: Entrance, at_ses: AtSes, chores: Chores, logins: KnownLogins) -> Iterator[Route]:
    """And whom they send as."""
    config, store, admin = base.config, base.store, base.admin(tell=entrance.tell)
    sealing, region = seal(config), config.ses.region
    pages = CredentialPages(
        credentials=store.credentials,
        logins=logins,
        admin=admin,
        counters=store.counters,
        identities=entrance.identities,
        passwords=entrance.passwords,
        chance=os.urandom,
        doors=_doors(config),
        quotas=Quotas(per_minute=config.logins.messages_per_minute, per_day=config.logins.messages_per_day),
        ring=KeyRing(keys=store.access_keys, is_sealed=sealing is not None, region=region),
    )
    yield from pages.routes()
    yield from LoginKeyPages(
        pages=pages,
        credentials=store.credentials,
        keys=store.access_keys,
        admin=admin,
        passwords=entrance.passwords,
        seal=sealing,
        chance=os.urandom,
        region=region,
    ).routes()
    yield from SenderPages(
        sync=at_ses.sync,
        verification=at_ses.verification,
        credentials=store.credentials,
        logins=logins,
        admin=admin,
        chores=chores,
        is_asked=bool(config.ses.identities_seconds),
    ).routes()


def _doors(config: Config) -> Doors:
    """Where programs find the relay. Its API speaks plain HTTP to this machine alone, and to a proxy."""
    smtp, api = config.smtp, config.api
    url = f"https://{smtp.hostname}:{_port(api.listen)}" if api.certificate else f"http://{api.listen}"
    return Doors(
        host=smtp.hostname,
        starttls=_port(smtp.submission),
        tls=_port(smtp.submissions),
        api=url if api.listen else "",
    )


def _port(listener: str) -> str:
    return listener.rpartition(":")[2]


def _mailings(base: Base, entrance: Entrance, chores: Chores, logins: KnownLogins) -> Iterator[Route]:
    store, clock = base.store, base.clock
    rules = mailing_rules(base, entrance)
    stores = Stores(tasks=store.tasks, contacts=store.contacts, templates=store.templates, credentials=store.credentials)
    pages = MailingPages(stores=stores, logins=logins, rules=rules, chores=chores, clock=clock)
    yield from pages.routes()
    yield from MailingPreviews(pages=pages, tasks=store.tasks, contacts=store.contacts, rules=rules).routes()


def _feedback(base: Base, entrance: Entrance, heard: Heard, chores: Chores) -> Iterator[Route]:
    config, store = base.config, base.store
    yield from FeedbackPages(
        ways=Ways(topics=config.feedback.topics, webhook=config.webhook),
        log=store.feedback_log,
        counters=store.counters,
        quarantine=store.quarantine,
        refused=heard.refused,
        queues=heard.queues,
        alarms=heard.alarms,
        second_try=heard.second_try,
        replay=base.admin(tell=entrance.tell).replay,
        chores=chores,
    ).routes()
    yield from SetupPages(
        begin=partial(setting_up.begun, config),
        examine=heard.examine,
        chores=chores,
        clock=base.clock,
        usual=Transport.SQS if config.feedback.queues and not config.webhook else Transport.HTTPS,
    ).routes()


def _guesses(config: Config) -> Guesses:
    """Wrong passwords of operators, apart from those of logins."""
    logins = config.logins
    return Guesses(
        monotonic=time.monotonic,
        seconds=logins.failure_seconds,
        per_address=logins.failures_per_address,
        per_name=logins.failures_per_name,
    )
