"""What is said of messages, and what is shown of them."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import BeforeValidator, Field

from relay.errors import NotAscii
from relay.web.api.codes import Code
from relay.web.api.letters import MOST_FILES, Attachment, Body
from relay.web.api.models import EmailAddress, Moment, TextOrNumber, Wire, also, mailbox

MOST_RECIPIENTS = 1000

# How far a delivery came (status.py), in the words of the API.
STATES = {
    "queued": "NotSent",
    "sending": "NotSent",
    "in doubt": "NotSent",
    "sent": "Sent",
    "delayed": "Sent",
    "auto-reply": "Delivered",
    "delivered": "Delivered",
    "opened": "Read",
    "clicked": "Clicked",
    "bounced soft": "Bounced",
    "bounced hard": "Bounced",
}
REJECTED = "Rejected"  # all others: it was never sent


MergeFields = dict[str, Annotated[TextOrNumber, BeforeValidator(lambda value: "" if value is None else value)]]


class Recipient(EmailAddress):
    """One of several. In the texts [Key] is his own MergeFields[Key]."""

    recipient_id: Annotated[TextOrNumber, Field(max_length=32)] = ""
    merge_fields: MergeFields = {}


class Addressee(Recipient):
    """The same, who is told by himself where there is no such address: others get their mail."""

    address: str

    @cached_property
    def mailbox(self) -> str:
        """Empty where there is none."""
        try:
            return str(mailbox(self.address))
        except (ValueError, NotAscii):
            return ""


class NewMessage(Wire):
    """Recipient or Recipients, Text or Body or TemplateId. What the message says comes before what the template says."""

    sender: EmailAddress | None = None
    recipient: EmailAddress | None = None
    recipients: Annotated[list[Addressee], Field(max_length=MOST_RECIPIENTS)] = []
    subject: str = ""
    text: Annotated[str, Field(json_schema_extra=also("Html"))] = ""
    body: Body = Body()
    attachments: Annotated[list[Attachment], Field(max_length=MOST_FILES)] = []
    merge_fields: MergeFields = {}
    user_message_id: TextOrNumber = ""
    user_campaign_id: TextOrNumber = ""
    template_id: TextOrNumber = ""
    send_at: Moment | None = None
    expires_at: Moment | None = None


class Accepted(Wire):
    """What became of one of several recipients. Who has another code than `ok` gets nothing, and has no MessageId."""

    index: int
    address: str
    message_id: str = ""
    code: str = Code.OK.value


class MessageState(Wire):
    """How far a message has come."""

    message_id: str
    email: str
    state: str
    recipient_id: str | None = None
