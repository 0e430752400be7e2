"""What the operator sees: a failure in one line, tables, times."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}


class Failure(click.ClickException):
    """What an operator can mend: told in one line, with exit status 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        told = " ".join(each.strip() for each in self.message.splitlines())  # PostgreSQL's words have several lines
        click.echo(f"relay: {printable(told)}", file, err=True)


def printable(text: str) -> str:
    """What others wrote must not move our cursor, nor turn the reading direction."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def line(text: str, *, err: bool = False) -> None:
    """One line, printable."""
    click.echo(printable(text), err=err)


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Call it with how many more are done: a terminal shows how far it is."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress  # most verbs show none

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.advance(task, more)


def add_row(table: Table, *cells: str) -> None:
    """Its cells printable."""
    table.add_row(*map(printable, cells))


def show(table: Table) -> None:
    """As wide as needed where nobody watches: a pipe must not get its lines cut. What is in brackets is no markup."""
    Console(width=None if sys.stdout.isatty() else 200, markup=False, emoji=False).print(table)


def lasting(seconds: float) -> str:
    """In the two largest units: 2 d 3 h, 4 min 10 s."""
    left, words = max(0, round(seconds)), list[str]()
    for unit, length in _UNITS.items():
        if left >= length or words:
            words.append(f"{left // length} {unit}")
        left %= length
    return " ".join(words[:2]) or "0 s"


def when(at: float) -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
