"""Who wants to be told what becomes of mail, where, and in which words: frozen values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from relay import address
from relay.event import OWN, Fact
from relay.event_words import word_for

EVERYTHING = "*"
"""The trigger of a text that is there for all events without one of their own."""


class Format(StrEnum):
    """What a body looks like."""

    RELAY = "relay"  # ours, JSON
    DEVINO_JSON = "devino-json"
    DEVINO_XML = "devino-xml"
    SES = "ses"  # what SES published, unchanged
    TEMPLATE = "template"  # texts with ${names}


# Devino's callback has no words for the rest.
_DEVINO = frozenset(("SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "UNSUBSCRIBED", "SUBSCRIBED", "COMPLAINED"))
_WORDS = {Format.DEVINO_JSON: _DEVINO, Format.DEVINO_XML: _DEVINO}


class Proof(StrEnum):
    """How a receiver knows that it is us."""

    NONE = "none"
    STANDARD = "standard"  # HMAC-SHA256, Standard Webhooks 1.0
    BASIC = "basic"
    BEARER = "bearer"
    SIGV4 = "sigv4"  # an AWS endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is sent for events of one trigger: a word of event_words.py, or EVERYTHING. The URL is the webhook's where there is
    none.
    """

    trigger: str
    body: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver. Empty sets of what it wants are everything; `senders` are addresses, or domains as `@example.com`.

    `most` events go in one request. `user`, `region` and `service` are for the proofs that need them; what is secret about them
    lies sealed in `secret`. With `is_private` its host may be one that only we reach, and speak plain HTTP.
    """

    name: str
    url: str
    format: Format = Format.RELAY
    events: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    campaigns: frozenset[str] = frozenset()
    most: int = 1
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    texts: tuple[Text, ...] = ()
    proof: Proof = Proof.NONE
    user: str = ""
    region: str = ""
    service: str = ""
    secret: str = field(default="", repr=False)
    is_private: bool = False

    def wants(self, fact: Fact) -> bool:
        """Whether it is to be told."""
        word = word_for(fact.event.type, fact.found)
        return (
            bool(word)
            and _is_among(word, self.events)
            and _is_among(fact.credential, self.credentials)
            and _is_among(fact.campaign, self.campaigns)
            and self._is_of_senders(fact.sender)
            and self._has_words_for(fact, word)
        )

    def _has_words_for(self, fact: Fact, word: str) -> bool:
        match self.format:
            case Format.TEMPLATE:
                return self.text_for(word) is not None
            case Format.SES:
                return fact.event.type not in OWN
            case _:
                return word in _WORDS.get(self.format, (word,))

    def text_for(self, word: str) -> Text | None:
        """That of the trigger, or that for everything, or None."""
        texts = {text.trigger: text for text in self.texts}
        return texts.get(word) or texts.get(EVERYTHING)

    def _is_of_senders(self, sender: str) -> bool:
        return not self.senders or not self.senders.isdisjoint((address.key(sender), f"@{address.domain(sender)}"))


def _is_among(text: str, wanted: Collection[str]) -> bool:
    return not wanted or text in wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A fact that somebody is to be told. `payload` is what SES published of it, where that is wanted and still there."""

    number: int
    fact: Fact
    since: float
    failures: int = 0
    payload: bytes = b""
