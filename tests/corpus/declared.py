"""What a message of the corpus is to be sent as. Reads with Python's `email`, to share no misreading with the relay."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from urllib.parse import unquote

from tests.corpus.ordinary import Ordinary

_RECEIVED = rb"Received: by [^ \r\n]+ with ESMTPSA id [0-9A-Z]{26};\r\n\t[^\r\n]+\r\n"
_ADDED = {
    "Date": rb"Date: [^\r\n]+\r\n",
    "Message-ID": rb"Message-ID: <[0-9A-Z]{26}@[^ \r\n]+>\r\n",
    "To": rb"To: undisclosed-recipients:;\r\n",
}


def without_added(row: Ordinary, sent: bytes) -> bytes:
    """What was sent, without the lines that are added to this message; they stand at its top, in this order."""
    lines = _RECEIVED + b"".join(pattern for name, pattern in _ADDED.items() if name in row.added)
    rest, found = re.subn(rb"\A" + lines, b"", sent)
    assert found, sent[:400]
    return rest


def declared(row: Ordinary, accepted: bytes, sent: bytes) -> bytes:
    """The accepted message with its declared edits. Of what was sent it takes only how a leaf or a field was encoded.

    An assertion fails where that does not decode to the same.
    """
    leaves, content = _leaves(sent), accepted
    for number in row.recoded:
        content = _recoded(content, number, leaves[number])
    for name in row.encoded:
        content = _encoded(content, name, sent)
    end = content.index(b"\r\n\r\n") + 2 if b"\r\n\r\n" in content else len(content)
    head = content[:end]
    for name in row.removed:
        head = _without(head, name, kept=0)
    for name in row.first_kept:
        head = _without(head, name, kept=1)
    return head + content[end:]


def _field(name: str) -> bytes:
    return rb"(?im)^%s:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*" % re.escape(name).encode()


def _without(head: bytes, name: str, *, kept: int) -> bytes:
    """Without the fields of a name behind the first `kept`."""
    superfluous = list(re.finditer(_field(name), head))[kept:]
    assert superfluous, name
    for field in reversed(superfluous):
        head = head[: field.start()] + head[field.end() :]
    return head


def _encoded(content: bytes, name: str, sent: bytes) -> bytes:
    """With every raw field of a name as it was sent, of parts too: in ASCII, and meaning the same."""
    fields = zip(re.finditer(_field(name), content), re.finditer(_field(name), sent), strict=True)
    raw = [(field, written[0]) for field, written in fields if not field[0].isascii()]
    assert raw, name
    for field, written in reversed(raw):
        assert written.isascii()
        assert _meaning(written.decode("ascii")) == _meaning(field[0].decode("utf-8"))
        content = content[: field.start()] + written + content[field.end() :]
    return content


def _meaning(field: str) -> str:
    """As one line; RFC 2047 and RFC 2231 decoded, the latter as if it were written in quotes."""
    line = re.sub(r"(\?=)\s+(=\?)", r"\1\2", field.replace("\r\n", ""))
    line = re.sub(r"=\?[^?]+\?[bBqQ]\?[^?]*\?=", lambda word: str(make_header(decode_header(word[0]))), line)
    return re.sub(r"\*=utf-8''([^;\s]+)", lambda value: f'="{unquote(value[1])}"', line)


def _leaves(content: bytes) -> list[Message]:
    return [part for part in message_from_bytes(content).walk() if not part.is_multipart()]


def _encoding(leaf: Message) -> str:
    return str(leaf.get("Content-Transfer-Encoding", "")).strip().lower()


def _octets(leaf: Message) -> bytes:
    """The leaf's body as it stands in the message."""
    is_ascii = _encoding(leaf) in ("base64", "quoted-printable")
    body = leaf.get_payload() if is_ascii else leaf.get_payload(decode=True)
    octets = body.encode("ascii") if isinstance(body, str) else body
    assert isinstance(octets, bytes)
    return octets


def _recoded(content: bytes, number: int, sent: Message) -> bytes:
    """With one leaf as it was sent, and with the header line that names its encoding."""
    start = end = 0
    for leaf in _leaves(content)[: number + 1]:
        start = content.index(_octets(leaf), end)
        end = start + len(_octets(leaf))
    assert leaf.get_payload(decode=True) == sent.get_payload(decode=True)
    assert _octets(leaf) != _octets(sent)
    blank, delimiter = content.rfind(b"\r\n\r\n", 0, start - 2), content.rfind(b"\r\n--", 0, start - 2)
    header_start = max(blank + 4 if blank >= 0 else 0, content.find(b"\r\n", delimiter + 2) + 2 if delimiter >= 0 else 0)
    header = content[header_start : start - 2]
    if _encoding(leaf) != _encoding(sent):
        header = _with_encoding(header, _encoding(sent))
    return content[:header_start] + header + b"\r\n" + _octets(sent) + content[end:]


def _with_encoding(header: bytes, encoding: str) -> bytes:
    """The line stands where it stood, or at the end; with it a message has a MIME-Version."""
    line = f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    replaced, found = re.subn(_field("Content-Transfer-Encoding"), line, header)
    is_message = re.search(_field("From"), header)
    mime_version = b"" if not is_message or re.search(_field("MIME-Version"), header) else b"MIME-Version: 1.0\r\n"
    return replaced if found else header + mime_version + line
