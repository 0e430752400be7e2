"""/Messages: mail to one, or to several with what differs for each; and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from relay.credential import OnSuppressed, Scope
from relay.intake import Intake
from relay.mailing_rules import check_size
from relay.model import Envelope, Receipt
from relay.ports.operators import Messages
from relay.ports.receipts import Receipts
from relay.ports.templates import Template, Templates
from relay.web.api.calls import Answer, Call, Operation
from relay.web.api.codes import FOUND_THEM, MISSING, WRONG, Code, Fault, Text
from relay.web.api.letters import check_file, check_label, template_of
from relay.web.api.message_models import REJECTED, STATES, Accepted, Addressee, MessageState, NewMessage, Recipient
from relay.web.api.once import Once
from relay.writing import composing, merging
from relay.writing.composing import Letter

MOST_IDS = 300
_QUEUED = Text("message queued to send", "сообщение поставлено в очередь на отправку")
_TOO_MANY = Text("more than {most} {what}", "больше {most}: {what}")


class MessagesResource:
    """Its operations."""

    def __init__(
        self,
        *,
        intake: Intake,
        messages: Messages,
        templates: Templates,
        receipts: Receipts,
    ) -> None:
        self._intake = intake
        self._messages = messages
        self._templates = templates
        self._once = Once(receipts)

    def operations(self) -> Sequence[Operation]:
        return (
            Operation(
                group="Messages",
                method="POST",
                path="/Messages",
                does=self.post,
                scope=Scope.MESSAGES,
                summary="Send a message to one recipient, or to several with what differs for each",
                body=NewMessage,
                result=str | list[Accepted],
                status=201,
                sends=True,
            ),
            Operation(
                group="Messages",
                method="GET",
                path="/Messages/{MessageIds}",
                does=self.get,
                scope=Scope.MESSAGES,
                summary="The states of messages, their ids between commas",
                result=list[MessageState],
            ),
        )

    async def post(self, call: Call) -> Answer:
        new: NewMessage = call.body
        message_id, is_repeated = await self._once.do(call, lambda receipt: self._accept(call, new, receipt))
        return _answer(new, message_id, is_repeated=is_repeated)

    async def get(self, call: Call) -> Answer:
        wanted = list(dict.fromkeys(filter(None, (id.strip() for id in call.path["MessageIds"].split(",")))))
        if len(wanted) > MOST_IDS:
            raise Fault(Code.INVALID_VALUE, _TOO_MANY, most=MOST_IDS, what="MessageId")
        found = await self._messages.standing(wanted, credential=call.credential.name)
        states = [
            MessageState(
                message_id=each.id,
                email=each.recipient,
                state=STATES.get(each.status, REJECTED),
                recipient_id=merging.values(each.fields).get(merging.RECIPIENT_ID),
            )
            for each in found
        ]
        return Answer(result=states, description=FOUND_THEM)

    async def _accept(self, call: Call, new: NewMessage, receipt: Receipt | None) -> str:
        """The message's id. Raises a refusal, or Fault."""
        envelope, pieces = await self.drafted(call, new, receipt)
        if envelope.credential.on_suppressed is OnSuppressed.REJECT:
            await self._check_suppressed(envelope)
        return (await self._intake.accept_pieces(envelope, pieces, composed=True)).id

    async def drafted(self, call: Call, new: NewMessage, receipt: Receipt | None = None) -> tuple[Envelope, Iterator[bytes]]:
        """The message as it comes in. Raises a refusal, or Fault."""
        recipients = _recipients(new)
        template = await template_of(self._templates, call, new.template_id) if new.template_id else None
        letter = _letter(new, template, recipients)
        envelope = self._intake.by_http(
            call.credential,
            sender=_address_of(new, template),
            recipients=[each.address for each in recipients],
            peer=call.peer,
        )
        values = [_values(each, is_one_of_many=len(recipients) > 1) for each in recipients]
        merged = frozenset(name for each in values for name in each) - {merging.RECIPIENT_ID}
        written = tuple(json.dumps(each, ensure_ascii=False) if each else "" for each in values)
        return replace(envelope, merged=merged, values=written, receipt=receipt), composing.composed(letter)

    async def _check_suppressed(self, envelope: Envelope) -> None:
        """A single one is refused; of several each ends by itself. Raises RecipientSuppressed."""
        if len(envelope.recipients) == 1:
            await self._intake.check_suppressed(envelope.recipients[0], envelope.credential)


def _recipients(new: NewMessage) -> Sequence[Recipient]:
    """Of several those who have an address. Raises Fault."""
    if new.recipients:
        found = [each.model_copy(update={"address": each.mailbox}) for each in new.recipients if each.mailbox]
        if not found:
            raise Fault(Code.INVALID_EMAIL, WRONG, field="Recipients", why="there is no mail address among them")
        return found
    if new.recipient is None:
        raise Fault(Code.EMPTY_VALUE, MISSING, field="Recipient")
    return (
        Recipient(
            address=new.recipient.address,
            name=new.recipient.name,
            merge_fields=new.merge_fields,
        ),
    )


def _address_of(new: NewMessage, template: Template | None) -> str:
    """The sender's. Raises Fault."""
    address = new.sender.address if new.sender else template.sender if template else ""
    if not address:
        raise Fault(Code.EMPTY_VALUE, MISSING, field="Sender")
    return address


def _letter(new: NewMessage, template: Template | None, recipients: Sequence[Recipient]) -> Letter:
    """Raises Fault."""
    html, text = new.body.html or new.text, new.body.plain_text
    subject = new.subject or (template.subject if template else "")
    if template and not html and not text:
        html, text = template.html, template.text
    for field, value in (("Subject", subject), ("Text", html or text)):
        if not value:
            raise Fault(Code.EMPTY_VALUE, MISSING, field=field)
    for attachment in new.attachments:
        check_file(attachment)
    check_size(subject, html, text, files=sum(len(attachment.data) for attachment in new.attachments))
    only = recipients[0]
    return Letter(
        sender=composing.mailbox(_address_of(new, template), _name_of(new, template)),
        recipient=f"[{merging.RECIPIENT}]" if len(recipients) > 1 else composing.mailbox(only.address, only.name),
        subject=subject,
        html=html,
        text=text,
        files=[each.file for each in new.attachments],
        headers=_headers(new),
    )


def _name_of(new: NewMessage, template: Template | None) -> str:
    return new.sender.name if new.sender else template.sender_name if template else ""


def _headers(new: NewMessage) -> list[tuple[str, str]]:
    """For the relay itself, which takes them out."""
    said = (
        ("X-Relay-Id", new.user_message_id),
        ("X-Relay-Campaign", new.user_campaign_id),
        ("X-Relay-Send-At", date(new.send_at) if new.send_at is not None else ""),
        ("X-Relay-Expires-At", date(new.expires_at) if new.expires_at is not None else ""),
    )
    check_label("UserMessageId", new.user_message_id)
    check_label("UserCampaignId", new.user_campaign_id)
    return [(name, value) for name, value in said if value]


def date(seconds: float) -> str:
    """As X-Relay-* headers have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _values(recipient: Recipient, *, is_one_of_many: bool) -> dict[str, str]:
    """Raises Fault for what no text can name."""
    for name in recipient.merge_fields:
        if not merging.NAME.fullmatch(name):
            raise Fault(Code.INVALID_VALUE, WRONG, field=f"MergeFields.{name[:100]}", why="cannot be the name of a field")
    own = {merging.RECIPIENT: composing.mailbox(recipient.address, recipient.name)} if is_one_of_many else {}
    if recipient.recipient_id:
        own[merging.RECIPIENT_ID] = recipient.recipient_id
    return {**recipient.merge_fields, **own}


def _answer(new: NewMessage, message_id: str, *, is_repeated: bool) -> Answer:
    """By the identifiers that events, statistics and callbacks have: one for each recipient."""
    made = (f"{message_id}-{number}" for number in count(1))
    several = [_accepted(index, each, made) for index, each in enumerate(new.recipients)]
    return Answer(result=several or next(made), status=201, description=_QUEUED, is_repeated=is_repeated)


def _accepted(index: int, each: Addressee, made: Iterator[str]) -> Accepted:
    if not each.mailbox:
        return Accepted(index=index, address=each.address, code=Code.INVALID_EMAIL.value)
    return Accepted(index=index, address=each.mailbox, message_id=next(made))
