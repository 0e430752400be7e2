"""Puts a message together out of what an API call says: raw UTF-8, which edits.py makes fit to be sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from mimetypes import MimeTypes

from relay.model import Encoding, File
from relay.writing import inline, recoding
from relay.writing.merging import plain

_TYPES = MimeTypes()  # what Python knows by itself: the same on all machines
LONGEST_NAME = 200  # characters
_LINE_END = re.compile(r"\r\n|\r|\n")
_SPECIAL = re.compile(r'(["\\])')
_MEDIA_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", re.ASCII | re.IGNORECASE)

Lines = Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`sender` and `recipient` are mailboxes as a header has them; `headers` are further ones. It has one text, or both."""

    sender: str
    recipient: str
    subject: str
    html: str = ""
    text: str = ""
    files: Sequence[File] = ()
    headers: Sequence[tuple[str, str]] = ()


def mailbox(address: str, name: str = "") -> str:
    """As From and To have it. A name that is too long is cut, so that the address is always there."""
    shown = _SPECIAL.sub(r"\\\1", plain(name).strip()[:LONGEST_NAME])
    return f'"{shown}" <{address}>' if shown else address


def composed(letter: Letter) -> Lines:
    """The message in pieces."""
    fields = [("From", letter.sender), ("To", letter.recipient), ("Subject", letter.subject), *letter.headers]
    for name, value in fields:
        yield f"{name}: {plain(value)}\r\n".encode("utf-8", "replace")
    yield b"MIME-Version: 1.0\r\n"
    yield from _with_files(letter, _boundary(letter))


def _boundary(letter: Letter) -> str:
    """No text has a digest of itself. What is Base64 has no `_`."""
    texts = f"{letter.subject}\0{letter.html}\0{letter.text}"
    return "=_" + blake2b(texts.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _with_files(letter: Letter, boundary: str) -> Lines:
    files: dict[bool, list[File]] = {True: [], False: []}
    shown_there = inline.shown(letter.html) if any(file.content_id for file in letter.files) else frozenset()
    for file in letter.files:
        files[file.content_id in shown_there].append(file)
    parts = [_texts(letter, boundary), *(_file(file, "inline") for file in files[True])]
    shown = _parts("related", boundary + "r", parts) if files[True] else parts[0]
    parts = [shown, *(_file(file, "attachment") for file in files[False])]
    yield from _parts("mixed", boundary + "m", parts) if files[False] else shown


def _texts(letter: Letter, boundary: str) -> Lines:
    both = [_text("plain", letter.text), _text("html", letter.html)]
    if letter.text and letter.html:
        yield from _parts("alternative", boundary + "a", both)
    else:
        yield from both[bool(letter.html)]


def _text(kind: str, text: str) -> Lines:
    octets = _LINE_END.sub("\r\n", text.replace("\0", "")).encode("utf-8", "replace")
    encoding = "7bit" if octets.isascii() else "8bit"
    yield f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    yield octets


def _parts(kind: str, boundary: str, parts: Iterable[Lines]) -> Lines:
    yield f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _type_of(file: File) -> str:
    """Empty where nothing says it, or it would be read as more than a file."""
    kind, encoding = _TYPES.guess_type(file.name)
    said = file.content_type or ("" if encoding else kind or "")
    return said if _MEDIA_TYPE.fullmatch(said) else ""


def _file(file: File, disposition: str) -> Lines:
    name = _SPECIAL.sub(r"\\\1", plain(file.name))
    lines = [
        f"Content-Type: {_type_of(file) or 'application/octet-stream'}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: {disposition}; filename="{name}"',
        *([f"Content-ID: <{plain(file.content_id)}>"] if file.content_id else []),
    ]
    yield "".join(f"{line}\r\n" for line in (*lines, "")).encode("utf-8", "replace")
    yield from recoding.encoded((file.data,), Encoding.BASE64)
