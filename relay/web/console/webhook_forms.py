"""The form of a webhook: its fields as a webhook fills them in, and a webhook as they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from relay import documents
from relay.event_words import EVENT_WORDS
from relay.ports.clock import Chance
from relay.web.console.credential_forms import identity_entry
from relay.web.console.visits import Objection, Said
from relay.webhooks import rules, signatures, texts
from relay.webhooks.webhook import Format, Proof, Text, Webhook

_Word = TypeVar("_Word", bound=StrEnum)

_ON = "on"
_LISTS = ("credentials", "senders", "campaigns")
_PLAIN = ("url", "method", "user", "region", "service")
_UNSAID = ("secret", "headers")  # in the audit log
METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
FORMATS: Mapping[str, str] = {
    Format.RELAY: "The relay's own, JSON",
    Format.DEVINO_JSON: "Callback of Devino, JSON",
    Format.DEVINO_XML: "Callback of Devino, XML",
    Format.SES: "What SES published, unchanged",
    Format.TEMPLATE: "Texts of your own",
}
PROOFS: Mapping[str, str] = {
    Proof.NONE: "It does not",
    Proof.STANDARD: "A signature by Standard Webhooks",
    Proof.BASIC: "User and password (Basic)",
    Proof.BEARER: "A token (Bearer)",
    Proof.SIGV4: "A signature of AWS (Signature Version 4)",
}


class Refused(Exception):
    """It cannot be so: all that speaks against it."""

    def __init__(self, said: Iterable[Said]) -> None:
        super().__init__()
        self.said = tuple(said)


def written(webhook: Webhook) -> dict[str, str]:
    """The fields of the form, but for the secret; those of a tick that is off are missing."""
    ticks = {"is_private": webhook.is_private, **{f"event.{word}": word in webhook.events for word in EVENT_WORDS}}
    return {
        "name": webhook.name,
        **{name: str(getattr(webhook, name)) for name in (*_PLAIN, "format", "proof", "most")},
        **{name: "\n".join(sorted(getattr(webhook, name))) for name in _LISTS},
        "headers": "\n".join(f"{name}: {value}" for name, value in webhook.headers),
        "texts": texts.written(webhook.texts),
        **{name: _ON for name, is_on in ticks.items() if is_on},
    }


def read(fields: Mapping[str, str], before: Webhook) -> Webhook:
    """The webhook as the form says, with the secret of before. Raises Objection."""
    return replace(
        before,
        **{name: fields.get(name, "") for name in _PLAIN},
        format=_word(Format, fields.get("format", "")),
        proof=_word(Proof, fields.get("proof", "")),
        most=_number(fields.get("most", "")),
        events=frozenset(word for word in EVENT_WORDS if f"event.{word}" in fields),
        credentials=frozenset(_lines(fields, "credentials")),
        senders=frozenset(map(identity_entry, _lines(fields, "senders"))),
        campaigns=frozenset(_lines(fields, "campaigns")),
        headers=tuple(map(_header, _lines(fields, "headers"))),
        texts=_texts(fields.get("texts", "")),
        is_private="is_private" in fields,
    )


def new_secret(fields: Mapping[str, str], made: Webhook, before: Webhook, chance: Chance) -> str:
    """The one that is to be made here, and shown; empty for none."""
    is_wanted = made.proof is Proof.STANDARD and not fields.get("secret")
    if not is_wanted or (before.proof is Proof.STANDARD and "new_secret" not in fields):
        return ""
    return signatures.new_secret(chance)


def check(webhook: Webhook, secret: str) -> None:
    """`secret` is not sealed. Raises Refused."""
    if found := [Said(text) for text in rules.objections(webhook, secret)]:
        raise Refused(found)


def differences(before: Webhook, after: Webhook) -> str:
    """What has changed: JSON for the audit log, without what may be secret."""
    old, new = (json.loads(documents.written(webhook)) for webhook in (before, after))
    changed = {name: [old[name], new[name]] for name in new if old[name] != new[name]}
    return json.dumps({name: "changed" if name in _UNSAID else each for name, each in changed.items()}, ensure_ascii=False)


def _lines(fields: Mapping[str, str], name: str) -> list[str]:
    return [line.strip() for line in fields.get(name, "").splitlines() if line.strip()]


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise Objection("{line}: a header is written as Name: value.", line=line)
    return name.strip(), value.strip()


def _texts(text: str) -> tuple[Text, ...]:
    try:
        return texts.read(text)
    except ValueError as error:
        raise Objection("{why}", why=str(error)) from None


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise Objection("{word} is not a number of events.", word=text)
    return int(text)


def _word(kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        raise Objection("{word} cannot be chosen here.", word=text) from None
