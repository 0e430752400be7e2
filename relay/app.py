"""Starts the parts of the relay in order and stops them in reverse. Only this file, doors and assembly know concrete parts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import boto3
from aiohttp import web

from relay import journal, watch
from relay.assembly import (
    alarms,
    at_aws,
    console,
    database,
    privacy,
    sealing,
    ses_door,
    sharing,
    way_back,
    way_in,
    way_out,
    web_api,
    webhooks,
)
from relay.assembly.base import Base, linker, patience
from relay.assembly.console import AtSes, Heard
from relay.assembly.way_in import Entrance
from relay.aws.account import AccountWatch
from relay.aws.credentials import ChainCredentials
from relay.aws.ses import SesSender
from relay.aws.sqs import SqsQueue
from relay.aws.verification import BotoVerification
from relay.backlog import Admission
from relay.collector import Collector
from relay.control.server import ControlServer
from relay.dead_letters import DeadLetterWatch
from relay.dispatch import Dispatcher
from relay.doctor import rounds
from relay.doctor.look import Look
from relay.doors import Doors
from relay.errors import ConfigError
from relay.feedback import Feedback
from relay.list_sync import SuppressionSync
from relay.lookout import Leader, Lookout, Machine
from relay.membership import OneOfMany
from relay.parts import Parts
from relay.ports.event_queues import SecondTry
from relay.refusals import Refusals
from relay.senders import IdentitySync
from relay.settings import Config, Role
from relay.store.lock import Lock
from relay.store.room import Room
from relay.store.sql.store import SqlStore
from relay.web import health, metrics
from relay.web.callbacks.refusals import RefusedPosts
from relay.windows import MINUTE, Window

_STOP_SECONDS = 28.0  # and some more for parts that hang: less than the 35 after which a supervisor loses patience
_STOP_CALLS_SECONDS = 18.0  # with the 8 of SMTP less than that
_LOOK_SECONDS = 1.0
_COUNT_SECONDS = 5.0
_ALARM_SECONDS = 60.0
_FOLLOW_SECONDS = 5.0


class App:
    """One relay: `start`, then wait for `failed` or a signal, then `stop`. `ports` tells where it listens."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._parts = Parts()
        self._doors = Doors(config, self._parts)
        self._sender: SesSender | None = None
        self._collectors: tuple[Collector, ...] = ()
        self.ports = self._doors.ports
        self.failed = self._parts.failed

    async def start(self) -> None:
        """Raises ConfigError for what cannot be used; then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self._parts.end(within=_STOP_SECONDS)
            raise

    async def stop(self) -> None:
        """Doors first, then what is under way, the store last."""
        await self._parts.end(within=_STOP_SECONDS)
        journal.stopped(what="relay")

    def reload(self) -> None:
        """Reads the certificates anew."""
        self._doors.reload()

    async def _start(self) -> None:
        config = self._config
        does = config.node.does
        smtp_tls = self._doors.shown(way_in.smtp_tls(config)) if does(Role.SMTP) else None
        session = at_aws.session(config)
        self._take_lock()
        room, admission = way_in.room(config), way_in.admission(config)
        base = await self._base(room, admission)
        upkeep = way_out.upkeep(base)
        await upkeep.begin()
        sesv2 = at_aws.sesv2(config, session)
        sync = await at_aws.identity_sync(base.store, sesv2)
        feedback, queues = way_back.feedback(base, session), way_back.queues(config, session)
        lists = at_aws.suppression_sync(config, base.store, sesv2)
        heard = self._heard(base, way_back.redrive(base, feedback, queues), queues)
        if base.store.shared is None:
            await self._start_control(base, sync, lists, heard.second_try)
        await self._start_http(base, feedback, heard.refused)
        self._start_queues(base, feedback, queues, heard.queues)
        self._start_sync(base, sync)
        self._start_list_sync(base, lists)
        account = await self._start_account(base, sesv2)
        dispatcher = await self._start_dispatch(base, session, sesv2.meta.endpoint_url) if does(Role.DISPATCH) else None
        self._chore(base, upkeep.run, "upkeep")
        if config.playpen.recipient:
            journal.in_playpen(recipient=config.playpen.recipient)
        await self._start_watch(base, room, admission)
        entrance = await self._doors.entrance(base, sync.identities, admission, dispatcher)
        leader = Leader(alarms=heard.alarms, queues=heard.queues, upkeep=upkeep, account=lambda: account.standing)
        lookout = self._lookout(base, leader, admission, entrance)
        if config.private.listen:
            await self._open_private(base, entrance, heard, AtSes(sync=sync, verification=BotoVerification(sesv2)), lookout)
        if config.api.listen and does(Role.WEB):
            await self._open_api(base, entrance, sesv2)
        if smtp_tls:
            await self._doors.open_smtp(base, entrance, smtp_tls)
        self._chore(base, web_api.campaigns(base, entrance).run, "the mailings")
        self._chore(base, lambda: webhooks.run(base), "the webhooks")
        self._parts.keep_running(self._doors.watch_certificates, "the look at the certificates")
        self._chore(base, way_out.keeping(base).run, "the removal of what is old")
        self._chore(base, lambda: heard.alarms.run(every=_ALARM_SECONDS), "the look at the counters")
        self._start_telling(base, lookout, entrance)

    def _lookout(self, base: Base, leader: Leader, admission: Admission, entrance: Entrance) -> Lookout:
        machine = Machine(
            certificates=self._doors.certificates,
            refused_certificates=self._doors.refused_certificates,
            clock_ahead=lambda: self._sender.clock_ahead if self._sender else 0.0,
            queues=lambda: (collector.trouble for collector in self._collectors),
        )
        return alarms.lookout(base, machine, leader, admission, entrance.intake.quota)

    def _start_telling(self, base: Base, lookout: Lookout, entrance: Entrance) -> None:
        poster = alarms.poster()
        self._parts.ends_with(poster.close)
        telling = alarms.telling(base, lookout, entrance.intake, poster)
        self._parts.keep_running(telling.report, "the look at what stands")
        self._chore(base, telling.tell, "the telling of alarms")

    def _heard(self, base: Base, second_try: SecondTry, queues: tuple[SqsQueue, ...]) -> Heard:
        return Heard(
            refused=RefusedPosts(base.clock),
            queues=DeadLetterWatch(queues, base.clock),
            alarms=way_back.alarms(base),
            second_try=second_try,
            examine=lambda: rounds.examine(Look(self._config, runs=True), rounds.CHECKS),
        )

    async def _base(self, room: Room, admission: Admission) -> Base:
        config = self._config
        store = await self._open_store(room, admission)
        clock = await sharing.clock(store)
        bodies = sharing.bodies(config, store, clock)
        if lost := await bodies.sweep(store.spooled):
            journal.trouble(f"{lost} files in the spool belong to no message: moved to {config.store.lost}")
        listening = way_back.listening(config, clock())
        refusals = Refusals(store=store.counters, clock=clock, every=_COUNT_SECONDS)
        self._parts.ends_with(refusals.flush)  # the last that were refused
        self._parts.keep_running(refusals.run, "the count of refusals")
        membership, many = sharing.membership(config, store, clock=clock, listening=listening, patience=patience(config))
        if many:
            await self._join(many)
        return Base(
            config=config,
            store=store,
            bodies=bodies,
            clock=clock,
            listening=listening,
            refusals=refusals,
            linker=linker(config),
            wake=asyncio.Event(),
            allowance=sharing.allowance(store, clock),
            membership=membership,
        )

    async def _join(self, many: OneOfMany) -> None:
        await many.join()
        self._parts.ends_with(many.leave)
        self._parts.keep_running(many.run, "the signs of life")

    async def _open_store(self, room: Room, admission: Admission) -> SqlStore:
        def disk_is_full() -> None:
            room.give_up_ballast()
            admission.disk_is_full()

        room.make_way()
        store = await database.opened(self._config.store, on_full=disk_is_full, marks=sealing.marks(self._config))
        self._parts.ends_with(store.close)
        return store

    def _take_lock(self) -> None:
        store = self._config.store
        try:
            store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            store.spool.mkdir(mode=0o700, exist_ok=True)
            lock = Lock(store.lock)
            is_ours = lock.take()
        except OSError as error:
            raise ConfigError(self._config.file, "store.path", f"cannot be used: {error}") from error
        if not is_ours:
            raise ConfigError(self._config.file, "store.path", f"another relay runs on {store.path.parent}")
        self._parts.closes_with(lock.release)

    async def _start_watch(self, base: Base, room: Room, admission: Admission) -> None:
        store, clock = base.store.backlog, base.clock
        await watch.look(store, room, admission, now=clock())
        self._parts.keep_running(
            lambda: watch.run(store, room, admission, clock=clock, every=_LOOK_SECONDS), "the look at the queue"
        )

    async def _start_control(self, base: Base, sync: IdentitySync, lists: SuppressionSync, redrive: SecondTry) -> None:
        admin = base.admin(tell=self._doors.credential_changed)
        erase = privacy.eraser(self._config, base.store, base.bodies, base.clock).erase
        control = ControlServer(self._config.store.control, admin, sync.once, lists.once, redrive, erase)
        await control.start()
        self._parts.ends_with(control.stop)

    async def _start_http(self, base: Base, feedback: Feedback, refused: RefusedPosts) -> None:
        config, does = self._config, self._config.node.does
        healthy = self._healthy(base)
        if config.callbacks.listen and does(Role.FEEDBACK, Role.WEB):
            tls = way_in.http_tls(config.callbacks, section="callbacks", file=config.file)
            routes = [*healthy]
            routes += way_back.webhook(config, feedback, refused).routes() if does(Role.FEEDBACK) else ()
            routes += way_back.link_pages(base, base.linker) if base.linker and does(Role.WEB) else ()
            context = self._doors.shown(tls) if tls else None
            await self._doors.open_http(
                "callbacks", config.callbacks.listen, routes, tls=context, proxies=config.callbacks.proxies
            )

    def _healthy(self, base: Base) -> list[web.RouteDef]:
        return health.routes(lambda: base.store.suppressions.find(["nobody@example.com"]))

    async def _open_private(self, base: Base, entrance: Entrance, heard: Heard, at_ses: AtSes, lookout: Lookout) -> None:
        config = self._config
        tls = way_in.http_tls(config.private, section="private", file=config.file)
        context = self._doors.shown(tls) if tls else None
        routes = [*metrics.routes(), *self._healthy(base)]
        shown = console.made(base, entrance, heard, at_ses, lookout) if config.private.console else None
        if shown:
            routes += shown.routes
            self._parts.ends_with(shown.stop)
        await self._doors.open_http("private", config.private.listen, routes, tls=context, proxies=config.private.proxies)
        if shown and (link := await shown.first_link()):
            host = config.private.listen.rpartition(":")[0]
            journal.first_operator(link=f"{'https' if tls else 'http'}://{host}:{self.ports['private']}{link}")

    async def _open_api(self, base: Base, entrance: Entrance, sesv2: Any) -> None:
        config = self._config
        tls = way_in.http_tls(config.api, section="api", file=config.file)
        context = self._doors.shown(tls) if tls else None
        calls = Window(MINUTE, config.api.calls_per_minute)
        routes = web_api.routes(base, entrance, BotoVerification(sesv2), calls) + ses_door.routes(base, entrance, calls)
        await self._doors.open_http("api", config.api.listen, routes, tls=context, proxies=config.api.proxies)

    def _start_queues(self, base: Base, feedback: Feedback, queues: tuple[SqsQueue, ...], watched: DeadLetterWatch) -> None:
        """The node looks at them whose turn the chores are, also where it reads none itself."""
        read = queues if self._config.node.does(Role.FEEDBACK) else ()
        self._collectors = tuple(way_back.collector(base, feedback, queue) for queue in read)
        for queue, collector in zip(read, self._collectors, strict=True):
            self._parts.keep_running(collector.run, f"the reading of {queue.url}")
        if queues:
            self._chore(base, watched.run, "the look at the queues of events")

    async def _start_account(self, base: Base, sesv2: Any) -> AccountWatch:
        account = AccountWatch(client=sesv2, store=base.store.account, allowance=base.allowance, clock=base.clock)
        if base.store.shared is None:  # nodes that share it find it as the others left it
            await account.restore()
        self._chore(base, account.run, "the look at the account")
        return account

    async def _start_dispatch(self, base: Base, session: boto3.Session, endpoint: str) -> Dispatcher:
        credentials = ChainCredentials(session, clock=time.time)
        await credentials.refresh()
        self._sender = sender = way_out.ses_sender(base, credentials, endpoint)
        self._parts.ends_with(sender.close)
        dispatcher = way_out.dispatcher(base, sender)
        self._parts.keep_running(credentials.run, "the refresh of AWS credentials")
        self._parts.keep_running(dispatcher.run, "the dispatcher")
        if base.store.shared:
            self._parts.keep_running(base.store.shared.wakes(base.wake.set).listen, "the ear for mail at other nodes")
        self._parts.ends_with(dispatcher.stop, limit=_STOP_CALLS_SECONDS)
        return dispatcher

    def _start_sync(self, base: Base, sync: IdentitySync) -> None:
        if every := self._config.ses.identities_seconds:
            self._chore(base, lambda: sync.run(every=every, chance=random.random), "the look at the identities")
            if base.store.shared:
                self._parts.keep_running(lambda: sync.follow(every=_FOLLOW_SECONDS), "what other nodes know of the identities")

    def _start_list_sync(self, base: Base, lists: SuppressionSync) -> None:
        """What an operator removed is deleted at SES also where both lists are not compared."""
        self._chore(base, lists.work, "what is to be done on SES's suppression list")
        if minutes := self._config.suppression.sync_minutes:
            what = "the comparison with SES's suppression list"
            self._chore(base, lambda: lists.run(every=60.0 * minutes, chance=random.random), what)

    def _chore(self, base: Base, part: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
        """Where several nodes share the database, one of them does it for all."""
        self._parts.keep_running(lambda: base.membership.lead(part), what)
