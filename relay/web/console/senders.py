"""/senders: the addresses and domains that SES knows, what it says of them, and which logins may send from them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from relay import journal
from relay.credential import Credential
from relay.errors import SesUnavailable
from relay.identities import Identity, IdentityState
from relay.operators import OperatorRole
from relay.ports.logins import Credentials
from relay.ports.operators import Admin
from relay.ports.ses import Verification
from relay.senders import IdentitySync
from relay.web.console.chores import Chores
from relay.web.console.credential_forms import identity_entry
from relay.web.console.credentials import path_of as login_path
from relay.web.console.known_logins import KnownLogins
from relay.web.console.sender_users import Users
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look

_ON_A_PAGE = 100
_PATIENCE = 3.0  # seconds; SES is asked for one a second, and tells the states of all at once
_LONGEST_REASON = 500
_CHORE = "senders"
_STATES = [("", "–"), *((state.value, state.value.replace("_", " ")) for state in IdentityState)]


class SenderPages:
    """Its routes. Where SES is not asked by schedule, `is_asked` is false."""

    def __init__(
        self,
        *,
        sync: IdentitySync,
        verification: Verification,
        credentials: Credentials,
        logins: KnownLogins,
        admin: Admin,
        chores: Chores,
        is_asked: bool,
    ) -> None:
        self._sync = sync
        self._verification = verification
        self._credentials = credentials
        self._logins = logins
        self._admin = admin
        self._chores = chores
        self._is_asked = is_asked

    def routes(self) -> Routes:
        admin = OperatorRole.ADMIN
        return (
            look("/senders", self._list),
            act("/senders", self._add, admin, "sender added"),
            act("/senders/look", self._look_at_all, admin, "SES asked for all senders"),
            look("/senders/{name}", self._show),
            act("/senders/{name}/look", self._look, admin, "SES asked for a sender"),
            act("/senders/{name}/allow", self._allow, admin, "sender given to a login"),
            act("/senders/{name}/forbid", self._forbid, admin, "sender taken from a login"),
        )

    async def _list(self, visit: Visit) -> Page:
        is_looking = self._chores.is_under_way(_CHORE)
        known, logins = self._sync.identities.known, await self._logins.all()
        text, state = visit.query.get("text", "").strip().lower(), visit.query.get("state", "")
        every = sorted(known.identities, key=lambda each: each.name) if known else []
        found = [each for each in every if text in each.name.lower() and state in ("", each.state)]
        rest = [each for each in found if each.name > visit.query.get("after", "")]
        shown, users = rest[:_ON_A_PAGE], Users(logins)
        facts: dict[str, Any] = {
            "known_at": known.at if known else 0.0,
            "identities": [(each, path_of(each.name), _linked(users.of(each.name))) for each in shown],
            "counts": Counter(each.state.value for each in every),
            "missing": list(self._missing(logins)) if known else [],
            "text": visit.query.get("text", ""),
            "state": state,
            "states": _STATES,
            "next": shown[-1].name if len(rest) > len(shown) else "",
            "is_asked": self._is_asked,
            "is_looking": is_looking,
        }
        return Page(template="senders", facts=facts)

    def _missing(self, logins: Iterable[Credential]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """What logins may send as and SES does not know: its name there, and who that is. The first of them."""
        found: dict[str, list[str]] = {}
        for login in logins:
            for listed in login.senders:
                name = listed.removeprefix("@*.").removeprefix("@")
                if self._sync.identities.state_of(listed.replace("@*.", "@")) is None:
                    found.setdefault(name, []).append(login.name)
        for name in sorted(found)[:_ON_A_PAGE]:
            yield name, _linked(found[name])

    async def _show(self, visit: Visit) -> Page:
        identity = self._of(visit)
        logins = await self._logins.all()
        entry = _entry_of(identity)
        users = set(Users(logins).of(identity.name))
        facts: dict[str, Any] = {
            "identity": identity,
            "own_path": path_of(identity.name),
            "users": [(login, login_path(login.name), entry in login.senders) for login in logins if login.name in users],
            "others": [login.name for login in logins if entry not in login.senders],
            "entry": entry,
        }
        return Page(template="sender", facts=facts)

    async def _add(self, visit: Visit) -> Go:
        """Raises Objection."""
        name = identity_entry(visit.asked("name")).removeprefix("@*.").removeprefix("@")
        with _told(f"SES does not begin to verify {name}"):
            if not await self._verification.begin(name):
                raise Objection("SES does not take {name}.", name=name)
        with _told(f"SES has taken {name} and does not tell of it"):
            identity = await self._sync.look(name)
        if identity is None:
            return Go(
                path="/senders", said=Said("SES has taken {name}, and lists it in a moment.", {"name": name}), subject=name
            )
        return Go(path=path_of(identity.name), said=_next_step(identity), subject=name)

    async def _look_at_all(self, visit: Visit) -> Go:
        is_over = asyncio.Event()

        async def work() -> Said:
            try:
                known = await self._sync.once()
            finally:
                is_over.set()
            return Said("SES has answered. Addresses and domains: {n}.", {"n": len(known.identities)})

        self._chores.begin(_CHORE, work)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await is_over.wait()
        chore = self._chores.of(_CHORE)
        if chore and chore.has_failed and chore.said:
            raise Objection(chore.said.text, **chore.said.words)
        return Go(path="/senders", said=chore.said if chore else None)

    async def _look(self, visit: Visit) -> Go:
        name = self._of(visit).name
        with _told(f"SES does not tell of {name}"):
            identity = await self._sync.look(name)
        if identity is None:
            return Go(path="/senders", said=Said("SES does not know {name} any more.", {"name": name}))
        return Go(path=path_of(name), said=Said("SES has answered."))

    async def _allow(self, visit: Visit) -> Go:
        return await self._give(visit, "{login} may send as {sender}.", is_allowed=True)

    async def _forbid(self, visit: Visit) -> Go:
        return await self._give(visit, "{login} may not send as {sender} any more.", is_allowed=False)

    async def _give(self, visit: Visit, said: str, *, is_allowed: bool) -> Go:
        identity = self._of(visit)
        entry = _entry_of(identity)
        async with self._logins.changing:
            login = await self._credentials.get(str(visit.form.get("login", "")))
            if login is None:
                raise Objection("There is no such login.")
            others = tuple(sender for sender in login.senders if sender != entry)
            await self._admin.put_credential(replace(login, senders=(*others, entry) if is_allowed else others))
        words = {"login": login.name, "sender": entry}
        return Go(path=path_of(identity.name), said=Said(said, words), detail=f"{login.name}: {entry}")

    def _of(self, visit: Visit) -> Identity:
        wanted, known = visit.path("name").lower(), self._sync.identities.known
        for identity in known.identities if known else ():
            if identity.name.lower() == wanted:
                return identity
        raise NotThere


def path_of(name: str) -> str:
    """Where the page of an identity is."""
    return f"/senders/{quote(name, safe='')}"


def _entry_of(identity: Identity) -> str:
    """How a login's senders name all of it."""
    return identity.name.lower() if identity.kind == "address" else f"@{identity.name.lower()}"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """SES's own trouble becomes an objection, and a line of the journal."""
    try:
        yield
    except SesUnavailable as error:
        journal.trouble(what, error)
        raise _objection(error) from error


def _objection(error: SesUnavailable) -> Objection:
    return Objection("SES does not do it: {why}", why=str(error)[:_LONGEST_REASON])


def _linked(names: Sequence[str]) -> Mapping[str, str]:
    return {name: login_path(name) for name in names}


def _next_step(identity: Identity) -> Said:
    words = {"name": identity.name}
    if identity.state is IdentityState.VERIFIED:
        return Said("{name} is verified at SES.", words)
    if identity.kind == "domain":
        return Said("SES looks for the records of {name} in DNS from now on.", words)
    return Said("SES has mailed a link to {name}: it waits until somebody follows it.", words)
