"""What is said of messages, and what is shown of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from relay.web.api.codes import Code
from relay.web.api.letters import Attachment, Body
from relay.web.api.models import EmailAddress, Moment, Wire, also

MOST_RECIPIENTS = 1000

# What people are shown of a delivery (status.py), in the words of the API.
STATES = {
    "queued": "NotSent",
    "sending": "NotSent",
    "in doubt": "NotSent",
    "sent": "Sent",
    "delayed": "Sent",
    "auto-reply": "Delivered",
    "delivered": "Delivered",
    "complained": "Delivered",
    "unsubscribed": "Delivered",
    "opened": "Read",
    "clicked": "Clicked",
    "bounced soft": "Bounced",
    "bounced hard": "Bounced",
}
REJECTED = "Rejected"  # all others: it was never sent


class Recipient(EmailAddress):
    """One of several. In the texts [Key] is his own MergeFields[Key]."""

    recipient_id: Annotated[str, Field(max_length=32)] = ""
    merge_fields: dict[str, str] = {}


class NewMessage(Wire):
    """Recipient or Recipients, Text or Body or TemplateId. What the message says comes before what the template says."""

    sender: EmailAddress | None = None
    recipient: EmailAddress | None = None
    recipients: Annotated[list[Recipient], Field(max_length=MOST_RECIPIENTS)] = []
    subject: str = ""
    text: Annotated[str, Field(json_schema_extra=also("Html"))] = ""
    body: Body = Body()
    attachments: list[Attachment] = []
    merge_fields: dict[str, str] = {}
    user_message_id: str = ""
    user_campaign_id: str = ""
    template_id: Annotated[str, Field(coerce_numbers_to_str=True)] = ""
    send_at: Moment | None = None
    expires_at: Moment | None = None


class Accepted(Wire):
    """What became of one of several recipients."""

    index: int
    address: str
    message_id: str
    code: str = Code.OK.value


class MessageState(Wire):
    """How far a message has come."""

    message_id: str
    email: str
    state: str
    recipient_id: str | None = None
