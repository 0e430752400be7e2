"""A From header that the login may not use, made one that it may: nobody is fooled about who wrote it, and answers find him."""

from __future__ import annotations

import email
import re
from email.policy import default
from email.utils import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay import address
from relay.errors import Malformed
from relay.reading import mime
from relay.writing import edits

OURS = "relay@example.com"


def rewritten(value: bytes, extra: bytes = b"") -> bytes:
    content = b"X-First: 1\r\nFrom:" + value + b"\r\n" + extra + b"\r\nx\r\n"
    return b"".join(edits.edited(content, [edits.rewritten_from(mime.read(content), OURS)]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b" anna@example.net", '"anna at example.net"'),
        (b" <anna@example.net>", '"anna at example.net"'),
        (b" Anna <anna@example.net>", '"Anna via anna at example.net"'),
        (b' "Anna (S.), \\"A\\"" <anna@example.net>', '"Anna (S.), \\"A\\" via anna at example.net"'),
        (b' "anna@example.org" <anna@example.net>', '"anna at example.org via anna at example.net"'),
        (b" =?utf-8?q?J=C3=B6rg?= <j@example.net>", "=?utf-8?q?J=C3=B6rg_via_j_at_example=2Enet?="),
        (" Jörg <j@example.net>".encode(), "=?utf-8?q?J=C3=B6rg_via_j_at_example=2Enet?="),
        (b" =?utf-8?q?a=0D=0ABcc=3A_x?= <j@example.net>", '"aBcc: x via j at example.net"'),
    ],
)
def test_the_name_says_where_the_message_came_from(value: bytes, shown: str) -> None:
    assert f"\r\nFrom: {shown} <{OURS}>\r\nReply-To:".encode() in rewritten(value)


@pytest.mark.parametrize("value", [b" Anna\r\n <anna@example.net>", b"anna@example.net", b' "A, B" <a@example.net> (c)'])
def test_answers_go_where_the_message_came_from(value: bytes) -> None:
    assert rewritten(value).endswith(b"\r\nReply-To:" + value + b"\r\n\r\nx\r\n")
    own = b"Reply-To: other@example.net\r\n"
    assert rewritten(value, own).endswith(f"<{OURS}>\r\n".encode() + own + b"\r\nx\r\n")
    assert rewritten(value, own).count(b"eply-To") == 1


@pytest.mark.parametrize("empty", [b"Reply-To:\r\n", b"Reply-To: \r\n", b"reply-to:\t\r\n"])
def test_a_reply_to_that_says_nothing_is_none(empty: bytes) -> None:
    content = b"From: anna@example.net\r\n" + empty + b"\r\nx\r\n"
    changes = edits.needed(
        content, mime.read(content), message_id="1", hostname="relay.example.com", protocol="ESMTPSA", now=0.0, send_as=OURS
    )
    sent = email.message_from_bytes(b"".join(edits.edited(content, changes)))
    assert sent.get_all("Reply-To") == ["anna@example.net"]


def test_a_name_in_raw_8_bit_is_encoded_for_answers_too() -> None:
    assert rewritten(" Süden <a@example.net>".encode()).endswith(
        b"\r\nReply-To: =?utf-8?b?U8O8ZGVu?= <a@example.net>\r\n\r\nx\r\n"
    )


@settings(deadline=None)  # Python's email is slow on a busy machine
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=120), st.booleans())
@example("=?utf-8?q?a?= b", False)
@example("x" * 120, True)
def test_a_name_of_anything_stays_a_name(name: str, encoded: bool) -> None:
    words = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in name.encode()[:40]) + "?="
    plain = quote("".join(c for c in name if c >= " " and c != "\x7f"))
    value = f' "{plain}" <anna@example.net>' if not encoded else f" {words} <anna@example.net>"
    result = rewritten(value.encode())
    field = result.partition(b"\r\nReply-To:")[0].partition(b"X-First: 1\r\n")[2]
    assert re.fullmatch(rb"From:[ -~]*(?:\r\n [ -~]*)*", field)
    assert address.mailbox(mime.unfold(field.partition(b":")[2])) == OURS
    message = email.message_from_bytes(result, policy=default)
    assert [sender.addr_spec for sender in message["From"].addresses] == [OURS]
    assert message.keys() == ["X-First", "From", "Reply-To"]


@pytest.mark.parametrize("length", [940, 975, 985])
def test_a_from_that_is_just_short_enough_makes_no_reply_to_that_is_too_long(length: int) -> None:
    value = b' "' + (b"x y " * 300)[: length - 25] + b'" <anna@example.net>'
    lines = rewritten(value).split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert b"anna@example.net" in b"".join(lines[lines.index(next(line for line in lines if line.startswith(b"Reply-To:"))) :])


def test_comments_in_comments_are_no_fault_of_ours() -> None:
    deep = b" " + b"(" * 990 + b")" * 990 + b" <q@other.com>"
    own = b"Reply-To: other@example.net\r\n"
    assert f'\r\nFrom: "q at other.com" <{OURS}>\r\n'.encode() in rewritten(deep, own)
    with pytest.raises(Malformed):  # there is no place to fold it
        rewritten(deep)
