"""The verbs of logins, and of what each may send as."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TextIO

import click
from rich.table import Table

from relay.cli import arguments
from relay.cli.access import changing, on_store, reading
from relay.cli.terminal import Failure, show, when
from relay.config import StoreConfig
from relay.model import Credential, Kind, LastUse, LineEnds, OnSuppressed, Recipients
from relay.security.passwords import hash_password

_password_file = click.option(
    "--password-file", type=click.File("r"), help="Where the password stands; without it one is made and shown once."
)
_DEFAULTS = {
    Kind.APPLICATION: (Recipients.ONE, OnSuppressed.DROP),
    Kind.PERSON: (Recipients.SPLIT, OnSuppressed.REJECT),
}


@click.group()
def credential() -> None:
    """Logins."""


@credential.command("add")
@click.argument("name", type=arguments.name)
@click.option("--kind", type=click.Choice([str(kind) for kind in Kind]), default=str(Kind.APPLICATION), show_default=True)
@click.option(
    "--sender",
    "senders",
    type=arguments.sender,
    multiple=True,
    required=True,
    help="An address, or @domain for all of it. Repeatable.",
)
@click.option(
    "--network",
    "networks",
    type=arguments.network,
    multiple=True,
    help="Where it may log in from: an address or CIDR block. Repeatable.",
)
@click.option("--recipients", type=click.Choice([str(mode) for mode in Recipients]), help="Default: one; split for a person.")
@click.option(
    "--on-suppressed", type=click.Choice([str(mode) for mode in OnSuppressed]), help="Default: drop; reject for a person."
)
@click.option("--null-sender", default="", help="The address put for MAIL FROM:<>; without it that is refused.")
@click.option("--no-enhanced-codes", is_flag=True, help="For clients that match on the position of the reply's text.")
@click.option(
    "--line-ends",
    type=click.Choice([str(mode) for mode in LineEnds]),
    default=str(LineEnds.REFUSE),
    show_default=True,
    help="What becomes of a lone CR or LF.",
)
@click.option("--per-minute", type=click.IntRange(0), default=0, help="Messages; 0: what the settings say.")
@click.option("--per-day", type=click.IntRange(0), default=0, help="Messages; 0: what the settings say.")
@_password_file
@on_store
async def credential_add(
    where: StoreConfig,
    *,
    name: str,
    kind: str,
    senders: tuple[str, ...],
    networks: tuple[str, ...],
    recipients: str | None,
    on_suppressed: str | None,
    null_sender: str,
    no_enhanced_codes: bool,
    line_ends: str,
    per_minute: int,
    per_day: int,
    password_file: TextIO | None,
) -> None:
    """Add a login, or replace the one of that name."""
    password, shown = _password(password_file)
    default_recipients, default_on_suppressed = _DEFAULTS[Kind(kind)]
    added = Credential(
        name=name,
        kind=Kind(kind),
        password_hashes=(hash_password(password),),
        line_ends=LineEnds(line_ends),
        per_minute=per_minute,
        per_day=per_day,
        senders=senders,
        networks=networks,
        recipients=Recipients(recipients or default_recipients),
        on_suppressed=OnSuppressed(on_suppressed or default_on_suppressed),
        null_sender=arguments.mail_address(null_sender) if null_sender else "",
        enhanced_codes=not no_enhanced_codes,
    )
    await _put(where, added)
    click.echo(f"{name}: added{shown}")


@credential.command("rotate")
@click.argument("name", type=arguments.name)
@click.option("--finish", is_flag=True, help="Take the old password away.")
@_password_file
@on_store
async def credential_rotate(where: StoreConfig, *, name: str, finish: bool, password_file: TextIO | None) -> None:
    """Give a login a new password; the old one stays valid beside it until --finish."""
    found = await _find(where, name)
    if finish:
        await _put(where, replace(found, password_hashes=found.password_hashes[:1]))
        click.echo(f"{name}: only the newest password is valid")
        return
    if len(found.password_hashes) > 1:
        raise Failure(f"{name} has an old password beside the new one: --finish first")
    password, shown = _password(password_file)
    await _put(where, replace(found, password_hashes=(hash_password(password), *found.password_hashes)))
    click.echo(f"{name}: a new password is valid, and the old one too{shown}")


def _add_switch(verb: str, what: str, *, disabled: bool) -> None:
    @credential.command(verb, help=what)
    @click.argument("name", type=arguments.name)
    @on_store
    async def switch(where: StoreConfig, name: str) -> None:
        await _put(where, replace(await _find(where, name), disabled=disabled))
        click.echo(f"{name}: {verb}d")


_add_switch("disable", "Refuse a login from now on.", disabled=True)
_add_switch("enable", "Take a login again that was disabled.", disabled=False)


@credential.command("list")
@on_store
async def credential_list(where: StoreConfig) -> None:
    """All logins, and the last use of each password."""
    table = Table("name", "kind", "senders", "networks", "recipients", "suppressed", "state", "last use")
    async with reading(where) as store:
        uses = {(use.name, use.password_hash): use for use in await store.credentials.last_uses()}
        for found in await store.credentials.all():
            table.add_row(
                found.name,
                found.kind,
                ", ".join(found.senders),
                ", ".join(found.networks) or "everywhere",
                found.recipients,
                found.on_suppressed,
                "disabled" if found.disabled else "active",
                "\n".join(_last_use(uses.get((found.name, stored))) for stored in found.password_hashes),
            )
    show(table)


def _last_use(use: LastUse | None) -> str:
    return f"{when(use.at)} from {use.peer} ({use.helo})" if use else "never"


@click.group()
def sender() -> None:
    """Addresses and domains that a login may send as."""


@sender.command("add")
@click.argument("name", metavar="CREDENTIAL", type=arguments.name)
@click.argument("wanted", metavar="ADDRESS-OR-@DOMAIN", type=arguments.sender)
@on_store
async def sender_add(where: StoreConfig, name: str, wanted: str) -> None:
    """Let a login send as one more address or domain."""
    found = await _find(where, name)
    await _put(where, replace(found, senders=tuple(dict.fromkeys((*found.senders, wanted)))))
    click.echo(f"{name}: may send as {wanted}")


@sender.command("remove")
@click.argument("name", metavar="CREDENTIAL", type=arguments.name)
@click.argument("wanted", metavar="ADDRESS-OR-@DOMAIN", type=arguments.sender)
@on_store
async def sender_remove(where: StoreConfig, name: str, wanted: str) -> None:
    """Take an address or domain from a login."""
    found = await _find(where, name)
    await _put(where, replace(found, senders=tuple(listed for listed in found.senders if listed != wanted)))
    click.echo(f"{name}: may not send as {wanted}")


@sender.command("list")
@on_store
async def sender_list(where: StoreConfig) -> None:
    """Who may send as what."""
    async with reading(where) as store:
        for found in await store.credentials.all():
            for listed in found.senders:
                click.echo(f"{found.name}\t{listed}")


def _password(file: TextIO | None) -> tuple[str, str]:
    """The password, and how it is shown: once, and only where it was made here."""
    given = file.read().strip() if file else ""
    password = given or secrets.token_urlsafe(18)
    return password, "" if given else f", password {password}"


async def _find(where: StoreConfig, name: str) -> Credential:
    async with reading(where) as store:
        found = await store.credentials.get(name)
    if found is None:
        raise Failure(f"no credential {name}")
    return found


async def _put(where: StoreConfig, changed: Credential) -> None:
    async with changing(where) as admin:
        await admin.put_credential(changed)
