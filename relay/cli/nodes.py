"""`relay nodes`: the relays that share a database."""

from __future__ import annotations

import click
from rich.table import Table

from relay.cli.access import on_store, reading
from relay.cli.terminal import Failure, add_row, lasting, show, when
from relay.ports.nodes import Roster
from relay.settings import StoreConfig


@click.command()
@on_store
async def nodes(where: StoreConfig) -> None:
    """The relays that share this database, and which of them does the chores."""
    async with reading(where) as store:
        if store.shared is None:
            raise Failure("SQLite has one relay, and no nodes: several share a PostgreSQL database")
        await store.shared.clock.look()
        now = store.shared.clock()
        roster = await store.shared.nodes.roster(now=now)
    if not roster.nodes:
        click.echo("No relay runs.")
        return
    show(_table(roster, now))
    if not roster.leader:
        click.echo("None of them does the chores of all: one must have the role `upkeep`.")


def _table(roster: Roster, now: float) -> Table:
    table = Table("node", "does", "release", "since", "seen", "chores")
    for node in roster.nodes:
        seen = f"{lasting(max(0.0, now - node.seen_at))} ago"
        leads = "its turn" if node.id == roster.leader else ""
        add_row(table, node.name, ", ".join(node.roles), node.release, when(node.started_at), seen, leads)
    return table
