"""Types of arguments and options that are more than text: each reads one, or fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_network
from typing import Any, TextIO

import click

from relay import address
from relay.cli.terminal import Failure
from relay.config import named_by_url
from relay.errors import NotAscii
from relay.settings import StoreConfig
from relay.suppression import EVERYWHERE, Filter, Reason, of_credential, of_list

_DURATION = re.compile(r"([0-9]{1,4})([mhd])", re.ASCII)
_SECONDS = {"m": 60, "h": 3600, "d": 86400}
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
            return mark + domain(text.removeprefix(mark))
    return address.key(mail_address(text))


def domain(text: str) -> str:
    """A domain in lower case, as its A-labels."""
    try:
        return address.domain(address.plain(f"x@{text}".encode()))
    except ValueError:
        raise Failure(f"{text}: not a domain") from None


def secret(file: TextIO) -> str:
    """The one line of a file."""
    try:
        found = file.read().strip()
    except UnicodeDecodeError:
        raise Failure(f"{file.name}: not UTF-8") from None
    if not found:
        raise Failure(f"{file.name}: there is nothing in it")
    if not found.isprintable():
        raise Failure(f"{file.name}: more than one line of text")
    return found


def duration(text: str) -> float:
    """Seconds out of minutes, hours or days: 30m, 2h, 3d."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise Failure(f"{text}: not a time, as 30m, 2h or 3d")
    return float(found[1]) * _SECONDS[found[2]]


def name(text: str) -> str:
    """What a login may be called."""
    if not text or not text.isprintable():  # a lone surrogate, out of octets that are no UTF-8, is not printable
        raise Failure(f"{text!r}: not a name")
    return text


def store_url(text: str) -> StoreConfig:
    """A database. A wrong one is not told: it may have a password in it."""
    found = named_by_url(StoreConfig(url=text))
    if (found.url and not found.is_postgres) or not found.path.name:
        raise Failure("a database is like sqlite:/var/lib/relay/relay.db or postgresql://relay@db.example.com/relay")
    return found


limit_type = click.IntRange(1, 1_000_000)
credential_option = click.option("--credential", metavar="NAME", type=name, help="Only for this login's mail.")
list_option = click.option("--list", "list_", metavar="NAME", type=name, help="Only for mail to this list (X-Relay-List).")


def scope(credential: str | None, list_: str | None) -> str:
    """For what mail, by the two options above."""
    if credential and list_:
        raise Failure("either --credential or --list")
    return of_credential(credential) if credential else of_list(list_) if list_ else EVERYWHERE


reason_choice = click.Choice([str(reason) for reason in Reason])


def filtered(verb: Callable[..., None]) -> Callable[..., None]:
    """Options that say which entries of the suppression list; they come as one argument, `wanted`."""

    @click.option("--reason", type=reason_choice)
    @click.option("--text", default="", help="A part of the address.")
    @click.option("--newer", "seconds", metavar="TIME", type=duration, default=None, help="Of the last 30m, 2h, 3d.")
    @credential_option
    @list_option
    @wraps(verb)
    def with_filter(
        *, reason: str | None, text: str, seconds: float | None, credential: str | None, list_: str | None, **options: Any
    ) -> None:
        wanted = Filter(
            reason=Reason(reason) if reason else None,
            scope=scope(credential, list_) or None,
            text=text,
            since=0.0 if seconds is None else time.time() - seconds,
        )
        verb(wanted=wanted, **options)

    return with_filter


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
