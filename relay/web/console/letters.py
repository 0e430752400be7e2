"""What is inside of a message, as it was sent: its texts, fields and attachments, and a page that shows it and does nothing."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from typing import NamedTuple
from urllib.parse import unquote

from relay import web_version
from relay.reading import charsets, mime, transfer
from relay.reading.mime import Part
from relay.writing import macros

_IMAGES = "relay-cid:"  # no scheme that anybody knows
_IMAGE = re.compile(re.escape(_IMAGES) + r"/([^\s\"'<>)]*)")
_MOST_IMAGES = 100
_MOST_OCTETS = 30 * 1024 * 1024
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
    seen = web_version.read(sent, images=_IMAGES)
    if not seen.html:
        return _PLAIN % html.escape(seen.text)
    found = _Images(sent)
    return _IMAGE.sub(lambda match: found.url(unquote(match[1])), seen.html)


class _Images:
    """As URLs that have the images in themselves; nothing for one that is not there, or where they are too many: each time that
    one is shown its octets are there once more.
    """

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._urls: dict[str, str] = {}
        self._octets = 0

    def url(self, content_id: str) -> str:
        if content_id not in self._urls and len(self._urls) < _MOST_IMAGES:
            image = web_version.image(self._sent, content_id)
            url = f"data:{image.content_type};base64,{b64encode(image.octets).decode()}" if image else ""
            self._urls[content_id] = url
        url = self._urls.get(content_id, "")
        self._octets += len(url)
        return url if self._octets <= _MOST_OCTETS else ""


def text(sent: bytes) -> str:
    """Its plain text; empty where it has none. Raises Malformed."""
    shown = (part for part in mime.read(sent).parts if macros.is_shown(part) and part.content_type != "text/html")
    return "\n".join(_text(sent, part) for part in shown)


def _text(sent: bytes, part: Part) -> str:
    body = macros.whole(sent, part)
    return body.decode(charsets.of_text(part, body), "replace").removeprefix("\ufeff")


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
    found = BytesHeaderParser().parsebytes(written).get_filename()
    return mime.text(found.encode("utf-8", "replace")) if found else part.filenames[0] if part.filenames else f"part-{number}"


def _octets(sent: bytes, part: Part) -> Iterator[bytes]:
    """As they lie there where nobody knows their encoding."""
    return transfer.LENIENT.get(part.encoding, transfer.LENIENT[b""])(sent, part.start, part.end)
