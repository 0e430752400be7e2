"""A list that came by the console: read and sorted beside the pages, in a thread of its own, then suppressed in small steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO, TypeVar

from relay.errors import RelayError
from relay.lists.reading import read
from relay.lists.rows import BadRow, Given, UnknownList
from relay.ports.operators import Admin
from relay.ports.suppressions import SortedList
from relay.suppression import Imported, Suppression
from relay.web.console.chores import why
from relay.web.console.visits import Said

_AT_ONCE = 500  # rows: a few milliseconds, in which nothing else is done
_IN_A_BATCH = 1000
_LONGEST_LINE = 65_536
_MOST_BEGUN = 8 << 20  # characters before the first row is known: all of a JSON document has to be
_SHOWN = 100  # bad rows

T = TypeVar("T")


class Broken(RelayError):
    """It was broken off on purpose, before any of it counted."""

    def __init__(self, text: str, **words: str | int) -> None:
        super().__init__(text)
        self.said = Said(text, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done with a file. `strict`: nothing, if there is a bad row; `dry`: it is only read."""

    given: Given
    again: bool
    strict: bool
    dry: bool


@dataclass(slots=True)
class Progress:
    """How far it is. `size` and `looked_at` are octets; `taken` are entries that were looked at to be suppressed."""

    name: str
    size: int
    looked_at: int = 0
    rows: int = 0
    entries: int = 0
    taken: int = 0
    bad: int = 0
    shown: list[BadRow] = field(default_factory=list)
    is_read: bool = False
    is_stopped: bool = False
    has_failed: bool = False
    done: Imported | None = None
    said: Said | None = None

    def note(self, step: _Step) -> None:
        """What was read."""
        self.rows += step.rows
        self.entries += step.rows - len(step.bad)
        self.bad += len(step.bad)
        self.shown += step.bad[: max(0, _SHOWN - len(self.shown))]
        self.looked_at = step.looked_at

    def go_on(self) -> None:
        """Raises Broken where somebody has stopped it."""
        if self.is_stopped:
            raise Broken("It was stopped. Nothing of it counts.")


class _Step(NamedTuple):
    rows: int
    bad: list[BadRow]
    looked_at: int


class ListImport:
    """One file, from its place on the disk to the suppression list."""

    def __init__(self, path: Path, plan: Plan, progress: Progress, *, admin: Admin, new_list: Callable[[], SortedList]) -> None:
        self._path = path
        self._plan = plan
        self._progress = progress
        self._admin = admin
        self._new_list = new_list
        self._thread = ThreadPoolExecutor(1, "import")

    async def run(self) -> Said:
        """What came of it, which the progress says as well; whatever it was, nothing of the list is left on the disk."""
        progress = self._progress
        progress.has_failed = True
        try:
            progress.said = await self._done()
            progress.has_failed = False
        except Broken as broken:
            progress.said = broken.said
        except UnknownList as error:
            progress.said = Said("This is no list that can be read: {why}", {"why": str(error)})
        except RelayError as error:
            progress.said = why(error)
        except OSError as error:
            progress.said = Said("It could not be done: {why}", {"why": str(error)})
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
        return progress.said

    async def _done(self) -> Said:
        sorted_list = await self._apart(self._new_list)
        try:
            await self._read(sorted_list)
            if self._progress.bad and self._plan.strict:
                raise Broken("There are bad lines: nothing was imported.")
            if self._plan.dry:
                return Said("It was only read: nothing was imported.")
            batches = self._batches(sorted_list)
            self._progress.done = await self._admin.take_list(batches, source=self._plan.given.source, again=self._plan.again)
            return Said("All lines but the bad ones count now." if self._progress.bad else "All of it counts now.")
        finally:
            await self._apart(sorted_list.close)

    async def _read(self, sorted_list: SortedList) -> None:
        """Raises UnknownList, Broken."""
        reading = await self._apart(lambda: _Reading(self._path, self._plan.given, sorted_list))
        try:
            while (step := await self._apart(reading.some)).rows:
                self._progress.note(step)
                self._progress.go_on()
        finally:
            await self._apart(reading.close)
        self._progress.is_read = True

    async def _batches(self, sorted_list: SortedList) -> AsyncIterator[Sequence[Suppression]]:
        batches = sorted_list.batches(_IN_A_BATCH)
        while batch := await self._apart(lambda: next(batches, None)):
            self._progress.go_on()
            yield batch
            self._progress.taken += len(batch)

    async def _apart(self, work: Callable[[], T]) -> T:
        """In the one thread, which the database of a sorted list must not leave."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class _Reading:
    """Puts the rows of a file where they are sorted. All of it in one thread."""

    def __init__(self, path: Path, given: Given, sorted_list: SortedList) -> None:
        self._file: TextIO = path.open(encoding="utf-8-sig", errors="replace", newline="")
        self._sorted = sorted_list
        self._is_begun = False
        self._rows = read(self._lines(), given)
        self._is_begun = True

    def some(self) -> _Step:
        """No rows at the end."""
        rows = list(islice(self._rows, _AT_ONCE))
        for row in rows:
            if not isinstance(row, BadRow):
                self._sorted.put(row)
        return _Step(len(rows), [row for row in rows if isinstance(row, BadRow)], self._file.buffer.tell())

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> Iterator[str]:
        """None is longer than memory can bear, whatever the file is."""
        begun = 0
        while line := self._file.readline(_LONGEST_LINE):
            begun += 0 if self._is_begun else len(line)
            if begun > _MOST_BEGUN:
                raise Broken("JSON of more than {most} MB is for `relay suppression import`.", most=_MOST_BEGUN >> 20)
            yield line
