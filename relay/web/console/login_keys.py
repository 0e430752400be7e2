"""Access keys of a login, on its page: for programs that speak to the relay as they would to Amazon SES."""

from __future__ import annotations

from dataclasses import replace

from relay import sigv4
from relay.access_keys import IssuedKey, new_id, new_secret
from relay.credential import Credential
from relay.operators import OperatorRole
from relay.ports.access_keys import AccessKeys
from relay.ports.clock import Chance
from relay.ports.logins import Credentials, Passwords
from relay.ports.operators import Admin
from relay.ports.sealing import Seal
from relay.web.console.credentials import CredentialPages, path_of
from relay.web.console.key_ring import NewKey
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act


class LoginKeyPages:
    """Its routes. Without a `seal` no key is made. Passwords by SMTP are those that SES would make in `region`."""

    def __init__(
        self,
        *,
        pages: CredentialPages,
        credentials: Credentials,
        keys: AccessKeys,
        admin: Admin,
        passwords: Passwords,
        seal: Seal | None,
        chance: Chance,
        region: str,
    ) -> None:
        self._pages = pages
        self._credentials = credentials
        self._keys = keys
        self._admin = admin
        self._passwords = passwords
        self._seal = seal
        self._chance = chance
        self._region = region

    def routes(self) -> Routes:
        admin = OperatorRole.ADMIN
        return (
            act("/credentials/{name}/keys", self._add, admin, "access key made"),
            act("/credentials/{name}/keys/{id}/disable", self._disable, admin, "access key disabled"),
            act("/credentials/{name}/keys/{id}/enable", self._enable, admin, "access key enabled"),
            act("/credentials/{name}/keys/{id}/remove", self._remove, admin, "access key removed"),
        )

    async def _add(self, visit: Visit) -> Page:
        login = await self._login(visit)
        made = await self._made(login, visit.now, is_for_smtp=bool(visit.asked("smtp")))
        return await self._pages.shown(visit, login, made=made)

    async def _made(self, login: Credential, now: float, *, is_for_smtp: bool) -> NewKey:
        """Raises Objection."""
        if self._seal is None:
            raise Objection("An access key needs a key in secrets.keys: relay key new.")
        id, secret = new_id(self._chance), new_secret(self._chance)
        password = sigv4.smtp_password(secret, self._region) if is_for_smtp else ""
        key = IssuedKey(
            id=id,
            credential=login.name,
            secret=self._seal.seal(secret, about=id),
            smtp_hash=await self._passwords.hashed(password) if password else "",
            created_at=now,
        )
        if not await self._admin.add_access_key(key):
            raise Objection("There is a key {id} already: try once more.", id=id)
        return NewKey(id=id, secret=secret, password=password)

    async def _disable(self, visit: Visit) -> Go:
        return await self._switch(visit, "The key {id} is refused from now on.", disabled=True)

    async def _enable(self, visit: Visit) -> Go:
        return await self._switch(visit, "The key {id} is good again.", disabled=False)

    async def _switch(self, visit: Visit, said: str, *, disabled: bool) -> Go:
        key = await self._key(visit)
        if not await self._admin.change_access_key(replace(key, disabled=disabled)):
            raise NotThere
        return Go(path=path_of(key.credential), said=Said(said, {"id": key.id}))

    async def _remove(self, visit: Visit) -> Go:
        key = await self._key(visit)
        if not await self._admin.remove_access_key(key.id):
            raise NotThere
        return Go(path=path_of(key.credential), said=Said("The key {id} is removed.", {"id": key.id}))

    async def _login(self, visit: Visit) -> Credential:
        if found := await self._credentials.get(visit.path("name")):
            return found
        raise NotThere

    async def _key(self, visit: Visit) -> IssuedKey:
        """One of that login alone."""
        found = await self._keys.get(visit.path("id"))
        if found is None or found.credential != visit.path("name"):
            raise NotThere
        return found
