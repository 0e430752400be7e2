"""Secrets in the database: what opens them, and what does not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import tokens
from relay.errors import Unsealable
from relay.security.sealing import AesSeal

OLD, NEW = (f"{number}:{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))


def seal(*masters: str, purpose: str = "secrets") -> AesSeal:
    return AesSeal(tokens.derived(masters, purpose))


@given(st.text(), st.text())
def test_what_was_sealed_is_opened(secret: str, about: str) -> None:
    assert seal(OLD).open(seal(OLD).seal(secret, about=about), about=about) == secret


def test_it_is_different_each_time_and_does_not_show_the_secret() -> None:
    found = {seal(OLD).seal("wJalrXUtnFEMI", about="key") for _ in range(100)}
    assert len(found) == 100
    assert not any("wJalr" in text for text in found)


def test_what_an_older_key_sealed_is_opened_and_the_newest_seals() -> None:
    sealed = seal(OLD).seal("secret", about="key")
    assert seal(OLD, NEW).open(sealed, about="key") == "secret"
    with pytest.raises(Unsealable, match=r"key 2 of secrets\.keys is gone"):
        seal(OLD).open(seal(OLD, NEW).seal("secret", about="key"), about="key")


def test_what_belongs_elsewhere_or_was_sealed_for_another_purpose_is_not_opened() -> None:
    sealed = seal(OLD).seal("secret", about="one")
    for other, about in ((seal(OLD), "another"), (seal(OLD, purpose="links"), "one")):
        with pytest.raises(Unsealable):
            other.open(sealed, about=about)


def test_whatever_was_changed_is_not_opened() -> None:
    number, _, text = seal(OLD).seal("secret", about="key").partition(":")
    octets = base64.b64decode(text)
    for place in range(len(octets)):
        changed = bytearray(octets)
        changed[place] ^= 1
        with pytest.raises(Unsealable):
            seal(OLD).open(f"{number}:{base64.b64encode(changed).decode()}", about="key")


@pytest.mark.parametrize("text", ["", ":", "1", "1:", "1:AAAA", "1:=", "x:AAAA", "99:AAAA", "-1:AAAA", "1:ÄÖ"])
def test_what_is_no_sealed_secret_is_not_opened(text: str) -> None:
    with pytest.raises(Unsealable):
        seal(OLD).open(text, about="key")
