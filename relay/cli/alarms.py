"""`relay alarms`: what stands, and a test of who is told."""

from __future__ import annotations

import asyncio
import sys
import time

import click
from rich.table import Table

from relay import letters, standing
from relay.alarm import MEANINGS, Kind, Stands
from relay.cli.access import changing, on_config, reading
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.doctor.machine import relay_runs
from relay.settings import Config
from relay.standing import Way
from relay.store.sql.store import SqlStore

_LOOK_EVERY = 0.2


@click.command()
@click.option("--test", "is_test", is_flag=True, help="Tell all who are told of alarms of one that means nothing.")
@click.option("--wait", "patience", type=click.IntRange(1), default=60, show_default=True, help="Seconds, for the test.")
@on_config
async def alarms(config: Config, *, is_test: bool, patience: int) -> None:
    """What is wrong, as the relay that runs has seen it last; exit 1 if anything is."""
    if is_test:
        await _test(config, patience)
        return
    async with reading(config.store) as store:
        stand = [each for each in await store.alarms.all() if not each.over_at and each.alarm.kind is not Kind.TEST]
        is_looked_at = await _runs(config, store)
    if not is_looked_at:
        line("No relay runs: this is what the last one saw.")
    if not stand:
        line("Nothing stands.")
        return
    show(_table(stand))
    sys.exit(1)


async def _runs(config: Config, store: SqlStore) -> bool:
    if store.shared is None:
        return relay_runs(config)
    await store.shared.clock.look()
    return bool((await store.shared.nodes.roster(now=store.shared.clock())).nodes)


def _table(stand: list[Stands]) -> Table:
    table = Table("level", "since", "node", "what", "what to do", "", box=None)
    for each in stand:
        alarm = each.alarm
        level, remedy = alarm.level.name.lower(), MEANINGS[alarm.kind].remedy
        add_row(table, level, when(each.began_at), each.node, alarm.text, remedy, letters.link(alarm.kind))
    return table


async def _test(config: Config, patience: int) -> None:
    if not config.store.is_postgres and not relay_runs(config):
        raise Failure("no relay runs that could tell anybody")
    ways = [Way.JOURNAL, *([Way.WEBHOOK] if config.alarms.webhook else []), *([Way.MAIL] if config.alarms.mail_to else [])]
    async with changing(config.store) as admin:
        await admin.test_alarms()
    ends_at = time.monotonic() + patience
    async with reading(config.store) as store:
        found = await _found(store)
        while not _is_done(found, ways) and time.monotonic() < ends_at:
            await asyncio.sleep(_LOOK_EVERY)
            found = await _found(store) or found
    for way in ways:
        line(f"{way}: {_said(found, way)}")
    if not _is_done(found, ways):
        raise Failure("not all were told")


async def _found(store: SqlStore) -> Stands | None:
    return next((each for each in await store.alarms.all() if each.alarm.kind is Kind.TEST), None)


def _is_done(found: Stands | None, ways: list[Way]) -> bool:
    return bool(found) and all(standing.told_at(found, way) for way in ways if found)


def _said(found: Stands | None, way: Way) -> str:
    if found and standing.told_at(found, way):
        return "accepted" if way is Way.MAIL else "told"
    return found.failure.partition(": ")[2] if found and found.failure.startswith(f"{way}: ") else "not told yet"
