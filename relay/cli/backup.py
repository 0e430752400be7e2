"""`relay backup` and `relay restore`: the store copied while the relay runs, and put back so that nothing is sent twice."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

import click

from relay import __version__
from relay.assembly import database
from relay.cli.access import nobody_there, on_store
from relay.cli.terminal import Failure, line, when
from relay.settings import StoreConfig
from relay.store.backup import checking, making, manifest, placing
from relay.store.backup.manifest import Manifest
from relay.store.lock import Lock
from relay.store.sql.restored import Marked
from relay.store.sql.store import SqlStore
from relay.store.sqlite.file import condition
from relay.store.sqlite.store import SqliteStore

_SHOWN = 20
_NICE = 10
_MEGABYTE = 1_000_000
_ELSEWHERE = "the store is on PostgreSQL, which is backed up and restored by its own means (docs/backup.md)"


@click.command()
@click.argument("kept", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Make none: check the backup that FOLDER is.")
@on_store
async def backup(where: StoreConfig, kept: Path, verify: bool) -> None:
    """Copy the store of SQLite into FOLDER, which must not be there yet, also while a relay runs.

    It is of one moment: the one at which the verb began. The keys and other files that the settings name are not in it. Exit
    status: 0 all is there, 1 something is missing or damaged, 2 it could not be done.
    """
    if verify:
        _verify(kept)
        return
    if where.is_postgres:
        raise Failure(_ELSEWHERE)
    try:
        _check(where)
        os.nice(_NICE)  # whoever takes mail in goes first
        made = making.make(where.path, where.spool, kept, now=time.time(), release=__version__)
    except (OSError, sqlite3.Error) as error:
        raise Failure(str(error)) from error
    _tell(kept, made)
    sys.exit(1 if made.amiss else 0)


def _check(where: StoreConfig) -> None:
    """Where no relay runs it may be damaged. One that runs has looked."""
    if not where.path.exists():
        raise Failure(f"{where.path}: there is no database")
    lock = Lock(where.lock)
    try:
        if lock.take():
            condition.check(where.path)
    finally:
        lock.release()


def _tell(folder: Path, made: Manifest) -> None:
    size = f"{made.size / _MEGABYTE:.1f} MB"
    line(f"{folder}: of {when(made.made_at)} UTC, schema {made.schema}, by relay {made.relay}, {size}")
    line(f"{made.messages} messages, {made.open} deliveries not over, {made.spooled} messages with their content in a file")
    _list([f"the content of {message_id} was {what} in the store itself" for message_id, what in made.amiss.items()])


def _verify(folder: Path) -> None:
    found = manifest.read(folder)
    _tell(folder, found)
    troubles = checking.troubles(folder, found)
    _list(troubles)
    if not troubles:
        line("all of it is as it was written")
    sys.exit(1 if troubles or found.amiss else 0)


def _list(told: list[str]) -> None:
    for each in told[:_SHOWN]:
        line(each)
    if len(told) > _SHOWN:
        line(f"and {len(told) - _SHOWN} more")


@click.command()
@click.argument("kept", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@click.option("--mark", is_flag=True, help="Restore nothing: hold what is open in a database that was restored by other means.")
@click.option("--nothing-sent", is_flag=True, help="No relay has run on the store since the backup: hold nothing.")
@on_store
async def restore(where: StoreConfig, kept: Path | None, mark: bool, nothing_sent: bool) -> None:
    """Put the backup FOLDER where the settings say that the store is. No relay may run, and no database may be there.

    What was not over at the time of the backup may have been sent since: it is held until `relay queue retry` or `cancel`, or
    an event says that it was sent. Mailings that were at work are stopped.
    """
    if mark == (kept is not None) or (mark and nothing_sent):
        raise Failure("say which backup: FOLDER; or --mark, alone")
    if kept is None:
        _tell_marked(await _mark(where))
        return
    if where.is_postgres:
        raise Failure(f"{_ELSEWHERE}; then `relay restore --mark`")
    found = _checked(kept)
    where.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with nobody_there(where):
        placing.check_place(where.path, where.spool, found)
        staged = placing.stage(kept, where.path)
        marked = None if nothing_sent else await _marked(await SqliteStore.open(staged))
        placing.put(kept, found, staged, where.path, where.spool)
    line(f"{where.path}: restored from {kept}")
    _tell(kept, found)
    if marked:
        _tell_marked(marked)


def _checked(folder: Path) -> Manifest:
    found = manifest.read(folder)
    if troubles := checking.troubles(folder, found):
        _list(troubles)
        raise Failure(f"{folder}: is damaged, and nothing was restored. Take another backup, or see docs/backup.md")
    return found


async def _mark(where: StoreConfig) -> Marked:
    if where.is_postgres:
        store = await database.opened(where)
        try:
            await _check_nobody(store, where)
        except BaseException:
            await store.close()
            raise
        return await _marked(store)
    if not where.path.exists():
        raise Failure(f"{where.path}: there is no database")
    with nobody_there(where):
        return await _marked(await database.opened(where))


async def _check_nobody(store: SqlStore, where: StoreConfig) -> None:
    assert store.shared
    await store.shared.clock.look()
    roster = await store.shared.nodes.roster(now=store.shared.clock())
    if names := ", ".join(node.name for node in roster.nodes):
        raise Failure(f"a relay runs on {where.where}, or did a moment ago ({names}): stop it first")


async def _marked(store: SqlStore) -> Marked:
    try:
        return await store.restored.mark(now=time.time())
    finally:
        await store.close()


def _tell_marked(marked: Marked) -> None:
    if not any(marked):
        line("nothing was open: nothing is held")
        return
    line(f"held, for they may have been sent since: {marked.deliveries}; `relay queue retry` or `cancel` decides")
    if marked.mailings:
        line(f"mailings that were at work, and are stopped: {marked.mailings}; to start one may send it to some once more")
