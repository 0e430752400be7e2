"""The relay with counters of what it does, for tests that fail where it does twice as much: `COUNTED` names their file.

Work is counted and never timed: calls of functions and steps of coroutines in the main thread, and statements to the database.
"""

from __future__ import annotations

import inspect
import os
import sqlite3
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from tests import slots

FILE = "COUNTED"
COMMIT = "COUNTED_COMMIT_SECONDS"  # that each takes at least, as by a slow disk


class Work(NamedTuple):
    """So many of each. A coroutine's first step is one, and one more follows for each wait that had to be waited for."""

    calls: int
    steps: int
    statements: int


class Counters:
    """In a mapped file."""

    def __init__(self, file: Path) -> None:
        self._slots = slots.opened(file, "Q")

    @staticmethod
    def make(file: Path) -> None:
        slots.make(file, len(Work._fields))

    def look(self) -> Work:
        return Work(*self._slots)

    def count_call(self, frame: FrameType, event: str, _: object) -> None:
        """For sys.setprofile."""
        if event == "call":
            self._slots[0] += 1
            if frame.f_code.co_flags & inspect.CO_COROUTINE:
                self._slots[1] += 1

    def count_statement(self, statement: str) -> None:
        """For the connection that writes to SQLite."""
        self._slots[2] += 1
        if statement == "COMMIT":
            time.sleep(float(os.environ.get(COMMIT, "0")))


def _count(counters: Counters) -> None:
    from relay.store.sqlite import schema

    opened = schema.open_writer

    def open_writer(path: Path) -> sqlite3.Connection:
        connection = opened(path)
        connection.set_trace_callback(counters.count_statement)
        return connection

    schema.open_writer = open_writer
    sys.setprofile(counters.count_call)


if __name__ == "__main__":
    from relay.cli import main

    _count(Counters(Path(os.environ[FILE])))
    sys.exit(main())
