"""What a client sent, as octets on the wire: from the files of the test's folder, and from what the client said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Sent = Callable[[Path, str], bytes]


def given(folder: Path, said: str) -> bytes:
    return (folder / "mail").read_bytes()


def left(folder: Path, said: str) -> bytes:
    """What a program composed, and wrote to a file."""
    return re.sub(rb"\r?\n", b"\r\n", (folder / "sent").read_bytes())


def in_mbox(folder: Path, said: str) -> bytes:
    """The only message of an mbox: without the `From ` line before it and the empty line behind it."""
    return (folder / "sent").read_bytes().partition(b"\n")[2].removesuffix(b"\n").replace(b"\n", b"\r\n")


def undated_in_maildir(folder: Path, said: str) -> bytes:
    """The only message of a Maildir, without its Date: mutt dates the copy again, sometimes a second later."""
    (file,) = (folder / "sent/cur").iterdir()
    date, _, rest = file.read_bytes().partition(b"\n")
    assert date.startswith(b"Date: ")
    return rest.replace(b"\n", b"\r\n")


def headers_of_transcript(folder: Path, said: str) -> bytes:
    """Net::SMTP shows each line that it sends behind an arrow, but no empty ones. The body is the given one."""
    _, _, body = given(folder, said).partition(b"\r\n\r\n")
    shown = re.findall(r">>> (.*?)\r?\n", said)
    end = shown.index("QUIT") - 1 - len([line for line in body.splitlines() if line])
    headers = "".join(f"{line}\r\n" for line in shown[shown.index("DATA") + 1 : end])
    return headers.encode() + b"\r\n" + body


def given_but_for_dots(folder: Path, said: str) -> bytes:
    """sendemail doubles the dot only of a line that is nothing but a dot (RFC 5321 4.5.2 wants it on every line)."""
    return re.sub(rb"^\.(?!\r)", b"", given(folder, said), flags=re.MULTILINE)
