"""What is changed of a login while its password is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from relay.credential import Credential, Kind, LastUse, Scope
from relay.errors import WrongLogin
from relay.guesses import Guesses
from relay.logins import Login
from relay.ports.access_keys import AccessKeys
from relay.ports.logins import Credentials, HasPasswords, Passwords

APP = Credential(name="app", kind=Kind.APPLICATION, password_hashes=("old", "new"))
HOME = "192.0.2.1"

Meanwhile = Callable[[], Awaitable[None]]


async def nothing() -> None: ...


class Slow:
    """A store with one login, and its passwords: a hash is its own. Something may happen whenever somebody waits."""

    def __init__(self) -> None:
        self.stored = APP
        self.looked = self.noted = self.read = nothing
        guesses = Guesses(monotonic=lambda: 0.0, seconds=60, per_address=9, per_name=9)
        self.login = Login(
            cast(Credentials, self), cast(AccessKeys, None), cast(Passwords, self), guesses, clock=lambda: 1000.0
        )

    async def change(self, **what: object) -> None:
        self.stored = replace(self.stored, **what)  # type: ignore[arg-type]
        self.login.forget("app")

    async def get(self, name: str) -> Credential | None:
        found = self.stored
        happens, self.read = self.read, nothing
        await happens()
        return found

    def remembered(self, password: str, credential: HasPasswords | None) -> str | None:
        return None

    async def verify(self, password: str, credential: HasPasswords | None) -> str | None:
        await self.looked()
        return password

    async def note_use(self, use: LastUse) -> None:
        await self.noted()

    async def check(self) -> Credential:
        return await self.login.check("app", "old", peer=HOME, helo="client", scope=Scope.SMTP)


@pytest.mark.parametrize("when", ["looked", "noted", "read"])
@pytest.mark.parametrize(
    "change",
    [
        {"disabled": True},
        {"password_hashes": ("new",)},
        {"networks": ("198.51.100.0/24",)},
        {"scopes": frozenset({Scope.QUEUE})},
    ],
)
async def test_who_may_come_in_no_more_by_the_end_is_not_let_in(when: str, change: dict[str, object]) -> None:
    slow = Slow()
    setattr(slow, when, lambda: slow.change(**change))
    with pytest.raises(WrongLogin):
        await slow.check()
    with pytest.raises(WrongLogin):  # what was read before the change is not remembered
        await slow.check()


async def test_he_comes_in_as_what_he_is_by_then() -> None:
    slow = Slow()
    slow.noted = lambda: slow.change(senders=("@example.com",))
    assert await slow.check() == replace(APP, senders=("@example.com",))
