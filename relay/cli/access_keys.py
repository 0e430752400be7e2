"""The verbs of access keys: what programs sign with that speak to the relay as to SES."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

import click
from rich.table import Table

from relay import sigv4
from relay.access_keys import IssuedKey, new_id, new_secret
from relay.assembly.sealing import seal
from relay.cli import arguments
from relay.cli.access import changing, find_credential, on_config, on_store, reading
from relay.cli.terminal import Failure, show, when
from relay.security.passwords import hash_password
from relay.settings import Config, StoreConfig


@click.group("key")
def credential_key() -> None:
    """Access keys, for programs that speak to the relay as to Amazon SES."""


@credential_key.command("add")
@click.argument("name", type=arguments.name)
@click.option("--smtp", is_flag=True, help="For SMTP as well, with the password that SES makes of the secret in ses.region.")
@on_config
async def key_add(config: Config, *, name: str, smtp: bool) -> None:
    """Give a login an access key; its secret is shown this once."""
    sealing = seal(config)
    if sealing is None:
        raise Failure("secrets.keys is not set: `relay key new FILE`, and RELAY_SECRETS__KEYS_FILE=FILE")
    await find_credential(config.store, name)
    id, secret, region = new_id(secrets.token_bytes), new_secret(secrets.token_bytes), config.ses.region
    password = sigv4.smtp_password(secret, region)
    made = IssuedKey(
        id=id,
        credential=name,
        secret=sealing.seal(secret, about=id),
        smtp_hash=hash_password(password) if smtp else "",
        created_at=time.time(),
    )
    async with changing(config.store) as admin:
        if not await admin.add_access_key(made):
            raise Failure(f"there is a key {id} already: try once more")
    click.echo(f"{name}: access key {id}, secret {secret}")
    if smtp:
        click.echo(f"by SMTP, as in {region}: user {id}, password {password}")


@credential_key.command("list")
@on_store
async def key_list(where: StoreConfig) -> None:
    """All access keys, and the last use of each."""
    table = Table("id", "login", "since", "for", "state", "last use")
    async with reading(where) as store:
        uses = {use.name: use for use in reversed(await store.credentials.last_uses())}  # of each the newest
        for key in await store.access_keys.all():
            use = uses.get(key.id)
            table.add_row(
                key.id,
                key.credential,
                when(key.created_at),
                "API, SMTP" if key.smtp_hash else "API",
                "disabled" if key.disabled else "active",
                f"{when(use.at)} from {use.peer} ({use.helo.partition(' ')[0]})" if use else "never",
            )
    show(table)


def _add_switch(verb: str, what: str, *, disabled: bool) -> None:
    @credential_key.command(verb, help=what)
    @click.argument("id")
    @on_store
    async def switch(where: StoreConfig, id: str) -> None:
        changed = replace(await _find(where, id), disabled=disabled)
        async with changing(where) as admin:
            await admin.change_access_key(changed)
        click.echo(f"{id}: {verb}d")


_add_switch("disable", "Take no signature of a key from now on.", disabled=True)
_add_switch("enable", "Take a key again that was disabled.", disabled=False)


@credential_key.command("remove")
@click.argument("id")
@on_store
async def key_remove(where: StoreConfig, *, id: str) -> None:
    """Forget a key."""
    await _find(where, id)
    async with changing(where) as admin:
        await admin.remove_access_key(id)
    click.echo(f"{id}: removed")


async def _find(where: StoreConfig, id: str) -> IssuedKey:
    """Raises Failure where there is none."""
    async with reading(where) as store:
        found = await store.access_keys.get(id)
    if found is None:
        raise Failure(f"no access key {id}")
    return found
