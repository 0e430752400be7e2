"""Which webhooks can be: looked at when one is made, so that nobody learns it from what never came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from relay.event_words import EVENT_WORDS
from relay.webhooks import formats, placeholders, signatures
from relay.webhooks.webhook import EVERYTHING, Format, Proof, Webhook

MOST = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 5.6.2
_METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
_WITHOUT_BODY = ("GET", "DELETE")
_NOT_HIS = frozenset(("host", "content-length", "transfer-encoding", "connection", "authorization", "expect", "te", "upgrade"))
_LONGEST_BODY = 100_000


def objections(webhook: Webhook, secret: str) -> Iterator[str]:
    """Why it cannot be, in words for people; none if it can. `secret` is not sealed."""
    if not _NAME.fullmatch(webhook.name):
        yield "a name has letters, digits and . _ - in it, and 64 of them at most"
    for url in (webhook.url, *(text.url for text in webhook.texts if text.url)):
        yield from _of_url(url, webhook)
    if unknown := sorted(webhook.events - set(EVENT_WORDS)):
        yield f"{', '.join(unknown)}: there are no such events, but {', '.join(EVENT_WORDS)}"
    if below := [sender for sender in webhook.senders if sender.startswith("@*")]:
        yield f"{below[0]}: addresses, or domains as @example.com, which do not stand for what lies below them"
    if not 1 <= webhook.most <= (MOST if formats.takes_many(webhook.format) else 1):
        yield f"1 to {MOST} events go into one request, and one only in the formats {Format.SES} and {Format.TEMPLATE}"
    yield from _of_request(webhook)
    yield from _of_texts(webhook)
    yield from _of_proof(webhook, secret)


def _of_url(url: str, webhook: Webhook) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield f"{url}: not a URL"
        return
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0 or not url.isascii() or not url.isprintable():
        yield f"{url}: not a URL of the web"
    if parts.scheme == "http" and not webhook.is_private:
        yield f"{url}: only https, unless its host is said to be private (`--private`; of alarms `webhook_private`)"
    if parts.username is not None or parts.fragment:
        yield f"{url}: neither passwords nor fragments"
    if "${" in f"{parts.scheme}{parts.netloc}":
        yield f"{url}: no names before its path, so that nobody who writes mail says where to send to"
    if "${" in url and webhook.format is not Format.TEMPLATE:
        yield f"{url}: names stand for something only in the format {Format.TEMPLATE}"


def _of_request(webhook: Webhook) -> Iterator[str]:
    if webhook.method not in _METHODS or (webhook.method != "POST" and webhook.format is not Format.TEMPLATE):
        yield f"{webhook.method}: not one of {', '.join(_METHODS)}, of which the format {Format.TEMPLATE} alone may use all"
    for name, value in webhook.headers:
        if not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
            yield f"{name}: no header that can be sent"
        elif name.lower() in _NOT_HIS or name.lower().startswith("webhook-"):
            yield f"{name}: not for you to say"


def _of_texts(webhook: Webhook) -> Iterator[str]:
    if bool(webhook.texts) != (webhook.format is Format.TEMPLATE):
        yield f"texts are for the format {Format.TEMPLATE}, which has to have one"
    for text in webhook.texts:
        if text.trigger not in (EVERYTHING, *EVENT_WORDS):
            yield f"{text.trigger}: no event"
        if len(text.body) > _LONGEST_BODY or (text.body and webhook.method in _WITHOUT_BODY):
            yield f"a text of up to {_LONGEST_BODY:,} characters, and none with {' and '.join(_WITHOUT_BODY)}"
    said = (value for text in webhook.texts for value in (text.body, text.url, *(each for _, each in webhook.headers)))
    used = {name for value in said for name in placeholders.names(value) if not name.startswith("tags.")}
    if unknown := sorted(used - formats.NAMES):
        yield f"${{{unknown[0]}}}: there is no such name, but {', '.join(sorted(formats.NAMES))} and tags."


def _of_proof(webhook: Webhook, secret: str) -> Iterator[str]:
    if not secret and webhook.proof is not Proof.NONE:
        yield f"{webhook.proof} needs a secret"
    elif not secret.isprintable() or not secret.isascii():
        yield "a secret has printable ASCII in it"
    elif webhook.proof is Proof.STANDARD:
        try:
            signatures.signing_key(secret)
        except ValueError as error:
            yield f"the secret {error}"
    if (webhook.proof in (Proof.BASIC, Proof.SIGV4)) != bool(webhook.user) or ":" in webhook.user:
        yield f"{Proof.BASIC} and {Proof.SIGV4} have a user, and the others none"
    if (webhook.proof is Proof.SIGV4) != bool(webhook.region and webhook.service):
        yield f"{Proof.SIGV4} has a region and a service, and the others none"
