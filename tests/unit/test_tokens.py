"""Tokens of links: only those that we made are good."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import ids, tokens
from relay.errors import UnknownLink
from relay.tokens import Kind, Link

KEYS = {1: b"a" * 32, 7: b"b" * 32}
LINK = Link(Kind.UNSUBSCRIBE, ids.ulid(1_763_720_000.0, b"0123456789"), 2)
TOKEN = tokens.sealed(LINK, KEYS)


def test_a_token_says_what_it_was_made_of_and_is_the_same_each_time() -> None:
    assert tokens.opened(TOKEN, KEYS, Kind.UNSUBSCRIBE) == LINK
    assert tokens.sealed(LINK, KEYS) == TOKEN
    assert len(TOKEN) == 52


@given(chance=st.binary(min_size=10, max_size=10), at=st.floats(0, 2**47 / 1000), number=st.integers(1, 2**32 - 1))
def test_every_link_has_its_own(chance: bytes, at: float, number: int) -> None:
    link = Link(Kind.WEB_VERSION, ids.ulid(at, chance), number)
    assert tokens.opened(tokens.sealed(link, KEYS), KEYS, Kind.WEB_VERSION) == link


def test_the_newest_key_seals_and_older_ones_are_known() -> None:
    old = tokens.sealed(LINK, {1: KEYS[1]})
    assert old != TOKEN
    assert tokens.opened(old, KEYS, Kind.UNSUBSCRIBE) == LINK
    with pytest.raises(UnknownLink):
        tokens.opened(TOKEN, {1: KEYS[1]}, Kind.UNSUBSCRIBE)


def changed(position: int, to: int) -> str:
    octets = bytearray(base64.urlsafe_b64decode(TOKEN))
    octets[position] = to
    return base64.urlsafe_b64encode(bytes(octets)).decode()


FORGED = [
    "",
    "A" * 52,
    TOKEN[:-1],
    TOKEN + "A",
    TOKEN.lower(),
    TOKEN[::-1],
    TOKEN[:-1] + "=",
    f" {TOKEN}",
    "ä" * 52,
    "\0" * 52,
    "../" * 17 + "a",
    *(changed(position, 255) for position in (0, 1, 2, 3, 18, 19, 22, 23, 38)),
    tokens.sealed(LINK, {7: b"c" * 32}),
    tokens.sealed(LINK, {200: KEYS[1]}),
    tokens.sealed(Link(Kind.WEB_VERSION, LINK.message_id, LINK.number), KEYS),
]


@pytest.mark.parametrize("token", FORGED)
def test_what_we_have_not_made_for_this_is_unknown(token: str) -> None:
    with pytest.raises(UnknownLink):
        tokens.opened(token, KEYS, Kind.UNSUBSCRIBE)


@given(st.text(max_size=80))
def test_nothing_else_is_a_token(token: str) -> None:
    with pytest.raises(UnknownLink):
        tokens.opened(token, KEYS, Kind.UNSUBSCRIBE)


def test_there_is_no_address_and_no_secret_in_it() -> None:
    octets = base64.urlsafe_b64decode(TOKEN)
    assert octets[:23] == bytes([1, 7, 1]) + ids.octets(LINK.message_id) + (2).to_bytes(4, "big")
