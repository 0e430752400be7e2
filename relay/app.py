"""Puts the relay together, starts it in order and stops it in reverse. The only file that knows concrete parts."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import boto3
from aiohttp.web import RouteDef

from relay import config as configuration
from relay import journal, upkeep
from relay.admin import Admin
from relay.aws import account, clients
from relay.aws.certificates import FetchedCertificates, PinnedCertificate
from relay.aws.credentials import ChainCredentials
from relay.aws.ses import SesSender
from relay.aws.sns import SnsTopics
from relay.config import Config, SmtpConfig
from relay.control.server import ControlServer
from relay.dispatch import Dispatcher
from relay.errors import ConfigError
from relay.feedback import Feedback
from relay.guesses import Guesses
from relay.intake import Budget, Intake
from relay.lifecycle import Patience
from relay.model import Credential
from relay.ports import Certificates
from relay.quota import Quota
from relay.rate import Bucket
from relay.security.passwords import ArgonPasswords
from relay.security.tls import Pair, ServerTls
from relay.smtp.limits import Limits
from relay.smtp.login import Login, TrustedNetworks
from relay.smtp.server import SmtpServer
from relay.store.bodies import Spool
from relay.store.lock import Lock
from relay.store.sqlite.store import SqliteStore
from relay.web import health, metrics
from relay.web.callbacks import sns
from relay.web.server import HttpServer

# Together less than the 35 seconds after which a supervisor loses patience.
_STOP_SMTP_SECONDS = 8.0
_STOP_CALLS_SECONDS = 18.0
_UPKEEP_SECONDS = 5.0
_WATCH_SECONDS = 5.0
_FILES_SETTLE_SECONDS = 1.0
_FIRST_RATE = 1.0  # recipients a second until GetAccount has answered: what every account may


class App:
    """One relay: `start`, then wait for `failed` or a signal, then `stop`. `ports` tells where it listens."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._parts = AsyncExitStack()
        self._tls: list[ServerTls] = []
        self._smtp: SmtpServer | None = None
        self.ports: dict[str, int] = {}
        self.failed = asyncio.Event()

    async def start(self) -> None:
        """Raises ConfigError for what cannot be used; then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def stop(self) -> None:
        """Doors first, then what is under way, the store last."""
        await self._parts.aclose()
        journal.stopped(what="relay")

    def reload(self) -> None:
        """Reads the certificates anew."""
        for tls in self._tls:
            tls.reload()

    async def _start(self) -> None:
        config = self._config
        smtp_tls = self._serve_tls(_smtp_pairs(config.smtp), "smtp")
        session = _session(config)
        self._take_lock()
        store = await SqliteStore.open(config.store.path)
        self._parts.push_async_callback(store.close)
        spool = Spool(config.store.spool)
        if lost := spool.sweep(await store.spooled()):
            journal.trouble(f"{lost} files in the spool belong to no message: moved to {spool.lost}")
        patience = _patience(config)
        await upkeep.rescue(store.queue, now=time.time(), everything=True, patience=patience)
        await self._start_control(store)
        await self._start_callbacks(store, session)
        if config.private.listen:
            await self._serve_http("private", config.private.listen, [*metrics.routes(), *_health(store)], None)
        wake = asyncio.Event()
        await self._start_dispatch(store, spool, session, patience, wake)
        await self._start_smtp(store, spool, patience, wake, smtp_tls)
        self._keep_running(self._watch_certificates, "the look at the certificates")

    def _serve_tls(self, pairs: Sequence[Pair], section: str) -> ssl.SSLContext:
        tls = ServerTls(pairs, section=section, file=self._config.file)
        self._tls.append(tls)
        return tls.context

    async def _watch_certificates(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for tls in self._tls:
                if tls.has_changed():
                    await asyncio.sleep(_FILES_SETTLE_SECONDS)  # the key is written a moment after the certificate
                    tls.reload()

    def _take_lock(self) -> None:
        store = self._config.store
        try:
            store.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock(store.lock)
            is_ours = lock.take()
        except OSError as error:
            raise ConfigError(self._config.file, "store.path", f"cannot be used: {error}") from error
        if not is_ours:
            raise ConfigError(self._config.file, "store.path", f"another relay runs on {store.path.parent}")
        self._parts.callback(lock.release)

    async def _start_control(self, store: SqliteStore) -> None:
        admin = Admin(store.suppressions, store.credentials, self._credential_changed)
        control = ControlServer(self._config.store.control, admin)
        await control.start()
        self._parts.push_async_callback(control.stop)

    async def _start_callbacks(self, store: SqliteStore, session: boto3.Session) -> None:
        config = self._config
        if not config.callbacks.listen:
            return
        pair = Pair(Path(config.callbacks.certificate), Path(config.callbacks.key))
        tls = self._serve_tls([pair], "callbacks") if config.callbacks.certificate else None
        feedback = Feedback(
            store=store.feedback,
            certificates=_certificates(config),
            sns=SnsTopics(clients.client(session, "sns", config.feedback.sns_endpoint)),
            clock=time.time,
            topics=config.feedback.topics,
            versions=config.feedback.signature_versions,
        )
        await self._serve_http("callbacks", config.callbacks.listen, [*sns.routes(feedback), *_health(store)], tls)

    async def _serve_http(self, name: str, listener: str, routes: Iterable[RouteDef], tls: ssl.SSLContext | None) -> None:
        server = HttpServer(name, routes)
        host, port = configuration.address(listener, self._config.file, f"{name}.listen")
        self._parts.push_async_callback(server.stop)
        self.ports[name] = await _bound(server.listen(host, port, tls=tls), self._config, f"{name}.listen")

    async def _start_dispatch(
        self, store: SqliteStore, spool: Spool, session: boto3.Session, patience: Patience, wake: asyncio.Event
    ) -> None:
        config = self._config
        sesv2 = clients.client(session, "sesv2", config.ses.endpoint)
        credentials = ChainCredentials(session)
        await credentials.refresh()
        sender = SesSender(
            endpoint=sesv2.meta.endpoint_url,
            region=config.ses.region,
            configuration_set=config.ses.configuration_set,
            credentials=credentials,
            clock=time.time,
            connections=config.ses.connections,
            connect_timeout=config.ses.connect_timeout_seconds,
            read_timeout=config.ses.read_timeout_seconds,
            tls=ssl.create_default_context(),
        )
        self._parts.push_async_callback(sender.close)
        bucket = Bucket(_FIRST_RATE, time.monotonic())
        dispatcher = Dispatcher(
            queue=store.queue,
            bodies=spool,
            sender=sender,
            clock=time.time,
            monotonic=time.monotonic,
            wake=wake,
            bucket=bucket,
            patience=patience,
            max_calls=config.ses.connections,
            lease=2 * (config.ses.connect_timeout_seconds + config.ses.read_timeout_seconds) + 30,
        )
        self._keep_running(credentials.run, "the refresh of AWS credentials")
        self._keep_running(lambda: account.run(sesv2, bucket), "the look at the account")
        self._keep_running(
            lambda: upkeep.run(store.queue, clock=time.time, every=_UPKEEP_SECONDS, patience=patience, wake=wake), "upkeep"
        )
        self._keep_running(dispatcher.run, "the dispatcher")
        self._parts.push_async_callback(dispatcher.stop, limit=_STOP_CALLS_SECONDS)

    async def _start_smtp(
        self, store: SqliteStore, spool: Spool, patience: Patience, wake: asyncio.Event, tls: ssl.SSLContext
    ) -> None:
        config = self._config.smtp
        passwords = ArgonPasswords(monotonic=time.monotonic)
        self._parts.callback(passwords.close)
        intake = Intake(
            queue=store.queue,
            bodies=spool,
            suppressions=store.suppressions,
            clock=time.time,
            chance=os.urandom,
            wake=wake,
            hostname=config.hostname,
            max_size=config.max_size,
            budget=Budget(max(config.max_octets_in_flight, config.max_size)),
            quota=await self._quota(store),
            patience=patience,
        )
        self._smtp = server = SmtpServer(
            intake=intake,
            login=Login(store.credentials, passwords, self._guesses(), time.time),
            hostname=config.hostname,
            tls=tls,
            limits=_limits(config),
            proxies=config.proxies,
        )
        self._parts.push_async_callback(server.stop, limit=_STOP_SMTP_SECONDS)
        await self._listen(server, "submission", config.submission)
        await self._listen(server, "submissions", config.submissions, implicit_tls=True)
        guests = TrustedNetworks(config.trusted_networks, config.trusted_credential, store.credentials)
        await self._listen(server, "trusted", config.trusted, guests=guests)

    async def _quota(self, store: SqliteStore) -> Quota:
        logins = self._config.logins
        quota = Quota(clock=time.time, per_minute=logins.messages_per_minute, per_day=logins.messages_per_day)
        quota.restore(await store.credentials.accepted_since(time.time() // 86400 * 86400))
        return quota

    def _guesses(self) -> Guesses:
        logins = self._config.logins
        return Guesses(
            monotonic=time.monotonic,
            seconds=logins.failure_seconds,
            per_address=logins.failures_per_address,
            per_name=logins.failures_per_name,
        )

    def _credential_changed(self, credential: Credential) -> None:
        if self._smtp:
            self._smtp.credential_changed(credential)

    async def _listen(self, server: SmtpServer, name: str, listener: str, **options: Any) -> None:
        if listener:
            host, port = configuration.address(listener, self._config.file, f"smtp.{name}")
            self.ports[name] = await _bound(server.listen(host, port, **options), self._config, f"smtp.{name}")

    def _keep_running(self, part: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
        """A task until the stop. One that ends by an exception of ours takes the relay down, to be started afresh."""

        async def run() -> None:
            try:
                await part()
            except Exception:
                journal.bug(f"{what} failed")
                self.failed.set()

        task = asyncio.create_task(run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._parts.push_async_callback(end)


def _health(store: SqliteStore) -> list[RouteDef]:
    return health.routes(lambda: store.suppressions.find(["nobody@example.com"]))


def _session(config: Config) -> boto3.Session:
    try:
        return boto3.Session(profile_name=config.ses.profile or None, region_name=config.ses.region)
    except Exception as error:  # botocore raises its own kinds for a profile that is not there
        raise ConfigError(config.file, "ses.profile", str(error)) from error


def _patience(config: Config) -> Patience:
    return Patience(
        delays=tuple(float(delay) for delay in config.retry.delays_seconds),
        lifetime=float(config.retry.lifetime_seconds),
        in_doubt=float(config.retry.in_doubt_seconds),
    )


def _smtp_pairs(smtp: SmtpConfig) -> list[Pair]:
    further = zip(map(Path, smtp.further_certificates), map(Path, smtp.further_keys), strict=True)
    return [Pair(smtp.certificate, smtp.key), *(Pair(certificate, key) for certificate, key in further)]


def _limits(smtp: SmtpConfig) -> Limits:
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
        messages=smtp.max_messages_per_connection,
        connections=smtp.max_connections,
        connections_per_client=smtp.max_connections_per_client,
    )


def _certificates(config: Config) -> Certificates:
    if not config.feedback.pinned_certificate:
        return FetchedCertificates()
    try:
        return PinnedCertificate(Path(config.feedback.pinned_certificate))
    except (OSError, ValueError) as error:
        raise ConfigError(config.file, "feedback.pinned_certificate", str(error)) from error


async def _bound(opening: Awaitable[int], config: Config, key: str) -> int:
    try:
        return await opening
    except OSError as error:
        raise ConfigError(config.file, key, f"cannot listen there: {error.strerror or error}") from error
