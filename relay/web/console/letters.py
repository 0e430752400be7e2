"""What is inside of a message, as it was sent: its texts, fields and attachments, and a page that shows it and does nothing."""

from __future__ import annotations

import html
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from typing import NamedTuple

from relay import web_version
from relay.reading import charsets, mime, transfer
from relay.reading.fields import storable
from relay.reading.mime import Part
from relay.writing import macros

_PLAIN = """<!doctype html><meta charset="utf-8"><style>body { margin: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
pre { margin: 0; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; }</style><pre>%s</pre>"""


class Field(NamedTuple):
    """Of the header: its name as it was written, and what it says to people."""

    name: str
    value: str


class Attachment(NamedTuple):
    """What is not shown as text. `number` is its place among all parts; `size` is in octets, as they are saved."""

    number: int
    name: str
    content_type: str
    size: int


def page(sent: bytes) -> str:
    """What a reader sees, with the images that the message has in itself and no others. Raises Malformed."""
    seen = web_version.whole(sent)
    return seen.html or _PLAIN % html.escape(seen.text)


def text(sent: bytes) -> str:
    """Its plain text; empty where it has none. Raises Malformed."""
    shown = (part for part in mime.read(sent).parts if macros.is_shown(part) and part.content_type != "text/html")
    return "\n".join(_text(sent, part) for part in shown)


def _text(sent: bytes, part: Part) -> str:
    body = macros.whole(sent, part)
    return storable(body.decode(charsets.of_text(part, body), "replace").removeprefix("\ufeff"))


def fields(sent: bytes) -> tuple[Field, ...]:
    """In their order. Raises Malformed."""
    return tuple(
        Field(sent[field.start : field.start + len(field.name)].decode("ascii"), mime.text(mime.unfold(field.value)))
        for field in mime.read(sent).headers
    )


def attachments(sent: bytes) -> tuple[Attachment, ...]:
    """Raises Malformed."""
    return tuple(
        Attachment(number, _name(sent, part, number), part.content_type, sum(map(len, _octets(sent, part))))
        for number, part in enumerate(mime.read(sent).parts)
        if _is_attachment(part)
    )


def attachment(sent: bytes, number: int) -> tuple[str, bytes] | None:
    """Its name, and what is saved; None where there is no such one. Raises Malformed."""
    parts = mime.read(sent).parts
    if number >= len(parts) or not _is_attachment(parts[number]):
        return None
    return _name(sent, parts[number], number), transfer.joined(_octets(sent, parts[number]))


def _is_attachment(part: Part) -> bool:
    return part.is_leaf and not macros.is_shown(part)


def _name(sent: bytes, part: Part, number: int) -> str:
    """As most readers have it."""
    written = b"".join(sent[field.start : field.end] for field in part.headers)
    try:
        found = BytesHeaderParser().parsebytes(written).get_filename()
    except ValueError:  # of a charset that no name can be in
        found = None
    return mime.text(found.encode("utf-8", "replace")) if found else part.filenames[0] if part.filenames else f"part-{number}"


def _octets(sent: bytes, part: Part) -> Iterator[bytes]:
    """As they lie there where nobody knows their encoding."""
    return transfer.LENIENT.get(part.encoding, transfer.LENIENT[b""])(sent, part.start, part.end)
