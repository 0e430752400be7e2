"""[Unsubscribe] and the like in the texts of a message: where they are, and each recipient's own links in their place.

A macro is found as a reader would find it: behind any transfer encoding, in text and in HTML's attributes, as entities,
percent-encoded as editors write it into links, behind the http:// that Outlook puts before it, and in UTF-16 and UTF-32.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from relay.model import Edit
from relay.reading import transfer
from relay.reading.mime import Part
from relay.reading.octets import Octets, Slices
from relay.writing.recoding import body_may_change

UNSUBSCRIBE, UNSUBSCRIBE_TOKEN, WEB_VERSION = "Unsubscribe", "UnsubscribeToken", "WebVersion"
_ALL = (UNSUBSCRIBE_TOKEN, UNSUBSCRIBE, WEB_VERSION)

Links = Mapping[str, str]
"""What stands in place of a macro, by its name: of characters that need no escaping anywhere."""

_TEXTS = frozenset(("", "text/plain", "text/html"))
_NAMES = f"({'|'.join(_ALL)})"
_OPENING = r"\[|%5[Bb]|&#(?:0{0,5}91|[xX]0{0,5}5[bB]);|&l(?:brack|sqb);"
_CLOSING = r"\]|%5[Dd]|&#(?:0{0,5}93|[xX]0{0,5}5[dD]);|&r(?:brack|sqb);"
_CORE = rf"(?:{_OPENING}){_NAMES}(?:{_CLOSING})"
_WIDE = {encoding.replace("-", "_"): encoding for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")}
_AROUND = 128  # octets: a name with what may stand behind it
_SIGNED = b"-----BEGIN PGP "
_BEFORE = 64  # octets that may stand before a name
_BRACKETS = frozenset(b"[Bb;\0")  # how these end
_NEEDLES = (UNSUBSCRIBE, WEB_VERSION)  # the name of one begins like another
_NARROW = tuple(name.encode() for name in _NEEDLES)
_BROAD = tuple(name.encode(encoding) for name in _NEEDLES for encoding in _WIDE.values())


def _as_written(group: str, encoding: str) -> bytes:
    """The same in an encoding of several octets a character."""
    brackets = (("[", "]"), ("%5B", "%5D"), ("%5b", "%5d"), ("&#91;", "&#93;"))
    words = [f"{opening}{name}{closing}" for name in _ALL for opening, closing in brackets]
    cores = b"|".join(re.escape(word.encode(encoding)) for word in words)
    schemes = b"|".join(re.escape(scheme.encode(encoding)) for scheme in ("http://", "https://"))
    slash = re.escape("/".encode(encoding))
    return b"(?P<%s>(?:%s)(?:%s)(?:%s)?|%s)" % (group.encode(), schemes, cores, slash, cores)


_MACRO = re.compile(b"|".join((rf"https?://{_CORE}/?|{_CORE}".encode(), *(_as_written(*each) for each in _WIDE.items()))))


def may_have(part: Part) -> bool:
    """Whether it is such a text, and may be changed."""
    return is_shown(part) and body_may_change(part)


def may_change(content: Octets, part: Part) -> bool:
    """Whether such a text can be encoded anew and mean the same: all readers agree on what it is now, and nobody has signed it
    in its own words (RFC 4880 7).
    """
    if part.encoding == b"base64" and transfer.is_padded_within(content, part.start, part.end):
        return False
    return content.find(_SIGNED, part.start, part.end) < 0


def is_out_of_reach(content: Octets, part: Part) -> bool:
    """Whether it would have macros, were it not signed."""
    return is_shown(part) and not body_may_change(part) and bool(found(content, part))


def is_shown(part: Part) -> bool:
    """Whether it is a text that readers see with the message, and that can be read."""
    is_text = part.is_leaf and part.content_type in _TEXTS and part.encoding in transfer.LENIENT
    return is_text and not part.is_attached and "message/rfc822" not in part.within


def whole(content: Octets, part: Part) -> bytes:
    """What such a part decodes to."""
    return transfer.joined(transfer.LENIENT[part.encoding](content, part.start, part.end))


def found(content: Octets, part: Part) -> frozenset[str]:
    """The names of those in such a part."""
    pieces = _whole(transfer.LENIENT[part.encoding](content, part.start, part.end))
    return frozenset(_name(match) for piece in pieces for match in _matches(piece))


def longest_line(content: Octets, part: Part, links: Links) -> int:
    """Of a part that is not encoded, with its macros replaced."""
    return max(map(len, b"".join(filled((content[part.start : part.end],), links)).split(b"\r\n")))


def decoded(content: Slices, edit: Edit) -> Iterable[bytes]:
    """What an edit with macros is about: its own text, or the body of a part with its footer."""
    if edit.text:
        return (edit.text,)
    body = transfer.LENIENT[edit.decode.encode()](content, edit.start, edit.end)
    return _with_footer(body, edit.footer, edit.footer_at) if edit.footer else body


def _with_footer(pieces: Iterable[bytes], footer: bytes, place: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:place] + footer + piece[place:] if 0 <= place < len(piece) else piece
        place -= len(piece)
    if place == 0:
        yield footer


def filled(pieces: Iterable[bytes], links: Links) -> Iterator[bytes]:
    """With links in place of macros; one that has none stays as it is."""
    for piece in _whole(pieces):
        end = 0
        for match in _matches(piece):
            yield piece[end : match.start()]
            yield _link(match, links)
            end = match.end()
        yield piece[end:]


def _matches(piece: bytes) -> Iterator[re.Match[bytes]]:
    """In their order. The names are looked for first: that is quick, and there are few."""
    needles = _NARROW if b"\0" not in piece else _NARROW + _BROAD
    places = sorted(place for needle in needles for place in _places(piece, needle))
    end = 0
    for place in places:
        if place <= end or piece[place - 1] not in _BRACKETS:
            continue
        match = _MACRO.search(piece, max(end, place - _BEFORE), place + _AROUND)
        if match and match.start() < place:  # one behind it may be cut there
            end = match.end()
            yield match


def _places(piece: bytes, needle: bytes) -> Iterator[int]:
    place = piece.find(needle)
    while place >= 0:
        yield place
        place = piece.find(needle, place + 1)


def _link(match: re.Match[bytes], links: Links) -> bytes:
    url = links.get(_name(match))
    return match[0] if url is None else url.encode(_WIDE.get(match.lastgroup or "", "ascii"))


def _name(match: re.Match[bytes]) -> str:
    if encoding := _WIDE.get(match.lastgroup or ""):
        return next(name for name in _ALL if name in match[0].decode(encoding))
    return (match[1] or match[2]).decode()


def _whole(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets, and no macro cut in two."""
    held = b""
    for piece in pieces:
        held += piece
        cut = max(0, len(held) - _AROUND)
        for match in _matches(held[max(0, cut - _AROUND) :]):
            start, end = (max(0, cut - _AROUND) + place for place in match.span())
            if start < cut < end:
                cut = end
        yield held[:cut]
        held = held[cut:]
    yield held
