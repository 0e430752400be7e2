"""Who may send as whom, and to whom: rules over what address and mime have read. Raises a refusal, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import ip_address, ip_network

from relay import address
from relay.credential import Credential
from relay.errors import InvalidRecipient, MailLoop, Malformed, SenderNotAllowed, SenderNotVerified
from relay.identities import Identities
from relay.reading.mime import Parsed, unfold

_MAX_HOPS = 50


def may_connect(credential: Credential, peer: str) -> bool:
    """Whether the credential may be used from the address `peer`."""
    return not credential.networks or is_within(peer, credential.networks)


def is_within(peer: str, networks: Collection[str]) -> bool:
    """Whether an address lies in one of some CIDR blocks. An IPv4 client on an IPv6 socket counts as IPv4."""
    if not networks:
        return False
    ip = ip_address(peer)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ip_network(block) for block in networks)


def envelope_sender(raw: bytes, credential: Credential) -> str:
    """The envelope sender to use. Raises SenderNotAllowed; an empty one is put right only where the credential says how."""
    if not raw:
        if not credential.null_sender:
            raise SenderNotAllowed("<>")
        return credential.null_sender
    try:
        sender = address.plain(raw)
    except ValueError:
        raise SenderNotAllowed(raw.decode("ascii", "backslashreplace")) from None
    return sending_as(sender, credential)


def sending_as(sender: str, credential: Credential) -> str:
    """The address that goes out in its place: itself, or the one that the credential rewrites to. Raises SenderNotAllowed."""
    try:
        return allowed_sender(sender, credential)
    except SenderNotAllowed:
        if not credential.rewrite_from:
            raise
        return credential.rewrite_from


def allowed_sender(sender: str, credential: Credential) -> str:
    """The address, if the credential may send as it: listed itself, or with its domain, or as one of a domain's
    sub-domains. Raises SenderNotAllowed."""
    domain = address.domain(sender)
    if address.key(sender) in credential.senders or f"@{domain}" in credential.senders:
        return sender
    while domain := domain.partition(".")[2]:
        if f"@*.{domain}" in credential.senders:
            return sender
    raise SenderNotAllowed(sender)


def verified(senders: Iterable[str], identities: Identities) -> None:
    """Raises SenderNotVerified for the first one that SES would not send from."""
    for sender in senders:
        if why := identities.why_not(sender):
            raise SenderNotVerified(sender, why)


def recipient(raw: bytes) -> str:
    """The envelope recipient. Raises InvalidRecipient."""
    try:
        return address.plain(raw)
    except ValueError:
        raise InvalidRecipient(raw.decode("ascii", "backslashreplace")) from None


def hops(parsed: Parsed) -> None:
    """Raises MailLoop (RFC 5321 6.3)."""
    if len(parsed.all("received")) > _MAX_HOPS:
        raise MailLoop


def header_from(parsed: Parsed) -> str:
    """The one address of the one From header. Raises Malformed."""
    values = parsed.all("from")
    if len(values) != 1:
        raise Malformed(f"{len(values)} From headers" if values else "no From header")
    try:
        return address.mailbox(values[0])
    except ValueError as error:
        raise Malformed(f"From header: {error}") from None


def sender_headers(parsed: Parsed, credential: Credential) -> tuple[str, ...]:
    """The addresses that readers may take for the sender's beside From: of Sender, Return-Path and every Resent- block
    (RFC 5322 3.6.6). Raises Malformed or SenderNotAllowed."""
    headers = [header for header in parsed.headers if header.name in _MAILBOXES]
    if not headers:
        return ()
    if sum(header.name == "sender" for header in headers) > 1:
        raise Malformed("more than one Sender header")
    found: list[str] = []
    for header in headers:
        try:
            found += _MAILBOXES[header.name](unfold(header.value))
        except ValueError as error:
            raise Malformed(f"{header.name.title()} header: {error}") from None
    return tuple(allowed_sender(sender, credential) for sender in found)


def _one(value: bytes) -> Sequence[str]:
    return (address.mailbox(value),)


def _one_or_none(value: bytes) -> Sequence[str]:
    """RFC 5321 4.4: the path of a notice is empty."""
    return () if value == b"<>" else _one(value)


_MAILBOXES: dict[str, Callable[[bytes], Sequence[str]]] = {
    "sender": _one,
    "return-path": _one_or_none,
    "resent-from": address.mailboxes,
    "resent-sender": _one,
}
