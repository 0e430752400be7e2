"""The web version of a message: what a reader sees of it in a browser, out of the octets that were sent to him."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote

from relay.reading import charsets, mime, transfer
from relay.reading.fields import storable
from relay.reading.mime import Part
from relay.writing import inline, macros

_HTML = "text/html"
# No SVG: opened by itself it is a document.
_IMAGES = {f"image/{name}": f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "avif", "bmp")}
_IMAGES |= {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}  # as older programs say
_ID = re.compile(rb"\s*<?([^<>\s]+)>?\s*")
_MOST_IMAGES = 100
_MOST_OCTETS = 30 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WebVersion:
    """The text that readers are shown: HTML where there is any, or else plain text."""

    html: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """One that the HTML shows."""

    content_type: str
    octets: bytes


def read(sent: bytes, *, images: str) -> WebVersion:
    """Images inside of the message are asked for below the address `images`, by their identifiers."""
    shown = [part for part in mime.read(sent).parts if macros.is_shown(part)]
    if found := [_text(sent, part) for part in shown if part.content_type == _HTML]:
        return WebVersion(html=inline.SHOWN.sub(lambda match: f"{images}/{_quoted(match[1])}", "\n".join(found)))
    return WebVersion(text="\n".join(_text(sent, part) for part in shown))


def whole(sent: bytes) -> WebVersion:
    """Both texts, as far as there are two; images inside of the message stand in the HTML, unless they are too many."""
    shown = [part for part in mime.read(sent).parts if macros.is_shown(part)]
    page = "\n".join(_text(sent, part) for part in shown if part.content_type == _HTML)
    text = "\n".join(_text(sent, part) for part in shown if part.content_type != _HTML)
    images = _Images(sent)
    return WebVersion(html=inline.SHOWN.sub(lambda match: images.url(inline.meant(match[1])), page), text=text)


def image(sent: bytes, content_id: str) -> Image | None:
    """None where the message has no such one."""
    return _Images(sent).find(content_id)


class _Images:
    """Those of a message, of each identifier the first."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        shown = [part for part in mime.read(sent).parts if part.encoding in transfer.LENIENT and part.content_type in _IMAGES]
        self._parts = {_content_id(part): part for part in reversed(shown)}
        self._urls: dict[str, str] = {}
        self._octets = 0

    def find(self, content_id: str) -> Image | None:
        if (part := self._parts.get(content_id)) is None:
            return None
        decode = transfer.LENIENT[part.encoding]
        return Image(_IMAGES[part.content_type], transfer.joined(decode(self._sent, part.start, part.end)))

    def url(self, content_id: str) -> str:
        """One that has the image in itself; nothing where there is none, or they are too many: each time that one is shown its
        octets are there once more.
        """
        if content_id not in self._urls and len(self._urls) < _MOST_IMAGES:
            found = self.find(content_id)
            url = f"data:{found.content_type};base64,{b64encode(found.octets).decode()}" if found else ""
            self._urls[content_id] = url
        url = self._urls.get(content_id, "")
        self._octets += len(url)
        return url if self._octets <= _MOST_OCTETS else ""


def _text(sent: bytes, part: Part) -> str:
    body = macros.whole(sent, part)
    return storable(body.decode(charsets.of_text(part, body), "replace").removeprefix("\ufeff"))


def _quoted(content_id: str) -> str:
    return quote(inline.meant(content_id), safe="")


def _content_id(part: Part) -> str:
    values = (_ID.fullmatch(mime.unfold(field.value)) for field in part.headers if field.name == "content-id")
    return next((match[1].decode("utf-8", "replace") for match in values if match), "")
