"""Our subclass of aiosmtpd's protocol: the wire. What the verbs mean is session.py's business.

Kept of aiosmtpd 1.4.6: its connection set-up, STARTTLS and Session. Replaced, each with its reason in docs/smtp.md: the
command loop (exceptions became `500` with their text, and the envelope was not reset), DATA (read line by line, no limit
on a line), AUTH (case-sensitive, blocking, refused on implicit TLS), the address parser, EHLO (a write per line).

Commands are obeyed as their octets arrive, without a task to be woken; only what must wait (a login, a look-up, the
commit) is a task, and it is never cancelled: a client that leaves does not leave us in doubt.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiosmtpd.smtp import SMTP

from relay import journal
from relay.errors import EncryptionRequiredForLogin, InternalFault, Refused, WrongLogin
from relay.intake import Intake, Receiving
from relay.model import Envelope
from relay.replies import Reply
from relay.smtp.content import ContentReader, check_line_ends
from relay.smtp.limits import Limits
from relay.smtp.login import MECHANISMS, Exchange, Login, NotBase64
from relay.smtp.session import HELLO_FIRST, OK, Session

_LONGEST_COMMAND = 12288  # RFC 4954 4.3: the longest line of all is AUTH's
_READ_AHEAD = 128 * 1024  # so much may wait in our buffer while something else is under way
_LOGIN_FAILURES = 3

GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BYE = Reply(221, "2.0.0", "Bye")
HELP = Reply(214, "2.0.0", "Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT")
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down")
IDLE = Reply(421, "4.4.2", "Idle for too long")
TOO_MANY_FAILURES = Reply(421, "4.7.0", "Too many failed logins")
UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognized")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
LINE_TOO_LONG = Reply(500, "5.5.6", "Command line too long")
HELLO_SYNTAX = Reply(501, "5.5.4", "Syntax: EHLO hostname")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
AUTH_SYNTAX = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
AUTH_NOT_BASE64 = Reply(501, "5.5.2", "Cannot decode base64")
AUTH_TWICE = Reply(503, "5.5.1", "Already authenticated")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Unrecognized authentication type")
TLS_TWICE = Reply(503, "5.5.1", "TLS already active")
TLS_NOT_HERE = Reply(454, "4.7.0", "TLS not available")
TOO_EARLY = Reply(421, "4.7.0", "You spoke before the greeting")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
NOT_SMTP = Reply(421, "4.7.0", "This is an SMTP server")
CONTENT_AS_COMMANDS = Reply(421, "4.7.0", "DATA was refused, content is not a command")

_HTTP_METHODS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI"))

Answer = Reply | bytes | None
"""What goes out: a reply, lines ready made, or nothing."""


class Door(Protocol):
    """What the protocol needs of the server that made it."""

    intake: Intake
    login: Login
    hostname: str
    limits: Limits

    def opened(self, connection: SubmissionProtocol) -> Reply | None: ...
    def closed(self, connection: SubmissionProtocol) -> None: ...
    def keep(self, work: Coroutine[Any, Any, None]) -> None: ...


@dataclass(slots=True)
class _Content:
    """What is coming in behind DATA. After a refusal it is read to its end and thrown away (RFC 5321 4.2.5)."""

    envelope: Envelope
    receiving: Receiving
    reader: ContentReader
    read: int = 0
    refusal: Refused | None = None

    def take(self, piece: bytes) -> None:
        self.read += len(piece)
        if self.refusal is not None:
            return
        try:
            check_line_ends(piece)
            self.receiving.write(piece)
        except Refused as refusal:
            self.refusal = refusal

    async def flush(self) -> None:
        try:
            await self.receiving.flush()
        except Refused as refusal:
            self.refusal = refusal


class _NoHooks:
    """aiosmtpd wants a handler to look for hooks on; ours has none."""


class SubmissionProtocol(SMTP):
    """One connection."""

    def __init__(self, door: Door, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _NoHooks(),
            hostname=door.hostname,  # without it every connection waits for a DNS look-up
            ident="relay",
            tls_context=tls,
            timeout=door.limits.idle_seconds,
            loop=loop,
        )
        self._door = door
        self._buffer = b""  # bytes, not bytearray: content goes on as it came, without a copy
        self._position = 0  # so far the buffer was obeyed
        self._is_waiting = False  # something is under way that must end before the next command
        self._is_closing = False
        self._has_greeted = False
        self._has_obeyed = False  # a command that exists has come
        self._has_refused_data = False  # and no command that exists has come since
        self._has_ended = False  # the client sends no more
        self._is_choked = False  # the client does not read our replies
        self._skips_line = False
        self._login_failures = 0
        self._errors = 0  # since the last accepted message
        self._exchange: Exchange | None = None
        self._content: _Content | None = None
        self._active_at = 0.0
        self.dialogue: Session

    # The life of the connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Also called when TLS was started: everything said before is forgotten (RFC 3207 4.2), injected octets too."""
        self._buffer, self._position = b"", 0
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.dialogue = Session(
            self._door.intake,
            peer=address[0] if address else "",
            encrypted=transport.get_extra_info("ssl_object") is not None,
        )
        if unwelcome := self._door.opened(self):
            self.shut_down(unwelcome)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.closed(self)
        if self._content is not None:
            self._content.receiving.close()
            self._content = None
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        """aiosmtpd starts this as a task; our commands need none. What was sent with the first octets is seen before it."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._has_greeted = True
        if not self._is_closing:
            self._write(Reply(220, "", f"{self.hostname} ESMTP relay"))

    def data_received(self, data: bytes) -> None:
        self._active_at = self.loop.time()
        self._buffer, self._position = self._buffer[self._position :] + data, 0
        if not self._has_greeted:
            self.shut_down(TOO_EARLY)
        elif not self._is_waiting:
            self._advance()
        elif len(self._buffer) > _READ_AHEAD:
            self._stream.pause_reading()

    def eof_received(self) -> bool:
        """A client may end its side after its last command and still wait for the replies; aiosmtpd would cancel."""
        self._has_ended = True
        return self._is_waiting and not self.dialogue.encrypted

    def pause_writing(self) -> None:
        self._is_choked = True
        super().pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_choked = False
        if not self._is_waiting:
            self._advance()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """One timer per connection, set anew only when it rings."""
        self._active_at = self.loop.time()
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(self._timeout_duration, self._timeout_cb)

    def _timeout_cb(self) -> None:
        left = self._active_at + self._timeout_duration - self.loop.time()
        if left > 0 or self._is_waiting:
            self._timeout_handle = self.loop.call_later(max(left, 1.0), self._timeout_cb)
        elif self.transport is not None:
            self.shut_down(IDLE)
            self.loop.call_later(1.0, self.abort)

    @property
    def _stream(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self.transport)

    @property
    def is_busy(self) -> bool:
        """In the middle of a message, or waiting for something of ours."""
        return self._is_waiting or self._content is not None

    def shut_down(self, why: Reply = SHUTTING_DOWN) -> None:
        """Says why, and closes."""
        if self.transport is not None and not self._is_closing:
            self._write(why)
            self._is_closing = True
            self._stream.close()

    def abort(self) -> None:
        """A peer that does not read would keep `close` from ever ending."""
        if self.transport is not None:
            self._stream.abort()

    # From octets to commands, and from answers to octets.

    def _advance(self) -> None:
        """Obeys what has come, as far as it goes; the replies go out in one write (RFC 2920)."""
        lines = []
        while not (self._is_waiting or self._is_closing or self._is_choked) and (step := self._next_step()):
            answer = self._guarded(step)
            if answer is not None:
                lines.append(self._octets(answer))
        if self.transport is None:
            return
        if lines:
            self._stream.write(b"".join(lines))
        if (self._is_closing or self._has_ended) and not self._is_waiting:
            self._stream.close()

    def _next_step(self) -> Callable[[], Answer] | None:
        """What the octets that have come allow: more content, a command, or nothing yet."""
        if self._content is not None:
            return self._take_content if self._position < len(self._buffer) else None
        if self._buffer.find(b"\n", self._position) >= 0:
            return self._take_line
        if self._skips_line or len(self._buffer) - self._position > _LONGEST_COMMAND:
            self._skips_line = True
            self._position = len(self._buffer)
        return None

    def _guarded(self, step: Callable[[], Answer]) -> Answer:
        """Nothing escapes: a refusal has its reply, and any other exception is ours and 451."""
        try:
            return step()
        except Refused as refusal:
            return self.dialogue.refused(refusal)
        except Exception:
            return self._our_fault()

    def _our_fault(self) -> Reply:
        journal.bug("an SMTP command failed")
        reply = self.dialogue.refused(InternalFault())
        self.dialogue.reset()
        return reply

    def _wait_for(self, work: Coroutine[Any, Any, Answer]) -> None:
        """Goes on with the next command when `work` has its answer."""
        self._is_waiting = True
        self._door.keep(self._finish(work))

    async def _finish(self, work: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await work
        except Refused as refusal:
            answer = self.dialogue.refused(refusal)
        except Exception:
            answer = self._our_fault()
        self._is_waiting = False
        if self.transport is None:
            return
        if answer is not None:
            self._write(answer)
        self._stream.resume_reading()
        self._advance()

    def _octets(self, answer: Reply | bytes) -> bytes:
        """What goes on the wire. Whoever collects too many refusals is told so behind the last one."""
        if isinstance(answer, bytes):
            return answer
        line = answer.line(enhanced=self.dialogue.enhanced)
        self._errors += answer.code >= 400
        if self._errors < self._door.limits.errors or self._is_closing:
            return line
        self._is_closing = True
        return line + TOO_MANY_ERRORS.line()

    def _write(self, answer: Reply | bytes) -> None:
        if self.transport is not None:
            self._stream.write(self._octets(answer))

    def _take_line(self) -> Answer:
        start, end = self._position, self._buffer.index(b"\n", self._position)
        line = self._buffer[start:end].rstrip(b"\r")
        self._position = end + 1
        if self._skips_line or end - start > _LONGEST_COMMAND:
            self._skips_line = False
            return LINE_TOO_LONG
        if self._exchange is not None:
            return self._respond(self._exchange, line.strip())
        verb, _, argument = line.partition(b" ")
        command = _COMMANDS.get(verb.upper())
        if command is None:
            return self._unknown(verb)
        self._has_obeyed, self._has_refused_data = True, False
        return command(self, argument.strip())

    def _unknown(self, verb: bytes) -> Reply:
        """Closes where what comes is no SMTP: a browser that was sent here, or content after a DATA that was refused."""
        if self._has_refused_data:
            self._is_closing = True
            return CONTENT_AS_COMMANDS
        if not self._has_obeyed and (verb in _HTTP_METHODS or not verb.isalpha()):
            self._is_closing = True
            return NOT_SMTP
        return UNKNOWN_COMMAND

    def _take_content(self) -> Answer:
        content = self._content
        assert content is not None
        piece, rest = content.reader.feed(self._buffer[self._position :])
        self._buffer, self._position = rest or b"", 0
        content.take(piece)
        if rest is not None:
            self._content = None
            return self._take_message(content)
        if content.read > 2 * content.receiving.max_size:
            self._stream.abort()
            self._is_closing = True
        elif content.receiving.wants_flush and content.refusal is None:
            self._wait_for(content.flush())
        return None

    def _take_message(self, content: _Content) -> Answer:
        """Whatever the answer, the next message begins with an empty envelope."""
        if content.refusal is None:
            self._wait_for(self._accept(content))
            return None
        content.receiving.close()
        reply = self.dialogue.refused(content.refusal)
        self.dialogue.reset()
        return reply

    async def _accept(self, content: _Content) -> Answer:
        try:
            reply = await self.dialogue.accept(content.envelope, content.receiving)
        except Refused as refusal:
            reply = self.dialogue.refused(refusal)
        else:
            self._errors = 0
            if self.transport is None:
                journal.accepted_client_gone(id=content.receiving.id, peer=self.dialogue.peer)
        self.dialogue.reset()
        return reply

    # The verbs.

    def _helo(self, argument: bytes) -> Answer:
        if not argument:
            return HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        return Reply(250, "", self.hostname)

    def _ehlo(self, argument: bytes) -> Answer:
        """All lines in one write: clients that read once, and scanners, fall out of step otherwise."""
        if not argument:
            return HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        words = [self.hostname, f"SIZE {self._door.intake.max_size}", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"]
        words.append("AUTH PLAIN LOGIN" if self.dialogue.encrypted else "STARTTLS")
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return "".join(lines).encode("ascii")

    def _starttls(self, argument: bytes) -> Answer:
        if argument:
            return NO_ARGUMENT
        if self.dialogue.encrypted:
            return TLS_TWICE
        if self.tls_context is None:
            return TLS_NOT_HERE
        self._wait_for(self._shake_hands())
        return None

    async def _shake_hands(self) -> Answer:
        """aiosmtpd's own STARTTLS: 220, then the handshake, then `connection_made` with the new transport."""
        try:
            await self.smtp_STARTTLS("")
        except Exception as error:
            # asyncio does not tell the protocol of a handshake that failed.
            if self.transport is not None:
                self._stream.abort()
                self.connection_lost(error)
        return None

    def _auth(self, argument: bytes) -> Answer:
        if not self.dialogue.encrypted:
            raise EncryptionRequiredForLogin
        if not self.dialogue.helo:
            return HELLO_FIRST
        if self.dialogue.credential:
            return AUTH_TWICE
        words = argument.split()
        if not 1 <= len(words) <= 2:
            return AUTH_SYNTAX
        mechanism = MECHANISMS.get(words[0].upper())
        if mechanism is None:
            return UNKNOWN_MECHANISM
        self._exchange = mechanism(words[1] if len(words) == 2 else None)
        return self._respond(self._exchange, None)

    def _respond(self, exchange: Exchange, line: bytes | None) -> Answer:
        """One step of the AUTH dialogue: a prompt, or its end. RFC 4954 4: "*" cancels."""
        self._exchange = None
        if line == b"*":
            return AUTH_CANCELLED
        try:
            prompt = next(exchange) if line is None else exchange.send(line)
        except StopIteration as ended:
            self._wait_for(self._log_in(*ended.value))
            return None
        except NotBase64:
            return AUTH_NOT_BASE64
        except WrongLogin:
            return self._login_failed()
        self._exchange = exchange
        return b"334 " + b64encode(prompt) + b"\r\n"

    async def _log_in(self, name: str, password: str) -> Answer:
        try:
            self.dialogue.credential = await self._door.login.check(name, password, peer=self.dialogue.peer)
        except WrongLogin:
            return self._login_failed()
        return LOGGED_IN

    def _login_failed(self) -> Reply:
        self._login_failures += 1
        if self._login_failures >= _LOGIN_FAILURES:
            self._is_closing = True
            return TOO_MANY_FAILURES
        return self.dialogue.refused(WrongLogin())

    def _mail(self, argument: bytes) -> Answer:
        return self.dialogue.mail(argument)

    def _rcpt(self, argument: bytes) -> Answer:
        answer = self.dialogue.recipient(argument)
        if isinstance(answer, Reply):
            return answer
        self._wait_for(answer)
        return None

    def _data(self, argument: bytes) -> Answer:
        if argument:
            return NO_ARGUMENT
        try:
            if out_of_order := self.dialogue.check_data():
                self._has_refused_data = True
                return out_of_order
            self._content = _Content(self.dialogue.envelope(), self.dialogue.receive(), ContentReader())
        except Refused as refusal:
            self._has_refused_data = True
            reply = self.dialogue.refused(refusal)
            self.dialogue.reset()
            return reply
        return GO_AHEAD

    def _rset(self, argument: bytes) -> Answer:
        self.dialogue.reset()
        return OK

    def _noop(self, argument: bytes) -> Answer:
        return OK

    def _help(self, argument: bytes) -> Answer:
        return HELP

    def _unimplemented(self, argument: bytes) -> Answer:
        return NOT_IMPLEMENTED

    def _quit(self, argument: bytes) -> Answer:
        self._is_closing = True
        return BYE


_Command = Callable[[SubmissionProtocol, bytes], Answer]

_COMMANDS: dict[bytes, _Command] = {
    b"HELO": SubmissionProtocol._helo,
    b"EHLO": SubmissionProtocol._ehlo,
    b"STARTTLS": SubmissionProtocol._starttls,
    b"AUTH": SubmissionProtocol._auth,
    b"MAIL": SubmissionProtocol._mail,
    b"RCPT": SubmissionProtocol._rcpt,
    b"DATA": SubmissionProtocol._data,
    b"RSET": SubmissionProtocol._rset,
    b"NOOP": SubmissionProtocol._noop,
    b"HELP": SubmissionProtocol._help,
    b"QUIT": SubmissionProtocol._quit,
    b"VRFY": SubmissionProtocol._unimplemented,
    b"EXPN": SubmissionProtocol._unimplemented,
    b"ETRN": SubmissionProtocol._unimplemented,
    b"TURN": SubmissionProtocol._unimplemented,
    b"BDAT": SubmissionProtocol._unimplemented,
    b"XCLIENT": SubmissionProtocol._unimplemented,
    b"XFORWARD": SubmissionProtocol._unimplemented,
}
