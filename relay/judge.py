"""May it pass? One rule after the other, in a table. A rule can be observed: its refusals are told, and refuse nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from relay import attachments, policy
from relay.credential import Credential, Macros
from relay.errors import MissingMacro, Refused
from relay.identities import Identities
from relay.reading import mime
from relay.reading.mime import Octets, Parsed
from relay.writing import edits, macros


class Rule(StrEnum):
    """Rules by the names that settings and the journal use."""

    HOPS = "hops"
    FROM = "from"
    SENDER_HEADERS = "sender-headers"
    VERIFIED = "verified"
    ATTACHMENTS = "attachments"
    MACROS = "macros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message that can be read, and who sends it. `sender` is that of the envelope, or the same as From.

    `header_from` is the address that goes out in From; `is_rewritten` if it is another one than came.
    """

    content: Octets
    parsed: Parsed
    credential: Credential
    header_from: str
    is_rewritten: bool
    sender: str
    identities: Identities


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that refuses."""

    rule: Rule
    refusal: Refused


def _verified(case: Case) -> None:
    """All senders there are; what else is wrong with the other sender headers is for their own rule to say."""
    policy.verified((case.sender, case.header_from), case.identities)
    try:
        others = policy.sender_headers(case.parsed, case.credential)
    except Refused:
        return
    policy.verified(others, case.identities)


def _attachments(case: Case) -> None:
    """By the names that they came with, and by those that they are sent with."""
    attachments.check(case.content, case.parsed, case.credential.attachments)
    for part in edits.renamed(case.content, case.parsed):
        attachments.check_named(part, case.credential.attachments)


def _macros(case: Case) -> None:
    """For logins that must have the link in every message."""
    if case.credential.macros is not Macros.REQUIRED:
        return
    texts = (part for part in filter(macros.may_have, case.parsed.parts) if macros.may_change(case.content, part))
    if not any(macros.UNSUBSCRIBE in macros.found(case.content, part) for part in texts):
        raise MissingMacro(f"[{macros.UNSUBSCRIBE}]")


_RULES: dict[Rule, Callable[[Case], object]] = {
    Rule.HOPS: lambda case: policy.hops(case.parsed),
    Rule.FROM: lambda case: policy.allowed_sender(case.header_from, case.credential),
    Rule.SENDER_HEADERS: lambda case: policy.sender_headers(case.parsed, case.credential),
    Rule.VERIFIED: _verified,
    Rule.ATTACHMENTS: _attachments,
    Rule.MACROS: _macros,
}


def case(content: Octets, credential: Credential, *, sender: str = "", identities: Identities | None = None) -> Case:
    """Reads the message. Raises Malformed: what cannot be read cannot be judged, and no setting lets it pass."""
    parsed = mime.read(content)
    came = policy.header_from(parsed)
    header_from = policy.sending_as(came, credential) if credential.rewrite_from else came
    return Case(
        content=content,
        parsed=parsed,
        credential=credential,
        header_from=header_from,
        is_rewritten=header_from != came,
        sender=sender or header_from,
        identities=identities or Identities(),
    )


def findings(found: Case) -> Iterator[Finding]:
    """Every rule that refuses, in the order of the table."""
    for rule, look in _RULES.items():
        try:
            look(found)
        except Refused as refusal:
            yield Finding(rule, refusal)


def judge(found: Case, observed: Collection[Rule]) -> tuple[Finding, ...]:
    """What observed rules found. Raises the refusal of the first rule that is not observed."""
    seen = []
    for finding in findings(found):
        if finding.rule not in observed:
            raise finding.refusal
        seen.append(finding)
    return tuple(seen)
