"""The verbs of logins."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TextIO

import click
from rich.table import Table

from relay import documents, policy
from relay.cli import arguments
from relay.cli.access import find_credential, on_store, put_credential, reading
from relay.cli.access_keys import credential_key
from relay.cli.attachments import credential_attachments
from relay.cli.terminal import Failure, show, when
from relay.credential import (
    DEFAULTS,
    Credential,
    Kind,
    LastUse,
    LineEnds,
    ListUnsubscribe,
    Macros,
    MessageClass,
    OnSuppressed,
    Recipients,
    Scope,
)
from relay.errors import SenderNotAllowed
from relay.security.passwords import hash_password
from relay.settings import StoreConfig

_password_file = click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="Where the password stands; without it one is made and shown once.",
)


@click.group()
def credential() -> None:
    """Logins."""


credential.add_command(credential_attachments)
credential.add_command(credential_key)


def _scopes(word: str) -> set[str]:
    """`api` has nothing by which a login could give itself more than it was given."""
    return (
        {str(scope) for scope in Scope} - {Scope.SMTP, Scope.SENDERS, Scope.QUEUE, Scope.PRIVACY} if word == "api" else {word}
    )


# Those that are not given leave what there is, or the default.
_SETTINGS = (
    click.option(
        "--scope",
        "scopes",
        type=click.Choice([*(str(word) for word in Scope), "api"]),
        multiple=True,
        callback=lambda _context, _option, words: tuple(sorted({each for word in words for each in _scopes(word)})),
        help="What it may be used for: smtp, parts of the HTTP API, or api: most of those. Repeatable. Default: smtp.",
    ),
    click.option(
        "--network",
        "networks",
        type=arguments.network,
        multiple=True,
        help="Where it may log in from: an address or CIDR block. Repeatable.",
    ),
    click.option(
        "--recipients", type=click.Choice([str(word) for word in Recipients]), help="Default: one; split for a person."
    ),
    click.option(
        "--on-suppressed", type=click.Choice([str(word) for word in OnSuppressed]), help="Default: drop; reject for a person."
    ),
    click.option("--null-sender", type=arguments.mail_address, help="The address put for MAIL FROM:<>; without it refused."),
    click.option(
        "--rewrite-from",
        type=arguments.mail_address,
        help="Mail from other senders than its own goes out under this address, which is one of its own.",
    ),
    click.option(
        "--enhanced-codes/--no-enhanced-codes",
        default=None,
        help="Without them for clients that match on the position of the reply's text.",
    ),
    click.option(
        "--ses-headers/--no-ses-headers",
        default=None,
        help="Whether X-SES-MESSAGE-TAGS and X-SES-CONFIGURATION-SET are obeyed; they are removed in any case.",
    ),
    click.option(
        "--line-ends",
        type=click.Choice([str(word) for word in LineEnds]),
        help="What becomes of a lone CR or LF. Default: refuse.",
    ),
    click.option(
        "--class",
        "message_class",
        type=click.Choice(["unsaid", *(word.value for word in MessageClass if word)]),
        callback=lambda _context, _option, value: "" if value == "unsaid" else value,
        help="What its mail is for, where X-Relay-Class does not say.",
    ),
    click.option(
        "--macros", type=click.Choice([str(word) for word in Macros]), help="Whether [Unsubscribe] has to be in every message."
    ),
    click.option(
        "--list-unsubscribe",
        type=click.Choice([str(word) for word in ListUnsubscribe]),
        help="The headers of that name in mail that is not transactional: ours where there are none, or in place of others.",
    ),
    click.option("--per-minute", type=click.IntRange(0), help="Messages; 0: what the settings say."),
    click.option("--per-day", type=click.IntRange(0), help="Messages; 0: what the settings say."),
)


def _settings(verb: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_SETTINGS):
        verb = option(verb)
    return verb


@credential.command("add")
@click.argument("name", type=arguments.name)
@click.option("--kind", type=click.Choice([str(word) for word in Kind]), default=str(Kind.APPLICATION), show_default=True)
@click.option(
    "--sender",
    "senders",
    type=arguments.sender,
    multiple=True,
    required=True,
    help="An address, @domain for all of it, or @*.domain for all below it. Repeatable.",
)
@_settings
@_password_file
@on_store
async def credential_add(
    where: StoreConfig, *, name: str, kind: str, senders: tuple[str, ...], password_file: TextIO | None, **settings: Any
) -> None:
    """Add a login, or replace the one of that name."""
    password, shown = _password(password_file)
    recipients, on_suppressed = DEFAULTS[Kind(kind)]
    added = Credential(
        name=name,
        kind=Kind(kind),
        password_hashes=(hash_password(password),),
        senders=senders,
        recipients=recipients,
        on_suppressed=on_suppressed,
    )
    await put_credential(where, _changed(added, settings))
    click.echo(f"{name}: added{shown}")


@credential.command("change")
@click.argument("name", type=arguments.name)
@_settings
@on_store
async def credential_change(where: StoreConfig, *, name: str, **settings: Any) -> None:
    """Change what is given of a login, and nothing else; its senders by `relay sender`, its password by `rotate`."""
    await put_credential(where, _changed(await find_credential(where, name), settings))
    click.echo(f"{name}: changed")


def _changed(found: Credential, settings: Mapping[str, Any]) -> Credential:
    """With the options that were given."""
    given = {key: value for key, value in settings.items() if value not in (None, ())}
    changed = documents.read(Credential, documents.written(replace(found, **given)))  # texts become the enums they name
    if changed.rewrite_from:
        _check_allowed(changed)
    return changed


def _check_allowed(changed: Credential) -> None:
    try:
        policy.allowed_sender(changed.rewrite_from, changed)
    except SenderNotAllowed:
        raise Failure(f"{changed.rewrite_from} is not one of the senders of {changed.name}") from None


@credential.command("rotate")
@click.argument("name", type=arguments.name)
@click.option("--finish", is_flag=True, help="Take the old password away.")
@_password_file
@on_store
async def credential_rotate(where: StoreConfig, *, name: str, finish: bool, password_file: TextIO | None) -> None:
    """Give a login a new password; the old one stays valid beside it until --finish."""
    found = await find_credential(where, name)
    if finish:
        await put_credential(where, replace(found, password_hashes=found.password_hashes[:1]))
        click.echo(f"{name}: only the newest password is valid")
        return
    if len(found.password_hashes) > 1:
        raise Failure(f"{name} has an old password beside the new one: --finish first")
    password, shown = _password(password_file)
    await put_credential(where, replace(found, password_hashes=(hash_password(password), *found.password_hashes)))
    click.echo(f"{name}: a new password is valid, and the old one too{shown}")


def _add_switch(verb: str, what: str, *, disabled: bool) -> None:
    @credential.command(verb, help=what)
    @click.argument("name", type=arguments.name)
    @on_store
    async def switch(where: StoreConfig, name: str) -> None:
        await put_credential(where, replace(await find_credential(where, name), disabled=disabled))
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


def _password(file: TextIO | None) -> tuple[str, str]:
    """The password, and how it is shown: once, and only where it was made here."""
    if file:
        return arguments.secret(file), ""
    password = secrets.token_urlsafe(18)
    return password, f", password {password}"
