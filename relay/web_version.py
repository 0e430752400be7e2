"""The web version of a message: what a reader sees of it in a browser, out of the octets that were sent to him."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote, unquote

from relay.reading import charsets, mime, transfer
from relay.reading.mime import Part
from relay.writing import macros

_HTML = "text/html"
# No SVG: opened by itself it is a document.
_IMAGES = {f"image/{name}": f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "avif", "bmp")}
_IMAGES |= {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}  # as older programs say
_INLINE = re.compile(r"""(?<=["'(=])\s*cid:([^\s"'<>)]+)""", re.IGNORECASE)  # RFC 2392
_ID = re.compile(rb"\s*<?([^<>\s]+)>?\s*")


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
        return WebVersion(html=_INLINE.sub(lambda match: f"{images}/{_quoted(match[1])}", "\n".join(found)))
    return WebVersion(text="\n".join(_text(sent, part) for part in shown))


def whole(sent: bytes) -> WebVersion:
    """Both texts, as far as there are two; images inside of the message stand in the HTML themselves."""
    shown = [part for part in mime.read(sent).parts if macros.is_shown(part)]
    page = "\n".join(_text(sent, part) for part in shown if part.content_type == _HTML)
    text = "\n".join(_text(sent, part) for part in shown if part.content_type != _HTML)
    return WebVersion(html=_INLINE.sub(lambda match: _data_url(sent, match), page), text=text)


def image(sent: bytes, content_id: str) -> Image | None:
    """None where the message has no such one."""
    for part in mime.read(sent).parts:
        decode = transfer.LENIENT.get(part.encoding)
        if decode and part.content_type in _IMAGES and _content_id(part) == content_id:
            return Image(_IMAGES[part.content_type], transfer.joined(decode(sent, part.start, part.end)))
    return None


def _text(sent: bytes, part: Part) -> str:
    body = macros.whole(sent, part)
    return body.decode(charsets.of_text(part, body), "replace").removeprefix("\ufeff")


def _data_url(sent: bytes, match: re.Match[str]) -> str:
    found = image(sent, unquote(html.unescape(match[1])))
    return f"data:{found.content_type};base64,{b64encode(found.octets).decode()}" if found else match[0]


def _quoted(content_id: str) -> str:
    return quote(unquote(html.unescape(content_id)), safe="")


def _content_id(part: Part) -> str:
    values = (_ID.fullmatch(mime.unfold(field.value)) for field in part.headers if field.name == "content-id")
    return next((match[1].decode("utf-8", "replace") for match in values if match), "")
