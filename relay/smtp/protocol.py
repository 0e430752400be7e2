"""Our subclass of aiosmtpd's protocol: the wire. What the verbs mean is session.py's business.

Kept of aiosmtpd 1.4.6: its connection set-up, STARTTLS and time-out. Replaced, each with its reason in docs/smtp.md: the
command loop (exceptions became `500` with their text, and the envelope was not reset), DATA (read line by line, no limit
on a line), AUTH (case-sensitive, blocking, refused on implicit TLS), the address parser, EHLO (a write per line).
"""

from __future__ import annotations

import asyncio
import binascii
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP

from relay import journal
from relay.errors import EncryptionRequiredForLogin, InternalFault, Malformed, Refused, WrongLogin
from relay.intake import Intake, Receiving
from relay.model import Envelope
from relay.replies import Reply
from relay.smtp.login import Login
from relay.smtp.session import HELLO_FIRST, OK, Session

_END_OF_DATA = b"\r\n.\r\n"
_LONGEST_COMMAND = 12288  # RFC 4954 4.3: the longest line of all is AUTH's
_LOGIN_FAILURES = 3

GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BYE = Reply(221, "2.0.0", "Bye")
HELP = Reply(214, "2.0.0", "Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT")
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down")
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


class Door(Protocol):
    """What the protocol needs of the server that made it."""

    intake: Intake
    login: Login
    hostname: str
    timeout: float

    def opened(self, connection: SubmissionProtocol) -> None: ...
    def closed(self, connection: SubmissionProtocol) -> None: ...
    def commit(self, accepting: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]: ...


class _NoLogin(Exception):
    """The AUTH dialogue ended early, with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class _NoHooks:
    """aiosmtpd wants a handler to look for hooks on; ours has none."""


class SubmissionProtocol(SMTP):
    """One connection."""

    line_length_limit = 64 * 1024  # the reader's buffer: DATA is taken in pieces of about this size

    def __init__(self, door: Door, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _NoHooks(),
            hostname=door.hostname,  # without it every connection waits for a DNS look-up
            ident="relay",
            tls_context=tls,
            timeout=door.timeout,
            loop=loop,
        )
        self._door = door
        self._login_failures = 0
        self._closing = False
        self.is_busy = False
        self.dialogue: Session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.dialogue = Session(
            self._door.intake,
            peer=address[0] if address else "",
            encrypted=transport.get_extra_info("ssl_object") is not None,
        )
        self._door.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.closed(self)
        super().connection_lost(error)

    def eof_received(self) -> bool:
        """A client may end its side after its last command and still wait for the replies; aiosmtpd would cancel."""
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.dialogue.encrypted

    def shut_down(self) -> None:
        """The server stops: says so and closes."""
        if self.transport is not None and not self._closing:
            self._write(SHUTTING_DOWN)
            self._closing = True
            self._writer.close()

    def abort(self) -> None:
        """The server stops and can wait no longer: a peer that does not read would keep `close` from ever ending."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    async def _handle_client(self) -> None:
        """The life of the connection; started by aiosmtpd, cancelled by it when the client is gone."""
        try:
            self._write(Reply(220, "", f"{self.hostname} ESMTP relay"))
            while not self._closing:
                self._write(await self._answer_next())
                await self._writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._writer.close()

    async def _answer_next(self) -> Reply | bytes:
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            await self._skip_line()
            return LINE_TOO_LONG
        self._reset_timeout()
        if len(line) > _LONGEST_COMMAND:
            return LINE_TOO_LONG
        verb, _, argument = line.rstrip(b"\r\n").partition(b" ")
        command = _COMMANDS.get(verb.upper())
        if command is None:
            return UNKNOWN_COMMAND
        return await self._obey(command, argument.strip())

    async def _obey(self, command: _Command, argument: bytes) -> Reply | bytes:
        """Nothing escapes: a refusal has its reply, and any other exception is ours and 451."""
        try:
            return await command(self, argument)
        except Refused as refusal:
            return self.dialogue.refused(refusal)
        except _NoLogin as ended:
            return ended.reply
        except (ConnectionError, asyncio.IncompleteReadError):
            raise
        except Exception:
            journal.bug("an SMTP command failed")
            self.dialogue.reset()
            return self.dialogue.refused(InternalFault())

    def _write(self, reply: Reply | bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(reply if isinstance(reply, bytes) else reply.line(enhanced=self.dialogue.enhanced))

    async def _skip_line(self) -> None:
        while True:
            try:
                await self._reader.readuntil(b"\n")
                return
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)

    # The verbs.

    async def _helo(self, argument: bytes) -> Reply | bytes:
        if not argument:
            return HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        return Reply(250, "", self.hostname)

    async def _ehlo(self, argument: bytes) -> Reply | bytes:
        """All lines in one write: clients that read once, and scanners, fall out of step otherwise."""
        if not argument:
            return HELLO_SYNTAX
        self.dialogue.hello(argument.decode("ascii", "replace"))
        words = [self.hostname, f"SIZE {self._door.intake.max_size}", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"]
        words.append("AUTH PLAIN LOGIN" if self.dialogue.encrypted else "STARTTLS")
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        return "".join(lines).encode("ascii")

    async def _starttls(self, argument: bytes) -> Reply | bytes:
        if argument:
            return NO_ARGUMENT
        if self.dialogue.encrypted:
            return TLS_TWICE
        if self.tls_context is None:
            return TLS_NOT_HERE
        try:
            await self.smtp_STARTTLS("")
        except Exception as error:
            raise ConnectionAbortedError("TLS handshake failed") from error
        return b""

    async def _auth(self, argument: bytes) -> Reply | bytes:
        if not self.dialogue.encrypted:
            raise EncryptionRequiredForLogin
        if not self.dialogue.helo:
            return HELLO_FIRST
        if self.dialogue.credential:
            return AUTH_TWICE
        words = argument.split()
        if not 1 <= len(words) <= 2:
            return AUTH_SYNTAX
        # Any letter case: .NET's SmtpClient writes `AUTH login`.
        mechanism = _MECHANISMS.get(words[0].upper())
        if mechanism is None:
            return UNKNOWN_MECHANISM
        name, password = await mechanism(self, words[1] if len(words) == 2 else None)
        try:
            self.dialogue.credential = await self._door.login.check(name, password, peer=self.dialogue.peer)
        except WrongLogin:
            self._login_failures += 1
            if self._login_failures >= _LOGIN_FAILURES:
                self._write(TOO_MANY_FAILURES)
                self._closing = True
                return b""
            raise
        return LOGGED_IN

    async def _plain(self, initial: bytes | None) -> tuple[str, str]:
        """RFC 4616: authorisation identity, name and password, parted by NUL."""
        response = _decoded(initial) if initial is not None else await self._challenge(b"")
        fields = response.split(b"\0")
        if len(fields) != 3 or fields[0] not in (b"", fields[1]):
            raise WrongLogin
        return _text(fields[1]), _text(fields[2])

    async def _login(self, initial: bytes | None) -> tuple[str, str]:
        name = _decoded(initial) if initial is not None else await self._challenge(b"Username:")
        password = await self._challenge(b"Password:")
        return _text(name), _text(password)

    async def _challenge(self, prompt: bytes) -> bytes:
        self._write(b"334 " + b64encode(prompt) + b"\r\n")
        try:
            line = (await self._reader.readuntil(b"\n")).strip()
        except asyncio.LimitOverrunError:
            await self._skip_line()
            raise _NoLogin(LINE_TOO_LONG) from None
        if line == b"*":
            raise _NoLogin(AUTH_CANCELLED)
        return _decoded(line)

    async def _mail(self, argument: bytes) -> Reply | bytes:
        return self.dialogue.mail(argument)

    async def _rcpt(self, argument: bytes) -> Reply | bytes:
        return await self.dialogue.recipient(argument)

    async def _rset(self, argument: bytes) -> Reply | bytes:
        self.dialogue.reset()
        return OK

    async def _noop(self, argument: bytes) -> Reply | bytes:
        return OK

    async def _help(self, argument: bytes) -> Reply | bytes:
        return HELP

    async def _unimplemented(self, argument: bytes) -> Reply | bytes:
        return NOT_IMPLEMENTED

    async def _quit(self, argument: bytes) -> Reply | bytes:
        self._closing = True
        return BYE

    async def _data(self, argument: bytes) -> Reply | bytes:
        """Whatever the answer, the next message begins with an empty envelope."""
        if argument:
            return NO_ARGUMENT
        if out_of_order := self.dialogue.check_data():
            return out_of_order
        self.is_busy = True
        try:
            self._write(GO_AHEAD)
            return await self._take(self.dialogue.envelope())
        except Refused as refusal:
            return self.dialogue.refused(refusal)
        finally:
            self.dialogue.reset()
            self.is_busy = False

    async def _take(self, envelope: Envelope) -> Reply:
        receiving = self.dialogue.receive()
        try:
            await self._read_content(receiving)
        except BaseException:
            receiving.close()
            raise
        # The commit goes on when the client goes: cancelling it half-way would leave the truth unknown to us as well.
        committing = self._door.commit(self.dialogue.accept(envelope, receiving))
        try:
            return await asyncio.shield(committing)
        except asyncio.CancelledError:
            peer = self.dialogue.peer
            committing.add_done_callback(lambda task: _accepted_alone(task, receiving.id, peer))
            raise

    async def _read_content(self, receiving: Receiving) -> None:
        """Reads to the end of the content, whatever becomes of it: the reply comes after the dot (RFC 5321 4.2.5)."""
        refusal: Refused | None = None
        read = 0
        async for chunk in self._chunks():
            read += len(chunk)
            if read > 2 * receiving.max_size:
                raise ConnectionAbortedError("more than twice the size limit")
            if refusal is None:
                try:
                    _check_line_ends(chunk)
                    await receiving.write(chunk)
                except Refused as caught:
                    refusal = caught
        if refusal:
            raise refusal

    async def _chunks(self) -> AsyncIterator[bytes]:
        """The content without its transparency dots (RFC 5321 4.5.2), in pieces that never part a CRLF.

        The reader's buffer is given the CRLF that ended the DATA line back, so that a dot on the first line is found
        like any other.
        """
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        held, skip = b"", 2
        ended = False
        while not ended:
            try:
                piece = (await self._reader.readuntil(_END_OF_DATA))[:-3]
                ended = True
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.readexactly(error.consumed)
            self._reset_timeout()
            whole = held + piece
            held = b"" if ended else _open_end(whole)
            chunk = whole[: len(whole) - len(held)].replace(b"\r\n.", b"\r\n")
            if chunk:
                yield chunk[skip:]
                skip = 0


def _open_end(text: bytes) -> bytes:
    """The last octets, where what follows decides whether a dot is to be removed."""
    for tail in (b"\r\n.", b"\r\n", b"\r"):
        if text.endswith(tail):
            return tail
    return b""


def _check_line_ends(chunk: bytes) -> None:
    """RFC 5321 2.3.8: CR and LF only ever travel together. A lone one is smuggling. Raises Malformed."""
    pairs = chunk.count(b"\r\n")
    if chunk.count(b"\n") != pairs or chunk.count(b"\r") != pairs:
        raise Malformed("bare CR or LF")
    if b"\0" in chunk:
        raise Malformed("NUL octet")


def _accepted_alone(committing: asyncio.Task[Reply], message_id: str, peer: str) -> None:
    if not committing.cancelled() and committing.exception() is None:
        journal.accepted_client_gone(id=message_id, peer=peer)


def _decoded(response: bytes) -> bytes:
    try:
        return b"" if response == b"=" else b64decode(response, validate=True)
    except binascii.Error:
        raise _NoLogin(AUTH_NOT_BASE64) from None


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


_Command = Callable[[SubmissionProtocol, bytes], Awaitable[Reply | bytes]]
_Mechanism = Callable[[SubmissionProtocol, bytes | None], Awaitable[tuple[str, str]]]

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
}

_MECHANISMS: dict[bytes, _Mechanism] = {
    b"PLAIN": SubmissionProtocol._plain,
    b"LOGIN": SubmissionProtocol._login,
}
