"""What a test can make the far side do wrong: errors, silence, resets before and after the message was taken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


class Reset(Exception):
    """The connection is cut."""


class SesError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Faults:
    """For the next `times` calls: answer `error`, or `reset` ("before" or "after" the message was taken), or hang.

    `latency` is added to every call, in seconds.
    """

    times: int = 0
    error: SesError | None = None
    reset: str = ""
    hang: float = 0.0
    latency: float = 0.0

    async def before(self) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        if not self.times or self.reset == "after":
            return
        self.times -= 1
        if self.hang:
            await asyncio.sleep(self.hang)
        if self.error:
            raise self.error
        if self.reset:
            raise Reset

    async def after(self) -> None:
        if self.times and self.reset == "after":
            self.times -= 1
            raise Reset
