"""What is in quarantine, for people."""

from __future__ import annotations

import click
from rich.table import Table

from relay.cli.access import on_store, reading
from relay.cli.arguments import limit_type
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.settings import StoreConfig


@click.command("list")
@click.option("--limit", type=limit_type, default=100, show_default=True)
@on_store
async def quarantine_list(where: StoreConfig, limit: int) -> None:
    """The newest messages that could not be used, and why."""
    table = Table("id", "came", "octets", "queue", "reason")
    async with reading(where) as store:
        for found in await store.quarantine.newest(limit=limit):
            octets = str(len(found.body.encode("utf-8", "surrogatepass")))
            add_row(table, found.id, when(found.received_at), octets, found.queue, found.reason)
    show(table)


@click.command("show")
@click.argument("id", metavar="ID")
@on_store
async def quarantine_show(where: StoreConfig, id: str) -> None:
    """One of them, with its body as it came."""
    async with reading(where) as store:
        found = await store.quarantine.get(id)
    if found is None:
        raise Failure(f"no message {id} in quarantine")
    for what, text in (
        ("queue", found.queue),
        ("put there", when(found.sent_at)),
        ("taken", when(found.received_at)),
        ("reason", found.reason),
    ):
        line(f"{what}: {text}")
    click.echo()
    for text in found.body.splitlines():
        line(text)
