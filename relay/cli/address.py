"""The verbs of what is kept of one recipient: told, erased, and which were."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

import click
from rich.table import Table

from relay import documents
from relay.assembly import privacy, sharing
from relay.assembly.sealing import marks
from relay.cli.access import control, on_config, owning, reading
from relay.cli.arguments import mail_address
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.erasure import Erased, Erasure, MarkedAddress
from relay.errors import CannotErase
from relay.lifecycle import OPEN
from relay.model import State
from relay.privacy import Document, Export
from relay.settings import Config

_address = click.argument("wanted", metavar="ADDRESS", type=mail_address)
_BY = "command line"


@click.group()
def address() -> None:
    """What is kept of a recipient's address."""


@address.command("export")
@_address
@click.option("--output", type=click.Path(path_type=Path), help="A file, in place of standard output.")
@on_config
async def address_export(config: Config, wanted: str, output: Path | None) -> None:
    """Write all that the relay keeps about ADDRESS as one JSON document."""
    counts = Counter[str]()
    async with _export(config) as export:
        with _written(output) as file:
            document = Document()
            file.write(document.begin(wanted, time.time()))
            async for told in export.all(wanted):
                counts[told.kind] += 1
                file.write(document.add(told))
            file.write(document.end())
    line(f"{wanted}: {_counted(counts)}", err=True)


@address.command("erase")
@_address
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--suppress", "is_suppressed", is_flag=True, help="It gets no mail from now on, whatever stood of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_config
async def address_erase(config: Config, wanted: str, dry_run: bool, is_suppressed: bool, yes: bool) -> None:
    """Erase all that the relay keeps about ADDRESS, but for what keeps mail from it: of that a mark stays.

    What waits to be sent to it is cancelled. While a call of SES for it has no answer nothing is erased.
    """
    if dry_run or not yes:
        would = await _counts(config, wanted)
        line(f"{wanted}: {_counted(would)} would go")
    if dry_run:
        return
    if not yes:
        click.confirm("This cannot be taken back. Erase?", abort=True)
    done = await _erase(config, Erasure(address=wanted, source=_BY, suppress=is_suppressed))
    cancelled = f", {done.cancelled} of them were still to be sent" if done.cancelled else ""
    line(f"{wanted}: {_counted(Counter(done.counts))} erased{cancelled}; its mark is {done.mark}")


@address.command("erased")
@click.option("--output", type=click.Path(path_type=Path), help="Write them to a file, to be kept beside backups.")
@on_config
async def address_erased(config: Config, output: Path | None) -> None:
    """The addresses that were erased, by their marks, the newest first."""
    table = Table("mark", "begun", "ended")
    async with reading(config.store, marks(config)) as store:
        if output:
            with _written(output) as file:
                async for marked in store.marked.all():
                    file.write(f"{documents.written(marked)}\n")
            return
        for each in await store.erasing.erased():
            ended = when(each.ended_at) if each.ended_at else "not at its end: erase it again"
            add_row(table, each.mark, when(each.began_at), ended if each.is_readable else f"{ended}; its key is gone")
    show(table)


@address.command("erase-again")
@click.argument("listed", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@on_config
async def address_erase_again(config: Config, listed: Path) -> None:
    """Erase what a restored store still has of the addresses in FILE, which `erased --output` wrote; no relay may run."""
    try:
        marked = [documents.read(MarkedAddress, text) for text in listed.read_text("utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{listed}: {error}") from error
    async with owning(config.store, marks(config)) as store:
        if store is None:
            raise Failure(f"a relay runs on {config.store.path.parent}: stop it first")
        clock = await sharing.clock(store)
        eraser = privacy.eraser(config, store, sharing.bodies(config, store, clock), clock)
        try:
            count = await eraser.erase_again(marked, store.marked, source=_BY)
        except CannotErase as error:
            raise Failure(str(error)) from error
    line(f"{len(marked)} were erased before; of {count} of them something was kept here, and is erased")


async def _counts(config: Config, wanted: str) -> Counter[str]:
    counts = Counter[str]()
    async with _export(config) as export:
        async for told in export.all(wanted):
            is_open = told.kind == "deliveries" and State(told.facts["state"]) in OPEN
            counts["deliveries that have not ended" if is_open else told.kind] += 1
    return counts


async def _erase(config: Config, erasure: Erasure) -> Erased:
    """Through the relay that runs, if one does. Raises Failure."""
    try:
        async with owning(config.store, marks(config)) as store:
            if store is None:
                return await control(config.store).erase(erasure)
            clock = await sharing.clock(store)
            return await privacy.eraser(config, store, sharing.bodies(config, store, clock), clock).erase(erasure)
    except CannotErase as error:
        raise Failure(str(error)) from error


@asynccontextmanager
async def _export(config: Config) -> AsyncIterator[Export]:
    async with reading(config.store, marks(config)) as store:
        yield privacy.export(store, sharing.bodies(config, store, time.time))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items()) or "nothing"


def _private(path: Path) -> TextIO:
    """For its owner's eyes alone."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8")


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    try:
        with _private(output) if output else nullcontext(sys.stdout) as file:
            yield file
    except OSError as error:
        raise Failure(f"{output or 'standard output'}: {error}") from error
