"""What a test can make the far side do wrong: errors, silence, cut connections, answers that say nothing."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from aiohttp import web


class Reset(Exception):
    """The connection is cut."""


class SesError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> web.Response:
        headers = {"x-amzn-ErrorType": self.code}
        return web.json_response({"message": str(self)}, status=self.status, headers=headers)


@dataclass(slots=True)
class Faults:
    """One kind of fault: for the next `times` calls, and until `until` on time.monotonic(), whose request matches `pattern`.

    In the order of a call: `hang` seconds of silence; then the connection is `reset` "before" its body is read or "within" it,
    or the `error` is answered. What comes after these was taken and is in the log: a `reset` "after", `late` seconds of
    silence, the `error` where `taken` says so, or `answer` in place of the JSON. `struck` counts the calls that met it.
    `latency` is added to every call, in seconds.
    """

    times: int = 0
    until: float = 0.0
    pattern: bytes = b""
    hang: float = 0.0
    reset: str = ""
    error: SesError | None = None
    taken: bool = False
    late: float = 0.0
    answer: bytes | None = None
    latency: float = 0.0
    struck: int = 0

    def strikes(self, request: bytes) -> bool:
        """Whether this call meets the fault."""
        if not re.search(self.pattern, request) or (self.times < 1 and time.monotonic() >= self.until):
            return False
        self.times -= self.times > 0
        self.struck += 1
        return True

    def cuts_short(self) -> bool:
        """The same before anything of the body is known."""
        return self.reset in ("before", "within") and self.strikes(b"")

    async def before(self) -> None:
        """What goes wrong before the message is taken."""
        if self.hang:
            await asyncio.sleep(self.hang)
        if self.reset in ("before", "within"):
            raise Reset
        if self.error and not self.taken:
            raise self.error

    async def after(self) -> None:
        """What goes wrong once it was."""
        if self.reset == "after":
            raise Reset
        if self.late:
            await asyncio.sleep(self.late)
        if self.error:
            raise self.error


NONE = Faults()


async def answered(request: web.Request, faults: Faults, answer: web.Response) -> web.StreamResponse:
    """A call that changes nothing: the answer, or what goes wrong with it."""
    try:
        if faults.strikes(b""):
            await faults.before()
    except Reset:
        return cut(request)
    except SesError as error:
        return error.response()
    return answer


def cut(request: web.Request) -> web.Response:
    """Cuts the connection; what is returned goes nowhere."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
