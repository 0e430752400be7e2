"""What is on this machine: certificates, ports, the disk, the store."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from relay import config_rules
from relay.assembly import database, way_in
from relay.assembly.base import linker
from relay.credential import Credential, ListUnsubscribe, Macros
from relay.doctor.look import Look
from relay.errors import ConfigError, StoreUnavailable
from relay.findings import Verdict, fail, ok, warning
from relay.security.tls import ServerTls
from relay.settings import Config
from relay.store.lock import Lock

_DAYS_WARN = 14
_CONNECT_SECONDS = 3.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where one listens on all, one is reached here


async def smtp_certificate(look: Look) -> Verdict:
    """Of the SMTP door, and of those beside it for other names."""
    return await asyncio.to_thread(_ends, lambda: way_in.smtp_tls(look.config))


async def callbacks_certificate(look: Look) -> Verdict:
    """Of the HTTP listener, where it has one of its own."""
    config = look.config
    return await asyncio.to_thread(_ends, lambda: way_in.http_tls(config.callbacks, section="callbacks", file=config.file))


async def api_certificate(look: Look) -> Verdict:
    """Of the HTTP API, where it has one."""
    config = look.config
    return await asyncio.to_thread(_ends, lambda: way_in.http_tls(config.api, section="api", file=config.file))


def _ends(tls: Callable[[], ServerTls | None]) -> Verdict:
    try:
        found = tls()
    except ConfigError as error:
        return fail(str(error), "the relay does not start with it: correct the path, the rights or the pair")
    if found is None:
        return ok("none: it speaks plain HTTP")
    days = {name: (ends - time.time()) / 86400 for name, ends in found.expires.items()}
    name = min(days, key=days.__getitem__)
    seen, remedy = f"{name} ends in {days[name]:.0f} days", "renew it; the relay reads its files anew by itself"
    if days[name] <= 0:
        return fail(f"{name} ended {-days[name]:.0f} days ago", remedy)
    return warning(seen, remedy) if days[name] < _DAYS_WARN else ok(seen)


async def ports(look: Look) -> Verdict:
    """All answer while a relay runs, and are free while none does."""
    runs = look.runs or relay_runs(look.config)
    trouble = []
    for key, host, port in _listeners(look.config):
        if port and (why := await _unanswered(host, port) if runs else _taken(host, port)):
            trouble.append(f"{key} {host}:{port}: {why}")
    if not trouble:
        return ok("a relay runs and listens" if runs else "no relay runs, and all are free")
    remedy = "see the relay's journal" if runs else "stop who listens there; below 1024 give the relay CAP_NET_BIND_SERVICE"
    return fail("; ".join(trouble), remedy)


def relay_runs(config: Config) -> bool:
    """Whether one holds its lock, or one of its workers does; or the lock is not for us."""
    own = config.store.lock
    return any(map(_is_held, (own, *own.parent.glob(f"worker-*/{own.name}"))))


def _is_held(path: Path) -> bool:
    lock = Lock(path)
    try:
        is_free = not path.exists() or lock.take()
    except OSError:
        return True
    lock.release()
    return not is_free


def _listeners(config: Config) -> Iterator[tuple[str, str, int]]:
    smtp = config.smtp
    for key, listener in (
        ("smtp.submission", smtp.submission),
        ("smtp.submissions", smtp.submissions),
        ("smtp.trusted", smtp.trusted),
        ("callbacks.listen", config.callbacks.listen),
        ("api.listen", config.api.listen),
        ("private.listen", config.private.listen),
    ):
        if listener:
            yield key, *config_rules.address(listener, config.file, key)


async def _unanswered(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(_ANY.get(host, host), port)
    except (OSError, TimeoutError) as error:
        return (isinstance(error, OSError) and error.strerror) or "no answer"
    writer.close()
    return ""


def _taken(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return "somebody listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return ""


async def disk(look: Look) -> Verdict:
    """Below queue.min_free_octets no mail is taken."""
    folder, least = _existing(look.config.store.path.parent), look.config.queue.min_free_octets
    found = await asyncio.to_thread(os.statvfs, folder)
    free = found.f_bavail * found.f_frsize
    seen, remedy = f"{free / 1e9:.1f} GB free in {folder}", "make room, or shorten [retention]; docs/store.md"
    if free < least:
        return fail(f"{seen}: less than queue.min_free_octets, no mail is taken", remedy)
    return warning(seen, remedy) if free < 2 * least else ok(seen)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


async def store(look: Look) -> Verdict:
    """It can be read. Before the first start there is none."""
    where, path = look.config.store, look.config.store.path
    if not database.exists(where):
        folder = _existing(path.parent)
        if not os.access(folder, os.W_OK):
            return fail(f"there is none, and {folder} cannot be written", "run this as the relay's user, or correct store.path")
        return warning(f"{path}: there is none yet", "the first `relay serve` makes it; run this as the relay's user")
    try:
        opened = await database.opened_to_read(look.config.store)
        try:
            await opened.suppressions.find(["nobody@example.com"])
        finally:
            await opened.close()
    except (ConfigError, StoreUnavailable) as error:
        return fail(str(error), "run this as the relay's user; docs/store.md has what to do about a damaged one")
    return ok(f"{where.where} can be read")


async def links(look: Look) -> Verdict:
    """Whether those who want them in their mail can have them."""
    wanting = [each.name for each in await _logins(look) if each.macros is not Macros.OPTIONAL or _adds_links(each)]
    if linker(look.config):
        return ok(f"on, and wanted by {', '.join(wanting) or 'nobody yet'}")
    if not wanting:
        return ok("off: no secrets.keys, or no callbacks.public_url")
    return fail(
        f"off, and wanted by {', '.join(wanting)}", "`relay key new`, secrets.keys and callbacks.public_url; docs/links.md"
    )


def _adds_links(login: Credential) -> bool:
    return login.list_unsubscribe is not ListUnsubscribe.OFF


async def _logins(look: Look) -> tuple[Credential, ...]:
    """None where there is no store to read: that is for its own check to say."""
    try:
        opened = await database.opened_to_read(look.config.store)
    except ConfigError:
        return ()
    try:
        return await opened.credentials.all()
    except StoreUnavailable:
        return ()
    finally:
        await opened.close()
