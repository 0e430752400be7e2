"""The verb that moves everything from one database to another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import click

from relay.assembly.copying import source as opened_source
from relay.assembly.copying import target as opened_target
from relay.cli.arguments import store_url
from relay.cli.loop import run
from relay.cli.terminal import Failure, counting, line
from relay.settings import StoreConfig
from relay.store.copying import contents, rows, strangers
from relay.store.copying.contents import Content
from relay.store.copying.rows import Copied
from relay.store.copying.sides import Side, Target
from relay.store.copying.tables import Table, shared

_SHOWN = 20  # troubles; how many more there are is told
_SPOOLED = "spooled"


@click.group()
def store() -> None:
    """The database itself."""


@store.command("copy")
@click.argument("source", metavar="FROM", type=store_url)
@click.argument("target", metavar="TO", type=store_url)
@click.option("--yes", is_flag=True, help="Do not ask, whatever TO has that FROM never had.")
@run
async def store_copy(source: StoreConfig, target: StoreConfig, yes: bool) -> None:
    """Make the database TO the same as FROM: sqlite:/var/lib/relay/relay.db, postgresql://relay@db.example.com/relay.

    While a relay runs on FROM nearly all is copied. Stop it and run this again: the rest is copied, and every row is compared.
    What TO has beside that goes. It may be broken off at any time, and run again. Exit status: 0 all is there and the same, 1
    not all of it, 2 it could not be done.
    """
    if source == target:
        raise Failure("FROM and TO are the same")
    if not (source.is_postgres or target.is_postgres) and source.path.parent.resolve() == target.path.parent.resolve():
        raise Failure(
            f"FROM and TO are both in {source.path.parent}: each wants a folder of its own, for large messages and its lock"
        )
    with opened_source(source) as ours, opened_target(target) as theirs:
        tables = shared(ours.tables(), theirs.tables())
        _ask(ours, theirs, tables, yes)
        strangers.begin(ours, theirs)
        found = await _copied(ours, theirs, tables)
        if ours.is_still:
            strangers.end(theirs)
    for told in _told(found, ours.is_still, source.where):
        line(told)
    sys.exit(0 if ours.is_still and not found.troubles else 1)


@dataclass(slots=True)
class _Found:
    """What was seen and done so far."""

    tables: int
    total: Copied = field(default_factory=Copied)
    large: int = 0
    troubles: list[str] = field(default_factory=list)


def _ask(source: Side, target: Target, tables: list[Table], yes: bool) -> None:
    named = {table.name: table for table in tables}
    if not yes and (found := strangers.strangers(source, target, named)):
        words = ", ".join(f"{number} rows of {name}" for name, number in found.items())
        line(f"TO has what FROM never had: {words}. It will be gone.")
        click.confirm("Go on?", abort=True)


async def _copied(source: Side, target: Target, tables: list[Table]) -> _Found:
    found = _Found(tables=len(tables))
    for table in tables:
        await _copy_table(source, target, table, found)
    (spooled,) = (table for table in tables if table.name == _SPOOLED)
    await _copy_contents(source, target, spooled, found)
    return found


async def _copy_table(source: Side, target: Target, table: Table, found: _Found) -> None:
    done = Copied()
    with counting(table.name, _total(source, table)) as count:
        for step in rows.copy(source, target, table):
            done += step
            count(step.rows)
            await asyncio.sleep(0)  # Ctrl-C
    found.total += done
    found.troubles += [f"{table.name}: left out, as TO cannot have such a key: {key!r}" for key in done.left_out]
    line(f"{table.name}: {done.rows} rows, {done.copied} copied")


async def _copy_contents(source: Side, target: Target, spooled: Table, found: _Found) -> None:
    copied = 0
    with counting("large content", _total(source, spooled)) as count:
        for content in contents.copy(source, target, spooled):
            found.large += 1
            copied += content.is_copied
            found.troubles += _trouble(content)
            count(1)
            await asyncio.sleep(0)
    line(f"large content: {found.large} messages, {copied} copied")


def _total(source: Side, table: Table) -> int | None:
    """To be counted only where somebody watches."""
    return rows.count(source, table) if sys.stderr.isatty() else None


def _trouble(content: Content) -> list[str]:
    return [f"the content of {content.message_id} is {content.trouble}"] if content.trouble else []


def _told(found: _Found, is_still: bool, source: str) -> Iterator[str]:
    yield from found.troubles[:_SHOWN]
    if len(found.troubles) > _SHOWN:
        yield f"... and {len(found.troubles) - _SHOWN} more"
    if found.total.changed:
        yield f"{found.total.changed} rows have characters that TO does not take: U+FFFD stands in their place"
    if not is_still:
        yield f"a relay runs on {source}: this is not all of it yet. Stop the relay and run this again"
        return
    rest = f", but for what is told above ({len(found.troubles)})" if found.troubles else ""
    yield f"whole: {found.total.rows} rows in {found.tables} tables are the same on both sides{rest}"
