"""The relay with a clock at the borders of its stages: how long the processor is at each, for `end_to_end --stages`.

What runs inside of another stage counts as itself alone. A sampling profiler cannot tell this well: a thread that waits for the
interpreter's lock looks as if it worked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from functools import wraps
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from tests import slots

FILE = "BENCH_STAGES"

STAGES: dict[str, tuple[str, ...]] = {
    "SMTP with its TLS": (
        "relay.smtp.transport:SocketTransport._read",
        "relay.smtp.transport:SocketTransport._write",
        "relay.smtp.connection:Connection._finish",
    ),
    "reading, judging, edits": ("relay.intake:Intake._judge",),
    "intake besides, with the digest": ("relay.intake:Intake.accept",),
    "store: groups": (
        "relay.store.sql.writer:Writer.run",
        "relay.store.sql.writer:Writer._gather",
        "relay.store.sql.writer:Writer._end",
    ),
    "store: enqueue": ("relay.store.sql.queue:enqueue_all",),
    "store: claim": ("relay.store.sql.queue:claim_all",),
    "store: settle": ("relay.store.sql.queue:settle_all",),
    "store: events": ("relay.store.sql.feedback:_record_all",),
    "store: begin, commit": (
        "relay.store.sql.writer:_written",
        "relay.store.sql.writer:_committed",
        "relay.store.sql.writer:_write",
    ),
    "dispatch": ("relay.dispatch:Dispatcher._round", "relay.dispatch:Dispatcher._send"),
    "payload of SES, signature, outcome": ("relay.aws.ses:SesSender.send",),
    "HTTP client, with what TLS writes": ("relay.aws.http:HttpClient.post", "relay.aws.http:_Connection.data_received"),
    "HTTP server": ("aiohttp.web_protocol:RequestHandler.start", "aiohttp.web_protocol:RequestHandler.data_received"),
    "feedback: signature, reading": ("relay.feedback:Feedback.receive",),
    "journal": ("relay.journal:_write",),
}


class Totals:
    """Seconds by stage, in a mapped file."""

    def __init__(self, file: Path) -> None:
        self._slots = slots.opened(file, "d")

    @staticmethod
    def make(file: Path) -> None:
        slots.make(file, len(STAGES))

    def add(self, stage: int, seconds: float) -> None:
        self._slots[stage] += seconds

    def seconds(self) -> dict[str, float]:
        return dict(zip(STAGES, self._slots, strict=True))


class _Clock(threading.local):
    """One for each thread. `totals` is set once, before the first stage begins."""

    totals: Totals

    def __init__(self) -> None:
        self._stages: list[int] = []
        self._since = 0.0

    def enter(self, stage: int) -> None:
        self._turn()
        self._stages.append(stage)

    def leave(self) -> None:
        self._turn()
        self._stages.pop()

    def _turn(self) -> None:
        now = time.thread_time()
        if self._stages:
            self.totals.add(self._stages[-1], now - self._since)
        self._since = now


_clock = _Clock()


class _Steps(Awaitable[Any]):
    """A coroutine of which each step is timed, and no wait."""

    def __init__(self, work: Any, stage: int) -> None:
        self._work = work
        self._stage = stage

    def __await__(self) -> Generator[Any, Any, Any]:
        step, given = self._work.send, None
        while True:
            _clock.enter(self._stage)
            try:
                awaited = step(given)
            except StopIteration as end:
                return end.value
            finally:
                _clock.leave()
            try:
                step, given = self._work.send, (yield awaited)
            except BaseException as error:
                step, given = self._work.throw, error


def _timed(function: Callable[..., Any], stage: int) -> Callable[..., Any]:
    @wraps(function)
    async def steps(*args: Any, **options: Any) -> Any:
        return await _Steps(function(*args, **options), stage)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        _clock.enter(stage)
        try:
            return function(*args, **options)
        finally:
            _clock.leave()

    return steps if iscoroutinefunction(function) else call


def _put_clocks() -> None:
    _Clock.totals = Totals(Path(os.environ[FILE]))
    for stage, places in enumerate(STAGES.values()):
        for place in places:
            module, _, name = place.partition(":")
            *owner, function = name.split(".")
            holder = import_module(module)
            for part in owner:
                holder = getattr(holder, part)
            setattr(holder, function, _timed(getattr(holder, function), stage))


if __name__ == "__main__":
    from relay.cli import main

    _put_clocks()
    sys.exit(main())
