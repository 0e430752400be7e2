"""What messages, tasks and templates have in common: bodies, attachments, and the letter that is made of them."""

from __future__ import annotations

import binascii
import re
from typing import Annotated, Any

import pybase64
from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from relay.model import File
from relay.ports.templates import Template, Templates
from relay.web.api.calls import Call
from relay.web.api.codes import NO_TEMPLATE, WRONG, Code, Fault, Text
from relay.web.api.models import Wire, also

MOST_IN_FILE = 3 * 1024 * 1024
MOST_FILES = 100  # of one message
_LONGEST_LABEL = 200
_FILE_TOO_LARGE = Text("{name}: larger than {octets} octets", "{name}: больше {octets} байт")
_SPACE = re.compile(r"\s+")


def _octets(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return pybase64.b64decode(_SPACE.sub("", str(value)), validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("invalid_value", "is not base64") from None


Base64 = Annotated[
    bytes,
    BeforeValidator(_octets),
    PlainSerializer(lambda octets: pybase64.b64encode(octets).decode(), return_type=str),
    Field(json_schema_extra={"type": "string", "contentEncoding": "base64"}),
]


class Attachment(Wire):
    """A file; shown in the text where that has an image with `cid:` and its ContentId."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    data: Annotated[Base64, Field(min_length=1)]
    content_id: Annotated[str, Field(max_length=255, json_schema_extra=also("ContentID"))] = ""

    @property
    def file(self) -> File:
        return File(self.file_name, self.data, self.content_id.strip("<>"))


class Body(Wire):
    """The text in HTML, or without marks, or both."""

    html: str = ""
    plain_text: str = ""


async def template_of(templates: Templates, call: Call, id: str) -> Template:
    """The caller's. Raises Fault."""
    found = await templates.find(call.credential.name, id)
    if found is None:
        raise Fault(Code.NOT_FOUND, NO_TEMPLATE)
    return found


def check_file(attachment: Attachment) -> None:
    """Raises Fault."""
    if len(attachment.data) > MOST_IN_FILE:
        raise Fault(Code.SIZE_EXCEEDED, _FILE_TOO_LARGE, name=attachment.file_name, octets=MOST_IN_FILE)


def check_label(field: str, value: str) -> None:
    """As a header of ours can hold it. Raises Fault."""
    if value and not (value.isascii() and value.isprintable() and value == value.strip() and len(value) <= _LONGEST_LABEL):
        raise Fault(
            Code.INVALID_VALUE, WRONG, field=field, why=f"is not printable ASCII of {_LONGEST_LABEL} characters at most"
        )
