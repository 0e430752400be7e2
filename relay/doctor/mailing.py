"""The whole way, with a mail to each of three addresses of the mailbox simulator: door, queue, SES, events, store.

Each address carries this run's label, so that no earlier run has it suppressed. The login is made for this and disabled after.
"""

from __future__ import annotations

import asyncio
import secrets
import smtplib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_network

from relay import config_rules
from relay.credential import Credential, Kind
from relay.errors import ConfigError, StoreUnavailable
from relay.event import EventType
from relay.findings import Finding, Verdict, fail, ok
from relay.model import Life
from relay.ports.operators import Admin, Messages
from relay.reputation import DOCTOR
from relay.security.passwords import hash_password
from relay.settings import Config
from relay.suppression import Release

# SES developer guide, "Using the mailbox simulator": what each address brings.
_SIMULATED = {
    "success": (EventType.SEND, EventType.DELIVERY),
    "bounce": (EventType.SEND, EventType.BOUNCE),
    "complaint": (EventType.SEND, EventType.DELIVERY, EventType.COMPLAINT),
}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_LOOK_EVERY = 0.2
_SMTP_SECONDS = 30.0


class Mailing:
    """Through the relay that runs. `patience` is for the events, in seconds."""

    def __init__(self, config: Config, admin: Admin, messages: Messages, *, sender: str, patience: float) -> None:
        self._config = config
        self._admin = admin
        self._messages = messages
        self._sender = sender
        self._patience = patience
        self._run = secrets.token_hex(4)

    async def findings(self) -> tuple[Finding, ...]:
        """One of each mail."""
        async with self._login() as password:
            return tuple(await asyncio.gather(*(self._finding(local, password) for local in _SIMULATED)))

    @asynccontextmanager
    async def _login(self) -> AsyncIterator[str]:
        password = secrets.token_urlsafe(24)
        login = Credential(
            name=DOCTOR,
            kind=Kind.APPLICATION,
            password_hashes=(await asyncio.to_thread(hash_password, password),),
            senders=(self._sender,),
            networks=(str(ip_network(self._door()[0])),),  # who connects to an address of this machine comes from it
        )
        await self._admin.put_credential(login)
        try:
            yield password
        finally:
            gone = Credential(name=DOCTOR, kind=Kind.APPLICATION, password_hashes=login.password_hashes, disabled=True)
            await self._admin.put_credential(gone)
            for local in _SIMULATED:
                released = Release(address=self._address(local), source="doctor", at=time.time(), keep_at_ses=True)
                await self._admin.release(released)

    def _address(self, local: str) -> str:
        return f"{local}+{self._run}@simulator.amazonses.com"

    async def _finding(self, local: str, password: str) -> Finding:
        try:
            verdict = await self._fate(local, password)
        except (OSError, smtplib.SMTPException, ConfigError) as error:
            verdict = fail(f"not accepted: {_said(error)}", "what the reply means stands in README.md and docs/smtp.md")
        except StoreUnavailable as error:
            verdict = fail(f"what became of it cannot be read: {error}", "see the row of the store")
        return Finding(f"mail to {local}", verdict.grade, verdict.seen, verdict.remedy)

    async def _fate(self, local: str, password: str) -> Verdict:
        began = time.monotonic()
        id = await asyncio.to_thread(self._submit, self._address(local), password)
        wanted, life = set(map(str, _SIMULATED[local])), None
        while time.monotonic() - began < self._patience:
            life = await self._messages.show(id)
            seen = {moment.what for moment in life.moments} if life else set()
            if wanted <= seen:
                return ok(f"{', '.join(_SIMULATED[local])} after {time.monotonic() - began:.1f} s")
            await asyncio.sleep(_LOOK_EVERY)
        return _late(id, life, wanted)

    def _submit(self, recipient: str, password: str) -> str:
        """The message's id. Raises SMTPException or OSError."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, recipient, "relay doctor"
        message.set_content("A mail of `relay doctor` to the mailbox simulator of Amazon SES.\n")
        with self._connected() as client:
            client.login(DOCTOR, password)
            _taken(client.mail(self._sender))
            _taken(client.rcpt(recipient))
            return _taken(client.data(message.as_bytes(policy=SMTP))).rpartition(" ")[2]

    def _door(self) -> tuple[str, int]:
        """Raises ConfigError."""
        smtp = self._config.smtp
        host, port = config_rules.address(smtp.submission or smtp.submissions, self._config.file, "smtp.submission")
        return _ANY.get(host, host), port

    def _connected(self) -> smtplib.SMTP:
        """To our own door, whose certificate has the name that clients use and not that of this machine."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if not self._config.smtp.submission:
            return smtplib.SMTP_SSL(*self._door(), timeout=_SMTP_SECONDS, context=tls)
        client = smtplib.SMTP(*self._door(), timeout=_SMTP_SECONDS)
        client.starttls(context=tls)
        return client


def _taken(reply: tuple[int, bytes]) -> str:
    """Raises SMTPResponseException for what is not 250."""
    code, text = reply
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)
    return text.decode("ascii", "replace")


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error.decode("ascii", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {reply}"
    return str(error) or type(error).__name__


def _late(id: str, life: Life | None, wanted: set[str]) -> Verdict:
    """Not all came in time: the way out, or the way back."""
    seen = {moment.what for moment in life.moments} if life else set[str]()
    status = ", ".join(life.statuses) if life else "not there"
    missing = ", ".join(sorted(wanted - seen))
    held = next(iter(filter(None, life.held)), "") if life else ""
    if "sent" in seen:
        return fail(f"sent, but {missing} did not come", f"mend the way back, as the rows above say; `relay message show {id}`")
    return fail(f"{status}{': ' + held if held else ''}; {missing} did not come", f"`relay message show {id}` has its tries")
