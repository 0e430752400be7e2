"""A line with [Unsubscribe] at the end of texts that have none: what it says in each, and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from relay.reading import charsets
from relay.reading.mime import Part

_ENDS = ("</body", "</html")
_COMMENT = ("<!--", "-->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """`text` for plain text, `html` for HTML; `plain` is for charsets that have no letters for `text`, and ASCII."""

    text: str
    html: str
    plain: str

    def of(self, part: Part, body: bytes) -> tuple[bytes, int]:
        """What is put into a text, in its charset, and before which octet of what it decodes to."""
        charset = charsets.of_text(part, body)
        if part.content_type == "text/html":
            html = self.html.encode("ascii", "xmlcharrefreplace").decode()
            return f"\r\n{html}\r\n".encode(charset), _end(body, charset)
        line_end = "\r\n" if body.endswith("\n".encode(charset)) else ""
        before = "\r\n" if line_end else "\r\n\r\n"
        return _encoded((before + self.text + line_end, before + self.plain + line_end), charset), len(body)


def bearers(parts: Iterable[Part]) -> Collection[Part]:
    """Those of some texts that get it: the last one of each type, for that is where a message ends for its readers."""
    return {part.content_type or "text/plain": part for part in parts if not _is_header_alone(part)}.values()


def _is_header_alone(part: Part) -> bool:
    """No empty line ends its header, so there is no body to put anything into."""
    return bool(part.headers) and part.headers[-1].end >= part.start


def _end(body: bytes, charset: str) -> int:
    """Where HTML ends for its readers."""
    lower = _without_comments(body.lower(), *(mark.encode(charset) for mark in _COMMENT))
    places = (lower.rfind(end.encode(charset)) for end in _ENDS)
    return next((place for place in places if place >= 0), len(body))


def _without_comments(html: bytes, opening: bytes, closing: bytes) -> bytes:
    """As long as it was: what ends in a comment does not end for readers."""
    pieces, place = [], 0
    while (start := html.find(opening, place)) >= 0:
        end = html.find(closing, start) + len(closing)
        end = len(html) if end < len(closing) else end
        pieces += [html[place:start], bytes(end - start)]
        place = end
    return b"".join((*pieces, html[place:]))


def _encoded(texts: Iterable[str], charset: str) -> bytes:
    """The first that the charset has letters for."""
    for text in texts:
        try:
            return text.encode(charset)
        except UnicodeEncodeError:
            continue
    return b""
