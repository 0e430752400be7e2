"""The verbs of the suppression list."""

from __future__ import annotations

import sys
import time

import click
from rich.table import Table

from relay.cli.access import changing, on_store, reading
from relay.cli.arguments import mail_address
from relay.cli.terminal import add_row, line, show, when
from relay.model import Reason, Suppression
from relay.settings import StoreConfig

_address = click.argument("address", metavar="ADDRESS", type=mail_address)


@click.group()
def suppression() -> None:
    """Addresses that must not be mailed."""


@suppression.command("check")
@_address
@on_store
async def suppression_check(where: StoreConfig, address: str) -> None:
    """Say whether an address is suppressed; exit 1 if it is."""
    async with reading(where) as store:
        found = (await store.suppressions.find([address])).get(address)
    if found is None:
        line(f"{address}: not suppressed")
        return
    line(f"{address}: {found.reason} since {when(found.created_at)}, from {found.source} {found.note}".rstrip())
    sys.exit(1)


@suppression.command("add")
@_address
@click.option("--note", default="", help="Why, for whoever looks later.")
@on_store
async def suppression_add(where: StoreConfig, address: str, note: str) -> None:
    """Suppress an address by hand."""
    added = Suppression(address=address, reason=Reason.MANUAL, source="command line", created_at=time.time(), note=note)
    async with changing(where) as admin:
        changed = await admin.suppress(added)
    line(f"{address}: {'suppressed' if changed else 'was suppressed already'}")


@suppression.command("remove")
@_address
@on_store
async def suppression_remove(where: StoreConfig, address: str) -> None:
    """Let an address be mailed again."""
    async with changing(where) as admin:
        changed = await admin.release(address)
    line(f"{address}: {'may be mailed again' if changed else 'was not suppressed'}")


@suppression.command("list")
@click.option("--limit", default=100, show_default=True)
@click.option("--reason", type=click.Choice([str(reason) for reason in Reason]))
@on_store
async def suppression_list(where: StoreConfig, limit: int, reason: str | None) -> None:
    """The newest suppressed addresses."""
    table = Table("address", "reason", "since", "source", "note")
    async with reading(where) as store:
        for found in await store.suppressions.newest(limit=limit, reason=Reason(reason) if reason else None):
            add_row(table, found.address, found.reason, when(found.created_at), found.source, found.note)
    show(table)
