"""What a call wants sent, whichever of the two APIs it is of; and the message that is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from relay import address
from relay.credential import Credential
from relay.errors import InvalidRecipient, Malformed, SenderNotAllowed
from relay.model import File
from relay.reading import mime
from relay.writing import composing
from relay.writing.composing import Letter
from relay.writing.merging import plain

_PIECE = 256 * 1024
_NOBODY = re.compile(rb'[^:;@<>"]*:[ \t]*;')  # RFC 5322 3.4: a group without members
_TAGS, _SET = "X-SES-MESSAGE-TAGS", "X-SES-CONFIGURATION-SET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A message of which only the parts are given. `reply_to` holds mailboxes."""

    subject: str
    text: str = ""
    html: str = ""
    reply_to: Sequence[str] = ()
    headers: Sequence[tuple[str, str]] = ()
    files: Sequence[File] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`content` is of parts, or a whole message. `source` is a mailbox, empty where From says it; so are those of recipients,
    and where there are none at all the message says them. `return_path` is the envelope's sender, if it is another.
    """

    content: Simple | bytes
    source: str = ""
    return_path: str = ""
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    tags: Sequence[tuple[str, str]] = ()
    configuration_set: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Who sends what to whom: addresses, and the message in pieces."""

    sender: str
    recipients: Sequence[str]
    pieces: Iterator[bytes]


def drafted(order: Order, credential: Credential) -> Draft:
    """Raises Malformed, SenderNotAllowed or InvalidRecipient. Its time grows with the message."""
    given = [*order.to, *order.cc, *order.bcc]
    if isinstance(order.content, Simple):
        sender, recipients = order.source, given
        pieces = composing.composed(_letter(order, order.content, credential))
    else:
        content = _with_crlf(order.content)
        headers = mime.headers(content)
        sender = order.source or _from(headers)
        recipients = given or _recipients(headers)
        pieces = _whole(content, _orders(order, credential, {header.name for header in headers}))
    return Draft(
        sender=_sender(order.return_path or sender),
        recipients=_once_each(map(_recipient, recipients)),
        pieces=pieces,
    )


def _once_each(recipients: Iterable[str]) -> tuple[str, ...]:
    """In whatever case they come a second time."""
    first: dict[str, str] = {}
    for each in recipients:
        first.setdefault(address.key(each), each)
    return tuple(first.values())


def _letter(order: Order, content: Simple, credential: Credential) -> Letter:
    said = [(name, ", ".join(boxes)) for name, boxes in (("Cc", order.cc), ("Reply-To", content.reply_to)) if boxes]
    return Letter(
        sender=order.source,
        recipient=", ".join(order.to),
        subject=content.subject,
        html=content.html,
        text=content.text,
        files=content.files,
        headers=[*said, *content.headers, *_orders(order, credential, {name.lower() for name, _ in content.headers})],
    )


def _orders(order: Order, credential: Credential, there: set[str]) -> list[tuple[str, str]]:
    """To SES, by the headers that SES has for them, where the login may give any; what the message says itself stands."""
    if not credential.ses_headers:
        return []
    tags = ", ".join(f"{name}={value}" for name, value in order.tags)
    said = ((_TAGS, tags), (_SET, order.configuration_set))
    return [(name, plain(value)) for name, value in said if value and name.lower() not in there]


def _with_crlf(content: bytes) -> bytes:
    """As SES takes it: with any line ends. Raises Malformed."""
    if b"\0" in content:
        raise Malformed("NUL octet")
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _whole(content: bytes, orders: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    for name, value in orders:
        yield f"{name}: {value}\r\n".encode("utf-8", "replace")
    for begin in range(0, len(content), _PIECE):
        yield content[begin : begin + _PIECE]


def _from(headers: Sequence[mime.Header]) -> str:
    """Raises Malformed."""
    found = [header for header in headers if header.name == "from"]
    if not found:
        raise Malformed("no From header")
    return mime.unfold(found[0].value).decode("utf-8", "replace")


def _recipients(headers: Sequence[mime.Header]) -> list[str]:
    """Of To, Cc and Bcc. Raises InvalidRecipient."""
    found: list[str] = []
    for header in headers:
        value = mime.unfold(header.value).strip() if header.name in ("to", "cc", "bcc") else b""
        try:
            found += address.mailboxes(value) if value and not _NOBODY.fullmatch(value) else ()
        except ValueError:
            raise InvalidRecipient(value.decode("utf-8", "replace")) from None
    return found


def _sender(mailbox: str) -> str:
    """Raises SenderNotAllowed."""
    try:
        return address.mailbox(mailbox.encode("utf-8", "replace"))
    except ValueError:
        raise SenderNotAllowed(mailbox) from None


def _recipient(mailbox: str) -> str:
    """Raises InvalidRecipient."""
    try:
        return address.mailbox(mailbox.encode("utf-8", "replace"))
    except ValueError:
        raise InvalidRecipient(mailbox) from None
