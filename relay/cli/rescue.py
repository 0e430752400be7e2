"""The verbs of the queue that are for its worst day: what can be read of a damaged store, and how to go on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from relay.cli.access import nobody_there, on_store
from relay.cli.terminal import Failure
from relay.errors import StoreDamaged
from relay.settings import StoreConfig
from relay.store.bodies import Spool
from relay.store.rescue import LIST, Content, Rescued
from relay.store.rescue import rescue as rescue_store
from relay.store.sqlite.file import loss

_WORDS = {
    Content.WHOLE: "as they would be sent",
    Content.UNEDITED: "as they came, for what was to be changed is lost",
    Content.DAMAGED: "damaged",
    Content.MISSING: "without their content",
}


@click.command("rescue")
@click.argument("to", metavar="FOLDER", type=click.Path(path_type=Path))
@on_store
async def queue_rescue(where: StoreConfig, to: Path) -> None:
    """Save what can be read of a damaged store into FOLDER, which must be empty or new. The store is not changed.

    FOLDER gets each message that is not over as a file, a list of them, and a database with every row that could be read. Exit
    status: 0 nothing is missing, 1 something is, 2 it could not be done.
    """
    os.umask(0o077)  # FOLDER may be open to others, and what it gets is mail
    with nobody_there(where):
        if not where.path.exists() and not where.spool.exists():
            raise Failure(f"{where.path}: there is nothing to rescue")
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise Failure(f"{to}: is not empty")
        trouble = loss.trouble(where.path)
        rescued = rescue_store(where.path, where.spool, to)
    for line in _told(where, to, rescued, trouble):
        click.echo(line)
    sys.exit(0 if rescued.is_whole and trouble is None else 1)


def _told(where: StoreConfig, folder: Path, rescued: Rescued, trouble: StoreDamaged | None) -> Iterator[str]:
    found = rescued.database
    if trouble:
        yield f"{where.path}: {trouble.what}"
    yield f"{found.pages - found.unreadable_pages} of {found.pages} pages of the database could be read"
    if found.unreadable_rows:
        yield f"{found.unreadable_rows} rows on them could not"
    if found.damaged_log:
        yield f"{found.damaged_log} pages of its log are damaged"
    yield f"{rescued.messages.total()} messages are not over, or it is not known; {folder / LIST} lists them"
    for content, words in _WORDS.items():
        if rescued.messages[content]:
            yield f"  {rescued.messages[content]} {words}"
    yield f"{folder / where.path.name} has every row that could be read: `relay queue accept-loss --use` puts it in place"


@click.command("accept-loss")
@click.option("--use", "new", type=click.Path(path_type=Path), help="Go on with this database: a rescued one, or a backup.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_store
async def queue_accept_loss(where: StoreConfig, new: Path | None, yes: bool) -> None:
    """Let a relay start again on a damaged store, without what is lost.

    Where only the log of the database is gone, it goes on with the rest. Otherwise the damaged files are set aside, and it
    goes on with the database named, or with an empty one: without logins, suppressed addresses and mail. Nothing is deleted.
    """
    with nobody_there(where):
        trouble = loss.trouble(where.path)
        if trouble is None and new is None:
            click.echo(f"{where.path}: nothing is missing, a relay can start on it")
            return
        if new:
            loss.check_new(new)
        click.echo(f"{where.path}: {trouble.what if trouble else 'nothing is missing'}")
        click.echo(_plan(trouble, new))
        if not yes:
            click.confirm("Go on?", abort=True)
        await _accept(where, trouble, new)


def _plan(trouble: StoreDamaged | None, new: Path | None) -> str:
    if new:
        return f"It will be set aside, and the relay goes on with {new}. What that does not have is lost."
    if trouble and trouble.is_usable:
        return "The relay goes on with what the database has. What was accepted or recorded last may be lost."
    return "It will be set aside, and the relay begins anew. All logins, suppressed addresses and mail in it are lost."


async def _accept(where: StoreConfig, trouble: StoreDamaged | None, new: Path | None) -> None:
    if trouble and trouble.is_usable and not new:
        loss.go_on_without_log(where.path)
        return
    click.echo(f"set aside in {loss.set_aside(where.path, now=time.time())}")
    if new:
        loss.put_in_place(new, where.path)
        return
    spool = Spool(where.spool)
    if lost := await spool.sweep(_none):
        click.echo(f"{lost} files of the spool folder moved to {spool.lost}")


async def _none(_: object) -> tuple[str, ...]:
    """The messages that an empty database knows."""
    return ()
