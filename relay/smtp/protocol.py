"""The commands of a submission, on the wire. What they mean is session.py's business.

Kept of aiosmtpd 1.4.6: its connection set-up and its reader of PROXY headers. Replaced, each with its reason in docs/smtp.md:
the command loop (exceptions became `500` with their text, and the envelope was not reset), DATA (read line by line, no limit
on a line), STARTTLS (octets moved through buffers in memory, and no limit of time: docs/decisions/0008), AUTH (case-sensitive,
blocking, refused on implicit TLS), the address parser, EHLO (a write per line), the timers.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Protocol

from relay import journal
from relay.credential import Credential, Scope
from relay.errors import EncryptionRequiredForLogin, Refused, TooManyFailures, WrongLogin
from relay.intake import Intake
from relay.logins import Login
from relay.replies import Reply
from relay.smtp import answers
from relay.smtp.connection import Answer, Connection, Keeper, Step
from relay.smtp.content import Content
from relay.smtp.limits import Limits
from relay.smtp.login import MECHANISMS, Exchange, NotBase64
from relay.smtp.session import Session

_LONGEST_COMMAND = 12288  # with its line end; the longest of all is AUTH's (RFC 4954 3)
_OTHER_PROTOCOLS = frozenset(
    (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI", b"PROXY")
)


class Door(Keeper, Protocol):
    """What the protocol needs of the server."""

    intake: Intake
    login: Login
    tls: ssl.SSLContext


class SubmissionProtocol(Connection):
    """One connection's commands. A `guest` submits without a login."""

    def __init__(self, door: Door, *, peer: str, guest: Credential | None = None) -> None:
        super().__init__(door)
        self._door = door
        self._has_obeyed = False  # a command that exists has come
        self._has_refused_data = False  # by the last command
        self._skips_line = False
        self._login_failures = 0
        self._messages = 0
        self._exchange: Exchange | None = None
        self._content: Content | None = None
        self.dialogue = Session(door.intake, peer=peer, encrypted=False, guest=guest)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.dialogue.encrypted = transport.get_extra_info("ssl_object") is not None
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None
        super().connection_lost(error)

    @property
    def is_busy(self) -> bool:
        """In the middle of a message, or waiting for something of ours."""
        return super().is_busy or self._content is not None

    def _is_slow(self, now: float, limits: Limits) -> bool:
        content = self._content
        if content is None:
            return super()._is_slow(now, limits)
        took = now - content.began_at
        return took > limits.line_seconds and content.read < limits.data_rate * took

    def _next_step(self) -> Step | None:
        """More content, a command, or nothing yet."""
        if self._content is not None:
            return self._take_content if self._position < len(self._buffer) else None
        if self._buffer.find(b"\n", self._position) >= 0:
            return self._take_line
        if self._skips_line or len(self._buffer) - self._position >= _LONGEST_COMMAND:
            self._skips_line = True
            self._position = len(self._buffer) - 1  # the line has begun, and its time with it
        return None

    def _take_line(self) -> Answer:
        start, end = self._position, self._buffer.index(b"\n", self._position)
        line = self._buffer[start:end].rstrip(b"\r")
        self._position = end + 1
        if self._skips_line or end + 1 - start > _LONGEST_COMMAND:
            too_long = answers.LINE_TOO_LONG if self._exchange is None else answers.AUTH_LINE_TOO_LONG
            self._skips_line, self._exchange = False, None
            return too_long
        if self._exchange is not None:
            return self._respond(self._exchange, line.strip())
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        command = _COMMANDS.get(verb)
        if command is None:
            return self._unknown(verb)
        self._has_obeyed, self._has_refused_data = True, verb == b"DATA"
        answer = command(self, argument.strip())
        if answer is answers.GO_AHEAD:
            self._has_refused_data = False
        return answer

    def _unknown(self, verb: bytes) -> Reply:
        """Closes where what comes is no SMTP: a browser that was sent here, or content after a DATA that was refused."""
        if self._has_refused_data:
            self._is_closing = True
            return answers.CONTENT_AS_COMMANDS
        if not self._has_obeyed and (verb in _OTHER_PROTOCOLS or not verb.isalpha()):
            self._is_closing = True
            return answers.NOT_SMTP
        return answers.UNKNOWN_COMMAND

    def _take_content(self) -> Answer:
        content = self._content
        assert content is not None
        rest = content.take(self._buffer[self._position :])
        self._buffer, self._position = rest or b"", 0
        if rest is not None:
            self._content = None
            return self._take_message(content)
        if content.read > 2 * content.receiving.max_size:
            self._content, self._is_closing = None, True
            return self._take_message(content)
        if content.receiving.wants_flush and content.refusal is None:
            self._wait_for(content.flush())
        return None

    def _take_message(self, content: Content) -> Answer:
        """Whatever the answer, the next message begins with an empty envelope."""
        if content.refusal is None:
            self._wait_for(self._accept(content))
            return None
        reply = self.dialogue.refused(content.refusal)
        self.dialogue.reset()
        return reply

    async def _accept(self, content: Content) -> Answer:
        try:
            reply = await self.dialogue.accept(content.envelope, content.receiving)
        except Refused as refusal:
            reply = self.dialogue.refused(refusal)
        else:
            self._messages += 1
            self._message_accepted()
            if self.transport is None:
                journal.accepted_client_gone(id=content.receiving.id, peer=self.dialogue.peer)
        self.dialogue.reset()
        return reply

    # The verbs.

    def _helo(self, argument: bytes) -> Answer:
        if not argument:
            return answers.HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        return Reply(250, "", self.hostname)

    def _ehlo(self, argument: bytes) -> Answer:
        """All lines in one write: clients that read once, and scanners, fall out of step otherwise."""
        if not argument:
            return answers.HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        words = [self.hostname, f"SIZE {self._door.intake.max_size}", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"]
        words.append("AUTH PLAIN LOGIN" if self.dialogue.encrypted else "STARTTLS")
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return "".join(lines).encode("ascii")

    def _starttls(self, argument: bytes) -> Answer:
        if argument:
            return answers.NO_ARGUMENT
        if self.dialogue.encrypted:
            return answers.TLS_TWICE
        self._wait_for(self._shake_hands(), is_ours=False)
        return None

    async def _shake_hands(self) -> Answer:
        """Everything said before is forgotten, injected octets too (RFC 3207 4.2)."""
        self._write(answers.READY_FOR_TLS)
        self._buffer, self._position = b"", 0
        try:
            await self._stream.start_tls(self._door.tls, seconds=self._door.limits.handshake_seconds)
        except OSError as error:
            journal.connection_failed(peer=self.dialogue.peer, why=str(error) or type(error).__name__)
            self.abort()
            return None
        self.dialogue = Session(self._door.intake, peer=self.dialogue.peer, encrypted=True, guest=self.dialogue.credential)
        return None

    def _auth(self, argument: bytes) -> Answer:
        if not self.dialogue.encrypted:
            raise EncryptionRequiredForLogin
        if not self.dialogue.helo:
            return answers.HELLO_FIRST
        if self.dialogue.has_logged_in:
            return answers.AUTH_TWICE
        if self.dialogue.has_sender:  # RFC 4954 4; what was allowed to a guest need not be allowed to a login
            return answers.AUTH_IN_MESSAGE
        words = argument.split()
        if not 1 <= len(words) <= 2:
            return answers.AUTH_SYNTAX
        mechanism = MECHANISMS.get(words[0].upper())
        if mechanism is None:
            return answers.UNKNOWN_MECHANISM
        self._exchange = mechanism(words[1] if len(words) == 2 else None)
        return self._respond(self._exchange, None)

    def _respond(self, exchange: Exchange, line: bytes | None) -> Answer:
        """One step of the AUTH dialogue: a prompt, or its end. RFC 4954 4: "*" cancels."""
        self._exchange = None
        if line == b"*":
            return answers.AUTH_CANCELLED
        try:
            prompt = next(exchange) if line is None else exchange.send(line)
        except StopIteration as ended:
            self._wait_for(self._log_in(*ended.value))
            return None
        except NotBase64:
            return answers.AUTH_NOT_BASE64
        except WrongLogin as refusal:
            return self._login_failed(refusal)
        self._exchange = exchange
        return b"334 " + b64encode(prompt) + b"\r\n"

    async def _log_in(self, name: str, password: str) -> Answer:
        try:
            found = await self._door.login.check(
                name, password, peer=self.dialogue.peer, helo=self.dialogue.helo, scope=Scope.SMTP
            )
        except (WrongLogin, TooManyFailures) as refusal:
            return self._login_failed(refusal)
        self.dialogue.log_in(found, name)
        return answers.LOGGED_IN

    def _login_failed(self, refusal: Refused) -> Reply:
        self._login_failures += 1
        if self._login_failures >= self._door.limits.login_failures:
            self._is_closing = True
            return answers.TOO_MANY_FAILURES
        return self.dialogue.refused(refusal)

    def _mail(self, argument: bytes) -> Answer:
        if self._messages >= self._door.limits.messages:
            self._is_closing = True
            return answers.TOO_MANY_MESSAGES
        return self.dialogue.mail(argument)

    def _rcpt(self, argument: bytes) -> Answer:
        """Those beyond the limit come in another message, and these are kept (RFC 5321 4.5.3.1.10)."""
        if self.dialogue.recipients >= self._door.limits.recipients:
            return answers.TOO_MANY_RECIPIENTS
        answer = self.dialogue.recipient(argument)
        if isinstance(answer, Reply):
            return answer
        self._wait_for(answer)
        return None

    def _data(self, argument: bytes) -> Answer:
        if argument:
            return answers.NO_ARGUMENT
        try:
            if out_of_order := self.dialogue.check_data():
                return out_of_order
            envelope, receiving = self.dialogue.envelope(), self.dialogue.receive()
        except Refused as refusal:
            reply = self.dialogue.refused(refusal)
            self.dialogue.reset()
            return reply
        self._content = Content(envelope, receiving, began_at=self._active_at)
        return answers.GO_AHEAD

    def _rset(self, argument: bytes) -> Answer:
        self.dialogue.reset()
        return answers.OK

    def _noop(self, argument: bytes) -> Answer:
        return answers.OK

    def _help(self, argument: bytes) -> Answer:
        return answers.HELP

    def _unimplemented(self, argument: bytes) -> Answer:
        return answers.NOT_IMPLEMENTED

    def _quit(self, argument: bytes) -> Answer:
        self._is_closing = True
        return answers.BYE


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
