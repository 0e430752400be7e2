"""The HTTP API, and the mailings that are made by it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from aiohttp import web

from relay.assembly import privacy
from relay.assembly.base import Base, patience
from relay.assembly.way_in import Entrance, mailing_rules
from relay.campaigns import Campaigns
from relay.ports.ses import Verification
from relay.settings import Config
from relay.web.api.account import AccountResource
from relay.web.api.addresses import AddressesResource
from relay.web.api.calls import Operation
from relay.web.api.contacts import ContactsResource
from relay.web.api.door import Api, Limits
from relay.web.api.events import EventsResource
from relay.web.api.messages import MessagesResource
from relay.web.api.policy import PolicyResource
from relay.web.api.queue import QueueResource
from relay.web.api.reference import Reference
from relay.web.api.senders import SendersResource
from relay.web.api.statistics import StatisticsResource
from relay.web.api.suppressions import SuppressionsResource
from relay.web.api.tasks import TasksResource
from relay.web.api.templates import TemplatesResource
from relay.windows import Window


def routes(base: Base, entrance: Entrance, verification: Verification, calls: Window) -> list[web.RouteDef]:
    """All of the API, and its reference."""
    api = base.config.api
    limits = Limits(body=api.max_body)
    found = tuple(operations(base, entrance, verification))
    answering = Api(found, login=entrance.login, refusals=base.refusals, limits=limits, calls=calls)
    return [*Reference(found).routes(), *answering.routes()]


def operations(base: Base, entrance: Entrance, verification: Verification) -> Iterator[Operation]:
    """In the order of the reference."""
    store, clock, intake = base.store, base.clock, entrance.intake
    messages = MessagesResource(
        intake=intake,
        messages=store.messages,
        templates=store.templates,
        receipts=store.receipts,
    )
    yield from messages.operations()
    yield from TasksResource(
        tasks=store.tasks, rules=mailing_rules(base, entrance), receipts=store.receipts, clock=clock
    ).operations()
    yield from ContactsResource(contacts=store.contacts, tasks=store.tasks, clock=clock, chance=os.urandom).operations()
    yield from StatisticsResource(counters=store.counters, messages=store.messages, tasks=store.tasks, clock=clock).operations()
    admin = base.admin(tell=entrance.tell)
    yield from TemplatesResource(templates=store.templates, intake=intake).operations()
    yield from SendersResource(
        credentials=store.credentials, admin=admin, identities=entrance.identities, verification=verification
    ).operations()
    yield from SuppressionsResource(suppressions=store.suppressions, admin=admin, clock=clock).operations()
    yield from EventsResource(facts=store.events).operations()
    yield from AccountResource(desk=store.desk, counters=store.counters, clock=clock).operations()
    yield from QueueResource(desk=store.desk, clock=clock, wake=base.wake.set).operations()
    yield from PolicyResource(intake=intake, messages=messages).operations()
    eraser = privacy.eraser(base.config, store, base.bodies, clock)
    yield from AddressesResource(export=privacy.export(store, base.bodies), eraser=eraser).operations()


def campaigns(base: Base, entrance: Entrance) -> Campaigns:
    """Who does what tasks say."""
    config: Config = base.config
    return Campaigns(
        tasks=base.store.tasks,
        desk=base.store.desk,
        credentials=base.store.credentials,
        intake=entrance.intake,
        clock=base.clock,
        wake=base.wake.set,
        lifetime=patience(config).lifetime,
        playpen=config.playpen.address,
    )
