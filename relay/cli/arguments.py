"""Types of arguments and options that are more than text: each reads one, or fails."""

from __future__ import annotations

import re
from ipaddress import ip_network

from relay import address
from relay.cli.terminal import Failure
from relay.errors import NotAscii

_ATTACHMENT = re.compile(r"(magic:)?[a-z0-9_-]+|[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)")


def mail_address(text: str) -> str:
    """An address, its case kept; a domain beyond ASCII as its A-labels."""
    try:
        return address.plain(text.encode("utf-8"))
    except (ValueError, NotAscii):
        raise Failure(f"{text}: not an address") from None


def sender(text: str) -> str:
    """An address, `@domain`, or `@*.domain` for what lies below it; in lower case as credentials keep it."""
    for mark in ("@*.", "@"):
        if text.startswith(mark):
            try:
                return mark + address.domain(address.plain(f"x@{text.removeprefix(mark)}".encode()))
            except ValueError:
                raise Failure(f"{text}: not a domain") from None
    return address.key(mail_address(text))


def name(text: str) -> str:
    """What a login may be called."""
    if not text or not text.isprintable():  # a lone surrogate, out of octets that are no UTF-8, is not printable
        raise Failure(f"{text!r}: not a name")
    return text


def attachment(text: str) -> str:
    """An extension, a type or all of a kind, or a kind of content, as credential.Attachments keeps them."""
    word = text.lower().removeprefix(".")
    if not _ATTACHMENT.fullmatch(word):
        raise Failure(f"{text}: not an extension (exe), a type (text/html, image/*) or a content (magic:elf)")
    return word


def network(text: str) -> str:
    """A CIDR block; an address is one of its own."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise Failure(f"{text}: not an address or CIDR block") from None
