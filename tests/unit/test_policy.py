from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relay import extensions, policy
from relay.credential import Credential, Kind
from relay.errors import InvalidRecipient, MailLoop, Malformed, NotAscii, SenderNotAllowed
from relay.reading import mime

DEVINO = """
    .adp .bat .chm .cmd .com .cpl .exe .hta .ins .isp .jar .js .jse .lib .lnk .mde .msc .msp .mst .pif .scr .sct .shb
    .sys .vb .vbe .vbs .vxd .wsc .wsf .wsh
"""

SES = """
    .ade .adp .app .asp .bas .bat .cer .chm .cmd .com .cpl .crt .csh .der .exe .fxp .gadget .hlp .hta .inf .ins .isp .its .js
    .jse .ksh .lib .lnk .mad .maf .mag .mam .maq .mar .mas .mat .mau .mav .maw .mda .mdb .mde .mdt .mdw .mdz .msc .msh .msh1
    .msh2 .mshxml .msh1xml .msh2xml .msi .msp .mst .ops .pcd .pif .plg .prf .prg .reg .scf .scr .sct .shb .shs .sys .ps1
    .ps1xml .ps2 .ps2xml .psc1 .psc2 .tmp .url .vb .vbe .vbs .vps .vsmacros .vss .vst .vsw .vxd .ws .wsc .wsf .wsh .xnk
"""

FORBIDDEN = sorted({word.removeprefix(".") for word in (DEVINO + SES).split()})


def credential(**fields: Any) -> Credential:
    defaults = {
        "name": "shop",
        "kind": Kind.APPLICATION,
        "password_hashes": ("x",),
        "senders": ("shop@example.com", "@shop.example"),
    }
    return Credential(**(defaults | fields))


# The extensions.


def test_the_lists_are_those_of_devino_and_of_ses() -> None:
    assert {f".{word}" for word in extensions.DEVINO_EXTENSIONS} == set(DEVINO.split())
    assert {f".{word}" for word in extensions.SES_EXTENSIONS} == set(SES.split())
    assert set(FORBIDDEN) == extensions.FORBIDDEN_EXTENSIONS
    assert (len(DEVINO.split()), len(SES.split())) == (31, 90)


# Senders.


@pytest.mark.parametrize(
    "raw",
    [b"shop@example.com", b"Shop@Example.COM", b"anyone@shop.example", b"any.one+x@Shop.Example", b"bounce-1=2@shop.example"],
)
def test_a_sender_of_the_credential_is_allowed_as_written(raw: bytes) -> None:
    assert policy.envelope_sender(raw, credential()) == raw.decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"boss@example.com",
        b"shop@example.org",
        b"xshop@example.com",
        b"shop@example.com.evil.example",
        b"anyone@mail.shop.example",
        b"anyone@xshop.example",
        b"anyone@shop.example.org",
    ],
)
def test_any_other_sender_is_refused_by_its_address(raw: bytes) -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        policy.envelope_sender(raw, credential())
    assert refused.value.subject == raw.decode()


@pytest.mark.parametrize(
    "raw",
    [
        b"shop",
        b"@shop.example",
        b"shop@example.com@shop.example",
        b'"a b"@shop.example',
        b"a b@shop.example",
        b"<a@shop.example>",
    ],
)
def test_what_is_no_address_is_no_sender(raw: bytes) -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        policy.envelope_sender(raw, credential())
    assert refused.value.subject == raw.decode()


def test_octets_that_are_no_text_are_no_sender() -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        policy.envelope_sender(b"sh\xff\r\np@shop.example", credential())
    assert refused.value.subject.isascii()


def test_a_credential_without_senders_may_send_as_nobody() -> None:
    with pytest.raises(SenderNotAllowed):
        policy.envelope_sender(b"shop@example.com", credential(senders=()))


def test_the_null_sender_is_refused_unless_the_credential_says_how_to_put_it_right() -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        policy.envelope_sender(b"", credential())
    assert refused.value.subject == "<>"
    assert policy.envelope_sender(b"", credential(null_sender="bounce@example.com")) == "bounce@example.com"


def test_a_null_sender_that_is_put_right_opens_no_other_door() -> None:
    with pytest.raises(SenderNotAllowed):
        policy.envelope_sender(b"bounce@example.com", credential(null_sender="bounce@example.com"))


@pytest.mark.parametrize(
    "line",
    [
        b"From: shop@example.com",
        b"FROM: The Shop <shop@example.com>",
        b'From: "The Shop" <shop@example.com>',
        b"From: The Shop\r\n <shop@example.com>",
        b"From: =?utf-8?q?Gesch=C3=A4ft?= <shop@example.com>",
    ],
)
def test_the_one_from_address_is_found_and_allowed(line: bytes) -> None:
    found = policy.header_from(mime.read(line + b"\r\n\r\nx\r\n"))
    assert policy.allowed_sender(found, credential()) == "shop@example.com"


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        (b"From: boss@example.com", "boss@example.com"),
        (b"From: Boss <Boss@example.com>", "Boss@example.com"),
        (b"From: shop@shop.example.org", "shop@shop.example.org"),
    ],
)
def test_a_from_address_that_is_not_allowed_is_refused_by_name(line: bytes, subject: str) -> None:
    found = policy.header_from(mime.read(line + b"\r\n\r\nx\r\n"))
    with pytest.raises(SenderNotAllowed) as refused:
        policy.allowed_sender(found, credential())
    assert refused.value.subject == subject


@pytest.mark.parametrize("judge", [policy.recipient, lambda raw: policy.envelope_sender(raw, credential())])
def test_a_local_part_beyond_ascii_is_refused_as_such(judge: Callable[[bytes], str]) -> None:
    with pytest.raises(NotAscii) as refused:
        judge("jörg@example.net".encode())
    assert refused.value.subject == "jörg@example.net"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("reader@Bücher.example", "reader@xn--bcher-kva.example"),
        ("reader@faß.example", "reader@xn--fa-hia.example"),  # IDNA 2008 keeps the sharp s, IDNA 2003 made ss of it
        ("reader@例え.テスト", "reader@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_a_domain_beyond_ascii_becomes_its_a_labels(raw: str, expected: str) -> None:
    assert policy.recipient(raw.encode()) == expected


@pytest.mark.parametrize("raw", ["reader@ex\u2024ample\u2025.example", "reader@\u0378.example", "reader@-ä.example", "ä"])
def test_a_domain_that_idna_does_not_take_is_no_recipient(raw: str) -> None:
    with pytest.raises((InvalidRecipient, NotAscii)):
        policy.recipient(raw.encode())


def test_a_message_that_goes_round_in_circles_is_refused() -> None:
    head = b"From: shop@example.com\r\n"
    hop = b"Received: by mx.example.com id 1\r\n"
    policy.hops(mime.read(hop * 50 + head + b"\r\nx\r\n"))
    with pytest.raises(MailLoop):
        policy.hops(mime.read(hop * 51 + head + b"\r\nx\r\n"))


def test_a_second_from_header_is_refused() -> None:
    for second in (b"From: boss@example.org", b"from: shop@example.com", b"FROM:"):
        with pytest.raises(Malformed, match="2 From headers"):
            policy.header_from(mime.read(b"From: shop@example.com\r\n" + second + b"\r\n\r\nx\r\n"))


def test_a_message_without_from_is_refused() -> None:
    with pytest.raises(Malformed, match="no From header"):
        policy.header_from(mime.read(b"Sender: shop@example.com\r\n\r\nFrom: shop@example.com\r\n"))


@pytest.mark.parametrize(
    "line",
    [
        b"From:",
        b"From: The Shop",
        b"From: shop@example.com, shop@example.com",
        b"From: Staff: shop@example.com;",
        b"From: boss@example.org <shop@example.com>",
        b"From: <shop@example.com> <boss@example.org>",
        b'From: "The Shop <shop@example.com>',
    ],
)
def test_a_from_header_without_exactly_one_address_is_malformed(line: bytes) -> None:
    with pytest.raises(Malformed, match="From header"):
        policy.header_from(mime.read(line + b"\r\n\r\nx\r\n"))


# Recipients.


def test_a_recipient_keeps_its_case() -> None:
    assert policy.recipient(b"Anna@Example.NET") == "Anna@Example.NET"


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"", ""),
        (b"postmaster", "postmaster"),
        (b"nobody@nowhere", "nobody@nowhere"),
        (b"a b@example.net", "a b@example.net"),
        (b"@relay:a@example.net", "@relay:a@example.net"),
        (b"a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_an_invalid_recipient_is_refused_by_what_was_given(raw: bytes, subject: str) -> None:
    with pytest.raises(InvalidRecipient) as refused:
        policy.recipient(raw)
    assert refused.value.subject == subject


# Networks.


@pytest.mark.parametrize(
    ("networks", "peer", "expected"),
    [
        ((), "192.0.2.1", True),
        ((), "2001:db8::1", True),
        (("192.0.2.0/24",), "192.0.2.1", True),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", True),
        (("192.0.2.0/24",), "::ffff:192.0.3.1", False),
        (("192.0.2.0/24",), "2001:db8::1", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1/32",), "192.0.2.2", False),
        (("10.0.0.0/8", "192.0.2.0/24"), "192.0.2.1", True),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8:1::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("2001:db8::/32",), "192.0.2.1", False),
        (("::/0",), "192.0.2.1", False),
        (("::/0",), "::ffff:192.0.2.1", False),
        (("0.0.0.0/0",), "::ffff:192.0.2.1", True),
        (("127.0.0.1",), "::1", False),
        (("fe80::/10",), "fe80::1%eth0", True),
    ],
)
def test_a_credential_works_only_from_its_networks(networks: tuple[str, ...], peer: str, expected: bool) -> None:
    assert policy.may_connect(credential(networks=networks), peer) is expected


@pytest.mark.parametrize(
    ("peer", "networks", "expected"),
    [
        ("192.0.2.1", (), False),
        ("192.0.2.1", ("192.0.2.0/24",), True),
        ("192.0.2.1", ("2001:db8::/32", "192.0.2.0/24"), True),
        ("192.0.3.1", ("2001:db8::/32", "192.0.2.0/24"), False),
        ("::ffff:192.0.2.1", ("192.0.2.0/24",), True),
        ("2001:db8::1", ["2001:db8::/32"], True),
    ],
)
def test_no_address_lies_within_no_networks(peer: str, networks: tuple[str, ...], expected: bool) -> None:
    assert policy.is_within(peer, networks) is expected
