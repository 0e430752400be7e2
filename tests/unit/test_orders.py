"""What a call of SES's APIs orders, as a message: who sends it, to whom, and its octets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from relay.errors import InvalidRecipient, Malformed, SenderNotAllowed
from relay.model import File
from relay.web.ses_door.orders import Order, Simple, drafted
from tests.harness import CRM

PARTS = Order(
    content=Simple(subject="Größe", text="hello"), source='"The Shop" <shop@example.com>', to=("Ann <ann@example.net>",)
)
RAW = Order(content=b"From: Shop <shop@example.com>\nTo: ann@example.net\nSubject: hi\n\nhello\n")
TAGGED = replace(CRM, ses_headers=True)


def content(order: Order, **changes: object) -> bytes:
    return b"".join(drafted(order, replace(CRM, **changes)).pieces)  # type: ignore[arg-type]


def test_the_parts_of_a_message_become_one() -> None:
    order = replace(PARTS, cc=("bob@example.net", "Eve <eve@example.net>"), bcc=("hidden@example.net",))
    draft = drafted(replace(order, content=replace(PARTS.content, reply_to=("help@example.com",))), CRM)  # type: ignore[type-var]
    assert (draft.sender, list(draft.recipients)) == (
        "shop@example.com",
        ["ann@example.net", "bob@example.net", "eve@example.net", "hidden@example.net"],
    )
    block, _, body = b"".join(draft.pieces).partition(b"\r\n\r\n")
    lines = block.decode().split("\r\n")
    assert 'From: "The Shop" <shop@example.com>' in lines
    assert "To: Ann <ann@example.net>" in lines
    assert "Cc: bob@example.net, Eve <eve@example.net>" in lines
    assert "Reply-To: help@example.com" in lines
    assert "Subject: Größe" in lines
    assert b"hidden" not in block
    assert body == b"hello"


def test_a_file_is_of_the_type_that_was_said_unless_it_would_be_read_as_more() -> None:
    def types(*files: File) -> list[str]:
        made = content(replace(PARTS, content=Simple(subject="", text="x", files=files))).decode()
        return [line.removeprefix("Content-Type: ") for line in made.split("\r\n") if line.startswith("Content-Type: ")][2:]

    said = "text/calendar\r\nX-Evil: 1"
    assert types(
        File("a.bin", b"x", content_type="text/calendar"),
        File("a.pdf", b"x"),
        File("a.bin", b"x", content_type="message/rfc822"),
        File("a.bin", b"x", content_type="Multipart/mixed"),
        File("a.bin", b"x", content_type=said),
    ) == ["text/calendar", "application/pdf", *["application/octet-stream"] * 3]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_whole_message_may_have_any_line_ends(end: bytes) -> None:
    assert isinstance(RAW.content, bytes)
    order = replace(RAW, content=RAW.content.replace(b"\n", end))
    assert content(order) == RAW.content.replace(b"\n", b"\r\n")


def test_a_whole_message_says_from_whom_and_to_whom_it_is_unless_the_call_does() -> None:
    draft = drafted(replace(RAW, content=b"Cc: c@example.net\nBcc: d@example.net,\n e@example.net\n" + bytes(RAW.content)), CRM)  # type: ignore[arg-type]
    assert (draft.sender, list(draft.recipients)) == (
        "shop@example.com",
        ["c@example.net", "d@example.net", "e@example.net", "ann@example.net"],
    )
    draft = drafted(replace(RAW, source="verp@example.com", to=("x@example.net",)), CRM)
    assert (draft.sender, list(draft.recipients)) == ("verp@example.com", ["x@example.net"])
    assert drafted(replace(RAW, return_path="bounces@example.com"), CRM).sender == "bounces@example.com"


def test_nobody_is_sent_to_twice() -> None:
    assert drafted(replace(RAW, to=("a@example.net", "A <a@example.net>")), CRM).recipients == ("a@example.net",)
    to = ("b@example.net", "A@example.net", "a@EXAMPLE.NET", "B@example.net")
    assert drafted(replace(RAW, to=to), CRM).recipients == ("b@example.net", "A@example.net")


@pytest.mark.parametrize("to", [b"undisclosed-recipients:;", b"", b"Friends: ;"])
def test_a_group_of_nobody_is_nobody(to: bytes) -> None:
    order = Order(content=b"From: shop@example.com\r\nTo: " + to + b"\r\nSubject: hi\r\n\r\nhello")
    assert drafted(order, CRM).recipients == ()


@pytest.mark.parametrize(
    "to", ["nobody", "a@b", "a@example.net, b@example.net", "Größe@example.net", "", "<>", "a@example.net\n"]
)
def test_what_is_no_mailbox_is_refused(to: str) -> None:
    with pytest.raises(InvalidRecipient):
        drafted(replace(PARTS, to=(to,)), CRM)
    with pytest.raises(SenderNotAllowed):
        drafted(replace(PARTS, source=to), CRM)


def test_a_message_whose_headers_cannot_be_read_is_refused() -> None:
    for octets in (b"no header\r\n\r\n", b"To: a@example.net\r\n\r\n", b"From: a@example.com\r\n\r\n\0"):
        with pytest.raises(Malformed):
            drafted(Order(content=octets), CRM)


ORDERED = replace(RAW, tags=(("campaign", "spring"), ("kind", "x")), configuration_set="news")
ORDERS = b"X-SES-MESSAGE-TAGS: campaign=spring, kind=x\r\nX-SES-CONFIGURATION-SET: news\r\n"


def test_tags_and_a_configuration_set_are_orders_to_ses_where_the_login_may_give_any() -> None:
    assert content(ORDERED, ses_headers=True) == ORDERS + content(RAW)
    assert content(ORDERED, ses_headers=False) == content(RAW)
    parts = replace(ORDERED, content=PARTS.content, source="shop@example.com")
    assert ORDERS in content(parts, ses_headers=True)


def test_what_the_message_says_of_it_itself_stands() -> None:
    own = b"X-SES-Configuration-Set: own\r\n" + content(RAW)
    assert content(replace(ORDERED, content=own), ses_headers=True) == ORDERS.partition(b"\r\n")[0] + b"\r\n" + own


def test_a_tag_cannot_write_a_header() -> None:
    made = content(replace(RAW, tags=(("a", "b\r\nBcc: evil@example.net"),)), ses_headers=True)
    assert made.startswith(b"X-SES-MESSAGE-TAGS: a=b Bcc: evil@example.net\r\nFrom")
