"""Every header that a reader may take for the sender's, and every way it was tried to put another's address there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import policy
from relay.credential import Credential, Kind
from relay.errors import Malformed, SenderNotAllowed
from relay.reading import mime

OURS = "shop@example.com"
THEIRS = "boss@bank.example"
HEADERS = ("Sender", "Resent-From", "Resent-Sender", "Return-Path")

CREDENTIAL = Credential(
    name="shop",
    kind=Kind.APPLICATION,
    password_hashes=("x",),
    senders=(OURS, "@shop.example", "@*.lists.example", "@xn--bcher-kva.example"),
)


def judge(*lines: str | bytes, first: str | bytes = f"From: {OURS}") -> tuple[str, ...]:
    """The addresses of sender headers, in a message of these lines that begins as an ordinary one does."""
    raw = [line if isinstance(line, bytes) else line.encode() for line in (first, *lines)]
    parsed = mime.read(b"".join(line + b"\r\n" for line in raw) + b"\r\nHello\r\n")
    policy.allowed_sender(policy.header_from(parsed), CREDENTIAL)
    return policy.sender_headers(parsed, CREDENTIAL)


def test_most_messages_have_none_of_them() -> None:
    assert judge("To: reader@example.net", "Subject: Order 42") == ()


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (OURS, OURS),
        (f"<{OURS}>", OURS),
        (f"The Shop <{OURS}>", OURS),
        (f'"Boss <{THEIRS}>" <{OURS}>', OURS),
        (f"({THEIRS}) {OURS}", OURS),
        (f"The Shop\r\n <{OURS}>", OURS),
        ("Shop@Example.COM", "Shop@Example.COM"),
        ("anyone@shop.example", "anyone@shop.example"),
        ("bounce-7=2@a.lists.example", "bounce-7=2@a.lists.example"),
        ("bounce@b.a.lists.example", "bounce@b.a.lists.example"),
        ("anyone@xn--bcher-kva.example", "anyone@xn--bcher-kva.example"),
    ],
)
def test_an_address_of_the_credential_may_stand_in_each(name: str, value: str, expected: str) -> None:
    assert judge(f"{name}: {value}") == (expected,)


@pytest.mark.parametrize("name", [*HEADERS, "SENDER", "resent-from", "rEsEnT-SeNdEr", "RETURN-PATH"])
@pytest.mark.parametrize(
    "value",
    [
        THEIRS,
        f"<{THEIRS}>",
        f"The Boss <{THEIRS}>",
        f'"{OURS}" <{THEIRS}>',
        f"({OURS}) {THEIRS}",
        f"\r\n {THEIRS}",
        "boss@example.com",  # of the same domain as an address that is listed
        "shop@example.com.bank.example",
        "shop@mail.shop.example",  # `@shop.example` is that domain alone
        "anyone@lists.example",  # `@*.lists.example` is what lies below it
        "anyone@xlists.example",
        "anyone@evil-lists.example",
        "shop@xn--xample-9uf.com",
    ],
)
def test_nobody_else_s_address_may(name: str, value: str) -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        judge(f"{name}: {value}")
    assert f"{refused.value.subject}" in value


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "The Shop",
        "shop",
        "shop@localhost",
        f"<{OURS}",
        f"{OURS}>",
        f"<<{OURS}>>",
        f"<{OURS}> <{THEIRS}>",
        f"{THEIRS} <{OURS}>",  # some show what stands before the brackets
        f"<{OURS}> {THEIRS}",
        f"{OURS} {THEIRS}",
        f"Staff: {OURS};",
        f"Staff: {OURS}, {OURS};",
        "undisclosed-recipients:;",
        f"{OURS}; {THEIRS}",
        f'"The Shop <{OURS}>',
        f"({OURS}",
        f'<"shop"@example.com> {THEIRS}',
        '<"shop"@example.com>',
        "shop@[192.0.2.1]",
        f"<@relay.example:{OURS}>",
        "shop(comment)@example.com",
        "sh op@example.com",
        "=?utf-8?q?shop=40example=2Ecom?=",
        "=?utf-8?q?shop?=@example.com",
        "shop@example.com.",
        "jörg@shop.example",
        "shop@bücher.example",
        "shop@exam\u200bple.com",
        "shop@ｅxample.com",
        "shop@example\u3002com",
        "<shop@example.com\x00>",
        "shop@example.com\x0b",
    ],
)
def test_what_is_no_plain_mailbox_is_malformed_in_each(name: str, value: str) -> None:
    with pytest.raises(Malformed, match=f"{name} header: "):
        judge(f"{name}: {value}")


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "value",
    [f"{OURS},", f",{OURS}", f"{OURS},,{OURS}", f"{OURS}, Staff: {OURS};", f"{OURS}, {THEIRS} <{OURS}>", f"{OURS}, (x"],
)
def test_a_list_with_anything_else_in_it_is_malformed(name: str, value: str) -> None:
    with pytest.raises(Malformed, match=f"{name} header: "):
        judge(f"{name}: {value}")


@pytest.mark.parametrize("name", ["Sender", "Resent-Sender", "Return-Path"])
def test_one_that_names_two_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match=f"{name} header: more than one mailbox"):
        judge(f"{name}: {OURS}, anyone@shop.example")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{OURS}, anyone@shop.example", (OURS, "anyone@shop.example")),
        (f"The Shop <{OURS}>,\r\n Anyone <anyone@shop.example>", (OURS, "anyone@shop.example")),
        (f'"Shop, Example" <{OURS}>, (a, b) anyone@shop.example', (OURS, "anyone@shop.example")),
        (rf'"a \", b" <{OURS}>', (OURS,)),
    ],
)
def test_resent_from_may_name_several_if_each_is_the_credential_s(value: str, expected: tuple[str, ...]) -> None:
    assert judge(f"Resent-From: {value}", f"Resent-Sender: {OURS}") == (*expected, OURS)


@pytest.mark.parametrize("value", [f"{OURS}, {THEIRS}", f"{THEIRS}, {OURS}", f'{OURS}, "a, b" <{THEIRS}>, {OURS}'])
def test_one_stranger_in_resent_from_is_enough(value: str) -> None:
    with pytest.raises(SenderNotAllowed, match=THEIRS):
        judge(f"Resent-From: {value}")


@pytest.mark.parametrize("name", ["Resent-From", "Resent-Sender", "Return-Path"])
@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS), (OURS, OURS, THEIRS, OURS)])
def test_every_block_is_looked_at(name: str, order: tuple[str, ...]) -> None:
    with pytest.raises(SenderNotAllowed, match=THEIRS):
        judge(*[f"{name}: {value}" for value in order])


def test_blocks_may_repeat() -> None:
    block = (f"Resent-From: {OURS}", "Resent-To: reader@example.net", "Resent-Date: Fri, 21 Nov 2025 10:00:00 +0000")
    assert judge(*block, *block) == (OURS, OURS)


@pytest.mark.parametrize("second", [OURS, THEIRS, ""])
def test_a_second_sender_is_malformed(second: str) -> None:
    with pytest.raises(Malformed, match="more than one Sender header"):
        judge(f"Sender: {OURS}", f"SENDER: {second}")


@pytest.mark.parametrize("value", ["<>", " <> ", "\r\n <>"])
def test_a_return_path_may_be_empty(value: str) -> None:
    assert judge(f"Return-Path:{value}") == ()


@pytest.mark.parametrize("name", ["Sender", "Resent-From", "Resent-Sender"])
def test_no_other_may(name: str) -> None:
    with pytest.raises(Malformed, match=f"{name} header: "):
        judge(f"{name}: <>")


@pytest.mark.parametrize("name", ["Reply-To", "To", "Cc", "Resent-To", "Resent-Reply-To", "X-Sender", "Errors-To", "List-Id"])
def test_who_is_written_to_is_no_identity(name: str) -> None:
    assert judge(f"{name}: {THEIRS}, Staff: other@example.org;") == ()


@pytest.mark.parametrize(
    "line",
    [
        f"From : {THEIRS}",
        f"From\t: {THEIRS}",
        f"Sender : {THEIRS}",
        f"Resent-From : {THEIRS}",
        f"Fr om: {THEIRS}",
        f"From\u200b: {THEIRS}",
        f"Ｆrom: {THEIRS}",
        f"From {THEIRS}",
        f"\x00From: {THEIRS}",
        f": {THEIRS}",
    ],
)
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_header_that_only_some_would_read_as_from_is_malformed(line: str, where: str) -> None:
    with pytest.raises(Malformed):
        judge(*([line, f"From: {OURS}"] if where == "first" else [line]), first=line if where == "first" else f"From: {OURS}")


@pytest.mark.parametrize("fold", [" ", "\t", "  "])
def test_a_header_block_that_starts_with_a_fold_is_malformed(fold: str) -> None:
    with pytest.raises(Malformed):
        judge(f"From: {OURS}", first=f"{fold}From: {THEIRS}")


@pytest.mark.parametrize(
    "value",
    [
        f"{OURS}, {THEIRS}",
        f"{THEIRS}, {OURS}",
        f"{OURS}\r\n , {THEIRS}",
        f"Staff: {OURS};",
        f"{THEIRS} <{OURS}>",
        f"<{OURS}>\r\n\t<{THEIRS}>",
        "",
    ],
)
def test_from_is_one_mailbox_and_no_list(value: str) -> None:
    with pytest.raises(Malformed, match="From header: "):
        judge(first=f"From: {value}")


@pytest.mark.parametrize("second", [f"From: {THEIRS}", f"from: {OURS}", "FROM:"])
def test_from_stands_there_once(second: str) -> None:
    with pytest.raises(Malformed, match="2 From headers"):
        judge(second)


@given(
    st.sampled_from(HEADERS),
    st.lists(
        st.sampled_from([OURS, THEIRS, "<", ">", ",", ";", ":", '"', "(", ")", " ", "Shop", "@", "\\", "\r\n "]), max_size=9
    ),
)
def test_whatever_passes_names_only_addresses_of_the_credential(name: str, words: list[str]) -> None:
    try:
        found = judge(f"{name}: {''.join(words)}")
    except (Malformed, SenderNotAllowed):
        return
    assert set(found) <= {OURS}
