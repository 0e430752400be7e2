"""A scenario through the real SMTP door: what should happen, what did, row by row.

Every address of the mailbox simulator carries this run's label, so that a second run finds nothing suppressed.
"""

from __future__ import annotations

import asyncio
import secrets
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email.message import EmailMessage

from relay.model import Life

_PATIENCE = 20.0
_LOOK_EVERY = 0.1

Reply = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A demo credential and an address it may send as."""

    name: str
    password: str
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the demo sends to, and how it looks at what came of it. `raw` gives what the far side got for an SES id."""

    host: str
    port: int
    application: Login
    person: Login
    max_size: int
    life: Callable[[str], Awaitable[Life | None]]
    raw: Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    expected: str
    seen: str

    @property
    def is_right(self) -> bool:
        return self.seen == self.expected


class Demo:
    """One run of the scenario."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._run = secrets.token_hex(4)

    async def rows(self) -> AsyncIterator[Row]:
        """All rows, each as soon as it is known."""
        yield await self._fate("a mail to a good address", "success", "250 accepted, delivered")
        yield await self._fate("a mail to an address that does not exist", "bounce", "250 accepted, bounced hard")
        yield await self._fate("the next mail to that address", "bounce", "250 accepted, suppressed")
        yield await self._person_to_suppressed()
        yield await self._fate("a mail whose reader complains", "complaint", "250 accepted, complained")
        yield await self._fate("a mail answered by an out-of-office reply", "ooto", "250 accepted, delivered")
        yield await self._fate("the next mail to that address", "ooto", "250 accepted, delivered")
        for row in self._refusals():
            yield await row
        yield await self._large_attachment()

    def _to(self, name: str) -> str:
        return f"{name}+{self._run}@simulator.amazonses.com"

    def _refusals(self) -> list[Awaitable[Row]]:
        good = self._to("success")
        login = self._around.application
        wrong = Login(name=login.name, password="wrong", sender=login.sender)
        big = self._around.max_size + 1
        return [
            self._refusal("a login in the clear", "538 5.7.11 Encryption required", lambda: _clear_login(self._around)),
            self._refusal("a wrong password", "535 5.7.8 Authentication", lambda: self._send(good, login=wrong)),
            self._refusal(
                "no login at all", "554 5.7.0 Must authenticate before sending mail", lambda: self._send(good, anonymous=True)
            ),
            self._refusal(
                "a sender that is not ours",
                "554 5.7.1 Disallowed source address: boss@example.org",
                lambda: self._send(good, sender="boss@example.org"),
            ),
            self._refusal(
                "a From header that is not ours",
                "554 5.7.1 Disallowed source address: boss@example.org",
                lambda: self._send(good, header_from="boss@example.org"),
            ),
            self._refusal(
                "a recipient that is no address",
                "554 5.1.3 Invalid recipient address: nobody@nowhere",
                lambda: self._send("nobody@nowhere"),
            ),
            self._refusal(
                "two recipients", "554 5.5.3 Only one recipient per message", lambda: self._send(good, self._to("bounce"))
            ),
            self._refusal(
                "an attachment photo.jpg.exe",
                "554 5.7.1 Not allowed attachement type exe",
                lambda: self._send(good, attachment=("photo.jpg.exe", b"MZ")),
            ),
            self._refusal(
                "a message over the size limit",
                "554 5.3.4 Message exceeds fixed size limit",
                lambda: self._send(good, attachment=("big.bin", b"x" * big)),
            ),
        ]

    async def _fate(self, what: str, name: str, expected: str) -> Row:
        """Sends, then waits for the status that is expected."""
        code, text = await asyncio.to_thread(self._send, self._to(name))
        if code != 250:
            return Row(what=what, expected=expected, seen=f"{code} {text}")
        wanted = expected.removeprefix("250 accepted, ")
        return Row(what=what, expected=expected, seen=f"250 accepted, {await self._status(_id_of(text), wanted)}")

    async def _status(self, message_id: str, wanted: str) -> str:
        status = "unknown"
        for _ in range(int(_PATIENCE / _LOOK_EVERY)):
            life = await self._around.life(message_id)
            status = life.statuses[0] if life else "unknown"
            if status == wanted:
                break
            await asyncio.sleep(_LOOK_EVERY)
        return status

    async def _person_to_suppressed(self) -> Row:
        expected = "550 5.1.1 Recipient suppressed: hard_bounce since"
        code, text = await asyncio.to_thread(self._send, self._to("bounce"), login=self._around.person)
        return Row(what="the same from a person's Outlook", expected=expected, seen=f"{code} {text}"[: len(expected)])

    async def _refusal(self, what: str, expected: str, attempt: Callable[[], Reply]) -> Row:
        code, text = await asyncio.to_thread(attempt)
        return Row(what=what, expected=expected, seen=f"{code} {text}"[: len(expected)])

    async def _large_attachment(self) -> Row:
        expected = "250 accepted, delivered, equal to the octet"
        what = "a 5 MB attachment"
        login, to = self._around.application, self._to("success")
        content = self._message(to, header_from=login.sender, attachment=("film.bin", secrets.token_bytes(5 * 1024 * 1024)))
        code, text = await asyncio.to_thread(self._submit, [to], content, login=login, sender=login.sender)
        if code != 250:
            return Row(what=what, expected=expected, seen=f"{code} {text}")
        status = await self._status(_id_of(text), "delivered")
        life = await self._around.life(_id_of(text))
        ses_id = next((m.detail.rpartition(" ")[2] for m in life.moments if m.what == "sent"), "") if life else ""
        arrived = await self._around.raw(ses_id)
        received, _, rest = arrived.partition(content[:64])
        is_equal = content[:64] + rest == content and received.startswith(b"Received: by ")
        return Row(
            what=what, expected=expected, seen=f"250 accepted, {status}, {'equal to the octet' if is_equal else 'changed'}"
        )

    def _message(self, to: str, *, header_from: str, attachment: tuple[str, bytes] | None = None) -> bytes:
        message = EmailMessage()
        message["From"] = header_from
        message["To"] = to
        message["Subject"] = f"Relay demo {self._run}"
        message["Date"] = "Fri, 21 Nov 2025 10:00:00 +0000"
        message["Message-ID"] = f"<{secrets.token_hex(8)}@example.com>"
        message.set_content("A message of the relay's demo.\n")
        if attachment:
            message.add_attachment(attachment[1], maintype="application", subtype="octet-stream", filename=attachment[0])
        return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def _send(
        self,
        *to: str,
        login: Login | None = None,
        anonymous: bool = False,
        sender: str = "",
        header_from: str = "",
        attachment: tuple[str, bytes] | None = None,
    ) -> Reply:
        """As the application, unless told otherwise."""
        who = login or self._around.application
        envelope_sender = sender or who.sender
        content = self._message(to[0], header_from=header_from or envelope_sender, attachment=attachment)
        return self._submit(list(to), content, login=None if anonymous else who, sender=envelope_sender)

    def _submit(self, to: list[str], content: bytes, *, login: Login | None, sender: str) -> Reply:
        """One connection, one message: the reply that decided."""
        with smtplib.SMTP(self._around.host, self._around.port, timeout=60) as smtp:
            smtp.starttls(context=_unverified())
            smtp.ehlo()
            try:
                if login:
                    smtp.login(login.name, login.password)
            except smtplib.SMTPAuthenticationError as error:
                return _reply(error.smtp_code, error.smtp_error)
            code, text = smtp.mail(sender, [f"size={len(content)}"])
            for recipient in to:
                if code == 250:
                    code, text = smtp.rcpt(recipient)
            return _reply(*(smtp.data(content) if code == 250 else (code, text)))


def _clear_login(around: Surroundings) -> Reply:
    with smtplib.SMTP(around.host, around.port, timeout=60) as smtp:
        smtp.ehlo()
        return _reply(*smtp.docmd("AUTH", "PLAIN AGRlbW8AZGVtbw=="))


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _reply(code: int, text: bytes | str) -> Reply:
    return code, text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _id_of(text: str) -> str:
    return text.rpartition(" ")[2]
