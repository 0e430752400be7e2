"""Tells what content is by its octets, whatever it is called. A kind is one word; EXTENSIONS says what it is taken for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

from relay.reading import tnef
from relay.reading.octets import Octets

_MOST_FAT = 30  # machines in a Mach-O for several; what a Java class has there is its version, 45 or later
_LAST_CLASS_VERSION = 120
_FIRST_IN_ZIP = {
    b"META-INF/": "jar",
    b"[Content_Types].xml": "ooxml",
    b"_rels/": "ooxml",
    b"docProps/": "ooxml",
    b"mimetype": "odf",
}

# What a kind is taken for where it is not told by its name alone.
EXTENSIONS = {
    "pe": "exe",
    "elf": "exe",
    "mach-o": "exe",
    "jet": "mdb",
    "ar": "lib",
    "jpeg": "jpg",
    "node": "js",
    "python": "py",
    "perl": "pl",
    "bash": "sh",
    "tcsh": "csh",
    "ruby": "rb",
    "pwsh": "ps1",
}

# What runs. Of what else content is, a name or a type that is allowed says more: a .docx is a zip.
PROGRAMS = frozenset(
    """pe elf mach-o chm lnk hlp class jar msi msp mst swf reg url scf vbe hta wsf sct msc sh bash csh tcsh ksh zsh python perl
    ruby node pwsh php""".split()
)

_BEGINNINGS = {
    b"\x7fELF": "elf",
    b"\xfe\xed\xfa\xce": "mach-o",
    b"\xfe\xed\xfa\xcf": "mach-o",
    b"\xce\xfa\xed\xfe": "mach-o",
    b"\xcf\xfa\xed\xfe": "mach-o",
    b"ITSF\x03\0\0\0": "chm",
    b"L\0\0\0\x01\x14\x02\0": "lnk",
    b"?_\x03\0": "hlp",
    b"\0\x01\0\0Standard Jet DB": "jet",
    b"!<arch>\n/": "ar",
    b"MSCF\0\0\0\0": "cab",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x8b\x08": "gz",
    b"%PDF-": "pdf",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    tnef.MARK: "tnef",
}

# Of text that was attached, in lower case, without what stands before the first letter.
# Nothing is given back of what a pattern has taken: one small file must not keep all others waiting.
_TEXTS = {
    "reg": re.compile(rb"windows registry editor version |regedit4\s"),
    "url": re.compile(rb"\[internetshortcut(?:\.[aw])?\]"),
    "scf": re.compile(rb"\[shell\]\s+command\s*="),
    "vbe": re.compile(rb"#@~\^"),
    "hta": re.compile(rb"(?s:.*)<hta:application\b"),
    "wsf": re.compile(rb"(?s:(?:(?><\?.*?\?>)\s*+)*+<(?:package|job)\b.*<script\b)"),
    "sct": re.compile(rb"(?s:(?:(?><\?.*?\?>)\s*+)*+<(?:scriptlet|package>\s*<component|component)\b)"),
    "msc": re.compile(rb"(?s:(?:(?><\?.*?\?>)\s*+)*+<mmc_consolefile\b)"),
}
_SHEBANG = re.compile(rb"#![ \t]*\S*?(?:/env[ \t]+(?:-\S+[ \t]+)*)?([a-z]+)[0-9.]*[ \t\r\n]")
_LONGEST_SHEBANG = 256  # of it Linux reads no more (BINPRM_BUF_SIZE)
_LONGEST_TEXT = 16 * 1024
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_CLASSES = {
    UUID("000c1084-0000-0000-c000-000000000046").bytes_le: "msi",
    UUID("000c1086-0000-0000-c000-000000000046").bytes_le: "msp",
    UUID("000c1082-0000-0000-c000-000000000046").bytes_le: "mst",
}


def needs_all(head: bytes) -> bool:
    """Whether the beginning does not say enough."""
    return head.startswith((b"MZ", b"ZM", _OLE, tnef.MARK))


def kinds(content: Octets) -> Iterator[str]:
    """What the octets are. `content` is all there is if `needs_all`, else a beginning of some kilobytes."""
    head = bytes(content[:64])
    if head[:2] not in _FIRST:
        return
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            yield kind
    if recognise := _CLOSER.get(head[:2]):
        yield from recognise(content)


def texts(head: bytes) -> Iterator[str]:
    """What an attached text is."""
    shown = _ascii(head[:_LONGEST_TEXT]).lower().lstrip()
    for kind, pattern in _TEXTS.items():
        if pattern.match(shown):
            yield kind
    if script := _SHEBANG.match(shown[:_LONGEST_SHEBANG]):
        yield script[1].decode("ascii")


def _ascii(head: bytes) -> bytes:
    for mark, charset in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(charset, "replace").encode("ascii", "replace")
    return head


def _program(content: Octets) -> Iterator[str]:
    """A text may begin with MZ. A program's third and fourth octets are a number below 512, or a header is where it says."""
    where = int.from_bytes(content[60:64], "little")
    is_marked = content[where : where + 4] == b"PE\0\0" or content[where : where + 2] in (b"NE", b"LE", b"LX")
    if content[3:4] in (b"\0", b"\1") or (where >= 4 and is_marked):
        yield "pe"


def _ole(content: Octets) -> Iterator[str]:
    """[MS-CFB] 2.2 and 2.6.1: the root's class id says which program it is for."""
    if content[:8] == _OLE:
        yield "ole"
        size = 1 << min(int.from_bytes(content[30:32], "little"), 16)
        root = size * (int.from_bytes(content[48:52], "little") + 1)
        if kind := _OLE_CLASSES.get(bytes(content[root + 80 : root + 96])):
            yield kind


def _cafebabe(content: Octets) -> Iterator[str]:
    """Two formats begin alike."""
    number = int.from_bytes(content[4:8], "big")
    if content[:4] == b"\xca\xfe\xba\xbe" and 0 < number <= _MOST_FAT:
        yield "mach-o"
    elif content[:4] == b"\xca\xfe\xba\xbe" and _MOST_FAT < number & 0xFFFF < _LAST_CLASS_VERSION:
        yield "class"


def _flash(content: Octets) -> Iterator[str]:
    """The fifth to eighth octets are a length, and below 32 MB; a text has letters there."""
    if content[2:3] == b"S" and content[7:8] in (b"\0", b"\1"):
        yield "swf"


def _zip(content: Octets) -> Iterator[str]:
    """What the first file in it is called tells what it is for."""
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        first = bytes(content[30 : 30 + int.from_bytes(content[26:28], "little")])
        yield next((kind for name, kind in _FIRST_IN_ZIP.items() if first.startswith(name)), "zip")


_CLOSER: dict[bytes, Callable[[Octets], Iterator[str]]] = {
    b"MZ": _program,
    b"ZM": _program,
    _OLE[:2]: _ole,
    b"PK": _zip,
    b"\xca\xfe": _cafebabe,
    b"FW": _flash,
    b"CW": _flash,
    b"ZW": _flash,
}
_FIRST = {beginning[:2] for beginning in (*_BEGINNINGS, *_CLOSER)}
