"""May it pass? One rule after the other, in a table. A rule can be observed: its refusals are told, and refuse nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from relay import attachments, policy
from relay.errors import Refused
from relay.model import Credential
from relay.reading import mime
from relay.reading.mime import Octets, Parsed


class Rule(StrEnum):
    """Rules by the names that settings and the journal use."""

    HOPS = "hops"
    FROM = "from"
    SENDER = "sender"
    ATTACHMENTS = "attachments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message that can be read, and who sends it."""

    content: Octets
    parsed: Parsed
    credential: Credential
    header_from: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that refuses."""

    rule: Rule
    refusal: Refused


_RULES: dict[Rule, Callable[[Case], object]] = {
    Rule.HOPS: lambda case: policy.hops(case.parsed),
    Rule.FROM: lambda case: policy.allowed_sender(case.header_from, case.credential),
    Rule.SENDER: lambda case: policy.sender_headers(case.parsed, case.credential),
    Rule.ATTACHMENTS: lambda case: attachments.check(case.content, case.parsed, case.credential.attachments),
}


def case(content: Octets, credential: Credential) -> Case:
    """Reads the message. Raises Malformed: what cannot be read cannot be judged, and no setting lets it pass."""
    parsed = mime.read(content)
    return Case(content=content, parsed=parsed, credential=credential, header_from=policy.header_from(parsed))


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
