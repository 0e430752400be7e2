from __future__ import annotations

from dataclasses import replace

import pytest

from relay import judge
from relay.credential import Credential, Kind, Macros
from relay.errors import AttachmentNotAllowed, Malformed, MissingMacro, SenderNotAllowed, SenderNotVerified
from relay.identities import Identities, Identity, IdentityState, KnownIdentities
from relay.judge import Case, Rule

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


@pytest.mark.parametrize(("before", "is_missing"), [(b"", False), (b"-----BEGIN PGP SIGNED MESSAGE-----\r\n", True)])
def test_a_macro_where_nothing_is_changed_is_none(before: bytes, is_missing: bool) -> None:
    must_have = replace(SHOP, macros=Macros.REQUIRED)
    found = judge.case(b"From: shop@example.com\r\n\r\n" + before + b"[Unsubscribe]\r\n", must_have)
    assert [type(finding.refusal) for finding in judge.findings(found)] == [MissingMacro] * is_missing


CUT = [
    f'Content-Disposition: attachment; filename="{"ü" * 8}a.exeü.pdf"\r\n',
    f'Content-Type: x/y; name="{"ü" * 15}aa.exe and more.pdf"\r\n',
    f'Content-Disposition: attachment; x="{"y " * 500}{"y" * 8}"; filename="a.e xe"\r\n',
]


@pytest.mark.parametrize("head", CUT)
def test_a_name_is_judged_as_it_is_sent_too(head: str) -> None:
    """Who takes the first piece for the name, or drops a blank with the fold, finds a program that was none before."""
    judge.judge(case(b"From: shop@example.com\r\n" + head.replace("exe", "txt").replace("xe", "xt").encode()), frozenset())
    with pytest.raises(AttachmentNotAllowed, match="exe"):
        judge.judge(case(b"From: shop@example.com\r\n" + head.encode()), frozenset())


def test_a_name_that_cannot_be_written_anew_is_not_for_this_rule() -> None:
    found = case(b"From: shop@example.com\r\nContent-Disposition: attachment; filename=\xff.pdf\r\n")
    assert judge.judge(found, frozenset()) == ()


def test_the_other_sender_headers_are_a_rule_of_their_own() -> None:
    for head, refusal in ((b"Sender: boss@example.com\r\n", SenderNotAllowed), (b"Resent-From: the boss\r\n", Malformed)):
        found = case(b"From: shop@example.com\r\n" + head)
        assert [(finding.rule, type(finding.refusal)) for finding in judge.findings(found)] == [(Rule.SENDER_HEADERS, refusal)]
        assert judge.judge(found, {Rule.SENDER_HEADERS})


@pytest.mark.parametrize(
    ("sender", "head", "refused"),
    [
        ("shop@example.com", b"From: shop@example.com\r\n", ""),
        ("", b"From: shop@example.com\r\n", ""),
        ("anna@example.org", b"From: shop@example.com\r\n", "anna@example.org"),
        ("shop@example.com", b"From: anna@example.org\r\n", "anna@example.org"),
        ("shop@example.com", b"From: shop@example.com\r\nSender: anna@example.org\r\n", "anna@example.org"),
        ("shop@example.com", b"From: shop@example.com\r\nReturn-Path: <anna@example.org>\r\n", "anna@example.org"),
        ("shop@example.com", b"From: shop@example.com\r\nReply-To: anna@example.org\r\n", ""),
    ],
)
def test_every_sender_must_be_one_that_ses_sends_from(sender: str, head: bytes, refused: str) -> None:
    identities = Identities()
    verified = Identity(name="example.com", state=IdentityState.VERIFIED)
    identities.learn(KnownIdentities(at=0.0, identities=(verified,)))
    sending = replace(SHOP, senders=("@example.com", "@example.org"))
    found = judge.case(head + b"\r\nx\r\n", sending, sender=sender, identities=identities)
    expected = [(Rule.VERIFIED, refused, "not verified at SES")] if refused else []
    assert [(seen.rule, seen.refusal.subject, seen.refusal.reason) for seen in judge.findings(found)] == expected


def test_a_rule_that_is_observed_hides_nothing_from_the_next() -> None:
    identities = Identities()
    identities.learn(KnownIdentities(at=0.0, identities=()))
    found = judge.case(b"From: shop@example.com\r\nSender: the shop\r\n\r\nx\r\n", SHOP, identities=identities)
    with pytest.raises(SenderNotVerified):
        judge.judge(found, {Rule.SENDER_HEADERS})
    assert len(judge.judge(found, {Rule.SENDER_HEADERS, Rule.VERIFIED})) == 2


def test_what_cannot_be_read_is_no_case() -> None:
    with pytest.raises(Malformed, match="no From header"):
        case(b"To: reader@example.net\r\n")
    with pytest.raises(Malformed, match="a header line"):
        case(b"no header\r\n")
