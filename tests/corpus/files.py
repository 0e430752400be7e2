"""Files as octets, small ones: programs, archives, TNEF, and texts that enclose a file."""

from __future__ import annotations

import binascii
import io
import struct
import zipfile
from uuid import UUID

TYPICAL_PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8" + bytes(43) + b"\x80\x00\x00\x00"
PROGRAM = TYPICAL_PROGRAM + bytes(64) + b"PE\0\0\x4c\x01\x03\x00" + bytes(200)
FAR_PROGRAM = b"MZab" + b"c" * 56 + struct.pack("<I", 300_000) + b"d" * 299_936 + b"PE\0\0" + bytes(20)
OLD_PROGRAM = b"MZ\x10\x01\x02\x00\x00\x00\x04\x00" + bytes(100)
NEW_PROGRAM = b"MZzz" + b"y" * 56 + struct.pack("<I", 64) + b"NE\x05\x01" + bytes(60)
ELF = b"\x7fELF\x02\x01\x01" + bytes(60)
LINK = b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F" + bytes(60)
CHM = b"ITSF\x03\0\0\0" + bytes(90)
HELP = b"?_\x03\0" + bytes(60)
ACCESS = b"\0\x01\0\0Standard Jet DB\0" + bytes(60)
LIBRARY = b"!<arch>\n/               0           0     0     0       4         `\n" + bytes(8)
REGISTRY = b"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software]\r\n"
OLD_REGISTRY = b"REGEDIT4\r\n\r\n[HKEY_CURRENT_USER\\Software]\r\n"
REGISTRY_16 = b"\xff\xfe" + REGISTRY.decode().encode("utf-16-le")
SHORTCUT = b"[InternetShortcut]\r\nURL=file://server/share/evil\r\n"
COMMANDS = b"[Shell]\r\nCommand=2\r\nIconFile=\\\\server\\share\\icon.ico\r\n"
HTA = b"<html><head><HTA:APPLICATION ID=x></head><script>x</script></html>\r\n"
ENCODED_SCRIPT = b"#@~^DgAAAA==\\ko$K6,JtbJ\r\n^#~@\r\n"
WSF = b'<?xml version="1.0"?>\r\n<job id="x"><script language="JScript">x</script></job>\r\n'
SCRIPTLET = b'<?xml version="1.0"?>\r\n<scriptlet><registration/></scriptlet>\r\n'
CONSOLE = b'<?xml version="1.0"?>\r\n<MMC_ConsoleFile ConsoleVersion="3.0"></MMC_ConsoleFile>\r\n'
C_SHELL = b"#!/bin/csh -f\necho x\n"
KORN_SHELL = b"#!/usr/bin/env ksh93\necho x\n"
NODE = b"#!/usr/bin/env node\nconsole.log(1)\n"


def ole(class_id: str) -> bytes:
    """A compound file with its directory in the second sector, for the program with the class id."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHH", 0x3E, 3, 0xFFFE, 9) + bytes(16)
    head += struct.pack("<I", 1)
    return head.ljust(512 * 2, b"\0") + (b"R\0o\0o\0t\0".ljust(80, b"\0") + UUID(class_id).bytes_le).ljust(512, b"\0")


INSTALLER = ole("000c1084-0000-0000-c000-000000000046")
PATCH = ole("000c1086-0000-0000-c000-000000000046")
TRANSFORM = ole("000c1082-0000-0000-c000-000000000046")
DOCUMENT = ole("00020906-0000-0000-c000-000000000046")


def zipped(*names: str, is_encrypted: bool = False) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    octets = bytearray(packed.getvalue())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = octets.find(mark) if is_encrypted else -1
        while position >= 0:
            octets[position + flags] |= 1
            position = octets.find(mark, position + 1)
    return bytes(octets)


def zipped_as(name: str, other: str) -> bytes:
    """A zip whose file has another name besides, as Info-ZIP writes it."""
    entry, said = zipfile.ZipInfo(name), b"\x01" + struct.pack("<I", binascii.crc32(name.encode())) + other.encode()
    entry.extra = struct.pack("<HH", 0x5455, 1) + b"\0" + struct.pack("<HH", 0x7075, len(said)) + said
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(entry, b"x")
    return packed.getvalue()


def with_two_names(seen: str, hidden: str) -> bytes:
    """The directory says one name, the file another; both of one length."""
    octets = zipped(seen)
    return octets.replace(seen.encode(), hidden.encode(), 1)


RAR4_ENCRYPTED = b"Rar!\x1a\x07\0" + struct.pack("<HBHH", 0, 0x73, 0x80, 13) + bytes(6)
_RAR4_FILE = struct.pack("<HBHHI", 0, 0x74, 0x8004, 32, 0) + bytes(21)
RAR4_FILE_ENCRYPTED = b"Rar!\x1a\x07\0" + struct.pack("<HBHH", 0, 0x73, 0, 13) + bytes(6) + _RAR4_FILE
RAR4_PLAIN = RAR4_FILE_ENCRYPTED.replace(b"\x04\x80", b"\x00\x80")
RAR5_ENCRYPTED = b"Rar!\x1a\x07\x01\0" + bytes(4) + b"\x05\x04\x00\x00\x00\x0f" + bytes(20)
RAR5_FILE_ENCRYPTED = b"Rar!\x1a\x07\x01\0" + bytes(4) + b"\x06\x02\x01\x03\x02\x01\x00" + bytes(20)
RAR5_PLAIN = b"Rar!\x1a\x07\x01\0" + bytes(4) + b"\x06\x02\x01\x03\x02\x02\x00" + bytes(20)
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(4) + struct.pack("<QQI", 3, 20, 0) + b"xyz"
SEVEN_ZIP_ENCRYPTED = SEVEN_ZIP + b"\x17\x06\x01\x09\x24\x06\xf1\x07\x01\x13".ljust(20, b"\0")
SEVEN_ZIP_PLAIN = SEVEN_ZIP + b"\x17\x06\x01\x09\x23\x03\x01\x01\x05".ljust(20, b"\0")


def _attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def _property(kind: int, name: int, value: bytes) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(value)) + value + bytes(-len(value) % 4)


def tnef(title: str = "", *, way: str = "", long_name: str = "", data: bytes = b"", within: bytes = b"") -> bytes:
    """A TNEF stream with one file, which may have another name for the way; `within` is another stream that the file is."""
    properties = [struct.pack("<HHI", 3, 0x3705, 1), struct.pack("<HH", 3, 0x8001) + bytes(20) + struct.pack("<II", 5, 0)]
    if long_name:
        properties.append(_property(0x1F, 0x3707, (long_name + "\0").encode("utf-16-le")))
    if within:
        properties.append(_property(0xD, 0x3701, bytes(16) + within))
    stream = b"\x78\x9f\x3e\x22\x01\x00" + _attribute(1, 0x00089006, b"\0\0\1\0") + _attribute(2, 0x00069002, bytes(14))
    if title:
        stream += _attribute(2, 0x00018010, title.encode() + b"\0")
    if way:
        stream += _attribute(2, 0x00069001, way.encode() + b"\0")
    if data:
        stream += _attribute(2, 0x0006800F, data)
    return stream + _attribute(2, 0x00069005, struct.pack("<I", len(properties)) + b"".join(properties))


def uuencoded(name: str, octets: bytes) -> bytes:
    lines = [binascii.b2a_uu(octets[at : at + 45]).rstrip(b"\n") for at in range(0, len(octets), 45)]
    return b"\r\n".join([b"begin 644 " + name.encode(), *lines, b"`", b"end", b""])


def uuencoded_64(name: str, octets: bytes) -> bytes:
    return b"begin-base64 644 " + name.encode() + b"\r\n" + binascii.b2a_base64(octets[:45]).rstrip() + b"\r\n====\r\n"


def yencoded(name: str, octets: bytes) -> bytes:
    shifted = bytes((octet + 42) % 256 for octet in octets)
    line = b"".join(b"=%c" % ((octet + 64) % 256) if octet in b"\0\r\n=" else b"%c" % octet for octet in shifted)
    return b"=ybegin line=128 size=%d name=%b\r\n%b\r\n=yend size=1\r\n" % (len(octets), name.encode(), line)


_BINHEX = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def binhexed(name: str, octets: bytes) -> bytes:
    header = bytes((len(name),)) + name.encode() + b"\0????????\0\0" + struct.pack(">II", len(octets), 0) + b"\0\0"
    packed = (header + octets + b"\0\0").replace(b"\x90", b"\x90\0")
    letters = binascii.b2a_base64(packed + bytes(-len(packed) % 3), newline=False).translate(bytes.maketrans(_BASE64, _BINHEX))
    lines = [letters[at : at + 64] for at in range(0, len(letters), 64)]
    return b"(This file must be converted with BinHex 4.0)\r\n\r\n:" + b"\r\n".join(lines) + b":\r\n"
