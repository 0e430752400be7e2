"""Messages that carry what may not be sent, each in a way that some reader understands and others may not.

`MESSAGES` says for each what refuses it: the type that must be named, or MALFORMED. `LOOK_ALIKES` are ordinary.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from typing import NamedTuple

from tests.corpus import files

MALFORMED = ""
HEAD = b"From: shop@example.com\r\nTo: anna@example.net\r\nSubject: Your order\r\nMIME-Version: 1.0\r\n"


class Case(NamedTuple):
    """A message, and what it is refused for."""

    content: bytes
    refused: str


def single(body: bytes, *fields: bytes) -> bytes:
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def mixed(
    *sections: bytes, boundary: bytes = b"outer", before: bytes = b"", behind: bytes = b"", kind: bytes = b"mixed"
) -> bytes:
    marked = b"".join(b"--" + boundary + b"\r\n" + section + b"\r\n" for section in sections)
    head = HEAD + b"Content-Type: multipart/" + kind + b"; boundary=" + boundary + b"\r\n\r\n"
    return head + before + marked + b"--" + boundary + b"--\r\n" + behind


TEXT = b"Content-Type: text/plain\r\n\r\nHello,\r\nhere is the offer.\r\n"


def section(*fields: bytes, body: bytes = b"eA==") -> bytes:
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def named(*fields: bytes) -> bytes:
    """A mail with one attachment that has these header lines."""
    return mixed(TEXT, section(*fields))


def attached(octets: bytes, media_type: str = "application/pdf", name: str = "offer.pdf", encoding: str = "base64") -> bytes:
    fields = (
        b"Content-Type: %b; name=%b" % (media_type.encode(), name.encode()),
        b"Content-Transfer-Encoding: " + encoding.encode(),
        b"Content-Disposition: attachment; filename=" + name.encode(),
    )
    return mixed(TEXT, section(*fields, body=ENCODED[encoding](octets)))


def in_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def quoted(octets: bytes) -> bytes:
    """Every octet, so that a line break is one of the content as well."""
    coded = b"".join(b"=%02X" % octet for octet in octets)
    return b"=\r\n".join(coded[at : at + 72] for at in range(0, len(coded), 72))


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "base64": in_lines,
    "quoted-printable": quoted,
    "8bit": bytes,
    "binary": bytes,
}

D = b"Content-Disposition: attachment; "
T = b"Content-Type: application/octet-stream; "

# The header lines of an attachment of which some reader takes the name for one that ends in .exe.
NAMES: dict[str, list[bytes]] = {
    "plain": [D + b"filename=evil.exe"],
    "quoted": [D + b'filename="evil.exe"'],
    "upper case": [b"CONTENT-DISPOSITION: ATTACHMENT; FILENAME=EVIL.EXE"],
    "no blanks": [b"content-disposition:attachment;filename=evil.exe"],
    "blanks around the sign": [D + b'filename \t=  "evil.exe"'],
    "inline": [b"Content-Disposition: inline; filename=evil.exe"],
    "no disposition at all": [b"Content-Disposition: ; filename=evil.exe"],
    "disposition without semicolon": [b"Content-Disposition: attachment filename=evil.exe"],
    "a parameter alone": [b"Content-Disposition: filename=evil.exe"],
    "unknown disposition": [b"Content-Disposition: x-secret; filename=evil.exe"],
    "name in the type": [T + b"name=evil.exe"],
    "name in the type, quoted": [T + b'name="evil.exe"'],
    "filename in the type": [T + b"filename=evil.exe"],
    "name in the disposition": [D + b"name=evil.exe"],
    "type says one, disposition another": [T + b"name=evil.exe", D + b"filename=ok.pdf"],
    "disposition says one, type another": [T + b"name=ok.pdf", D + b"filename=evil.exe"],
    "text part": [b"Content-Type: text/plain; name=evil.exe"],
    "html part": [b"Content-Type: text/html; name=evil.exe"],
    "image part": [b"Content-Type: image/png; name=evil.exe"],
    "description": [b"Content-Type: application/octet-stream", b"Content-Description: evil.exe"],
    "location": [b"Content-Type: application/octet-stream", b"Content-Location: evil.exe"],
    "location like a URL": [b"Content-Type: application/octet-stream", b"Content-Location: cid:evil.exe"],
    "a name in a field of its own": [T, b"Content-Name: evil.exe"],
    "a name as Sun had it": [T + b"name=ok.pdf", b"X-Sun-Data-Name: evil.exe"],
    "many blanks before the sign": [D + b"filename*" + b" " * 45 + b"=utf-8''evil%2Eexe"],
    "many tabs before the sign": [D + b"filename*0" + b"\t" * 45 + b'="evil"; filename*1=".exe"'],
    "comments in comments": [D + b"filename (a(b)" + b"x" * 60 + b")=evil.exe"],
    "EBCDIC of a charset that Python lacks": [D + b"filename*=IBM285''%85%A5%89%93%4B%85%A7%85"],
    "EBCDIC in a word": [D + b'filename="=?cp1047?Q?=85=A5=89=93=4B=85=A7=85?="'],
    "description in words": [b"Content-Type: application/octet-stream", b"Content-Description: =?utf-8?q?evil=2Eexe?="],
    "no end of the quote": [D + b'filename="evil.exe'],
    "no beginning of the quote": [D + b'filename=evil.exe"'],
    "quote in the middle": [D + b'filename=ev"il.ex"e'],
    "quote, then more": [D + b'filename="evil.exe".pdf'],
    "quote, then more with a blank": [D + b'filename="evil.exe" .pdf'],
    "two quoted": [D + b'filename="evil"".exe"'],
    "empty, then quoted": [D + b'filename="""evil.exe"'],
    "single quotes": [D + b"filename='evil.exe'"],
    "angle brackets": [D + b"filename=<evil.exe>"],
    "angle brackets in quotes": [D + b'filename="<evil.exe>"'],
    "backslashes": [D + rb'filename="evil\.e\xe"'],
    "backslash and quote": [D + rb'filename="\"evil.exe"'],
    "backslash and quote behind": [D + rb'filename="evil.exe\""'],
    "semicolon in the quote": [D + b'filename="evil.exe;.pdf"'],
    "semicolon behind": [D + b'filename="evil.exe";'],
    "blank in an atom": [D + b"filename=my evil file.exe"],
    "blank ends the name": [D + b"filename=evil.exe .pdf"],
    "other parameters first": [D + b'size=3; x="a;b"; filename="evil.exe"; y=z'],
    "quoted semicolon before": [D + rb'x="a\"; filename=ok.pdf"; filename="evil.exe"'],
    "in another parameter's quotes": [D + b'x="; filename=evil.exe"'],
    "pieces with a star": [D + b"filename*0=evil; filename*1=.exe*1*tachment; x=y"],
    "quotes in a word": [D + b'filename*0="=?utf-8?q?evil"; x*1="=2Eexe?="'],
    "a quote in the middle and backslashes": [D + b'filename=)"evil\\.e\\xe"'],
    "backslashes without a quote": [D + b"filename=\\,vil\\.e\\xe"],
    "a quoted semicolon in the middle": [D + b'filename=?="--outer;evil.exe"'],
    "quotes that are counted": [D + b'filename=""";evil.exe"'],
    "a semicolon before the sign": [D + b"filename*;=evil.; filename*5=exe"],
    "pieces with a sign": [D + b"filename*<0=evil.; filename*<1=exe"],
    "something before the sign": [D + b"filename x=evil.exe"],
    "a token that ends": [b"Content-Type: text; name=evil.exe/plain"],
    "an address that ends": [D + b"filename=evil.exe@x"],
    "in a comment": [D + b"x=y (; filename=evil.exe)"],
    "comment behind": [D + b"filename=evil.exe (pdf)"],
    "comment inside": [D + b"filename=evil(.pdf).exe"],
    "comment before": [b"Content-Disposition: attachment; (a comment) filename=evil.exe"],
    "nested comment": [D + b"filename=evil.exe ((a) b) "],
    "comment without end": [D + b"filename=evil.exe (.pdf"],
    "folded before": [b"Content-Disposition: attachment;\r\n\tfilename=evil.exe"],
    "folded at the sign": [D + b"filename=\r\n evil.exe"],
    "folded in the quote": [D + b'filename="evil.\r\n exe"'],
    "folded in the extension": [D + b'filename="evil.e\r\n xe"'],
    "folded before the sign": [D + b"filename\r\n =evil.exe"],
    "folded in the word name": [D + b"file\r\n name=evil.exe"],
    "trailing dots": [D + b'filename="evil.exe..."'],
    "trailing blanks": [D + b'filename="evil.exe   "'],
    "trailing dots and blanks": [D + b'filename="evil.exe. . "'],
    "trailing tab": [D + b'filename="evil.exe\t"'],
    "trailing slash": [D + b'filename="evil.exe/"'],
    "trailing backslash": [D + b'filename="evil.exe\\\\"'],
    "trailing question mark": [D + b'filename="evil.exe?"'],
    "blank before the extension": [D + b'filename="evil. exe"'],
    "path": [D + b'filename="../../evil.exe"'],
    "windows path": [D + b'filename="C:\\temp\\evil.exe"'],
    "windows path, escaped": [D + b'filename="C:\\\\temp\\\\evil.exe"'],
    "two extensions": [D + b"filename=offer.pdf.exe"],
    "many blanks": [D + b'filename="offer.pdf' + b" " * 200 + b'.exe"'],
    "extension alone": [D + b"filename=.exe"],
    "stream": [D + b'filename="evil.exe::$DATA"'],
    "stream in lower case": [D + b'filename="evil.exe::$data"'],
    "named stream": [D + b'filename="evil.exe:x:$DATA"'],
    "longer than a file system's name": [D + b'filename="' + b"a" * 251 + b'.exe.pdf"'],
    "raw utf-8": [D + 'filename="Übel.exe"'.encode()],
    "raw latin-1": [D + 'filename="Übel.exe"'.encode("latin-1")],
    "raw koi8": [D + 'filename="счёт.exe"'.encode("koi8-r")],
    "fullwidth letters": [D + 'filename="evil.ｅｘｅ"'.encode()],
    "fullwidth dot": [D + 'filename="evil．exe"'.encode()],
    "one dot leader": [D + 'filename="evil\u2024exe"'.encode()],
    "small full stop": [D + 'filename="evil\ufe52exe"'.encode()],
    "mathematical letters": [D + 'filename="evil.𝐞𝐱𝐞"'.encode()],
    "right to left": [D + 'filename="evil\u202efdp.exe"'.encode()],
    "bidi behind": [D + 'filename="evil.exe\u202c"'.encode()],
    "isolate behind": [D + 'filename="evil.exe\u2069"'.encode()],
    "zero width space": [D + 'filename="evil.exe\u200b"'.encode()],
    "zero width inside": [D + 'filename="evil.e\u200dxe"'.encode()],
    "byte order mark": [D + 'filename="evil.exe\ufeff"'.encode()],
    "soft hyphen": [D + 'filename="evil.e\u00adxe"'.encode()],
    "grapheme joiner": [D + 'filename="evil.ex\u034fe"'.encode()],
    "variation selector": [D + 'filename="evil.exe\ufe0f"'.encode()],
    "hangul filler": [D + 'filename="evil.exe\u3164"'.encode()],
    "braille blank": [D + 'filename="evil.exe\u2800"'.encode()],
    "tag character": [D + 'filename="evil.exe\U000e0041"'.encode()],
    "no-break space": [D + 'filename="evil.exe\u00a0"'.encode()],
    "line separator": [D + 'filename="evil.exe\u2028"'.encode()],
    "broken utf-8 behind": [D + b'filename="evil.exe\xff"'],
    "broken utf-8 inside": [D + b'filename="evil.ex\xffe"'],
    "control inside": [D + b'filename="evil.e\x01xe"'],
    "control ends the name": [D + b'filename="evil.exe\x01.pdf"'],
    "delete": [D + b'filename="evil.exe\x7f"'],
    "escape sequence": [D + b'filename="evil.ex\x1b(Be"'],
    # RFC 2231.
    "2231": [D + b"filename*=utf-8''evil.exe"],
    "2231, percent": [D + b"filename*=UTF-8'en'evil%2Eexe"],
    "2231, all percent": [D + b"filename*=utf-8''%65%76%69%6C%2E%65%78%65"],
    "2231, lower case digits": [D + b"filename*=utf-8''evil%2eexe"],
    "2231, quoted": [D + b"filename*=\"utf-8''evil%2Eexe\""],
    "2231, latin-1": [D + b"filename*=iso-8859-1''%DCbel.exe"],
    "2231, utf-16": [D + b"filename*=utf-16be''%00e%00v%00.%00e%00x%00e"],
    "2231, ebcdic": [D + b"filename*=cp500''%85%A5%89%93%4B%85%A7%85"],
    "2231, unknown charset": [D + b"filename*=no-such''evil%2Eexe"],
    "2231, no charset": [D + b"filename*=''evil.exe"],
    "2231, no quotes": [D + b"filename*=evil.exe"],
    "2231, one quote": [D + b"filename*=utf-8'evil%2Eexe"],
    "2231 beside plain": [D + b"filename=ok.pdf; filename*=utf-8''evil.exe"],
    "plain beside 2231": [D + b"filename*=utf-8''ok.pdf; filename=evil.exe"],
    "2231 in the type": [T + b"name*=utf-8''evil%2Eexe"],
    "percent without a star": [D + b"filename=evil%2Eexe"],
    "percent of a letter": [D + b"filename=evil.e%78e"],
    "charset without a star": [D + b"filename=utf-8''evil%2Eexe"],
    "2231, NUL": [D + b"filename*=utf-8''evil.exe%00.pdf"],
    "2231, line end": [D + b"filename*=utf-8''evil.exe%0D%0A.pdf"],
    "2231, zero width": [D + b"filename*=utf-8''evil.exe%E2%80%8B"],
    "2231, fullwidth": [D + b"filename*=utf-8''evil.%EF%BD%85%EF%BD%98%EF%BD%85"],
    "2231, words": [D + b"filename*=utf-8''%3D%3Futf-8%3Fq%3Fevil%3D2Eexe%3F%3D"],
    "pieces": [D + b'filename*0="evil"; filename*1=".exe"'],
    "pieces in the type": [T + b'name*0="evil."; name*1="exe"'],
    "pieces in another order": [D + b'filename*1=".exe"; filename*0="evil"'],
    "pieces on lines": [D + b'filename*0="evil.";\r\n filename*1="e";\r\n filename*2="xe"'],
    "pieces of one letter": [D + b"; ".join(b"filename*%d=%c" % item for item in enumerate(b"a long evil.exe"))],
    "pieces with percent": [D + b"filename*0*=utf-8''evil; filename*1*=%2Eexe"],
    "pieces, one with percent": [D + b"filename*0*=utf-8''evil; filename*1=.exe"],
    "pieces, a percent cut": [D + b"filename*0*=utf-8''evil%; filename*1*=2Eexe"],
    "pieces with zeros": [D + b"filename*00=evil.; filename*01=exe"],
    "pieces from one": [D + b"filename*1=evil.; filename*2=exe"],
    "pieces with a gap": [D + b"filename*0=evil.exe; filename*2=.pdf"],
    "pieces over a gap": [D + b"filename*0=evil.; filename*5=exe"],
    "pieces twice, the first": [D + b"filename*0=evil.exe; filename*0=ok.pdf"],
    "pieces twice, the last": [D + b"filename*0=ok.pdf; filename*0=evil.exe"],
    "pieces in the order they stand": [D + b"filename*1=evil.; filename*0=exe"],
    "pieces beside a whole": [D + b"filename=ok.pdf; filename*0=evil.; filename*1=exe"],
    "pieces with more behind": [D + b"filename*0=evil; filename*1=.exe attachment; x=y"],
    "pieces without a sign": [D + b'filename*0="evil.exe"'],
    # RFC 2047, where it must not stand and nearly everybody reads it.
    "word": [D + b'filename="=?utf-8?B?ZXZpbC5leGU=?="'],
    "word without quotes": [D + b"filename==?utf-8?B?ZXZpbC5leGU=?="],
    "word, quoted-printable": [D + b'filename="=?utf-8?q?evil=2Eexe?="'],
    "word in upper case": [D + b'filename="=?UTF-8?Q?evil=2Eexe?="'],
    "word, underscores": [D + b'filename="=?utf-8?q?my_evil=2Eexe?="'],
    "word with a language": [D + b'filename="=?utf-8*en?q?evil=2Eexe?="'],
    "word in a type": [T + b'name="=?iso-8859-1?Q?=DCbel.exe?="'],
    "word without padding": [D + b'filename="=?utf-8?B?ZXZpbC5leGU?="'],
    "word with octets that do not count": [D + b'filename="=?utf-16be?B?AGUAdgBpAGwALgBlAHgAZQ=\x01=?="'],
    "word, utf-16": [D + b'filename="=?utf-16be?B?AGUAdgBpAGwALgBlAHgAZQ==?="'],
    "word, unknown charset": [D + b'filename="=?no-such?B?ZXZpbC5leGU=?="'],
    "word in a word's middle": [D + b'filename="evil=?utf-8?q?=2Eexe?="'],
    "word and letters": [D + b'filename="=?utf-8?q?evil=2E?=exe"'],
    "words": [D + b'filename="=?utf-8?q?evil=2E?= =?utf-8?q?exe?="'],
    "words and more": [D + b"filename==?utf-8?B?ZXZpbC5leGU=?=offer.pdf"],
    "two words and more": [D + b'filename="=?utf-8?q?evil=2E?= =?utf-8?q?exe?= offer.pdf"'],
    "word with a blank in an octet": [D + b'filename="=?utf-8?q?evil=\t2E?=exe"'],
    "words on lines": [D + b'filename="=?utf-8?q?evil=2E?=\r\n =?utf-8?q?exe?="'],
    "words without a blank": [D + b'filename="=?utf-8?q?evil=2E?==?utf-8?q?exe?="'],
    "word with a blank in it": [D + b'filename="=?utf-8?q?my evil=2Eexe?="'],
    "words cut at a letter": [D + b'filename="=?utf-8?B?ZXZpbC5l?= =?utf-8?B?eGU=?="'],
    "word in pieces": [D + b'filename*0="=?utf-8?q?evil"; filename*1="=2Eexe?="'],
    "word around the field": [b"Content-Disposition: =?utf-8?q?attachment;_filename=3Devil.exe?="],
    "word around a type's name": [b"Content-Type: application/octet-stream; =?utf-8?q?name=3Devil.exe?="],
    "word, fullwidth": [D + b'filename="=?utf-8?B?ZXZpbC7vvYXvvZjvvYU=?="'],
    "word, NUL": [D + b'filename="=?utf-8?q?evil.exe=00.pdf?="'],
    "word, right to left": [D + b'filename="=?utf-8?q?evil=E2=80=AEfdp.exe?="'],
    # Twice.
    "parameter twice, the last": [D + b"filename=ok.pdf; filename=evil.exe"],
    "parameter twice, the first": [D + b"filename=evil.exe; filename=ok.pdf"],
    "extended twice, the first": [D + b"filename*=utf-8''evil.exe; filename*=utf-8''ok.pdf"],
    "extended twice, the last": [D + b"filename*=utf-8''ok.pdf; filename*=utf-8''evil.exe"],
    "name and filename in one": [D + b"filename=ok.pdf; name=evil.exe"],
}

# Other types by name, one for each spelling that matters.
EXTENSIONS = {
    "com": b"shop.com",
    "js": b"report.txt.js",
    "vbs": b"letter.VBS",
    "lnk": b"offer.pdf.lnk",
    "scr": b"photo.jpg.scr",
    "bat": b"run.bat.",
    "cmd": b"run.cmd ",
    "ps1": b"run.ps1",
    "hta": b"page.hta",
    "jar": b"app.jar",
    "msi": b"setup.msi",
    "reg": b"keys.reg",
    "url": b"shop.url",
    "wsf": b"run.wsf",
    "chm": b"help.chm",
    "pif": b"photo.pif",
    "cpl": b"panel.cpl",
    "mdb": b"data.mdb",
    "sct": b"x.sct",
    "gadget": b"x.gadget",
    "ps1xml": b"x.ps1xml",
    "csh": b"run.csh",
}

TYPES = {
    "application/x-msdownload": "exe",
    "APPLICATION/X-MSDownload": "exe",
    "application/x-msdos-program": "exe",
    "application/vnd.microsoft.portable-executable": "exe",
    "application/x-dosexec": "exe",
    "application/hta": "hta",
    "\\application/x-dosexec": "exe",
    "x application/hta": "hta",
    'application/x-msdownl"oad': "exe",
    "text/vbscript": "vbs",
    "text/javascript": "js",
    "application/javascript": "js",
    "application/x-ms-shortcut": "lnk",
    "application/internet-shortcut": "url",
    "application/java-archive": "jar",
    "application/x-msi": "msi",
    "application/x-bat": "bat",
    "application/winhlp": "hlp",
    "application/vnd.ms-htmlhelp": "chm",
    "application/x-msaccess": "mdb",
    "text/scriptlet": "sct",
    "application/x-csh": "csh",
}

CONTENTS = {
    "a program": (files.PROGRAM, "exe"),
    "the beginning of a program": (files.TYPICAL_PROGRAM, "exe"),
    "an old program": (files.OLD_PROGRAM, "exe"),
    "a program of 16 bits": (files.NEW_PROGRAM, "exe"),
    "a program that begins like a text": (files.FAR_PROGRAM, "exe"),
    "a program of another system": (files.ELF, "exe"),
    "a program of a Mac": (b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(60), "exe"),
    "a program for several Macs": (b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(60), "exe"),
    "a link": (files.LINK, "lnk"),
    "a help file": (files.CHM, "chm"),
    "an old help file": (files.HELP, "hlp"),
    "a database": (files.ACCESS, "mdb"),
    "a library": (files.LIBRARY, "lib"),
    "an installer": (files.INSTALLER, "msi"),
    "a patch": (files.PATCH, "msp"),
    "a transform": (files.TRANSFORM, "mst"),
    "a jar": (files.zipped("META-INF/MANIFEST.MF", "Main.class"), "jar"),
    "registry": (files.REGISTRY, "reg"),
    "old registry": (files.OLD_REGISTRY, "reg"),
    "registry in utf-16": (files.REGISTRY_16, "reg"),
    "an internet shortcut": (files.SHORTCUT, "url"),
    "explorer commands": (files.COMMANDS, "scf"),
    "an html application": (files.HTA, "hta"),
    "an encoded script": (files.ENCODED_SCRIPT, "vbe"),
    "a script host job": (files.WSF, "wsf"),
    "a scriptlet": (files.SCRIPTLET, "sct"),
    "a console": (files.CONSOLE, "msc"),
    "a C shell script": (files.C_SHELL, "csh"),
    "a Korn shell script": (files.KORN_SHELL, "ksh"),
    "a node script": (files.NODE, "js"),
}

PROGRAM_64 = in_lines(files.PROGRAM)
DECLARED = b"Content-Transfer-Encoding: "
PDF = (b"Content-Type: application/pdf; name=offer.pdf", DECLARED + b"base64")

ENCODINGS = {
    "one line": Case(attached(files.PROGRAM).replace(PROGRAM_64, base64.b64encode(files.PROGRAM)), "exe"),
    "blanks between": Case(mixed(section(*PDF, body=PROGRAM_64.replace(b"A", b" A\t"))), "exe"),
    "no padding": Case(mixed(section(*PDF, body=PROGRAM_64.rstrip(b"=\r\n"))), "exe"),
    "empty lines first": Case(mixed(section(*PDF, body=b"\r\n\r\n" + PROGRAM_64)), "exe"),
    "declared with a comment": Case(mixed(section(PDF[0], DECLARED + b"(x) base64 (y)", body=PROGRAM_64)), "exe"),
    "declared in mixed case": Case(mixed(section(PDF[0], DECLARED + b"BaSe64", body=PROGRAM_64)), "exe"),
    "declared and not done": Case(mixed(section(*PDF, body=files.PROGRAM[:60])), "exe"),
    "a type without a name": Case(mixed(section(b"Content-Type: image/png", DECLARED + b"base64", body=PROGRAM_64)), "exe"),
    "text without a name": Case(
        mixed(TEXT, section(b"Content-Type: text/plain", DECLARED + b"base64", body=PROGRAM_64)), "exe"
    ),
    "the body itself": Case(single(PROGRAM_64, b"Content-Type: text/plain", DECLARED + b"base64"), "exe"),
    "the body itself, of a type": Case(single(PROGRAM_64, b"Content-Type: application/pdf", DECLARED + b"base64"), "exe"),
    "letters of no base64": Case(mixed(section(*PDF, body=b"JVBE*Ri0x")), MALFORMED),
    "hyphens of another base64": Case(mixed(section(*PDF, body=b"JVBE-Ri0_")), MALFORMED),
    "behind the padding": Case(mixed(section(*PDF, body=b"eA==\r\n" + PROGRAM_64)), MALFORMED),
    "behind the padding in one line": Case(mixed(section(*PDF, body=b"eA==" + PROGRAM_64)), MALFORMED),
    "a comment in it": Case(mixed(section(*PDF, body=b"; x\r\n" + PROGRAM_64)), MALFORMED),
    "half an octet": Case(mixed(section(*PDF, body=b"JVBERi0xL")), MALFORMED),
    "a percent": Case(mixed(section(*PDF, body=b"JVBE%0D%0ARi0x")), MALFORMED),
    "encoding x-uuencode": Case(
        mixed(section(PDF[0], DECLARED + b"x-uuencode", body=files.uuencoded("a.exe", files.PROGRAM))), "exe"
    ),
    "encoding x-uuencode, another name": Case(
        mixed(section(PDF[0], DECLARED + b"x-uuencode", body=b"#0V%T\r\n`\r\nend")), MALFORMED
    ),
    "encoding unknown": Case(mixed(section(PDF[0], DECLARED + b"x-secret", body=PROGRAM_64)), MALFORMED),
    "encoding in quotes": Case(mixed(section(PDF[0], DECLARED + b'"base64"', body=PROGRAM_64)), MALFORMED),
    "encoding with a semicolon": Case(mixed(section(PDF[0], DECLARED + b"base64;", body=PROGRAM_64)), MALFORMED),
    "encoding with a blank": Case(mixed(section(PDF[0], DECLARED + b"base 64", body=PROGRAM_64)), MALFORMED),
    "encoding as a word": Case(mixed(section(PDF[0], DECLARED + b"=?utf-8?q?base64?=", body=PROGRAM_64)), MALFORMED),
    "encoding with a comma": Case(mixed(section(PDF[0], DECLARED + b"7bit, base64", body=PROGRAM_64)), MALFORMED),
    "encoding binhex": Case(mixed(section(PDF[0], DECLARED + b"x-binhex40", body=b"x")), MALFORMED),
    "encoding twice": Case(mixed(section(*PDF, DECLARED + b"7bit", body=b"eA==")), MALFORMED),
    "encoding twice the same": Case(mixed(section(*PDF, DECLARED + b"base64", body=b"eA==")), MALFORMED),
}

BLOCKS = {
    "uuencode": files.uuencoded("evil.exe", b"x" * 60),
    "uuencode, mode of four": files.uuencoded("evil.exe", b"x" * 60).replace(b" 644 ", b" 0644  "),
    "uuencode, a program": files.uuencoded("offer.pdf", files.PROGRAM),
    "uuencode, empty": b"begin 644 evil.exe\r\n`\r\nend\r\n",
    "uuencode, no file": b"begin 644 evil.exe\r\nand then comes the file, in letters.\r\n",
    "uuencode, after a line": files.uuencoded("my evil.exe", b"x" * 60).replace(b"\r\n", b"\r\nhello there\r\n", 1),
    "uuencode, at the end": b"begin 644 evil.exe",
    "uuencode, blanks in the name": files.uuencoded("my evil file.exe", b"x" * 60),
    "uuencode, blanks lost": files.uuencoded("evil.exe", b"x\0\0").replace(b"   ", b""),
    "uuencode in base64": files.uuencoded_64("evil.exe", b"x" * 60),
    "uuencode in base64, a program": files.uuencoded_64("offer.pdf", files.PROGRAM),
    "yEnc": files.yencoded("evil.exe", b"x" * 60),
    "yEnc, a program": files.yencoded("offer.pdf", files.PROGRAM[:60]),
    "yEnc in parts": files.yencoded("evil.exe", b"x").replace(b"\r\n", b"\r\n=ypart begin=1 end=1\r\n", 1),
    "BinHex": files.binhexed("evil.exe", b"x" * 60),
    "BinHex, a program": files.binhexed("offer.pdf", files.PROGRAM[:100]),
}
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "a mail": lambda block: single(b"Hello\r\n" + block),
    "a mail's first line": lambda block: single(block, b"Content-Type: text/plain"),
    "a part": lambda block: mixed(b"Content-Type: text/plain\r\n\r\n" + block),
    "html": lambda block: single(b"<p>\r\n" + block, b"Content-Type: text/html"),
    "the preamble": lambda block: mixed(TEXT, before=block),
    "the epilogue": lambda block: mixed(TEXT, behind=b"\r\n" + block),
    "quoted-printable": lambda block: single(quoted(b"Hello\r\n" + block), DECLARED + b"quoted-printable"),
    "quoted-printable with soft breaks": lambda block: single(
        quopri.encodestring(b"Hi\n" + block.replace(b"\r\n", b"\n")).replace(b"begin", b"beg=\nin").replace(b"\n", b"\r\n"),
        DECLARED + b"quoted-printable",
    ),
    "base64": lambda block: single(in_lines(b"Hello\r\n" + block), DECLARED + b"base64"),
    "base64 with LF": lambda block: single(in_lines(b"Hello\n" + block.replace(b"\r\n", b"\n")), DECLARED + b"base64"),
    "base64 with a footer": lambda block: single(in_lines(b"Hello\r\n" + block) + b"-- \r\nA list\r\n", DECLARED + b"base64"),
    "an attached text": lambda block: attached(b"Hello\r\n" + block, "text/plain", "notes.txt"),
    "an attached file": lambda block: attached(block, "application/octet-stream", "notes.dat"),
    "a file of BinHex": lambda block: attached(b"Hello\r\n" + block, "application/mac-binhex40", "notes.hqx"),
    "a nested message": lambda block: mixed(b"Content-Type: message/rfc822\r\n\r\n" + single(block)),
}

EXE_PART = section(D + b"filename=evil.exe")
INNER = mixed(TEXT, EXE_PART, boundary=b"inner")
INNER_64 = in_lines(INNER)
NESTED_TYPE = b"Content-Type: message/rfc822"
OUTER = b"Content-Type: multipart/mixed; boundary=outer"
BODY = b"--outer\r\n" + TEXT + b"--outer\r\n" + EXE_PART + b"\r\n--outer--\r\n"


def nested(fields: tuple[bytes, ...], body: bytes) -> bytes:
    return mixed(TEXT, section(*fields, body=body))


def deep(depth: int) -> bytes:
    content = INNER
    for _ in range(depth):
        content = single(in_lines(content), NESTED_TYPE, DECLARED + b"base64")
    return content


MESSAGES_WITHIN = {
    "a message": Case(nested((NESTED_TYPE,), INNER), "exe"),
    "a file that is one": Case(nested((b"Content-Type: application/octet-stream; name=mail.eml",), INNER), "exe"),
    "a file that is one, without a type": Case(nested((D + b"filename=Mail.EML",), INNER), "exe"),
    "a file that is one, in base64": Case(
        nested((b"Content-Type: application/octet-stream; name=mail.eml", DECLARED + b"base64"), INNER_64), "exe"
    ),
    "a file of one, out of a mailbox": Case(
        nested((b"Content-Type: application/octet-stream; name=mail.eml",), b"From anna Mon Nov 23 10:00:00 2026\r\n" + INNER),
        "exe",
    ),
    "a saved web page": Case(nested((b"Content-Type: application/octet-stream; name=page.mht",), INNER), "exe"),
    "a global message": Case(nested((b"Content-Type: message/global",), INNER), "exe"),
    "a message of an unknown kind": Case(nested((b"Content-Type: message/x-mail",), INNER), "exe"),
    "news": Case(nested((b"Content-Type: message/news",), INNER), "exe"),
    "a report": Case(nested((b"Content-Type: message/disposition-notification",), INNER), "exe"),
    "in base64": Case(nested((NESTED_TYPE, DECLARED + b"base64"), INNER_64), "exe"),
    "in base64, with LF": Case(nested((NESTED_TYPE, DECLARED + b"base64"), in_lines(INNER.replace(b"\r\n", b"\n"))), "exe"),
    "in base64, with CR": Case(nested((NESTED_TYPE, DECLARED + b"base64"), in_lines(INNER.replace(b"\r\n", b"\r"))), "exe"),
    "in quoted-printable": Case(nested((NESTED_TYPE, DECLARED + b"quoted-printable"), quoted(INNER)), "exe"),
    "declared base64, and plain": Case(nested((NESTED_TYPE, DECLARED + b"base64"), INNER), "exe"),
    "declared quoted-printable, and plain": Case(nested((NESTED_TYPE, DECLARED + b"quoted-printable"), INNER), "exe"),
    "in quoted-printable, a letter of the name": Case(
        nested((NESTED_TYPE, DECLARED + b"quoted-printable"), single(b"x", D + b"filename=3Devil.=65xe")), "exe"
    ),
    "declared quoted-printable, behind a long field": Case(
        nested(
            (NESTED_TYPE, DECLARED + b"quoted-printable"),
            b"X-" + b"A" * 100 + b": x\r\n" + D + b"filename=\r\n evil.exe\r\n\r\nx",
        ),
        "exe",
    ),
    "in base64 that is a field": Case(
        nested((NESTED_TYPE, DECLARED + b"base64"), base64.b64encode(INNER[:6]) + b":" + base64.b64encode(INNER[6:])), MALFORMED
    ),
    "in quoted-printable, broken": Case(
        nested((NESTED_TYPE, DECLARED + b"quoted-printable"), quoted(INNER) + b"=x"), MALFORMED
    ),
    "a delivery report": Case(
        nested((b"Content-Type: message/delivery-status",), b"Reporting-MTA: dns; a\r\n\r\n" + EXE_PART), MALFORMED
    ),
    "global in base64": Case(nested((b"Content-Type: message/global", DECLARED + b"base64"), INNER_64), "exe"),
    "an encoding unknown": Case(nested((NESTED_TYPE, DECLARED + b"x-secret"), INNER), MALFORMED),
    "three times in base64": Case(deep(3), "exe"),
    "four times in base64": Case(deep(4), MALFORMED),
    "a message in a message": Case(nested((NESTED_TYPE,), single(INNER, NESTED_TYPE)), "exe"),
    "in a digest": Case(mixed(b"\r\n" + INNER, kind=b"digest"), "exe"),
    "not decodable": Case(nested((NESTED_TYPE, DECLARED + b"base64"), b"%%%%"), MALFORMED),
    "of octets": Case(nested((NESTED_TYPE, DECLARED + b"base64"), in_lines(b"From: a\r\n\r\n\0")), MALFORMED),
    "in parts": Case(nested((b"Content-Type: message/partial; id=x; number=1; total=2",), INNER), MALFORMED),
    "elsewhere": Case(nested((b"Content-Type: message/external-body; access-type=URL; URL=x",), INNER), MALFORMED),
    "named": Case(nested((b"Content-Type: message/rfc822; name=evil.exe",), b"Subject: x\r\n\r\nx"), "exe"),
    "a multipart that is named": Case(HEAD + OUTER + b"; name=evil.exe\r\n\r\n--outer\r\n" + TEXT + b"--outer--\r\n", "exe"),
    "not closed": Case(HEAD + OUTER + b"\r\n\r\n" + BODY.replace(b"--outer--\r\n", b""), "exe"),
    "not closed inside": Case(mixed(INNER.removeprefix(HEAD).removesuffix(b"--inner--\r\n")), "exe"),
}

BODY_IN_A_HEADER = single(BODY.replace(D, NESTED_TYPE + b"\r\n--outer\r\n" + D), OUTER)
STRUCTURES = {
    "two types": single(BODY, b"Content-Type: text/plain", OUTER),
    "two types, the other way": single(BODY, OUTER, b"Content-Type: text/plain"),
    "two types, the same": single(BODY, OUTER, OUTER),
    "two types of a part": mixed(section(b"Content-Type: text/plain", b"Content-Type: application/x-msdownload")),
    "two dispositions": mixed(section(D + b"filename=ok.pdf", D + b"filename=evil.exe")),
    "no boundary": single(BODY, b"Content-Type: multipart/mixed"),
    "an empty boundary": single(BODY, b'Content-Type: multipart/mixed; boundary=""'),
    "two boundaries": single(BODY, OUTER + b"; boundary=other"),
    "two boundaries, the other way": single(BODY, b"Content-Type: multipart/mixed; boundary=other; boundary=outer"),
    "two boundaries, the same": single(BODY, OUTER + b"; boundary=outer"),
    "extended boundary": single(BODY, b"Content-Type: multipart/mixed; boundary*=us-ascii'en'outer"),
    "extended boundary beside": single(BODY, b"Content-Type: multipart/mixed; boundary*=us-ascii'en'outer; boundary=x"),
    "boundary in pieces": single(BODY, b"Content-Type: multipart/mixed; boundary*0=out; boundary*1=er"),
    "boundary without the end of its quote": single(BODY, b'Content-Type: multipart/mixed; boundary="outer'),
    "boundary with a quote inside": single(BODY, b'Content-Type: multipart/mixed; boundary=out"er'),
    "boundary and more": single(BODY, b'Content-Type: multipart/mixed; boundary="outer"x'),
    "boundary with a backslash": single(BODY, b'Content-Type: multipart/mixed; boundary="out\\er"'),
    "boundary with a blank behind": single(BODY, b'Content-Type: multipart/mixed; boundary="outer "'),
    "boundary in single quotes": single(BODY, b"Content-Type: multipart/mixed; boundary='outer'"),
    "boundary in angle brackets": single(BODY, b"Content-Type: multipart/mixed; boundary=<outer>"),
    "boundary in a comment": single(BODY, OUTER + b" (; boundary=other)"),
    "boundary beyond ASCII": single(BODY.replace(b"outer", b"\xfcuter"), b'Content-Type: multipart/mixed; boundary="\xfcuter"'),
    "boundary folded": single(BODY, b'Content-Type: multipart/mixed; boundary="out\r\n er"'),
    "boundary that does not occur": single(BODY, b"Content-Type: multipart/mixed; boundary=other"),
    "boundary in another case": single(BODY, b"Content-Type: multipart/mixed; boundary=OUTER"),
    "boundary with blanks before": single(BODY.replace(b"--outer", b" --outer"), OUTER),
    "boundary as a word": single(BODY, b'Content-Type: multipart/mixed; boundary="=?utf-8?q?outer?="'),
    "a longer line": single(BODY.replace(b"--outer\r\n" + EXE_PART, b"--outerX\r\n" + EXE_PART), OUTER),
    "a line with more behind a blank": single(BODY.replace(b"--outer\r\n" + EXE_PART, b"--outer x\r\n" + EXE_PART), OUTER),
    "a line with many blanks": single(
        BODY.replace(b"--outer\r\n" + EXE_PART, b"--outer" + b" " * 500 + b"\r\n" + EXE_PART), OUTER
    ),
    "closed and more": single(b"--outer--x\r\n" + BODY, OUTER),
    "parts behind the end": single(b"--outer\r\n" + TEXT + b"--outer--\r\n" + BODY, OUTER),
    "parts behind the end of others": single(
        b"--outer\r\n" + TEXT + b"--outer--\r\n" + BODY.replace(b"outer", b"other"), OUTER
    ),
    "a part before the first": single(EXE_PART + b"\r\n--outer\r\n" + TEXT + b"--outer--\r\n", OUTER),
    "a part behind the last": single(b"--outer\r\n" + TEXT + b"--outer--\r\n" + EXE_PART, OUTER),
    "closed at once": single(b"--outer--\r\n" + BODY, OUTER),
    "the boundary of the outer one": mixed(mixed(TEXT, EXE_PART).removeprefix(HEAD)),
    "a boundary that begins alike": mixed(mixed(TEXT, EXE_PART, boundary=b"outer2").removeprefix(HEAD)),
    "a boundary that is the beginning": mixed(mixed(TEXT, EXE_PART, boundary=b"out").removeprefix(HEAD)),
    "an inner boundary outside": mixed(mixed(TEXT, boundary=b"inner").removeprefix(HEAD), b"\r\n--inner\r\n" + EXE_PART),
    "an inner boundary before": mixed(b"\r\n--inner\r\n" + EXE_PART, mixed(TEXT, boundary=b"inner").removeprefix(HEAD)),
    "a multipart in base64": single(base64.b64encode(BODY), OUTER, DECLARED + b"base64"),
    "a plain multipart that says base64": single(BODY, OUTER, DECLARED + b"base64"),
    "a type in quotes": single(BODY, b'Content-Type: "multipart/mixed"; boundary=outer'),
    "a type with a blank": single(BODY, b"Content-Type: multipart / mixed; boundary=outer"),
    "a type without semicolon": single(BODY, b"Content-Type: multipart/mixed boundary=outer"),
    "a type and another": single(BODY, b"Content-Type: text/plain, multipart/mixed; boundary=outer"),
    "half a type": single(BODY, b"Content-Type: multipart; boundary=outer"),
    "a type as a word": single(BODY, b"Content-Type: =?utf-8?q?multipart/mixed?=; boundary=outer"),
    "a boundary without a multipart": single(BODY, b"Content-Type: text/plain; boundary=outer"),
    "two boundaries without a multipart": single(BODY, b"Content-Type: x/y; boundary=x; boundary=outer"),
    "a boundary of a misspelled multipart": single(BODY, b"Content-Type: multpart/mixed; boundary=outer"),
    "a boundary in a header": BODY_IN_A_HEADER,
    "two boundaries in a row": single(b"--outer\r\n" + BODY, OUTER),
    "a form feed in a type": single(BODY, OUTER.replace(b"; b", b";\x0cb")),
    "a form feed in a disposition": named(D + b"filename\x0c=evil.exe"),
    "a vertical tab in a disposition": named(D + b"filename\x0b*0=evil; filename*1=.exe"),
    "a separator in a disposition": named(D + b"filename\x1c=evil.exe"),
    "a form feed in a name": named(D + b'filename="=?utf-16be?B?AGUAdgBpAGwALgBlAHgAZQ=\x0c=?="'),
    "no type": single(BODY, b"Content-Type: ; boundary=outer"),
    "a header line of blanks": single(BODY, b"X-A: b\r\n ", OUTER),
    "a header line of blanks in a part": mixed(section(b"X-A: b\r\n\t", D + b"filename=evil.exe")),
    "a header line without a colon": mixed(section(b"no colon", D + b"filename=evil.exe")),
    "a blank before the colon": mixed(section(D.replace(b":", b" :") + b"filename=evil.exe")),
    "a first line that is folded": mixed(section(b" X-A: b", D + b"filename=evil.exe")),
    "a name in 2231, utf-7": named(*[D + b"filename*=utf-7''evil.+AGUAeABl-"]),
    "a name in 2231, utf-7 with percent": named(*[D + b"filename*=utf-7''evil%2E%2BAGUAeABl-"]),
    "a name in word, utf-7": named(*[D + b'filename="=?utf-7?Q?evil.+AGUAeABl-?="']),
    "too many names": named(D + b"; ".join(b"filename=a%d.pdf" % number for number in range(200)) + b"; filename=evil.exe"),
    "pieces with numbers beyond": named(D + b"filename*99999=.exe; filename*0=evil"),
}

TNEF = {
    "a title": (files.tnef("evil.exe"), "exe"),
    "a long name": (files.tnef("EVIL~1.TXT", long_name="evil.exe"), "exe"),
    "a program": (files.tnef("offer.pdf", data=files.PROGRAM), "exe"),
    "a program whose mark lies far behind": (files.tnef("offer.pdf", data=files.FAR_PROGRAM), "exe"),
    "a name for the way": (files.tnef(way="evil.exe"), "exe"),
    "a stream that is a file": (files.tnef("winmail.dat", data=files.tnef("evil.exe")), "exe"),
    "a message within": (files.tnef("mail", within=files.tnef("evil.exe")), "exe"),
    "cut": (files.tnef("offer.pdf", data=files.PROGRAM)[:120], MALFORMED),
    "a length beyond": (files.tnef("offer.pdf").replace(b"\x0a\0\0\0offer", b"\x0a\0\0\xffoffer"), MALFORMED),
    "something else": (b"no TNEF at all", MALFORMED),
}


# Names that are longer than any reader needs: what their end says, a program that shortens them may keep.
TOO_LONG: dict[str, bytes] = {
    "4,200 octets": D + b"filename*=utf-8''" + b"a" * 4200 + b"%2Eexe",
    "4,200 in letters of three octets": D + b"filename*=utf-8''" + b"%C3%A9" * 700 + b"%2Eexe",
    "4,500 in lines": D + b'filename="' + b"\r\n ".join([b"a" * 900] * 5) + b'.exe"',
    "4,200 with backslashes": D + b'filename="' + b"\\a" * 2100 + b'.exe"',
    "comments in comments in comments": D + b"filename " + b"(" * 30 + b"x" + b")" * 30 + b"=evil.exe",
}


def _messages() -> dict[str, Case]:
    found = {f"name: {title}": Case(named(*fields), "exe") for title, fields in NAMES.items()}
    found |= {f"name: {title}": Case(named(field), MALFORMED) for title, field in TOO_LONG.items()}
    found |= {f"name of {word}": Case(named(D + b'filename="' + name + b'"'), word) for word, name in EXTENSIONS.items()}
    found["name that ends with a class id"] = Case(named(D + b'filename="a.pdf.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}"'), "hta")
    found |= {
        f"type {kind}": Case(mixed(TEXT, section(b"Content-Type: " + kind.encode())), word) for kind, word in TYPES.items()
    }
    for title, (octets, word) in CONTENTS.items():
        found[f"content: {title}"] = Case(attached(octets), word)
        found[f"content, as octets: {title}"] = Case(attached(octets, "application/octet-stream", "offer", "base64"), word)
    for encoding in ("quoted-printable", "binary", "8bit"):
        found[f"content in {encoding}"] = Case(attached(files.TYPICAL_PROGRAM.replace(b"\0", b"\1"), encoding=encoding), "exe")
    found |= {f"encoding: {title}": case for title, case in ENCODINGS.items()}
    for title, block in BLOCKS.items():
        found[f"{title} in a mail"] = Case(PLACES["a mail"](block), "exe")
    for title, place in PLACES.items():
        for block_title in ("uuencode", "BinHex"):
            found[f"{block_title} in {title}"] = Case(place(BLOCKS[block_title]), "exe")
    found |= {f"within: {title}": case for title, case in MESSAGES_WITHIN.items()}
    found |= {f"structure: {title}": Case(content, MALFORMED) for title, content in STRUCTURES.items()}
    for title, (stream, word) in TNEF.items():
        found[f"TNEF: {title}"] = Case(attached(stream, "application/ms-tnef", "winmail.dat"), word)
    found["TNEF under another type"] = Case(attached(files.tnef("evil.exe"), "application/octet-stream", "x.dat"), "exe")
    return found


MESSAGES = _messages()

LOOK_ALIKES: dict[str, bytes] = {
    **{
        f"name {name}": named(D + b'filename="' + name.encode() + b'"')
        for name in (
            "offer-shop.com.pdf report.js.txt example.com-invoice.pdf notes.exe.txt archive.tar.gz setup.exemplar "
            "Angebot_Frühjahr.docx 報告.pdf 100%.pdf it's.pdf v1.2.3 README .htaccess photo.jpeg "
            "20251121.pdf filename-12345.pdf"
        ).split()
    },
    "a class id for a name": named(D + b'filename="{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}.pdf"'),
    "a name of digits alone": named(D + b"filename=20251121.pdf"),
    "a name with digits behind a blank": named(D + b"filename*=utf-8''Dateiname%202025.pdf"),
    "a name in pieces": named(D + b'filename*0="a very long name of a "; filename*1="file.exe.pdf"'),
    "a name in two spellings": named(D + b"filename=\"Gr=?.pdf\"; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf"),
    "a name in words": named(D + b'filename="=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?q?_alle?=.pdf"'),
    "a name in a text": single(b"Content-Disposition: attachment; filename=evil.exe\r\n"),
    "a parameter like a name": named(b"Content-Type: application/pdf; x=evil.exe"),
    "a description that ends with a domain": mixed(
        section(b"Content-Type: image/png", b"Content-Description: a logo of shop.com")
    ),
    "a location that is a domain": mixed(section(b"Content-Type: image/png", b"Content-Location: http://shop.com")),
    "a location that is an identifier": mixed(section(b"Content-Type: image/png", b"Content-Location: cid:logo@shop.com")),
    "a location without a scheme": mixed(section(b"Content-Type: image/png", b"Content-Location: //www.shop.com")),
    "a description that is an address": mixed(section(b"Content-Type: image/png", b"Content-Description: info@shop.com")),
    "a description that is a URL": mixed(section(b"Content-Type: image/png", b"Content-Description: https://shop.com")),
    "a description": mixed(section(b"Content-Type: text/html", b"Content-Description: from shop.com", body=b"x")),
    "a text that begins with MZ": attached(
        b"MZ is how programs begin, as everybody knows who has seen one.\r\n" * 9, "text/plain", "a.txt"
    ),
    "a text that begins like a shell script": single(b"#!/bin/csh\r\n is how scripts begin.\r\n"),
    "a text about uuencode": single(b"It says begin 644 evil.exe\r\nand then comes the file, in letters.\r\n"),
    "a text that begins": single(b"Hello\r\nbegin 2024 with us, at shop.com\r\n"),
    "a document": attached(files.DOCUMENT, "application/msword", "offer.doc"),
    "an archive": attached(files.zipped("offer.pdf"), "application/zip", "offer.zip"),
    "an archive that holds a program": attached(files.zipped("evil.exe"), "application/zip", "offer.zip"),
    "a spreadsheet": attached(files.zipped("[Content_Types].xml", "xl/workbook.xml"), "application/octet-stream", "offer.xlsx"),
    "a shell script": attached(b"#!/bin/sh\necho x\n", "application/x-sh", "run.sh"),
    "html that is attached": attached(b"<html><script>x</script></html>", "text/html", "page.html"),
    "XML that is attached": attached(b'<?xml version="1.0"?><jobs><job/></jobs>', "application/xml", "data.xml"),
    "winmail.dat": attached(
        files.tnef("offer.pdf", long_name="Our offer.pdf", data=b"%PDF-1.7"), "application/ms-tnef", "winmail.dat"
    ),
    "base64 without padding": mixed(section(*PDF, body=b"JVBERi0xLj")),
    "base64 in one line": mixed(section(*PDF, body=base64.b64encode(b"%PDF" + bytes(5000)))),
    "base64 with blanks": mixed(section(*PDF, body=b" JVBE \r\n\r\n Ri0x\t\r\n")),
    "an empty attachment": mixed(section(*PDF, body=b"")),
    "a text in an unknown encoding": single(b"x\r\n", DECLARED + b"8-bit"),
    "a base64 text with a footer": single(in_lines(b"Hello\r\n") + b"-- \r\nA list\r\n", DECLARED + b"base64"),
    "a preamble": mixed(TEXT, before=b"This is a multi-part message in MIME format.\r\n\r\n"),
    "an epilogue": mixed(TEXT, behind=b"\r\n-- \r\nThe list, http://list.example.com/\r\n------\r\n"),
    "not closed": mixed(TEXT, section(D + b"filename=a.pdf")).removesuffix(b"--outer--\r\n"),
    "only the header of a multipart": nested((NESTED_TYPE,), HEAD + OUTER.replace(b"outer", b"inner") + b"\r\n\r\n"),
    "dashes": mixed(b"\r\n-- \r\nAnna\r\n--\r\n-----\r\n--out\r\n--- outer ---\r\n"),
    "a message": nested((NESTED_TYPE,), mixed(TEXT, section(D + b"filename=a.pdf"), boundary=b"inner")),
    "a message in base64": nested((NESTED_TYPE, DECLARED + b"base64"), in_lines(mixed(TEXT, boundary=b"inner"))),
    "a file that is a message": nested(
        (b"Content-Type: application/octet-stream; name=mail.eml", DECLARED + b"base64"),
        in_lines(mixed(TEXT, section(D + b"filename=a.pdf"), boundary=b"inner")),
    ),
    "a file that is a message, out of a mailbox": nested(
        (b"Content-Type: application/octet-stream; name=mail.eml", DECLARED + b"base64"),
        in_lines(b"From anna@example.net Mon Nov 23 10:00:00 2026\n" + mixed(TEXT, boundary=b"inner").replace(b"\r\n", b"\n")),
    ),
    "a file that is a message, from an editor": nested(
        (b"Content-Type: application/octet-stream; name=mail.eml", DECLARED + b"base64"),
        in_lines(b"\xef\xbb\xbf" + mixed(TEXT, boundary=b"inner")),
    ),
    "the same message twice": mixed(*[NESTED_TYPE + b"\r\n\r\n" + mixed(TEXT, boundary=b"inner")] * 2),
    "a delivery report": mixed(
        TEXT,
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; b@example.net\r\n",
        b"Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n",
        kind=b'report; report-type="delivery-status"',
    ),
    "a signature": mixed(
        TEXT, section(b"Content-Type: application/pgp-signature; name=signature.asc", body=b"x"), kind=b"signed"
    ),
    "a calendar": mixed(section(b"Content-Type: text/calendar; method=REQUEST; name=meeting.ics", body=b"BEGIN:VCALENDAR\r\n")),
    "a type without semicolon": single(b"<p>x</p>\r\n", b"Content-Type: text/html charset=utf-8"),
}
