"""Reads what lies in a TNEF stream, the winmail.dat of Outlook: names and contents of files. [MS-OXTNEF] 2.1.

Raises Malformed for what cannot be read to its end: a reader that goes on elsewhere may find something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

from relay.errors import Malformed
from relay.reading.fields import storable
from relay.reading.octets import Octets

MARK = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = Struct("<BII")  # level, name and type, length; the data; then a checksum of two octets
_NUMBER = Struct("<I")
_PROPERTY = Struct("<HH")  # type and name
_TITLE, _TRANSPORT_NAME, _DATA, _PROPERTIES = 0x00018010, 0x00069001, 0x0006800F, 0x00069005
_MAX_DEPTH = 5
_MAX_PROPERTIES = 10_000

# [MS-OXCDATA] 2.11.1: octets of a value, padded to four. Those of other types say their length.
_SIZES = {0x1: 0, 0x2: 4, 0x3: 4, 0x4: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_SEVERAL = 0x1000
_OBJECT, _TEXT_8, _TEXT_16 = 0xD, 0x1E, 0x1F
_CONTENT = 0x3701
_NAMES = frozenset((0x3001, 0x3703, 0x3704, 0x3707, 0x3708, 0x370D))  # shown, extension, short, long, with its path


class Found(NamedTuple):
    """A name, or what a file holds; which of them belong together does not matter to who judges all."""

    name: str = ""
    content: bytes = b""


def attachments(content: Octets, depth: int = 0) -> Iterator[Found]:
    """All files in the stream and in the messages within it. Raises Malformed."""
    if content[:4] != MARK or depth > _MAX_DEPTH:
        raise Malformed("TNEF that cannot be read")
    try:
        yield from _attributes(content, depth)
    except (error, IndexError):
        raise Malformed("TNEF that cannot be read") from None


def _attributes(content: Octets, depth: int) -> Iterator[Found]:
    position = len(MARK) + 2
    while position + _ATTRIBUTE.size <= len(content):
        _, name, length = _ATTRIBUTE.unpack(content[position : position + _ATTRIBUTE.size])
        start = position + _ATTRIBUTE.size
        if start + length > len(content):
            raise Malformed("TNEF that cannot be read")
        if name in (_TITLE, _TRANSPORT_NAME):
            yield Found(name=_text(content[start : start + length], _TEXT_8))
        elif name == _DATA:
            yield Found(content=bytes(content[start : start + length]))
            if content[start : start + len(MARK)] == MARK:
                yield from attachments(content[start : start + length], depth + 1)
        elif name == _PROPERTIES:
            yield from _properties(content[start : start + length], depth)
        position = start + length + 2


def _properties(block: bytes, depth: int) -> Iterator[Found]:
    (count,) = _NUMBER.unpack_from(block)
    if count > _MAX_PROPERTIES:
        raise Malformed("TNEF that cannot be read")
    position = _NUMBER.size
    for _ in range(count):
        kind, name = _PROPERTY.unpack_from(block, position)
        position = _behind_name(block, position + _PROPERTY.size) if name & 0x8000 else position + _PROPERTY.size
        values, position = _values(block, position, kind)
        for value in values:
            yield from _meant(name, kind & ~_SEVERAL, value, depth)


def _behind_name(block: bytes, position: int) -> int:
    """Names beyond 0x8000 are told: a GUID, and a number or a text."""
    is_text, length = _NUMBER.unpack_from(block, position + 16)[0], _NUMBER.unpack_from(block, position + 20)[0]
    return position + 24 + (_padded(length) if is_text else 0)


def _values(block: bytes, position: int, kind: int) -> tuple[list[bytes], int]:
    size = _SIZES.get(kind & ~_SEVERAL)
    count = 1
    if kind & _SEVERAL or size is None:
        (count,) = _NUMBER.unpack_from(block, position)
        position += _NUMBER.size
    if size is not None:
        return [], _within(block, position + size * count)
    values = []
    for _ in range(_within(block, count)):
        (length,) = _NUMBER.unpack_from(block, position)
        start = position + _NUMBER.size
        values.append(block[start : _within(block, start + length)])
        position = start + _padded(length)
    return values, position


def _within(block: bytes, position: int) -> int:
    if position > len(block):
        raise Malformed("TNEF that cannot be read")
    return position


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def _meant(name: int, kind: int, value: bytes, depth: int) -> Iterator[Found]:
    if name in _NAMES:
        yield Found(name=_text(value, kind))
    elif name == _CONTENT and kind == _OBJECT and value[16:20] == MARK:  # behind the id of its interface
        yield from attachments(value[16:], depth + 1)
    elif name == _CONTENT:
        yield Found(content=value[16 if kind == _OBJECT else 0 :])


def _text(raw: bytes, kind: int) -> str:
    if kind == _TEXT_16:
        return storable(raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace"))
    return storable(bytes(raw).decode("utf-8", "replace"))
