"""Lists archives without opening one: names in a zip, and whether anything in a zip, 7z or RAR is encrypted.

A zip tells its names twice, at each file and in the directory at its end, and programs believe one or the other: both count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from relay.errors import Malformed
from relay.reading.octets import Octets

MAX_ENTRIES = 10_000
_MAX_RECORDS = 100  # beside one block of a RAR

# APPNOTE.TXT 4.3.7 and 4.3.12.
_LOCAL = Struct("<6xHH16xHH")  # flags, method, lengths of the name and of what is said besides
_CENTRAL = Struct("<4x4xHH16xHH14x")
_EXTRA, _UNICODE_PATH = Struct("<HH"), 0x7075  # 4.5.1 and 4.6.9
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # bits of the flags: the content, by strong encryption, the directory
_AES = 99  # as a method
_UTF_8 = 0x800


class Entry(NamedTuple):
    """One file in an archive."""

    name: str
    is_encrypted: bool


def entries(content: Octets) -> Iterator[Entry]:
    """Everything a zip is said to hold. Raises Malformed for too much, or if it cannot be listed."""
    count = octets = 0
    for found in (_files(content), _directories(content)):
        for entry in found:
            count, octets = count + 1, octets + len(entry.name)
            if count > 2 * MAX_ENTRIES or octets > 2 * len(content):  # the latter where names lie in each other
                raise Malformed("an archive of too many files")
            yield entry
    if not count and content.find(_END_MARK) < 0:
        raise Malformed("an archive that cannot be listed")


def _files(content: Octets) -> Iterator[Entry]:
    position = content.find(_LOCAL_MARK)
    while 0 <= position <= len(content) - _LOCAL.size:
        header = _LOCAL.unpack(content[position : position + _LOCAL.size])
        yield from _entries(content, position + _LOCAL.size, *header)
        position = content.find(_LOCAL_MARK, position + 4)


def _directories(content: Octets) -> Iterator[Entry]:
    """What follows the first entry of a directory without a gap, wherever the end says that it begins."""
    position = content.find(_CENTRAL_MARK)
    while 0 <= position <= len(content) - _CENTRAL.size:
        header = _CENTRAL.unpack(content[position : position + _CENTRAL.size])
        behind = position + _CENTRAL.size
        yield from _entries(content, behind, *header)
        position = content.find(_CENTRAL_MARK, behind)


def _entries(content: Octets, position: int, flags: int, method: int, name: int, extra: int) -> Iterator[Entry]:
    """By its name, and by another that some programs show in its place."""
    is_encrypted = bool(flags & _ENCRYPTED) or method == _AES
    shown = bytes(content[position : position + name]).decode("utf-8" if flags & _UTF_8 else "cp437", "replace")
    yield Entry(shown, is_encrypted)
    for other in _other_names(bytes(content[position + name : position + name + extra])):
        yield Entry(other, is_encrypted)


def _other_names(extra: bytes) -> Iterator[str]:
    """Behind a version and the checksum of the name."""
    position = 0
    while position + _EXTRA.size <= len(extra):
        kind, size = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size
        if kind == _UNICODE_PATH:
            yield extra[position + 5 : position + size].decode("utf-8", "replace")
        position += size


def is_encrypted(kind: str, content: Octets) -> bool:
    """Whether an archive of that kind holds something that nobody without a password can look at, as far as that is visible."""
    return kind in _LOOKS and _LOOKS[kind](content)


def _zip(content: Octets) -> bool:
    return any(entry.is_encrypted for entry in entries(content))


def _seven_zip(content: Octets) -> bool:
    """7zFormat.txt: the header at the end names the method of the content, or of itself. 06F10701 is AES-256."""
    header = 32 + int.from_bytes(content[12:20], "little")
    return b"\x06\xf1\x07\x01" in content[header : header + int.from_bytes(content[20:28], "little")]


_RAR4, _RAR5 = b"Rar!\x1a\x07\0", b"Rar!\x1a\x07\x01\0"


def _rar(content: Octets) -> bool:
    return _rar5(content) if content[:8] == _RAR5 else _rar4(content)


def _rar4(content: Octets) -> bool:
    """Blocks of CRC, type, flags and size. 0x73 is the archive, 0x74 a file."""
    position = len(_RAR4)
    for _ in range(MAX_ENTRIES):
        block = content[position : position + 11]
        kind, flags, size = block[2:3], int.from_bytes(block[3:5], "little"), int.from_bytes(block[5:7], "little")
        if (kind == b"\x73" and flags & 0x80) or (kind == b"\x74" and flags & 0x04):
            return True
        if size < 7:
            return False
        packed = int.from_bytes(block[7:11], "little") if kind == b"\x74" or flags & 0x8000 else 0
        position += size + packed
    return False


def _rar5(content: Octets) -> bool:
    """Blocks of CRC, size, type and flags as numbers of seven bits an octet. 4 encrypts all, record 1 a file."""
    position = len(_RAR5)
    for _ in range(MAX_ENTRIES):
        size, start = _number(content, position + 4)
        kind, at = _number(content, start)
        flags, at = _number(content, at)
        extra, at = _number(content, at) if flags & 1 else (0, at)
        packed, at = _number(content, at) if flags & 2 else (0, at)
        if kind == 4 or (kind in (2, 3) and extra and _has_record(content, start + size - extra, start + size)):
            return True
        if not size:
            return False
        position = start + size + packed
    return False


def _has_record(content: Octets, position: int, end: int) -> bool:
    """Where they are is what the archive says, with numbers of up to seventy bits."""
    for _ in range(_MAX_RECORDS):
        if not 0 <= position < min(end, len(content)):
            return False
        size, start = _number(content, position)
        if _number(content, start)[0] == 1:
            return True
        position = start + size
    return False


def _number(content: Octets, position: int) -> tuple[int, int]:
    value = 0
    octets = content[position : position + 10]
    for place, octet in enumerate(octets):
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return value, position + place + 1
    return value, position + max(len(octets), 1)


_LOOKS: dict[str, Callable[[Octets], bool]] = {"zip": _zip, "7z": _seven_zip, "rar": _rar}
