"""Writes header fields as octets: printable ASCII in lines of 76, and no CR, LF or NUL that was brought along.

What is beyond ASCII becomes RFC 2047 words in UTF-8. What cannot be written is a ValueError.
"""

from __future__ import annotations

import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_LINE = 998  # RFC 5322 2.1.1, without the CRLF. SES refuses what is longer.
_LINE = 76  # RFC 2047 2: of a line with an encoded word
_WORD = 75  # RFC 2047 2
_SHORTEST_WORD = 24  # one character of four octets, quoted
_LONGEST_PLAIN = 200

_NAME = re.compile(r"[!-9;-~]{1,40}")  # the first word fits behind it
_FIELD = re.compile(rb"[!-9;-~]+:[\x01-\t\x0b\x0c\x0e-\x7f]*(?:\r\n[ \t][\x01-\t\x0b\x0c\x0e-\x7f]*)*\r\n")
_UNPRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f]")
_WORDS = re.compile(rb"([ \t\r\n]*)([^ \t\r\n]+)")
# RFC 2047 5 (3): what stands for itself wherever an encoded word may stand.
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_QUOTED = [bytes((octet,)) if octet in _PLAIN else b"=%02X" % octet for octet in range(256)]
_QUOTED[0x20] = b"_"


class Word(NamedTuple):
    """A word and the white space before it, with its folds. A word of octets is written as it is, one of text encoded."""

    white: bytes
    word: bytes | str


def written(name: str, text: str) -> bytes:
    """A field of free text, its CRLF included. It is read back as the same text. Raises ValueError."""
    if not _NAME.fullmatch(name) or _UNPRINTABLE.search(text):
        raise ValueError("not to be written in a header")
    octets = text.encode()
    is_plain = octets.isascii() and octets == octets.strip() and b"=?" not in octets
    if is_plain and max(map(len, octets.split(b" "))) <= _LONGEST_PLAIN:
        return folded(name.encode() + b": " + octets)
    return field(name.encode(), [Word(b" ", text)])


def folded(line: bytes) -> bytes:
    """A field as it was written, its CRLF included, in shorter lines. It only differs in folds. Raises ValueError."""
    name, _, value = line.removesuffix(b"\r\n").partition(b":")
    stripped = value.rstrip(b" \t\r\n")
    return field(name, [Word(*found) for found in spaced(value)], value[len(stripped) :])


def spaced(value: bytes) -> list[tuple[bytes, bytes]]:
    """Each word of a value, and the white space before it."""
    return _WORDS.findall(value.rstrip(b" \t\r\n"))  # a search for words in white space alone takes the square of its length


def field(name: bytes, words: Iterable[Word], trailing: bytes = b"") -> bytes:
    """A field of words, its CRLF included. Raises ValueError if a line cannot be made short enough."""
    line = bytearray(name + b":")
    for white, word in words:
        is_first = len(line) == len(name) + 1  # a line of a name alone is shown as empty by some readers
        if isinstance(word, bytes):
            _put(line, white, word, MAX_LINE if is_first else _LINE)
            continue
        for number, encoded in enumerate(encoded_words(word, _room(line, white, word, is_first=is_first))):
            _put(line, b" " if number else white, encoded, _LINE)
    line += trailing + b"\r\n"
    if not _FIELD.fullmatch(line):
        raise ValueError("not to be written in a header")
    if max(map(len, line.split(b"\r\n"))) > MAX_LINE:
        raise ValueError("header line too long")
    return bytes(line)


def _room(line: bytearray, white: bytes, text: str, *, is_first: bool) -> int:
    """For the first encoded word. Where one is enough there is one: in names not all readers put two together."""
    room = _LINE - len(white) - (0 if b"\n" in white else _column(line))
    is_enough = len(text) < _WORD and len(list(encoded_words(text, _WORD))) == 1
    return _WORD if room < _SHORTEST_WORD or (is_enough and not is_first) else room


def _put(line: bytearray, white: bytes, word: bytes, limit: int) -> None:
    """Folds before the white space, if the line gets too long."""
    if white and b"\n" not in white and _column(line) + len(white) + len(word) > limit:
        line += b"\r\n"
    line += white + word


def _column(line: bytearray) -> int:
    return len(line) - line.rfind(b"\n") - 1


def encoded_words(text: str, first: int, others: int = _WORD) -> Iterator[bytes]:
    """RFC 2047 words of at most so many octets. None cuts a character. Raises ValueError for lone surrogates."""
    encoding = min((_q, _b), key=lambda each: len(each(text)))
    start, room = 0, first
    while start < len(text):
        count = max(1, bisect_right(range(1, _WORD), room, key=lambda n: len(encoding(text[start : start + n]))))
        yield encoding(text[start : start + count])
        start, room = start + count, others


def _q(text: str) -> bytes:
    return b"=?utf-8?q?" + b"".join(_QUOTED[octet] for octet in text.encode()) + b"?="


def _b(text: str) -> bytes:
    return b"=?utf-8?b?" + b64encode(text.encode()) + b"?="
