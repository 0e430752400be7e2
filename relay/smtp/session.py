"""What each verb of a submission means: the dialogue, without the wire. Answers with replies, raises refusals.

RFC 5321 for the verbs and their order, RFC 6409 for submission, RFC 1870 for SIZE.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine
from typing import Any

from relay import access_keys, address, failpoints, journal
from relay.credential import Credential, OnSuppressed
from relay.errors import (
    DoorClosed,
    EncryptionRequired,
    InternalFault,
    MessageTooLarge,
    NotAuthenticated,
    Refused,
    TooManyRecipients,
)
from relay.intake import Intake
from relay.model import Envelope
from relay.receiving import Receiving
from relay.replies import Reply, reply_to
from relay.smtp import answers

_PATH = re.compile(rb"(FROM|TO):[ \t]*<([^<>]*)>(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_ANYTHING = re.compile(rb".*", re.DOTALL)

# What its value may be. Those of any value are taken and not acted on: DSN (RFC 3461), AUTH= (RFC 4954 5), and SMTPUTF8 on
# plain mail, as Go's net/smtp sends it always.
_MAIL_PARAMETERS = {
    b"SIZE": re.compile(rb"[0-9]+"),
    b"BODY": re.compile(rb"7BIT|8BITMIME"),
    b"AUTH": _ANYTHING,
    b"RET": _ANYTHING,
    b"ENVID": _ANYTHING,
    b"SMTPUTF8": _ANYTHING,
}
_IGNORED_AT_RCPT = (b"NOTIFY", b"ORCPT")


class Session:
    """One connection, from its greeting to its end; STARTTLS begins a new one (RFC 3207 4.2)."""

    def __init__(self, intake: Intake, *, peer: str, encrypted: bool, guest: Credential | None = None) -> None:
        """`guest` is the credential of a client that needs no login."""
        self._intake = intake
        self.peer = peer
        self.encrypted = encrypted
        self.helo = ""
        self.credential = guest
        self.access_key = ""
        """By which it was logged in, if by one."""
        self.has_logged_in = False
        self.message_id = ""
        """Of the message that comes in now."""
        self._sender: str | None = None
        self._recipients: dict[str, str] = {}  # by what their spellings have in common, in their order
        self._spoiled: Refused | None = None

    @property
    def enhanced(self) -> bool:
        """Whether replies carry enhanced codes."""
        return self.credential is None or self.credential.enhanced_codes

    @property
    def has_sender(self) -> bool:
        """From MAIL to the end of its message."""
        return self._sender is not None

    @property
    def recipients(self) -> int:
        """How many there are."""
        return len(self._recipients)

    def log_in(self, credential: Credential, name: str) -> None:
        """`name` is what was given for it: its own, or the id of an access key."""
        self.credential = credential
        self.access_key = name if access_keys.is_id(name) else ""
        self.has_logged_in = True

    def hello(self, name: str) -> None:
        self.helo = name
        self.reset()

    def reset(self) -> None:
        """Forgets the envelope: at RSET, after a message, and after each refusal that ends one."""
        self._sender = None
        self._recipients = {}
        self._spoiled = None
        self.message_id = ""

    def mail(self, argument: bytes) -> Reply:
        """MAIL FROM. Raises a refusal."""
        credential = self._allowed()
        if not self.helo:
            return answers.HELLO_FIRST
        if self._sender is not None:
            return answers.NESTED_MAIL
        match = _PATH.fullmatch(argument)
        if not match or match[1].upper() != b"FROM":
            return answers.MAIL_SYNTAX
        if refusal := self._mail_parameters(match[3] or b""):
            return refusal
        self._intake.quota.check(credential)
        self._intake.admission.check()
        self._sender = self._intake.sender(match[2], credential)
        return answers.SENDER_OK

    def _mail_parameters(self, text: bytes) -> Reply | None:
        """RFC 5321 4.1.1.11: 555 is for parameters nobody knows; a value that is none is a syntax error."""
        for parameter in text.split():
            name, _, value = parameter.upper().partition(b"=")
            pattern = _MAIL_PARAMETERS.get(name)
            if pattern is None:
                return answers.UNKNOWN_PARAMETER
            if not pattern.fullmatch(value):
                return answers.PARAMETER_VALUE
            if name == b"SIZE":
                if len(value) > 20 or int(value) > self._intake.max_size:
                    raise MessageTooLarge
                self._intake.admission.check(octets=int(value))
        return None

    def recipient(self, argument: bytes) -> Reply | Coroutine[Any, Any, Reply]:
        """RCPT TO. Raises a refusal, or may once it has looked the address up."""
        credential = self._allowed()
        if self._sender is None:
            return answers.MAIL_FIRST
        match = _PATH.fullmatch(argument)
        if not match or match[1].upper() != b"TO":
            return answers.RECIPIENT_SYNTAX
        for parameter in (match[3] or b"").split():
            if parameter.upper().partition(b"=")[0] not in _IGNORED_AT_RCPT:
                return answers.UNKNOWN_PARAMETER
        try:
            found = self._intake.recipient(match[2], credential, len(self._recipients))
        except TooManyRecipients as refusal:
            # All or nothing: a client that goes on to DATA must not have reached the first one only.
            self._spoiled = refusal
            raise
        if credential.on_suppressed is OnSuppressed.REJECT:
            return self._unless_suppressed(found, credential)
        return self._add(found)

    async def _unless_suppressed(self, recipient: str, credential: Credential) -> Reply:
        await self._intake.check_suppressed(recipient, credential)
        return self._add(recipient)

    def _add(self, recipient: str) -> Reply:
        self._recipients.setdefault(address.key(recipient), recipient)
        return answers.RECIPIENT_OK

    def check_data(self) -> Reply | None:
        """Before 354: None if the content may come. Raises a refusal."""
        self._allowed()
        if self._spoiled:
            raise self._spoiled
        if self._sender is None:
            return answers.MAIL_FIRST
        return None if self._recipients else answers.RECIPIENT_FIRST

    def receive(self) -> Receiving:
        receiving = self._intake.receive()
        self.message_id = receiving.id
        return receiving

    def envelope(self) -> Envelope:
        """What the message that follows belongs to."""
        credential = self._allowed()
        if self._sender is None:
            raise InternalFault
        return Envelope(
            sender=self._sender,
            recipients=tuple(self._recipients.values()),
            credential=credential,
            peer=self.peer,
            helo=self.helo,
            protocol="ESMTP" + "S" * self.encrypted + "A" * self.has_logged_in,  # RFC 3848
        )

    async def accept(self, envelope: Envelope, receiving: Receiving) -> Reply:
        """Stores the message. Returns the 250 it may be told by. Raises a refusal."""
        message = await self._intake.accept(envelope, receiving)
        failpoints.reach(failpoints.AFTER_COMMIT)
        return Reply(250, "2.0.0", f"Ok: queued as {message.id}")

    def refused(self, refusal: Refused) -> Reply:
        """The reply for a refusal, which is counted, and written down unless it is the same for all."""
        reply = reply_to(refusal)
        credential = self.credential.name if self.credential else ""
        self._intake.refusals.note(refusal, credential)
        if isinstance(refusal, DoorClosed):
            return reply
        journal.refused(
            id=self.message_id,
            peer=self.peer,
            credential=credential,
            reply=reply.line().decode("ascii").rstrip(),
            sender=self._sender or "",
            recipients=tuple(self._recipients.values()),
        )
        return reply

    def _allowed(self) -> Credential:
        if self.credential is None:
            raise NotAuthenticated if self.encrypted else EncryptionRequired
        return self.credential
