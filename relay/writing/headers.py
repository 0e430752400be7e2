"""What becomes of the header fields of a message: which do not go out, which may be there once, which are added."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from email.utils import formatdate
from functools import lru_cache

from relay.errors import Malformed
from relay.reading import mime
from relay.reading.mime import Header

_dated = lru_cache(maxsize=4)(formatdate)  # many messages come in one second

_REMOVED = frozenset(("bcc", "resent-bcc", "return-path"))
_ORDERS = ("x-ses-", "x-relay-", "x-playpen-")  # to SES, and to the relay, and what only the relay says
_RECIPIENTS = frozenset(("to", "cc"))
_WATCHED = _REMOVED | _RECIPIENTS
_SIGNATURES = frozenset(("dkim-signature", "domainkey-signature"))
_SIGNED = re.compile(rb"(?:^|;)[ \t]*h[ \t]*=([^;]*)")
_OVERWRITTEN = frozenset((b"date", b"message-id"))  # by SES

# SES refuses a message in which one of its list of headers is there twice. Of these readers may show either: refused.
_ONE_ONLY = frozenset(("from", "sender", "to", "subject", "reply-to"))
# Of these the first is kept.
_FIRST_KEPT = frozenset(
    """accept-language acceptlanguage archived-at auto-submitted bounces-to comments date delivered-to
    disposition-notification-options disposition-notification-to errors-to importance in-reply-to keywords list-archive
    list-help list-id list-owner list-post list-subscribe list-unsubscribe list-unsubscribe-post message-context
    message-id mime-version organization original-from original-message-id original-recipient original-subject precedence
    priority references return-receipt-to sensitivity solicitation thread-index thread-topic user-agent vbr-info""".split()
)


def removed(headers: Sequence[Header], names: set[str]) -> list[Header]:
    """Those that do not go out; `names` is of all. Raises Malformed for a second one that readers may take for the first."""
    watched = [h for h in headers if h.name in _WATCHED or (h.name[0] == "x" and h.name.startswith(_ORDERS))]
    found = [h for h in watched if not (h.name in _RECIPIENTS and mime.unfold(h.value))]
    if len(names) < len(headers):
        found += _repeated(headers)
    if not names.isdisjoint(_SIGNATURES):
        found += _broken_signatures(headers)
    return found


def _repeated(headers: Iterable[Header]) -> Iterator[Header]:
    seen = set()
    for header in headers:
        if header.name in seen and (header.name in _ONE_ONLY or header.name.startswith("content-")):
            raise Malformed(f"more than one {header.name.title()} header")
        if header.name in seen and header.name in _FIRST_KEPT:
            yield header
        seen.add(header.name)


def _broken_signatures(headers: Iterable[Header]) -> Iterator[Header]:
    """All where there are several, for SES takes one; else one that covers what SES writes anew."""
    for name in sorted(_SIGNATURES):
        signatures = [header for header in headers if header.name == name]
        if len(signatures) > 1 or any(_covers_overwritten(header) for header in signatures):
            yield from signatures


def _covers_overwritten(signature: Header) -> bool:
    """By h=: RFC 6376 3.5. A DomainKey-Signature without it covers all headers (RFC 4870 3.3)."""
    signed = _SIGNED.search(mime.unfold(signature.value))
    if not signed:
        return signature.name == "domainkey-signature"
    return not _OVERWRITTEN.isdisjoint(name.strip().lower() for name in signed[1].split(b":"))


def added(kept: set[str], also: Sequence[str], *, message_id: str, hostname: str, protocol: str, now: float) -> bytes:
    """What goes before all others, by the names of those that are kept; `also` holds further fields."""
    lines = [f"Received: by {hostname} with {protocol} id {message_id};\r\n\t{_dated(int(now))}", *also]
    if "date" not in kept:
        lines.append(f"Date: {_dated(int(now))}")
    if "message-id" not in kept:
        lines.append(f"Message-ID: <{message_id}@{hostname}>")
    if kept.isdisjoint(_RECIPIENTS):
        lines.append("To: undisclosed-recipients:;")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
