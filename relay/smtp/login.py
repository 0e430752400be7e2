"""Who is it? A name and a password, from an address: a credential, or the one answer for every failure."""

from __future__ import annotations

from relay import journal, policy
from relay.errors import WrongLogin
from relay.model import Credential
from relay.ports import Credentials, Passwords


class Login:
    """Checks names and passwords. The client never learns which part was wrong; the journal does."""

    def __init__(self, credentials: Credentials, passwords: Passwords) -> None:
        self._credentials = credentials
        self._passwords = passwords

    async def check(self, name: str, password: str, *, peer: str) -> Credential:
        """Raises WrongLogin or StoreUnavailable. Takes the same time for an unknown name."""
        credential = await self._credentials.get(name)
        fits = await self._passwords.verify(password, credential)
        why = ""
        if credential is None:
            why = "unknown name"
        elif not fits:
            why = "wrong password"
        elif credential.disabled:
            why = "disabled"
        elif not policy.may_connect(credential, peer):
            why = "not from this network"
        if why or credential is None:
            journal.login_refused(name=name, peer=peer, why=why)
            raise WrongLogin
        return credential
