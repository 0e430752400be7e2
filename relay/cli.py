"""The command line: what an operator types. Reads the database itself; what it writes goes through a relay that runs."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import wraps
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

from relay import __version__, address, journal, ports
from relay import admin as administration
from relay import config as configuration
from relay.app import App
from relay.config import Config
from relay.control.client import ControlClient
from relay.errors import ConfigError, StoreUnavailable
from relay.model import Credential, Kind, Life, OnSuppressed, Reason, Recipients, Suppression
from relay.playground import APPLICATION, CALLBACKS, SUBMISSION, SUBMISSIONS, Playground, demo
from relay.security.passwords import hash_password
from relay.store.lock import Lock
from relay.store.sqlite.store import SqliteStore

_DEFAULT_CONFIG = Path("/etc/relay/relay.toml")
_SANDBOX = Path("sandbox")

T = TypeVar("T")


def run(step: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Runs a verb on a loop of its own; what an operator can mend is told in one line, with exit status 2."""

    @wraps(step)
    def command(*args: Any, **options: Any) -> T:
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                return runner.run(step(*args, **options))
        except (ConfigError, StoreUnavailable) as error:
            _fail(str(error))

    return command


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed (the extra `fast`)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _fail(why: str) -> NoReturn:
    click.echo(f"relay: {why}", err=True)
    sys.exit(2)


@click.group()
@click.version_option(__version__, prog_name="relay")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="RELAY_CONFIG",
    help=f"The settings; {_DEFAULT_CONFIG} where it exists, else defaults and environment.",
)
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """A durable SMTP relay in front of Amazon SES, with its feedback brought home."""
    context.obj = file or (_DEFAULT_CONFIG if _DEFAULT_CONFIG.exists() else None)


def _load(file: Path | None) -> Config:
    return configuration.load(file, os.environ)


@main.command()
@click.option("--config", "own", type=click.Path(path_type=Path), help="The settings.")
@click.pass_obj
@run
async def serve(file: Path | None, own: Path | None) -> None:
    """Run the relay until SIGTERM or SIGINT. SIGHUP reads the certificates anew."""
    config = _load(own or file)
    journal.open_journal(addresses=config.log.addresses)
    app = App(config)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.reload)
    await app.start()
    await _until_told([app.failed])
    await app.stop()
    if app.failed.is_set():
        sys.exit(1)


@main.command("check-config")
@click.argument("own", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def check_config(file: Path | None, own: Path | None) -> None:
    """Read the settings and say whether they can be used."""
    try:
        config = _load(own or file)
    except ConfigError as error:
        _fail(str(error))
    click.echo(f"{config.file}: ok")


@main.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=_SANDBOX, show_default=True)
@click.option("--demo", "with_demo", is_flag=True, help="Send the demo's traffic once it runs.")
@run
async def sandbox(folder: Path, with_demo: bool) -> None:
    """Run the whole relay against an AWS in miniature, on this machine only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "relay.log").open("a", encoding="utf-8") as log:
        journal.open_journal(stream=log)
        playground = Playground(folder)
        await playground.start()
        try:
            all_right = await _show_demo(folder) if with_demo else True
            _print_sandbox(folder)
            if not all_right:
                click.echo("Some rows of the demo are not as they should be.", err=True)
            await _until_told([playground.app.failed])
        finally:
            await playground.stop()


@main.command("demo")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=_SANDBOX, show_default=True)
@run
async def demo_command(folder: Path) -> None:
    """Send the demo's traffic through a sandbox that runs; exit 0 only if every row is as it should be."""
    sys.exit(0 if await _show_demo(folder) else 1)


async def _show_demo(folder: Path) -> bool:
    table = Table(title="Relay demo: through the real SMTP door, SES in miniature behind it")
    for column in ("", "what was sent", "what must happen", "what happened instead"):
        table.add_column(column)
    all_right = True
    async with AsyncExitStack() as stack:
        async for row in (await demo(folder, stack)).rows():
            all_right = all_right and row.is_right
            table.add_row("ok" if row.is_right else "WRONG", row.what, row.expected, "" if row.is_right else row.seen)
    _console().print(table)
    return all_right


def _print_sandbox(folder: Path) -> None:
    to = "success@simulator.amazonses.com"
    login = f"'{APPLICATION.name}', '{APPLICATION.password}'"
    mail = f"'{APPLICATION.sender}', '{to}', 'From: {APPLICATION.sender}\\r\\nSubject: hi\\r\\n\\r\\nHello\\r\\n'"
    python = (
        f"import smtplib, ssl; s = smtplib.SMTP('127.0.0.1', {SUBMISSION}); "
        f"s.starttls(context=ssl._create_unverified_context()); s.login({login}); s.sendmail({mail})"
    )
    click.echo(
        f"""
The sandbox runs; Ctrl-C ends it.

  SMTP        127.0.0.1:{SUBMISSION} (STARTTLS)   127.0.0.1:{SUBMISSIONS} (TLS)   self-signed certificate
  login       {APPLICATION.name} / {APPLICATION.password}   sends as anything @example.com
  webhook     http://127.0.0.1:{CALLBACKS}/sns

Send one:

  swaks --server 127.0.0.1:{SUBMISSION} --tls --auth-user {APPLICATION.name} --auth-password {APPLICATION.password} \\
        --from {APPLICATION.sender} --to {to}

  python3 -c "{python}"

See what became of it (other addresses to try: bounce@, complaint@, ooto@, suppressionlist@simulator.amazonses.com):

  .venv/bin/relay message list --dir {folder}
  .venv/bin/relay message show ID --dir {folder}
  tail -f {folder}/relay.log
"""
    )


async def _until_told(reasons: list[asyncio.Event]) -> None:
    """Until a signal, or one of the reasons. A second signal ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: sys.exit(1) if told.is_set() else told.set())
    waiting = [asyncio.create_task(event.wait()) for event in (told, *reasons)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _store_path(file: Path | None, folder: Path | None) -> Path:
    return folder / "relay.db" if folder else _load(file).store.path


_in_sandbox = click.option("--dir", "folder", type=click.Path(path_type=Path), help="Look into a sandbox's folder instead.")


@asynccontextmanager
async def _reading(file: Path | None, folder: Path | None) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open_to_read(_store_path(file, folder))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _admin(file: Path | None, folder: Path | None) -> AsyncIterator[ports.Admin]:
    """The relay that runs, through its socket; or the database itself, if nobody has the lock."""
    path = _store_path(file, folder)
    places = configuration.StoreConfig(path=path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(places.lock)
    if not lock.take():
        yield ControlClient(places.control)
        return
    store = await SqliteStore.open(path)
    try:
        yield administration.Admin(store.suppressions, store.credentials)
    finally:
        await store.close()
        lock.release()


@main.group()
def message() -> None:
    """Look at messages."""


@message.command("list")
@click.option("--limit", default=20, show_default=True)
@_in_sandbox
@click.pass_obj
@run
async def message_list(file: Path | None, limit: int, folder: Path | None) -> None:
    """The newest messages and what became of each."""
    table = Table()
    for column in ("id", "accepted", "credential", "sender", "recipient", "status", "subject"):
        table.add_column(column, no_wrap=column == "id")
    async with _reading(file, folder) as store:
        for life in await store.messages.newest(limit=limit):
            for delivery, status in zip(life.deliveries, life.statuses, strict=True):
                found = life.message
                table.add_row(
                    found.id,
                    _when(found.accepted_at),
                    found.credential,
                    found.sender,
                    delivery.recipient,
                    status,
                    found.subject,
                )
    _console().print(table)


@message.command("show")
@click.argument("message_id", metavar="ID")
@_in_sandbox
@click.pass_obj
@run
async def message_show(file: Path | None, message_id: str, folder: Path | None) -> None:
    """The life of one message as a timeline."""
    async with _reading(file, folder) as store:
        life = await store.messages.show(message_id.upper())
    if life is None:
        _fail(f"no message {message_id}")
    _print_life(life)


def _print_life(life: Life) -> None:
    found = life.message
    click.echo(f"{found.id}  {found.subject}")
    click.echo(
        f"  from {found.sender} (header {found.header_from}), {found.size} octets, by {found.credential} at {found.peer}"
    )
    for delivery, status in zip(life.deliveries, life.statuses, strict=True):
        click.echo(f"  to {delivery.recipient}: {status}{f' ({delivery.reason})' if delivery.reason else ''}")
    for moment in life.moments:
        click.echo(f"  {_when(moment.at)}  {moment.what:<22} {moment.recipient}  {moment.detail}".rstrip())


@main.group()
def suppression() -> None:
    """Addresses that must not be mailed."""


@suppression.command("check")
@click.argument("wanted", metavar="ADDRESS")
@_in_sandbox
@click.pass_obj
@run
async def suppression_check(file: Path | None, wanted: str, folder: Path | None) -> None:
    """Say whether an address is suppressed; exit 1 if it is."""
    async with _reading(file, folder) as store:
        found = (await store.suppressions.find([_address(wanted)])).get(wanted)
    if found is None:
        click.echo(f"{wanted}: not suppressed")
        return
    click.echo(f"{wanted}: {found.reason} since {_when(found.created_at)}, from {found.source} {found.note}".rstrip())
    sys.exit(1)


@suppression.command("add")
@click.argument("wanted", metavar="ADDRESS")
@click.option("--note", default="", help="Why, for whoever looks later.")
@_in_sandbox
@click.pass_obj
@run
async def suppression_add(file: Path | None, wanted: str, note: str, folder: Path | None) -> None:
    """Suppress an address by hand."""
    added = Suppression(
        address=_address(wanted), reason=Reason.MANUAL, source="command line", created_at=time.time(), note=note
    )
    async with _admin(file, folder) as admin:
        changed = await admin.suppress(added)
    click.echo(f"{wanted}: {'suppressed' if changed else 'was suppressed already'}")


@suppression.command("remove")
@click.argument("wanted", metavar="ADDRESS")
@_in_sandbox
@click.pass_obj
@run
async def suppression_remove(file: Path | None, wanted: str, folder: Path | None) -> None:
    """Let an address be mailed again."""
    async with _admin(file, folder) as admin:
        changed = await admin.release(_address(wanted))
    click.echo(f"{wanted}: {'may be mailed again' if changed else 'was not suppressed'}")


@suppression.command("list")
@click.option("--limit", default=100, show_default=True)
@click.option("--reason", type=click.Choice([str(reason) for reason in Reason]))
@_in_sandbox
@click.pass_obj
@run
async def suppression_list(file: Path | None, limit: int, reason: str | None, folder: Path | None) -> None:
    """The newest suppressed addresses."""
    table = Table()
    for column in ("address", "reason", "since", "source", "note"):
        table.add_column(column)
    async with _reading(file, folder) as store:
        for found in await store.suppressions.newest(limit=limit, reason=Reason(reason) if reason else None):
            table.add_row(found.address, found.reason, _when(found.created_at), found.source, found.note)
    _console().print(table)


@main.group()
def credential() -> None:
    """Logins."""


@credential.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice([str(kind) for kind in Kind]), default=str(Kind.APPLICATION), show_default=True)
@click.option("--sender", "senders", multiple=True, required=True, help="An address, or @domain for all of it. Repeatable.")
@click.option("--network", "networks", multiple=True, help="Where it may log in from: an address or CIDR block. Repeatable.")
@click.option("--recipients", type=click.Choice([str(mode) for mode in Recipients]), help="Default: one; split for a person.")
@click.option(
    "--on-suppressed", type=click.Choice([str(mode) for mode in OnSuppressed]), help="Default: drop; reject for a person."
)
@click.option("--null-sender", default="", help="The address put for MAIL FROM:<>; without it that is refused.")
@click.option("--no-enhanced-codes", is_flag=True, help="For clients that match on the position of the reply's text.")
@click.option("--password-file", type=click.File("r"), help="Where the password stands; without it one is made and shown once.")
@_in_sandbox
@click.pass_obj
@run
async def credential_add(file: Path | None, name: str, folder: Path | None, **options: Any) -> None:
    """Add a login, or replace the one of that name."""
    given = options["password_file"].read().strip() if options["password_file"] else ""
    password = given or secrets.token_urlsafe(18)
    kind = Kind(options["kind"])
    is_person = kind is Kind.PERSON
    added = Credential(
        name=name,
        kind=kind,
        password_hash=hash_password(password),
        senders=tuple(_sender(text) for text in options["senders"]),
        networks=tuple(_network(text) for text in options["networks"]),
        recipients=Recipients(options["recipients"] or (Recipients.SPLIT if is_person else Recipients.ONE)),
        on_suppressed=OnSuppressed(options["on_suppressed"] or (OnSuppressed.REJECT if is_person else OnSuppressed.DROP)),
        null_sender=_address(options["null_sender"]) if options["null_sender"] else "",
        enhanced_codes=not options["no_enhanced_codes"],
    )
    async with _admin(file, folder) as admin:
        await admin.put_credential(added)
    click.echo(f"{name}: added" if given else f"{name}: added, password {password}")


@credential.command("disable")
@click.argument("name")
@_in_sandbox
@click.pass_obj
@run
async def credential_disable(file: Path | None, name: str, folder: Path | None) -> None:
    """Refuse a login from now on."""
    found = await _credential(file, folder, name)
    async with _admin(file, folder) as admin:
        await admin.put_credential(replace(found, disabled=True))
    click.echo(f"{name}: disabled")


@credential.command("list")
@_in_sandbox
@click.pass_obj
@run
async def credential_list(file: Path | None, folder: Path | None) -> None:
    """All logins."""
    table = Table()
    for column in ("name", "kind", "senders", "networks", "recipients", "suppressed", "state"):
        table.add_column(column)
    async with _reading(file, folder) as store:
        for found in await store.credentials.all():
            state = "disabled" if found.disabled else "active"
            senders, networks = ", ".join(found.senders), ", ".join(found.networks) or "everywhere"
            table.add_row(found.name, found.kind, senders, networks, found.recipients, found.on_suppressed, state)
    _console().print(table)


@main.group()
def sender() -> None:
    """Addresses and domains that a login may send as."""


@sender.command("add")
@click.argument("name", metavar="CREDENTIAL")
@click.argument("wanted", metavar="ADDRESS-OR-@DOMAIN")
@_in_sandbox
@click.pass_obj
@run
async def sender_add(file: Path | None, name: str, wanted: str, folder: Path | None) -> None:
    """Let a login send as one more address or domain."""
    found = await _credential(file, folder, name)
    async with _admin(file, folder) as admin:
        await admin.put_credential(replace(found, senders=tuple(dict.fromkeys((*found.senders, _sender(wanted))))))
    click.echo(f"{name}: may send as {wanted}")


@sender.command("remove")
@click.argument("name", metavar="CREDENTIAL")
@click.argument("wanted", metavar="ADDRESS-OR-@DOMAIN")
@_in_sandbox
@click.pass_obj
@run
async def sender_remove(file: Path | None, name: str, wanted: str, folder: Path | None) -> None:
    """Take an address or domain from a login."""
    found = await _credential(file, folder, name)
    async with _admin(file, folder) as admin:
        left = tuple(listed for listed in found.senders if listed != _sender(wanted))
        await admin.put_credential(replace(found, senders=left))
    click.echo(f"{name}: may not send as {wanted}")


@sender.command("list")
@_in_sandbox
@click.pass_obj
@run
async def sender_list(file: Path | None, folder: Path | None) -> None:
    """Who may send as what."""
    async with _reading(file, folder) as store:
        for found in await store.credentials.all():
            for listed in found.senders:
                click.echo(f"{found.name}\t{listed}")


async def _credential(file: Path | None, folder: Path | None, name: str) -> Credential:
    async with _reading(file, folder) as store:
        found = await store.credentials.get(name)
    return found or _fail(f"no credential {name}")


def _address(text: str) -> str:
    try:
        return address.parse(text.encode("utf-8"))
    except ValueError:
        _fail(f"{text}: not an address")


def _sender(text: str) -> str:
    """`@domain` or an address, in lower case as credentials keep it."""
    return address.key(_address(f"x{text}")[1:] if text.startswith("@") else _address(text))


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        _fail(f"{text}: not an address or CIDR block")


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _console() -> Console:
    """As wide as needed where nobody watches: a pipe must not get its lines cut."""
    return Console(width=None if sys.stdout.isatty() else 200)
