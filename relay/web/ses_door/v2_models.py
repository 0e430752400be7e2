"""What calls of the v2 API may say, as far as it is looked at: SES API reference v2, SendEmail and PutSuppressedDestination."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from relay.model import File
from relay.web.ses_door.base64 import decoded
from relay.web.ses_door.faults import SesFault

_MOST_HEADERS = 15
_MOST_MEMBERS = 100


def _octets(value: Any) -> bytes:
    try:
        return decoded(str(value), "it")
    except SesFault:
        raise PydanticCustomError("base64", "is not base64") from None


Octets = Annotated[bytes, BeforeValidator(_octets)]
Mailboxes = Annotated[list[str], Field(max_length=_MOST_MEMBERS)]


class Wire(BaseModel):
    """Names in PascalCase; what is null is not there."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Text(Wire):
    """A text. It is Unicode whatever charset is named."""

    data: str = ""


class Body(Wire):
    """In one of two forms, or both."""

    text: Text = Text()
    html: Text = Text()


class Header(Wire):
    """A further one."""

    name: Annotated[str, Field(pattern=r"^[!-9;-~]{1,126}$")]
    value: Annotated[str, Field(pattern=r"^[ -~]{1,995}$")]


class Attachment(Wire):
    """A file, or an image of the text."""

    raw_content: Octets
    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    content_type: str = ""
    content_id: Annotated[str, Field(max_length=255)] = ""

    @property
    def file(self) -> File:
        return File(self.file_name, self.raw_content, self.content_id.strip("<>"), self.content_type)


class Simple(Wire):
    """A message by its parts."""

    subject: Text
    body: Body
    headers: Annotated[list[Header], Field(max_length=_MOST_HEADERS)] = []
    attachments: Annotated[list[Attachment], Field(max_length=_MOST_MEMBERS)] = []


class Raw(Wire):
    """A whole message."""

    data: Octets


class Content(Wire):
    """One of the three."""

    simple: Simple | None = None
    raw: Raw | None = None
    template: Any = None


class Destination(Wire):
    """Who gets it. Mailboxes, with names if wished."""

    to_addresses: Mailboxes = []
    cc_addresses: Mailboxes = []
    bcc_addresses: Mailboxes = []


class Tag(Wire):
    """For the events of a message."""

    name: str = ""
    value: str = ""


class SendEmail(Wire):
    """A message to be sent."""

    content: Content
    from_email_address: str = ""
    destination: Destination = Destination()
    reply_to_addresses: Mailboxes = []
    feedback_forwarding_email_address: str = ""
    email_tags: Annotated[list[Tag], Field(max_length=_MOST_MEMBERS)] = []
    configuration_set_name: str = ""
    list_management_options: Any = None


class NewSuppressed(Wire):
    """An address that is to get no mail."""

    email_address: str
    reason: str
