"""The event loop that a verb runs on, and the signals that end it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from relay.cli.terminal import Failure
from relay.errors import ConfigError, StoreUnavailable

T = TypeVar("T")


def run(step: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Runs a verb on a loop of its own; what an operator can mend becomes a Failure."""

    @wraps(step)
    def command(*args: Any, **options: Any) -> T:
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                return runner.run(step(*args, **options))
        except (ConfigError, StoreUnavailable) as error:
            raise Failure(str(error)) from error
        except OSError as error:  # no right to the store, or a file in the place of a folder
            raise Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error

    return command


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed (the extra `fast`)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def told() -> asyncio.Event:
    """Set by SIGTERM or SIGINT, from now on. A second signal ends the process at once."""
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Python would wait for the threads of the store, which nobody ends any more.
        loop.add_signal_handler(number, lambda: os._exit(1) if heard.is_set() else heard.set())
    return heard


async def until_any(*these: Coroutine[Any, Any, object]) -> None:
    """Until one of them is over; the others are cancelled. Raises nothing of theirs."""
    waiting = [asyncio.create_task(each) for each in these]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def is_done_before(event: asyncio.Event, step: Coroutine[Any, Any, object]) -> bool:
    """Whether `step` came to its end; the event cancels it, and then its end is waited for. Raises what it raises."""
    doing = asyncio.create_task(step)
    await until_any(event.wait(), asyncio.wait([doing]))
    doing.cancel()
    try:
        await doing
    except asyncio.CancelledError:
        return False
    return True
