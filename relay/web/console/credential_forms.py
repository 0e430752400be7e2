"""The form of a login: its fields as a login fills them in, and a login as they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from ipaddress import ip_network
from typing import TypeVar

from relay import address, documents, policy
from relay.credential import (
    DEFAULTS,
    Attachments,
    Credential,
    Kind,
    LineEnds,
    ListUnsubscribe,
    Macros,
    MessageClass,
    OnSuppressed,
    Recipients,
    Scope,
)
from relay.errors import NotAscii, SenderNotAllowed
from relay.web.console.visits import Objection

_Word = TypeVar("_Word", bound=StrEnum)

_ATTACHMENT = re.compile(r"(magic:)?[a-z0-9_-]+|[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)")
_ON = "on"
_LONGEST_NAME = 128
_NO_PATHS = (".", "..")  # no browser would ask for them
_SWITCHES = ("enhanced_codes", "ses_headers")
_NUMBERS = ("per_minute", "per_day")
_NUMBER = re.compile(r"[0-9]{0,9}")
# What can be chosen, and how it is called.
CHOICES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "recipients": (
        (Recipients.ONE, "The message is refused"),
        (Recipients.SPLIT, "Each of them gets it"),
        (Recipients.FIRST, "Only the first one gets it"),
    ),
    "on_suppressed": (
        (OnSuppressed.DROP, "It is accepted, kept on record and never sent"),
        (OnSuppressed.REJECT, "It is refused"),
    ),
    "message_class": (
        (MessageClass.UNSAID, "Not said"),
        (MessageClass.TRANSACTIONAL, "Transactional"),
        (MessageClass.MARKETING, "Marketing"),
    ),
    "macros": (
        (Macros.OPTIONAL, "It may be there"),
        (Macros.REQUIRED, "A message without it is refused"),
        (Macros.FOOTER, "A message without it gets a line with it"),
    ),
    "list_unsubscribe": (
        (ListUnsubscribe.OFF, "They stay as they come"),
        (ListUnsubscribe.ADD, "Ours are added where there are none"),
        (ListUnsubscribe.REPLACE, "Ours take their place"),
    ),
    "line_ends": ((LineEnds.REFUSE, "The message is refused"), (LineEnds.NORMALISE, "It becomes CRLF")),
}


def written(login: Credential) -> dict[str, str]:
    """The fields of the form; those of a tick that is off are missing."""
    rules = login.attachments
    ticks = {
        **{name: bool(getattr(login, name)) for name in _SWITCHES},
        "encrypted_archives": rules.encrypted_archives,
        "lists_archives": rules.lists_archives,
        **{f"scope.{scope}": scope in login.scopes for scope in Scope},
    }
    return {
        "senders": "\n".join(login.senders),
        "networks": "\n".join(login.networks),
        **{name: str(getattr(login, name)) for name in (*CHOICES, *_NUMBERS, "null_sender", "rewrite_from")},
        "denied": " ".join(sorted(rules.also_denied)),
        "permitted": " ".join(sorted(rules.permitted)),
        "only": " ".join(sorted(rules.only)),
        **{name: _ON for name, is_on in ticks.items() if is_on},
    }


def new(fields: Mapping[str, str], password_hash: str) -> Credential:
    """A login as the form says that never was before. Raises Objection."""
    name, kind = fields.get("name", ""), fields.get("kind", "")
    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME or name in _NO_PATHS:
        raise Objection("This cannot be the name of a login.")
    login = read(fields, Credential(name=name, kind=_word(Kind, kind), password_hashes=(password_hash,)))
    if not login.senders:
        raise Objection("A login sends as somebody: name an address or a domain.")
    return login


def read(fields: Mapping[str, str], login: Credential) -> Credential:
    """The login as the form says. Raises Objection."""
    recipients, on_suppressed = DEFAULTS[login.kind]
    changed = replace(
        login,
        scopes=_scopes(fields),
        senders=_listed(fields, "senders", _sender),
        networks=_listed(fields, "networks", _network),
        recipients=_word(Recipients, fields.get("recipients") or recipients),
        on_suppressed=_word(OnSuppressed, fields.get("on_suppressed") or on_suppressed),
        null_sender=_address(fields.get("null_sender", "")),
        rewrite_from=_address(fields.get("rewrite_from", "")),
        message_class=_word(MessageClass, fields.get("message_class", "")),
        macros=_word(Macros, fields.get("macros", "")),
        list_unsubscribe=_word(ListUnsubscribe, fields.get("list_unsubscribe", "")),
        line_ends=_word(LineEnds, fields.get("line_ends", "")),
        per_minute=_number(fields.get("per_minute", "")),
        per_day=_number(fields.get("per_day", "")),
        enhanced_codes="enhanced_codes" in fields,
        ses_headers="ses_headers" in fields,
        attachments=_attachments(fields),
    )
    if changed.rewrite_from:
        _check_allowed(changed)
    return changed


def differences(before: Credential, after: Credential) -> str:
    """What has changed, but for passwords: JSON for the audit log."""
    old, new = (json.loads(documents.written(login)) for login in (before, after))
    changed = {name: [old[name], new[name]] for name in new if old[name] != new[name] and name != "password_hashes"}
    return json.dumps(changed, ensure_ascii=False)


def identity_entry(name: str) -> str:
    """How a login's senders name an address, or a domain with or without its mark. Raises Objection."""
    return _sender(name if "@" in name else f"@{name}")


def _scopes(fields: Mapping[str, str]) -> frozenset[Scope]:
    scopes = frozenset(scope for scope in Scope if f"scope.{scope}" in fields)
    if not scopes:
        raise Objection("A login is for something: choose at least one.")
    return scopes


def _attachments(fields: Mapping[str, str]) -> Attachments:
    denied, permitted = (frozenset(_listed(fields, name, _attachment)) for name in ("denied", "permitted"))
    if both := denied & permitted:
        raise Objection("{word} cannot be refused and taken at the same time.", word=min(both))
    return Attachments(
        also_denied=denied,
        permitted=permitted,
        only=frozenset(_listed(fields, "only", _attachment)),
        encrypted_archives="encrypted_archives" in fields,
        lists_archives="lists_archives" in fields,
    )


def _listed(fields: Mapping[str, str], name: str, read_one: Callable[[str], str]) -> tuple[str, ...]:
    """Each once, in the order given; spaces, commas and lines are between them."""
    return tuple(dict.fromkeys(map(read_one, _words(fields.get(name, "")))))


def _words(text: str) -> Iterator[str]:
    return filter(None, re.split(r"[\s,;]+", text))


def _sender(word: str) -> str:
    for mark in ("@*.", "@"):
        if word.startswith(mark):
            return mark + address.domain(_address(f"x@{word.removeprefix(mark)}", given=word))
    return address.key(_address(word))


def _address(text: str, given: str = "") -> str:
    """Empty for none. Raises Objection, which names what was `given`."""
    try:
        return address.plain(text.encode("utf-8")) if text else ""
    except (ValueError, NotAscii):
        raise Objection("{word} is no address and no domain.", word=given or text) from None


def _network(word: str) -> str:
    try:
        return str(ip_network(word, strict=False))
    except ValueError:
        raise Objection("{word} is no IP address and no network, as 192.0.2.0/24.", word=word) from None


def _attachment(word: str) -> str:
    found = word.lower().removeprefix(".")
    if not _ATTACHMENT.fullmatch(found):
        raise Objection("{word} is no extension (exe), type (text/html, image/*) or content (magic:elf).", word=word)
    return found


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Objection("{word} is not a number of messages.", word=text)
    return int(text or 0)


def _word(kind: type[_Word], text: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        raise Objection("{word} cannot be chosen here.", word=text) from None


def _check_allowed(login: Credential) -> None:
    try:
        policy.allowed_sender(login.rewrite_from, login)
    except SenderNotAllowed:
        raise Objection("{address} is not one of the login's own senders.", address=login.rewrite_from) from None
