from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import address

ATEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
LDH = "abcdefghijklmnopqrstuvwxyz0123456789"

atoms = st.text(ATEXT, min_size=1, max_size=10)
labels = st.builds("{}{}{}".format, st.sampled_from(LDH), st.text(LDH + "-", max_size=10), st.sampled_from(LDH))
addresses = st.builds(
    "{}@{}".format,
    st.lists(atoms, min_size=1, max_size=5).map(".".join),
    st.lists(labels, min_size=2, max_size=5).map(".".join),
).filter(lambda found: "=?" not in found)

TAKEN = [
    b"anna@example.net",
    b"Anna.Berg+shop@Example.NET",
    b"bounce-1234-anna=example.net@lists.example.com",  # VERP
    b"!#$%&'*+-/?=^_`{|}~@example.net",
    b"a@b.c",
    b"a@xn--mnchen-3ya.example",
    b"a@3com.example",
    b"%s@example.net" % (b"a" * 64),
    b"a@%s.net" % (b"b" * 63),
    b"a@" + b".".join([b"b" * 62] * 4) + b".net",  # a domain of 255 octets
]

REFUSED = [
    b"",
    b"anna",
    b"@example.net",
    b"anna@",
    b"anna@example",
    b"anna@@example.net",
    b"anna@example.net@example.com",
    b"anna@.example.net",
    b"anna@example..net",
    b"anna@example.net.",
    b".anna@example.net",
    b"anna.@example.net",
    b"an..na@example.net",
    b"an na@example.net",
    b" anna@example.net",
    b"anna@example.net ",
    b"anna@exam_ple.net",
    b"anna@-example.net",
    b"anna@example-.net",
    b"anna@[192.0.2.1]",
    b"anna@[IPv6:2001:db8::1]",
    b'"anna"@example.net',
    b'"an na"@example.net',
    b"anna(comment)@example.net",
    b"<anna@example.net>",
    b"@relay.example:anna@example.net",
    b"anna@example.net,bert@example.net",
    b"anna\\@example.net",
    b"anna@example.net\n",
    b"anna@example.net\r\n",
    b"anna\r@example.net",
    b"anna@example.net\0",
    b"an\0na@example.net",
    b"an\x7fna@example.net",
    "ännä@example.net".encode(),
    "anna@exämple.net".encode(),
    b"a@=?utf-8?q?evil?=.example",
    b"=?utf-8?q?a?=@example.net",
    b"%s@example.net" % (b"a" * 65),
    b"a@%s.net" % (b"b" * 64),
    b"a@" + b".".join([b"b" * 62] * 4) + b".nett",
]


@pytest.mark.parametrize("raw", TAKEN)
def test_a_plain_address_is_taken_as_it_was_written(raw: bytes) -> None:
    assert address.parse(raw) == raw.decode("ascii")


@pytest.mark.parametrize("raw", REFUSED)
def test_what_is_no_plain_address_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address.parse(raw)


@given(addresses)
def test_every_dot_atom_address_is_taken_with_its_case(found: str) -> None:
    assert address.parse(found.encode()) == found


@given(addresses, st.integers(0, 40), st.sampled_from(b'\0\t\n\r "(),:;<>@[\\]\x7f\x80\xff'))
def test_no_octet_from_outside_the_grammar_may_stand_anywhere(found: str, position: int, octet: int) -> None:
    raw = found.encode()
    spoilt = raw[:position] + bytes([octet]) + raw[position:]
    with pytest.raises(ValueError, match=r".+"):
        address.parse(spoilt)


@given(st.binary(max_size=40))
def test_any_octets_are_an_address_or_refused(raw: bytes) -> None:
    try:
        found = address.parse(raw)
    except ValueError:
        return
    assert found.encode("ascii") == raw


@given(addresses)
def test_two_spellings_of_an_address_have_one_key(found: str) -> None:
    assert address.key(found.upper()) == address.key(found.lower()) == address.key(found)


def test_two_addresses_have_two_keys() -> None:
    assert address.key("anna@example.net") != address.key("anna@example.com")


@pytest.mark.parametrize("found", ["anna@example.net", "Anna@Example.NET"])
def test_the_domain_is_what_stands_behind_the_at_sign_in_lower_case(found: str) -> None:
    assert address.domain(found) == "example.net"


@pytest.mark.parametrize(
    "value",
    [
        b"shop@example.com",
        b"  shop@example.com ",
        b"<shop@example.com>",
        b"< shop@example.com >",
        b"Shop <shop@example.com>",
        b"Shop<shop@example.com>",
        b"The Shop of Example <shop@example.com>",
        b'"The Shop" <shop@example.com>',
        b'"Shop, Example; Inc: <x>" <shop@example.com>',
        b'"ceo@bank.example" <shop@example.com>',
        b'"" <shop@example.com>',
        b'"a" "b" <shop@example.com>',
        rb'"\\" <shop@example.com>',
        rb'"a \" quote" <shop@example.com>',
        b"=?utf-8?q?Gesch=C3=A4ft?= <shop@example.com>",
        "Geschäft <shop@example.com>".encode(),
        b"shop@example.com <shop@example.com>",
        b"Shop@Example.com <shop@example.com>",
        b"shop@example.com (The Shop)",
        b"(The Shop) shop@example.com",
        b"(a (nested) comment) <shop@example.com>",
        rb"(an escaped \) bracket) <shop@example.com>",
        b"(evil@bank.example) <shop@example.com>",
        b"() <shop@example.com> ()",
        rb"(\)) <shop@example.com>",
        rb"(\\) <shop@example.com>",
    ],
)
def test_the_one_mailbox_of_a_header_is_found(value: bytes) -> None:
    assert address.mailbox(value) == "shop@example.com"


def test_a_mailbox_keeps_its_case() -> None:
    assert address.mailbox(b"Shop <Shop@Example.COM>") == "Shop@Example.COM"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"   ",
        b"Shop",
        b"<>",
        b"Shop <>",
        b"Shop <shop@example.com",
        b"Shop shop@example.com>",
        b"<<shop@example.com>>",
        b"<shop@example.com><evil@example.org>",
        b"shop@example.com, evil@example.org",
        b"Shop <shop@example.com>, Evil <evil@example.org>",
        b"Shop <shop@example.com>; evil@example.org",
        b"shop@example.com,",
        b"<shop@example.com>,",
        b"<shop@example.com>>",
        b"<shop@example.com>;evil@example.org",
        b"Staff: shop@example.com;",
        b"Staff:;",
        b"undisclosed-recipients:;",
        b"evil@example.org <shop@example.com>",
        b"<shop@example.com> evil@example.org",
        b"Shop, Example <shop@example.com>",
        b'"Shop <shop@example.com>',
        b'"shop@example.com"',
        b'"evil\\" <shop@example.com>',
        b"(shop@example.com",
        b"(shop@example.com)",
        rb"(shop@example.com\)",
        b"((comment) shop@example.com",
        b"evil\xff@example.org <shop@example.com>",
        b"<(comment)shop@example.com>",
        b"<@relay.example:shop@example.com>",
        b'<"shop"@example.com>',
        b"<shop@localhost>",
        b"=?utf-8?q?shop=40example=2Ecom?=",
        b"<=?utf-8?q?shop?=@example.com>",
    ],
)
def test_no_mailbox_or_more_than_one_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address.mailbox(value)


@pytest.mark.parametrize(
    "value",
    [
        b"John shop@example.com",
        b"sh op@example.com",
        b"shop@exam ple.com",
        b"shop@example.com evil",
        b'"evil"shop@example.com',
        b'shop"evil"@example.com',
        b'"John" shop@example.com',
        b"shop(comment)@example.com",
        b"<shop@example.com> John",
        b"<shop@example.com\x0b>",
        b"shop@example.com\x0c",
    ],
)
def test_an_address_is_never_put_together_from_pieces(value: bytes) -> None:
    # Readers disagree on all of these: what one joins or drops, the next takes for another address.
    with pytest.raises(ValueError, match=r".+"):
        address.mailbox(value)


@given(addresses, st.text(ATEXT + " ", max_size=20))
def test_a_mailbox_is_found_behind_any_unquoted_name(found: str, name: str) -> None:
    assert address.mailbox(f"{name} <{found}>".encode()) == found


@given(st.binary(max_size=60))
def test_any_octets_are_a_mailbox_or_refused(value: bytes) -> None:
    try:
        found = address.mailbox(value)
    except ValueError:
        return
    assert address.parse(found.encode()) == found


@given(st.tuples(*[st.sampled_from(["", "", "", " ", '"evil"', "(evil)", "<", ">", "evil", ","])] * 4))
def test_the_mailbox_found_is_always_one_that_was_written(junk: tuple[str, ...]) -> None:
    value = f"{junk[0]}shop{junk[1]}@{junk[2]}example.com{junk[3]}"
    try:
        found = address.mailbox(value.encode())
    except ValueError:
        return
    assert found in value
