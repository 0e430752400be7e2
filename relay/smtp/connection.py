"""One connection as octets and time, on aiosmtpd's protocol. What the octets say is protocol.py's business.

Steps are obeyed as their octets arrive, without a task to be woken; only what must wait (a login, a look-up, the commit) is
a task, and it is never cancelled: a client that leaves does not leave us in doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol, cast

from aiosmtpd.smtp import SMTP

from relay import journal
from relay.errors import InternalFault, Refused
from relay.replies import Reply
from relay.smtp import answers
from relay.smtp.limits import Limits
from relay.smtp.session import Session
from relay.smtp.tasks import Tasks
from relay.smtp.transport import SocketTransport

_READ_AHEAD = 128 * 1024  # so much may wait in our buffer while something else is under way
_ANSWERS_AT_ONCE = 100  # then it is the others' turn, and it shows whether the client reads them

Answer = Reply | bytes | None
"""What goes out: a reply, lines ready made, or nothing."""

Step = Callable[[], Answer]


class Keeper(Protocol):
    """What a connection needs of the server."""

    hostname: str
    tasks: Tasks  # they run to their end, even if the connection does not last so long

    @property
    def limits(self) -> Limits: ...
    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...


class _Bare:
    """aiosmtpd looks for verbs, mechanisms and hooks by reflection, 0.2 ms for each connection; ours are in tables."""

    def __dir__(self) -> Collection[str]:
        return ()


class _NoTimer:
    """aiosmtpd wants to cancel its own at the end."""

    def cancel(self) -> None: ...


_NO_TIMER = cast(asyncio.TimerHandle, _NoTimer())
_NO_HOOKS = _Bare()


class Connection(_Bare, SMTP):
    """From its first octet after the handshake to its end. The subclass says what the next step is."""

    dialogue: Session

    def __init__(self, keeper: Keeper) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(_NO_HOOKS, hostname=keeper.hostname, ident="relay", loop=loop)  # no name: a DNS look-up each
        self._keeper = keeper
        self.ended: asyncio.Future[None] = loop.create_future()
        self._buffer = b""  # bytes, not bytearray: content goes on as it came, without a copy
        self._position = 0  # so far the buffer was obeyed
        self._is_waiting = False  # something is under way that must end before the next step
        self._is_working = False  # and it is ours, with a result that must not be lost
        self._is_closing = False
        self._has_greeted = False
        self._has_ended = False  # the client sends no more
        self._is_choked = False  # the client does not read our replies
        self._parting: Reply | None = None  # it ends when what is under way has its answer
        self._is_paused = False  # we do not read on; at the end of input the transport pauses too, and must stay so
        self._errors = 0  # since the last accepted message
        self._since = self._active_at = self._obeyed_at = loop.time()

    def _next_step(self) -> Step | None:
        """What the octets that have come allow, if anything."""
        raise NotImplementedError

    @property
    def is_busy(self) -> bool:
        """In the middle of a message, or waiting for something of ours."""
        return self._is_working

    # Its life.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._since = self._active_at = self._obeyed_at = self.loop.time()
        self._keeper.opened(self)

    async def _handle_client(self) -> None:
        """aiosmtpd starts this as a task; our steps need none. What was sent with the first octets is seen before it."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._has_greeted = True
        if not self._is_closing:
            self._write(Reply(220, "", f"{self.hostname} ESMTP relay"))

    def connection_lost(self, error: Exception | None) -> None:
        self._keeper.closed(self)
        super().connection_lost(None)  # it would keep the error in a future that nobody asks, and Python would complain of it
        # These two lead back to us: the buffers of a TLS connection would wait for the garbage collector.
        self._client_connected_cb = self._writer = None  # type: ignore[assignment]
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._active_at = self.loop.time()
        if self._position == len(self._buffer):
            self._buffer, self._position, self._obeyed_at = data, 0, self._active_at
        else:
            self._buffer, self._position = self._buffer[self._position :] + data, 0
        if not self._has_greeted:
            self.shut_down(answers.TOO_EARLY)
        else:
            self._advance()
        if len(self._buffer) - self._position > _READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._stream.pause_reading()

    def eof_received(self) -> bool:
        """A client may end its side after its last command and still wait for the replies; aiosmtpd would cancel."""
        self._has_ended = True
        return self._is_waiting or self._is_choked

    def pause_writing(self) -> None:
        self._is_choked = True
        super().pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_choked = False
        self._go_on()

    def shut_down(self, why: Reply = answers.SHUTTING_DOWN) -> None:
        """Says why, and closes."""
        if self.transport is not None and not self._is_closing:
            self._write(why)
            self._is_closing = True
            self._stream.close()

    def part(self, why: Reply) -> None:
        """The same; but what is under way is answered first, for it may be accepted."""
        if self._is_waiting:
            self._parting = why
        else:
            self.shut_down(why)

    def abort(self) -> None:
        """Closes without a word."""
        if self.transport is not None:
            self._stream.abort()

    @property
    def _stream(self) -> SocketTransport:
        return cast(SocketTransport, self.transport)

    # Its time. aiosmtpd's timer for each connection is replaced by one look at all of them a second.

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._timeout_handle = _NO_TIMER

    def look_at_time(self, now: float) -> None:
        """Closes a connection that has used up its time. The time that we take ourselves is not counted."""
        if not (self._is_closing or self._is_waiting) and (why := self._overdue(now, self._keeper.limits)):
            self.shut_down(why)

    def _overdue(self, now: float, limits: Limits) -> Reply | None:
        """What it is told, if its time is over."""
        if now - self._active_at > limits.idle_seconds:
            return answers.IDLE
        if now - self._since > limits.session_seconds:
            return answers.NO_MESSAGE
        if self.dialogue.credential is None and now - self._since > limits.login_seconds:
            return answers.NO_LOGIN
        return answers.TOO_SLOW if self._is_slow(now, limits) else None

    def _is_slow(self, now: float, limits: Limits) -> bool:
        """Whether what has begun to come does not come fast enough."""
        return self._position < len(self._buffer) and now - self._obeyed_at > limits.line_seconds

    # From octets to steps, and from answers to octets.

    def _advance(self) -> None:
        """Obeys what has come, as far as it goes; the replies go out in one write (RFC 2920). Not once nobody reads them."""
        if self.transport is None or self._stream.is_closing():
            return
        lines = []
        while not (self._is_waiting or self._is_closing or self._is_choked) and (step := self._next_step()):
            self._obeyed_at = self._active_at
            if (answer := self._guarded(step)) is not None:
                lines.append(self._answered(answer))
            if len(lines) == _ANSWERS_AT_ONCE and not self._is_waiting:
                self._pause(0)
        if lines:
            self._stream.write(b"".join(lines))
        if (self._is_closing or (self._has_ended and not self._is_choked)) and not self._is_waiting:
            self._stream.close()

    def _go_on(self) -> None:
        self._advance()
        if self._is_paused and len(self._buffer) - self._position <= _READ_AHEAD and self.transport is not None:
            self._is_paused = False
            self._stream.resume_reading()

    def _guarded(self, step: Step) -> Answer:
        """Nothing escapes: a refusal has its reply, and any other exception is ours and 451."""
        try:
            return step()
        except Refused as refusal:
            return self.dialogue.refused(refusal)
        except Exception:
            return self._our_fault()

    def _our_fault(self) -> Reply:
        journal.bug("an SMTP command failed", id=self.dialogue.message_id)
        reply = self.dialogue.refused(InternalFault())
        self.dialogue.reset()
        return reply

    def _wait_for(self, work: Coroutine[Any, Any, Answer], *, is_ours: bool = True) -> None:
        """Goes on with the next step when `work` has its answer. What is not ours but the client's may be broken off."""
        self._is_waiting, self._is_working = True, is_ours
        self._keeper.tasks.begin(self._finish(work))

    def _pause(self, seconds: float) -> None:
        """Goes on with the next step after so long."""
        self._is_waiting = True
        self.loop.call_later(seconds, self._resume, None)

    async def _finish(self, work: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await work
        except Refused as refusal:
            answer = self.dialogue.refused(refusal)
        except Exception:
            answer = self._our_fault()
        self._resume(answer)

    def _resume(self, answer: Answer) -> None:
        self._is_waiting = self._is_working = False
        if self.transport is None:
            return
        self._active_at = self.loop.time()
        if answer is not None:
            self._write(answer)
        if self._parting:
            self.shut_down(self._parting)
        self._go_on()

    def _write(self, answer: Reply | bytes) -> None:
        if self.transport is not None:
            self._stream.write(self._answered(answer))

    def _answered(self, answer: Reply | bytes) -> bytes:
        """What goes on the wire. Refusals cost time from some number on, and at last the connection."""
        if isinstance(answer, bytes):
            return answer
        line = answer.line(enhanced=self.dialogue.enhanced)
        if answer.code < 500 or self._is_closing:
            return line
        return line + self._charged()

    def _charged(self) -> bytes:
        """One more refusal. A 4xx is none: it is ours, or passes."""
        self._errors += 1
        limits = self._keeper.limits
        if self._errors >= limits.errors:
            self._is_closing = True
            return answers.TOO_MANY_ERRORS.line(enhanced=self.dialogue.enhanced)
        if self._errors >= limits.soft_errors and not self._is_waiting:
            self._pause(limits.error_seconds)
        return b""

    def _message_accepted(self) -> None:
        self._errors = 0
        self._since = self.loop.time()
