"""/Policy/Check: whether a message would be accepted. Nothing of it is kept, or counted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

from relay import policy
from relay.credential import Credential, OnSuppressed, Scope
from relay.errors import Malformed, RecipientSuppressed, RefusedForGood
from relay.intake import Intake
from relay.mailing_rules import Unfit
from relay.model import Envelope
from relay.reading import mime
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import MISSING, OK, Code, Fault
from relay.web.api.letters import Base64
from relay.web.api.message_models import NewMessage
from relay.web.api.messages import MessagesResource
from relay.web.api.models import Wire
from relay.web.api.refusals import fault

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Question(NewMessage):
    """A whole message as mail clients send it, to Recipient; or what POST /Messages takes. Without a Sender the From of the
    message is that of the envelope as well.
    """

    message: Base64 | None = None


class RefusalView(Wire):
    """Why not, as the same message would be answered; in English."""

    code: str
    description: str


class Verdict(Wire):
    """`Accepted`: it would be taken. Suppressed says of whom nothing would be sent to, though it may be taken."""

    accepted: bool
    refusals: list[RefusalView]
    suppressed: dict[str, str]


class PolicyResource:
    """Its operations."""

    def __init__(self, *, intake: Intake, messages: MessagesResource) -> None:
        self._intake = intake
        self._messages = messages

    def operations(self) -> Sequence[Operation]:
        return (
            Operation(
                group="Policy",
                method="POST",
                path="/Policy/Check",
                does=self.check,
                scope=Scope.MESSAGES,
                summary="Whether a message would be accepted",
                body=Question,
                result=Verdict,
            ),
        )

    async def check(self, call: Call) -> Answer:
        """Where the sender or a recipient is refused the message itself is not looked at."""
        try:
            envelope, pieces = await self._drafted(call)
        except (RefusedForGood, Unfit, Fault) as error:
            return _verdict([error], {})
        suppressed = await self._suppressed(envelope)
        refusals: list[Fault | Unfit | RefusedForGood] = []
        if envelope.credential.on_suppressed is OnSuppressed.REJECT and len(envelope.recipients) == 1:
            refusals += [RecipientSuppressed(why) for why in suppressed.values()]
        try:
            await self._intake.judge_pieces(envelope, pieces, composed=call.body.message is None)
        except RefusedForGood as error:
            refusals.append(error)
        return _verdict(refusals, suppressed)

    async def _drafted(self, call: Call) -> tuple[Envelope, Iterable[bytes]]:
        """Raises a refusal, or Fault."""
        question: Question = call.body
        if question.message is None:
            return await self._messages.drafted(call, question)
        if question.recipient is None:
            raise Fault(Code.EMPTY_VALUE, MISSING, field="Recipient")
        octets = _LINE_END.sub(b"\r\n", question.message)
        if b"\0" in octets:
            raise Malformed("NUL octet")
        sender = question.sender.address if question.sender else await asyncio.to_thread(_header_from, octets)
        recipients = [question.recipient.address]
        return self._intake.by_http(call.credential, sender=sender, recipients=recipients, peer=call.peer), (octets,)

    async def _suppressed(self, envelope: Envelope) -> dict[str, str]:
        reasons = await asyncio.gather(*(self._why_suppressed(each, envelope.credential) for each in envelope.recipients))
        return {recipient: why for recipient, why in zip(envelope.recipients, reasons, strict=True) if why}

    async def _why_suppressed(self, recipient: str, credential: Credential) -> str:
        try:
            await self._intake.check_suppressed(recipient, credential)
        except RecipientSuppressed as error:
            return error.subject
        return ""


def _header_from(octets: bytes) -> str:
    return policy.header_from(mime.read(octets))


def _verdict(refusals: Sequence[Fault | Unfit | RefusedForGood], suppressed: dict[str, str]) -> Answer:
    faults = [each if isinstance(each, Fault) else fault(each) for each in refusals]
    views = [RefusalView(code=each.code.value, description=str(each)) for each in faults]
    return Answer(result=Verdict(accepted=not views, refusals=views, suppressed=suppressed), description=OK)
