from __future__ import annotations

import unicodedata

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import address
from relay.errors import NotAscii

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


# Domains beyond ASCII.

BEYOND = [
    ("bücher.example", "xn--bcher-kva.example"),
    ("BÜCHER.Example", "xn--bcher-kva.example"),
    ("bu\u0308cher.example", "xn--bcher-kva.example"),  # the dots as a character of their own, as macOS writes them
    ("\u212aelvin.example", "kelvin.example"),  # NFC itself makes a K of the sign for kelvin
    ("faß.example", "xn--fa-hia.example"),
    ("ΣΟΦΟΣ.example", "xn--0xaakcn.example"),
    ("σοφος.example", "xn--0xaajbq.example"),
    ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ("испытание.рф", "xn--80akhbyknj4f.xn--p1ai"),
    ("יונ.example", "xn--9dbhw.example"),  # from right to left
]

TRICKS = [
    "exam\u200bple.example",  # zero width space
    "exam\u200dple.example",  # zero width joiner where nothing is joined
    "exam\u00adple.example",  # soft hyphen
    "exam\u2060ple.example",  # word joiner
    "exam\ufeffple.example",
    "exam\ufe0fple.example",  # variation selector
    "exam\u034fple.example",  # combining grapheme joiner
    "\u202eelpmaxe.example",  # right-to-left override
    "ｅｘａｍｐｌｅ.com",
    "\U0001d41example.com",
    "ⓔxample.com",
    "exampl\u2103.example",  # degree Celsius: becomes °c
    "example\u3002com",  # ideographic full stop
    "example\uff0ecom",
    "example\uff61com",
    "example\u2024com",  # one dot leader
    "ex\u2100mple.com",  # becomes a/c
    "exªmple.example",
    "ﬁsh.example",
    "ñ½.example",
    "①.example",
    "☃.example",  # IDNA 2003 took it
    "💩.example",
    "ä_b.example",
    "ä b.example",
    "ä/b.example",
    "ä\0.example",
    "-ä.example",
    "ä-.example",
    "äb--.example",
    "ab--ä.example",
    "ä..example",
    ".ä.example",
    "ä.example.",
    "ä",
    "\u0308a.example",  # begins with a mark
    "א1a.example",  # both directions in one label
    "1א.example",
    "\u0378.example",  # not assigned
    "ü" * 60 + ".example",
    ".".join(["ü" * 20] * 12) + ".example",
]


@pytest.mark.parametrize(("domain", "expected"), BEYOND)
def test_a_domain_beyond_ascii_becomes_its_a_labels(domain: str, expected: str) -> None:
    assert address.plain(f"Reader@{domain}".encode()) == f"Reader@{expected}"


@pytest.mark.parametrize("domain", TRICKS)
def test_a_domain_that_is_not_what_it_looks_like_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address.plain(f"reader@{domain}".encode())


@pytest.mark.parametrize(
    "raw", [b"r\xff@example.net", b"reader@\xff.example", b"reader@\xc3.example", b"reader@\xed\xa0\x80.example"]
)
def test_octets_that_are_no_utf8_are_no_address(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address.plain(raw)


@pytest.mark.parametrize("raw", ["jörg@example.net", "jörg@bücher.example", "\u200b@example.net"])
def test_a_local_part_beyond_ascii_is_told_as_such(raw: str) -> None:
    with pytest.raises(NotAscii) as refused:
        address.plain(raw.encode())
    assert refused.value.subject == raw


@given(addresses)
def test_a_plain_address_of_ascii_is_the_same_by_both_ways(found: str) -> None:
    assert address.plain(found.encode()) == address.parse(found.encode())


@given(st.text(min_size=1, max_size=20))
def test_what_is_taken_shows_as_it_was_given_but_for_case_and_composition(domain: str) -> None:
    try:
        found = address.plain(f"reader@{domain}.example".encode("utf-8", "surrogatepass"))
    except (ValueError, NotAscii):
        return
    shown = idna.decode(address.domain(found))
    assert unicodedata.normalize("NFC", shown) == unicodedata.normalize("NFC", f"{domain}.example".lower())


@given(st.text(min_size=1, max_size=20))
def test_a_domain_in_unicode_and_its_a_labels_have_one_key(domain: str) -> None:
    given_ = f"Reader@{domain}.example"
    try:
        found = address.plain(given_.encode("utf-8", "surrogatepass"))
    except (ValueError, NotAscii):
        return
    assert address.key(given_) == address.key(found) == address.key(found.upper())


@pytest.mark.parametrize(("domain", "expected"), BEYOND)
def test_an_address_is_suppressed_in_whatever_script_its_domain_is_written(domain: str, expected: str) -> None:
    assert address.key(f"Reader@{domain}") == address.key(f"reader@{expected}") == f"reader@{expected}"


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_anything_has_a_key(text: str) -> None:
    assert address.key(address.key(text)) == address.key(text)


# Lists.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@example.com", ["a@example.com"]),
        (b"a@example.com, b@example.com", ["a@example.com", "b@example.com"]),
        (b'"A, B" <a@example.com>,B<b@example.com>', ["a@example.com", "b@example.com"]),
        (b"(a, (b,) c) a@example.com ,\t<b@example.com>", ["a@example.com", "b@example.com"]),
    ],
)
def test_a_list_is_parted_at_its_commas(value: bytes, expected: list[str]) -> None:
    assert address.mailboxes(value) == expected


@pytest.mark.parametrize(
    "value",
    [b"", b",", b"a@example.com,", b",a@example.com", b"Staff: a@example.com;", b'a@example.com, "b', b"a@example.com, <b"],
)
def test_a_list_with_an_empty_or_broken_place_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address.mailboxes(value)


@given(
    st.lists(addresses, min_size=1, max_size=5),
    st.lists(st.sampled_from(["", "Shop", '"a, b"', "(c, d)"]), min_size=5, max_size=5),
)
def test_every_mailbox_of_a_list_is_found(wanted: list[str], names: list[str]) -> None:
    value = ", ".join(f"{name} <{found}>" for name, found in zip(names, wanted, strict=False))
    assert address.mailboxes(value.encode()) == wanted
