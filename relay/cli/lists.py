"""The verbs of the suppression list that deal with files: import, export."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from relay.cli.access import changing, on_store, reading
from relay.cli.arguments import credential_option, filtered, list_option, reason_choice, scope
from relay.cli.terminal import Failure, counting, line, printable
from relay.lists import tables, writing
from relay.lists.reading import read
from relay.lists.rows import BadRow, Given, UnknownList
from relay.settings import StoreConfig
from relay.store.sorting import Sorted
from relay.suppression import Filter, Imported, Reason, Suppression

_AT_ONCE = 1000
_SHOWN = 20  # bad rows; how many more there are is told


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--format", "format_", type=click.Choice(["auto", *tables.FORMATS]), default="auto", show_default=True)
@click.option("--reason", type=reason_choice, help="In place of what the file says.")
@credential_option
@list_option
@click.option("--again", is_flag=True, help="Also those that were removed since they came on that list.")
@click.option("--strict", is_flag=True, help="Nothing, if there is a bad row.")
@click.option("--dry-run", is_flag=True, help="Only read the file, and say what is in it.")
@on_store
async def suppression_import(
    where: StoreConfig,
    path: Path,
    format_: str,
    reason: str | None,
    credential: str | None,
    list_: str | None,
    again: bool,
    strict: bool,
    dry_run: bool,
) -> None:
    """Suppress all of a list: ours, one that SES, Mailgun, SendGrid, Postmark or Postal has exported, or an address per line.

    Nothing of it counts before all of it does. Exit status: 0 all is suppressed, 1 there were bad rows, 2 nothing was done.
    """
    given = Given(
        source=f"import of {path.name}",
        now=time.time(),
        format="" if format_ == "auto" else format_,
        name=path.name,
        reason=Reason(reason) if reason else None,
        scope=scope(credential, list_),
    )
    with Sorted() as found:
        bad = _read(path, given, found)
        if bad and strict:
            raise Failure(f"{path}: {bad} bad rows, nothing was done")
        line(f"{path}: {len(found)} entries" + (f", {bad} bad rows" if bad else ""))
        if not dry_run:
            async with changing(where) as admin:
                line(_told(await admin.take_list(_batches(found), source=given.source, again=again)))
    sys.exit(1 if bad else 0)


def _read(path: Path, given: Given, found: Sorted) -> int:
    """How many rows are bad; the others are found."""
    bad = 0
    try:
        with _opened(path) as file, counting("read", None) as count:
            for number, row in enumerate(read(file, given), 1):
                if isinstance(row, BadRow):
                    bad += 1
                    _complain(path, row, bad)
                else:
                    found.put(row)
                if number % _AT_ONCE == 0:
                    count(_AT_ONCE)
    except (OSError, UnknownList) as error:
        raise Failure(f"{path}: {error}") from error
    if bad > _SHOWN:
        click.echo(f"... and {bad - _SHOWN} more", err=True)
    return bad


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """What is not UTF-8 is no address, and no more than that."""
    where = sys.stdin.fileno() if str(path) == "-" else path
    with open(where, encoding="utf-8-sig", errors="replace", newline="", closefd=str(path) != "-") as file:
        yield file


def _complain(path: Path, row: BadRow, number: int) -> None:
    if number <= _SHOWN:
        line(f"{path}:{row.line}: {row.why}", err=True)


async def _batches(found: Sorted) -> AsyncIterator[Sequence[Suppression]]:
    with counting("suppressed", len(found)) as count:
        for batch in found.batches(_AT_ONCE):
            yield batch
            count(len(batch))


def _told(done: Imported) -> str:
    words = [f"{done.added} added"]
    words += [f"{done.longer} for longer than before"] if done.longer else []
    words += [f"{done.stood} as they were"] if done.stood else []
    words += [f"{done.released} left out, for they were removed since (--again)"] if done.released else []
    return ", ".join(words)


@click.command("export")
@click.option("--format", "format_", type=click.Choice(list(writing.FORMATS)), default="relay", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="A file, in place of standard output.")
@filtered
@on_store
async def suppression_export(where: StoreConfig, format_: str, output: Path | None, wanted: Filter) -> None:
    """The suppression list as CSV that `import` reads, as SES's own import reads it, or an address per line."""
    async with reading(where) as store:
        with _written(output) as file, counting("written", None) as count:
            writer = writing.Writer(file, format_)
            async for page in store.suppressions.pages(wanted, now=time.time()):
                writer.write(map(_printable, page) if output is None and sys.stdout.isatty() else page)
                count(len(page))
    left_out = f", {writer.left_out} left out that the format has no place for" if writer.left_out else ""
    line(f"{writer.written} entries written{left_out}", err=True)


def _printable(entry: Suppression) -> Suppression:
    """What other servers wrote must not move our cursor."""
    return replace(entry, note=printable(entry.note), source=printable(entry.source))


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    try:
        with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as file:
            yield file
    except OSError as error:
        raise Failure(f"{output or 'standard output'}: {error}") from error
