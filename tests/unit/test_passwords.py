"""Passwords are compared with a hash also where nobody has the name."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from relay.security.passwords import ArgonPasswords, hash_of_nobody, hash_password


@pytest.fixture
async def passwords() -> AsyncIterator[ArgonPasswords]:
    made = ArgonPasswords(monotonic=time.monotonic)
    yield made
    made.close()


def test_nobody_s_hash_costs_as_much_as_any_and_is_compared_to_its_end() -> None:
    nobody = hash_of_nobody()
    assert extract_parameters(nobody) == extract_parameters(hash_password("a password"))
    with pytest.raises(VerifyMismatchError):  # one that cannot be read is another error, and at once
        PasswordHasher().verify(nobody, "a password")


def test_it_is_another_each_time() -> None:
    assert hash_of_nobody() != hash_of_nobody()


async def test_nobody_has_a_password(passwords: ArgonPasswords) -> None:
    assert await passwords.verify("", None) is None
    assert passwords.remembered("", None) is None
