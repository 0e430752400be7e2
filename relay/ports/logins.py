"""Who may come in."""

from __future__ import annotations

from typing import Protocol

from relay.credential import Credential, LastUse


class Credentials(Protocol):
    """Logins."""

    async def get(self, name: str) -> Credential | None: ...
    async def all(self) -> tuple[Credential, ...]: ...

    async def changed(self, after: int) -> tuple[tuple[Credential, ...], int]:
        """Those that were put after that change, and the number of the last."""

    async def put(self, credential: Credential) -> None: ...

    async def note_use(self, use: LastUse) -> None:
        """In place of what was known of that password."""

    async def last_uses(self) -> tuple[LastUse, ...]: ...

    async def accepted_since(self, at: float) -> dict[str, int]:
        """Messages by the name of the credential, counted as limits count them."""


class HasPasswords(Protocol):
    """A login of mail, or of the console."""

    @property
    def password_hashes(self) -> tuple[str, ...]: ...


class Passwords(Protocol):
    """Hashing, slow on purpose and off the loop."""

    def remembered(self, password: str, credential: HasPasswords | None) -> str | None:
        """The hash that the password was found to fit a short time ago."""

    async def hashed(self, password: str) -> str:
        """An argon2id hash in its own notation, salt included."""

    async def verify(self, password: str, credential: HasPasswords | None) -> str | None:
        """The hash it fits. Takes as long for an unknown credential as for a wrong password. Raises TooBusy."""
