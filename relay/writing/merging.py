"""Merge fields: [Name] in the subject, the recipient and the texts of a message, and each recipient's own value in its place.

They are of messages that the relay has put together itself, in UTF-8. A name that nobody has a value for stays as it is: there
are brackets in any text. One that this recipient has none for is left out.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection, Mapping

from relay.errors import Malformed
from relay.model import Edit, Place
from relay.writing import fields as header_fields
from relay.writing import raw_fields

RECIPIENT = "@Recipient"  # the mailbox for To: no name that a sender may give a field
RECIPIENT_ID = "@Id"  # what the sender calls him
NAME = re.compile(r"[^\W\d][\w .-]{0,63}")
Values = Mapping[str, str]

_FIELD = re.compile(rf"\[({RECIPIENT}|{NAME.pattern})\]")
_LONGEST_IN_HEADER = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029]+")


def named(text: str) -> frozenset[str]:
    """What may be names of fields in it."""
    return frozenset(_FIELD.findall(text))


def found(octets: bytes, names: Collection[str]) -> tuple[str, ...]:
    """Those of some names that it has."""
    return tuple(sorted(named(octets.decode("utf-8", "replace")).intersection(names))) if names else ()


def values(document: str) -> Values:
    """What a delivery has for its recipient."""
    return json.loads(document) if document else {}


def filled(octets: bytes, edit: Edit, values: Values) -> bytes:
    """With the values in place of the edit's fields; as it is where there are none at all, for nobody in particular."""
    write = _WRITERS[edit.place]

    def value(match: re.Match[str]) -> str:
        if not values or match[1] not in edit.fields:
            return match[0]
        given = values.get(match[1], "")
        return plain(given) if match[1] == RECIPIENT else write(given)

    text = _FIELD.sub(value, octets.decode("utf-8", "replace")).encode("utf-8", "replace")
    return _header(text) if edit.place is Place.HEADER else text


def plain(text: str) -> str:
    """In one line, as a header can hold it."""
    return _CONTROL.sub(" ", text)


def _header(line: bytes) -> bytes:
    """Raises Malformed."""
    if not line.isascii():
        return raw_fields.in_ascii(line)
    try:
        return header_fields.folded(line)
    except ValueError:
        raise Malformed("header line too long") from None


_WRITERS: dict[Place, Callable[[str], str]] = {
    Place.TEXT: lambda value: value,
    Place.HTML: html.escape,
    Place.HEADER: lambda value: plain(value)[:_LONGEST_IN_HEADER],
}
