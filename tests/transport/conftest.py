from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here on both loops: they differ in what they tell of a socket."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
