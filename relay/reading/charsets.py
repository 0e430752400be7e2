"""The charset of a text, as Python names it."""

from __future__ import annotations

import codecs
import re

from relay.reading.fields import codec, without_comments
from relay.reading.mime import Part

_CHARSET = re.compile(rb'(?<![\w-])charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)
# RFC 2781 3.3, and Unicode's rule for UTF-32: without a mark the octets come with the highest first.
_MARKS = {
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (b"", "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (b"", "utf-32-be")),
}


def of_text(part: Part, body: bytes) -> str:
    """With its order of octets. What is beyond the charset that is named, or has none, is guessed as readers do."""
    value = next((field.value for field in part.headers if field.name == "content-type"), b"")
    match = _CHARSET.search(without_comments(value))
    name = _known(match[1]) if match else "ascii"
    if name == "ascii" and not body.isascii():
        return "utf-8" if _is_utf_8(body) else "cp1252"
    return next((codec for mark, codec in _MARKS.get(name, ()) if body.startswith(mark)), name)


def _known(name: bytes) -> str:
    """The same for all spellings; UTF-8 for what nobody knows."""
    try:
        found = codec(name.decode("ascii")) or "utf-8"
        b"\xff".decode(found, "replace"), "\n".encode(found)  # there are codecs that are not for texts, or for names alone
    except (LookupError, ValueError):
        return "utf-8"
    return found


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
