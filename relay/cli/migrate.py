"""`relay migrate`: the tables of this release, for the one job of a release that makes them before its relays start."""

from __future__ import annotations

import sys

import click

from relay.assembly import database
from relay.assembly.database import Schema
from relay.cli.access import nobody_there, on_store
from relay.settings import StoreConfig


@click.command()
@click.option("--check", is_flag=True, help="Only look: exit 0 if it is up to date, 1 if it is not.")
@on_store
async def migrate(where: StoreConfig, check: bool) -> None:
    """Bring the tables of the database up to date, without starting a relay.

    A relay does the same when it starts. On PostgreSQL several may try at once, and one does it; SQLite must be nobody's.
    """
    if check:
        _tell(database.schema(where))
        return
    found, needed = _migrated(where)
    if found >= needed:
        click.echo(_up_to_date(found, needed))
    else:
        click.echo(f"brought from schema {found} to {needed}" if found else f"made the tables of schema {needed}")


def _migrated(where: StoreConfig) -> Schema:
    if where.is_postgres:
        return database.migrate(where)
    where.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with nobody_there(where):
        return database.migrate(where)


def _up_to_date(found: int, needed: int) -> str:
    if found > needed:
        return f"schema {found} of a newer release, beside which this one ({needed}) may run"
    return f"schema {needed} is up to date"


def _tell(schema: Schema) -> None:
    if schema.found >= schema.needed:
        click.echo(_up_to_date(*schema))
        return
    was = f"schema {schema.found}" if schema.found else "no tables"
    click.echo(f"{was}, this release needs {schema.needed}: run `relay migrate`")
    sys.exit(1)
