from __future__ import annotations

import pytest

from relay import judge
from relay.errors import AttachmentNotAllowed, Malformed, SenderNotAllowed
from relay.judge import Case, Rule
from relay.model import Credential, Kind

SHOP = Credential(name="app", kind=Kind.APPLICATION, password_hashes=(), senders=("shop@example.com",))
PROGRAM = b'Content-Type: application/octet-stream; name="a.exe"\r\n'


def case(head: bytes, sending: Credential = SHOP) -> Case:
    return judge.case(head + b"\r\nx\r\n", sending)


def test_what_breaks_no_rule_passes() -> None:
    found = case(b"From: shop@example.com\r\n")
    assert judge.judge(found, frozenset()) == ()
    assert found.header_from == "shop@example.com"


def test_every_rule_that_refuses_is_found() -> None:
    found = case(b"From: boss@example.com\r\nSender: shop@example.org\r\n" + PROGRAM)
    assert [(finding.rule, type(finding.refusal)) for finding in judge.findings(found)] == [
        (Rule.FROM, SenderNotAllowed),
        (Rule.SENDER_HEADERS, SenderNotAllowed),
        (Rule.ATTACHMENTS, AttachmentNotAllowed),
    ]


def test_the_first_rule_that_is_not_observed_refuses() -> None:
    found = case(b"From: boss@example.com\r\n" + PROGRAM)
    with pytest.raises(SenderNotAllowed):
        judge.judge(found, frozenset())
    with pytest.raises(AttachmentNotAllowed):
        judge.judge(found, {Rule.FROM})


def test_what_observed_rules_found_is_told() -> None:
    found = case(b"From: boss@example.com\r\n" + PROGRAM)
    seen = judge.judge(found, {Rule.FROM, Rule.ATTACHMENTS})
    assert [(finding.rule, finding.refusal.subject) for finding in seen] == [
        (Rule.FROM, "boss@example.com"),
        (Rule.ATTACHMENTS, "exe"),
    ]


def test_what_cannot_be_read_is_no_case() -> None:
    with pytest.raises(Malformed, match="no From header"):
        case(b"To: reader@example.net\r\n")
    with pytest.raises(Malformed, match="a header line"):
        case(b"no header\r\n")
