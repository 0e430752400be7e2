"""The verbs of senders: what each login may send as, and what SES has verified of it."""

from __future__ import annotations

import sys
from dataclasses import replace

import click
from rich.table import Table

from relay.cli import arguments
from relay.cli.access import control, find_credential, on_config, on_store, owning, put_credential, reading
from relay.cli.terminal import show, when
from relay.errors import SesUnavailable
from relay.identities import Identities, Identity, KnownIdentities, why_not
from relay.settings import Config, StoreConfig


@click.group()
def sender() -> None:
    """Addresses and domains that a login may send as."""


def _add_change(verb: str, what: str, *, allowed: bool) -> None:
    @sender.command(verb, help=what)
    @click.argument("name", metavar="CREDENTIAL", type=arguments.name)
    @click.argument("wanted", metavar="ADDRESS-OR-@DOMAIN", type=arguments.sender)
    @on_store
    async def change(where: StoreConfig, name: str, wanted: str) -> None:
        found = await find_credential(where, name)
        senders = dict.fromkeys((*found.senders, wanted))
        if not allowed:
            del senders[wanted]
        await put_credential(where, replace(found, senders=tuple(senders)))
        click.echo(f"{name}: {'may' if allowed else 'may not'} send as {wanted}")


_add_change("add", "Let a login send as one more address or domain.", allowed=True)
_add_change("remove", "Take an address or domain from a login.", allowed=False)


@sender.command("list")
@on_store
async def sender_list(where: StoreConfig) -> None:
    """Who may send as what, and whether SES would send from it."""
    identities = Identities()
    async with reading(where) as store:
        if known := await store.identities.known():
            identities.learn(known)
        for found in await store.credentials.all():
            for listed in found.senders:
                click.echo(f"{found.name}\t{listed}\t{_at_ses(listed, identities)}")


def _at_ses(listed: str, identities: Identities) -> str:
    """Of sub-domains, what their domain is."""
    if identities.known is None:
        return "unknown: relay sender sync asks SES"
    return identities.why_not(listed.replace("@*.", "@")) or "verified"


@sender.command("sync")
@on_config
async def sender_sync(config: Config) -> None:
    """Ask SES now what it has verified, and show it; exit 1 if it cannot be asked."""
    try:
        known = await _sync(config)
    except SesUnavailable as error:
        click.echo(f"relay: SES does not say what it has verified: {error}", err=True)
        sys.exit(1)
    table = Table("identity", "kind", "state", "reason", title=f"Identities at SES, {when(known.at)} UTC")
    for identity in known.identities:
        table.add_row(identity.name, identity.kind, identity.state, _reason(identity))
    show(table)


async def _sync(config: Config) -> KnownIdentities:
    """Through the relay that runs, so that it obeys at once."""
    from relay.assembly import at_aws  # boto3: the other verbs need nothing of it

    async with owning(config.store) as store:
        if store is None:
            return await control(config.store).sync_identities()
        sync = await at_aws.identity_sync(store, at_aws.sesv2(config, at_aws.session(config)))
        return await sync.once()


def _reason(identity: Identity) -> str:
    """Why nothing may be sent from it, and what else is not as it could be."""
    further = (("DKIM", identity.dkim), ("MAIL FROM", identity.mail_from))
    words = [why_not(identity), identity.error, *(f"{what} {word}" for what, word in further if word not in ("", "success"))]
    return "; ".join(word.replace("_", " ") for word in words if word)
