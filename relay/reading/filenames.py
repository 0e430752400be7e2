"""Every name that any reader may give a part, and every extension that any desktop may see in a name.

Programs that read mail disagree on nearly all of RFC 2231 and RFC 2047, on quotes, folds and broken parameters. So a name is
read in all the ways they have: what one of them may see counts.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote_to_bytes

from relay.errors import Malformed
from relay.reading.effort import Effort
from relay.reading.fields import Header, codec, decoded, parameters, storable, text, unfold, unquoted, without_comments
from relay.reading.octets import NO_BASE64

_FIELDS = ("content-disposition", "content-type")
_MAX_NAMES = 100  # in the header of one part, pieces counted
_MAX_CHARSETS = 10  # that a part names
_MAX_COMMENTS = 20  # within each other
_LONGEST = 4096  # octets of one value
_LARGEST = 512 * 1024  # octets of all values of a message, each in all the ways that it is read, with _EACH for the way
_EACH = 80

# Found wherever it stands: also in quotes, in comments and behind other letters, for there are readers who search.
_NAME = re.compile(rb"(?:file)?name([^=]{0,40}+)=[ \t]*", re.IGNORECASE)
_NUMBER = re.compile(rb"[0-9]+")
_TOO_LONG_A_NUMBER = re.compile(rb"name(?=[^\w=]*\*)[^\w=]*+[0-9]{5}", re.IGNORECASE)
_UTF_7 = re.compile(rb"=[ \t]*+\"?+[ \t]*+\??[a-z0-9-]*utf-?7[?*']", re.IGNORECASE)
_CHARSET = re.compile(rb'charset[ \t]*=[ \t]*"?([^\s";]+)', re.IGNORECASE)
_FOLD = re.compile(rb"\r\n[ \t]+")
_BLANKS = re.compile(rb"[ \t]{2,}")
_WHOLE = re.compile(rb'(?:[^;"]++|"(?:[^"\\]|\\.)*+"?)*+', re.DOTALL)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)')
_RUN = re.compile(rb'[^\s";()<>@,:\\/\[\]?=]*')  # RFC 2045 5.1: what a token is without quotes
_WORD = re.compile(rb"=\?([^?*\s]*)(?:\*[^?]*)?\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(rb"(\?=)\s+(?==\?)")
_STREAM = re.compile(r"(?::[^:]*)?:\$data\Z", re.IGNORECASE)  # NTFS: a file's content by its full name
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_CLASS_ID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")
_EBCDIC = "cp500"  # its letters and its dot lie where all others of these have them, of which Python knows few
_ESCAPED_CHARSETS = ("iso2022_jp", "iso2022_kr")

# Shown as nothing, and in no category that says so.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufffd") | {chr(c) for c in range(0xFE00, 0xFE10)}
_DROPPED_BEHIND = " .\"'<>|?*;,\\/"  # by one system or another at the end of a name


def effort() -> Effort:
    """For the names of one message: they may lie in each other, and each in hundreds of parts. It is counted in octets."""
    return Effort(_LARGEST, "too many file names")


class _Reader:
    """Reads what may be names of one part, each value once."""

    def __init__(self, charsets: Sequence[str], effort: Effort) -> None:
        self._charsets = charsets
        self._effort = effort
        self._seen: set[bytes] = set()

    def texts(self, values: Iterable[bytes]) -> Iterator[str]:
        """All that they may say. Raises Malformed."""
        for raw in values:
            if raw not in self._seen:
                self._seen.add(raw)
                self._effort.spend((len(raw) + _EACH) * (1 + len(self._charsets)))
                yield from _texts(raw, self._charsets)


def readings(fields: Sequence[Header], effort: Effort) -> tuple[str, ...]:
    """All names of a part, the likeliest first. Raises Malformed for so many that no honest program wrote them."""
    values = [f.value for f in fields if f.name in _FIELDS and (b"=?" in f.value or b"name" in f.value.lower())]
    if not values:
        return ()
    if any(_UTF_7.search(value) for value in values):  # of which each library reads another part
        raise Malformed("a file name in UTF-7")
    charsets = tuple({m[1].decode("ascii", "replace") for f in fields if f.name in _FIELDS for m in _CHARSET.finditer(f.value)})
    if len(charsets) > _MAX_CHARSETS:
        raise Malformed("too many charsets in one header")
    reader = _Reader(charsets, effort)
    found = [name for value in values for name in _names(value, reader)]
    return tuple(dict.fromkeys(name for name in found if name))


def extensions(name: str) -> Iterator[str]:
    """What may be taken for the name's last extension: lower case, without a dot."""
    yield extension(name)
    if cut := _CONTROL.search(name):  # where C ends a string
        yield extension(name[: cut.start()])
    if len(name) > 255:  # where file systems end a name
        yield extension(name[:255])


def extension(name: str) -> str:
    """The last extension as a desktop sees it: without what is invisible, and what systems drop at the end of a name."""
    shown = name if name.isascii() and name.isprintable() else _visible(name)
    shown = _STREAM.sub("", shown.rstrip(_DROPPED_BEHIND)).rstrip(_DROPPED_BEHIND)
    base = shown.replace("\\", "/").rpartition("/")[2]
    found = base.rpartition(".")[2].strip().lower() if "." in base else ""
    return "hta" if _CLASS_ID.fullmatch(found) else found  # Windows hides it, and opens the file with the class: of HTA, say


def _visible(name: str) -> str:
    seen = (c for c in unicodedata.normalize("NFKC", name) if c not in _INVISIBLE and unicodedata.category(c)[0] != "C")
    return "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in seen)


def _names(value: bytes, reader: _Reader) -> Iterator[str]:
    if _TOO_LONG_A_NUMBER.search(value):
        raise Malformed("a parameter in pieces without numbers")
    for line in _lines(value):
        pieces: list[tuple[int, list[bytes]]] = []
        for name, raw in parameters(b";" + line):
            if name in ("name", "filename"):
                yield text(raw)
        for count, match in enumerate(_NAME.finditer(line)):
            if count == _MAX_NAMES:
                raise Malformed("too many file names in one header")
            values = list(_values(line[match.end() : match.end() + _LONGEST]))
            number = _NUMBER.search(match[1])
            if number or b"*" in match[1]:
                pieces.append((int(number[0]) if number else -1, values))
            yield from reader.texts(values)
        for reading in (0, -1):
            yield from reader.texts(_joined([(number, values[reading]) for number, values in pieces]))


def _lines(value: bytes) -> Iterator[bytes]:
    """The field as one line: folds taken away by the book, and with their blanks; without comments, one within another or all;
    words decoded; blanks as one. Raises Malformed.
    """
    lines = [unfold(value)]
    if b"\r\n" in value:
        lines.append(_FOLD.sub(b"", value).strip(b" \t"))
    if b"(" in value:
        lines += [shorter for line in lines for shorter in _uncommented(line)]
    if b"=?" in value:
        lines += [_words(lines[0], "utf-8").encode("utf-8", "replace")]
    lines += [_BLANKS.sub(b" ", line) for line in lines]
    yield from dict.fromkeys(lines)


def _uncommented(line: bytes) -> Iterator[bytes]:
    """Without the innermost comments, and without any."""
    shorter = line
    for level in range(_MAX_COMMENTS):
        before, shorter = shorter, without_comments(shorter)
        if shorter == before:
            yield shorter
            return
        if not level:
            yield shorter
    raise Malformed("comments in comments")


def _values(rest: bytes) -> Iterator[bytes]:
    """Where a value ends: at its quote, at the first semicolon or the first outside of quotes, at the first blank. Raises
    Malformed where that lies too far off: programs that shorten a name keep its end.
    """
    quoted = _QUOTED.match(rest)
    first = quoted[0] if quoted else rest.partition(b";")[0]
    if len(first) >= _LONGEST - 1:  # of two octets that belong together one may have been cut off
        raise Malformed("too long a file name")
    if quoted:
        yield unquoted(quoted[1])
        yield quoted[1]
    bare = [rest.partition(b";")[0]]
    if b'"' in rest and (whole := _WHOLE.match(rest)):
        bare.append(whole[0])
    if b'""' in rest or any(b'"' in match[3] for match in _WORD.finditer(rest)):  # quotes that some count, and others do not
        bare.append(rest[: rest.rindex(b'"')])
    for raw in bare:
        yield raw.replace(b'"', b"").strip()
        if b"\\" in raw:
            yield raw.replace(b'"', b"").replace(b"\\", b"").strip()
    if not quoted and (run := _RUN.match(rest)):
        yield run[0]
        yield run[0].partition(b"*")[0]


def _joined(pieces: list[tuple[int, bytes]]) -> Iterator[bytes]:
    """RFC 2231 3: name*0, name*1, ... put together; of a piece that is there twice, readers take either.

    Some heed no number, and some end at the first that is missing.
    """
    for chosen in (dict(pieces), dict(reversed(pieces))):
        order = sorted(chosen)
        yield b"".join(chosen[number] for number in order)
        unbroken = [number for place, number in enumerate(order) if number == order[0] + place]
        if len(unbroken) < len(order):
            yield b"".join(chosen[number] for number in unbroken)
    yield b"".join(raw for _, raw in pieces)


def _texts(raw: bytes, charsets: Sequence[str]) -> Iterator[str]:
    """What the octets of a value may stand for, in all charsets that they may be in."""
    yield storable(raw.decode("utf-8", "replace"))
    if raw.isascii() and not any(mark in raw for mark in (b"=?", b"%", b"'", b"\x1b", b"+", b"~", b"&")) and not charsets:
        return
    named, quote, rest = raw.partition(b"'")
    _, second, encoded = rest.partition(b"'")
    octets = {raw: None, unquote_to_bytes(raw): None}
    if quote and second:
        charsets = (*charsets, named.decode("ascii", "replace"))
        octets |= {unquote_to_bytes(encoded): None, encoded: None}
    for octet in octets:
        for charset in ("utf-8", *charsets, *(_ESCAPED_CHARSETS if b"\x1b" in octet else ())):
            yield _kept(decoded(octet, charset))
            if not codec(charset):
                yield _kept(decoded(octet, _EBCDIC))
        if b"=?" in octet:
            yield text(octet)
            # Some end with the first word, or with the last.
            ends = [match.end() for match in _WORD.finditer(octet)]
            for end in {len(octet), *ends[:1], *ends[-1:]}:
                yield _words(octet[:end], "utf-8")
            yield _words(octet.translate(None, b" \t"), "utf-8")
            yield _words(octet, "utf-8", unknown=_EBCDIC)


def _words(value: bytes, charset: str, *, unknown: str = "utf-8") -> str:
    """RFC 2047 words decoded wherever they stand, and those that lie side by side as one, as lenient readers have it.

    Those of a charset that nobody knows are read in the `unknown` one.
    """
    shown, position, line = [], 0, _BETWEEN_WORDS.sub(rb"\1", value)
    for match in _WORD.finditer(line):
        shown.append(decoded(line[position : match.start()], charset))
        named = match[1].decode("ascii", "replace")
        named = codec(named) or unknown
        shown.append(decoded(_WORD_ENCODINGS[match[2].lower()](match[3]), named))
        position = match.end()
    return _kept("".join(shown) + decoded(line[position:], charset))


def _base64(encoded: bytes) -> bytes:
    letters = encoded.translate(None, NO_BASE64)
    try:
        return b64decode(letters[: len(letters) // 4 * 4 + (len(letters) % 4 > 1) * 4] + b"=" * (-len(letters) % 4))
    except ValueError:
        return encoded


def _kept(shown: str) -> str:
    """Lone surrogates go into no database; NUL stays until the extension was looked for, and is dropped by storable."""
    return shown.encode("utf-8", "replace").decode("utf-8")


def _quoted(encoded: bytes) -> bytes:
    return a2b_qp(encoded, header=True)


_WORD_ENCODINGS = {b"b": _base64, b"q": _quoted}
