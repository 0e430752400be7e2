"""/credentials: who may log in to send, what for, how much they do, and what to put into their programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import gmtime, strftime
from typing import Any
from urllib.parse import quote

from relay.credential import Credential, Kind, LastUse, Scope
from relay.identities import Identities, IdentityState
from relay.operators import OperatorRole, new_password
from relay.ports.clock import Chance
from relay.ports.logins import Credentials, Passwords
from relay.ports.operators import Admin, Counters
from relay.statistics import ACCEPTED, COMPLAINED, DAY, DELIVERED, SENT, By, Figures, Wanted
from relay.web.console import client_settings, unchanged
from relay.web.console.client_settings import Doors
from relay.web.console.credential_forms import CHOICES, differences, new, read, written
from relay.web.console.key_ring import KeyRing, NewKey
from relay.web.console.known_logins import KnownLogins
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look

_DAYS = 30
_ON_A_PAGE = 100
_KINDS = [(kind.value, kind.value.capitalize()) for kind in Kind]
_SHOWN = (ACCEPTED, SENT, DELIVERED, "bounced", COMPLAINED, "refused")
_NEW = Credential(name="", kind=Kind.APPLICATION, password_hashes=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Messages of any login that has no numbers of its own."""

    per_minute: int
    per_day: int


class CredentialPages:
    """Its routes. `identities` is what SES has verified; it knows nothing where SES is not asked."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        logins: KnownLogins,
        admin: Admin,
        counters: Counters,
        identities: Identities,
        passwords: Passwords,
        chance: Chance,
        doors: Doors,
        quotas: Quotas,
        ring: KeyRing,
    ) -> None:
        self._credentials = credentials
        self._logins = logins
        self._admin = admin
        self._counters = counters
        self._identities = identities
        self._passwords = passwords
        self._chance = chance
        self._doors = doors
        self._quotas = quotas
        self._ring = ring

    def routes(self) -> Routes:
        admin = OperatorRole.ADMIN
        return (
            look("/credentials", self._list),
            look("/credentials-new", self._new, admin),
            act("/credentials", self._add, admin, "login added"),
            look("/credentials/{name}", self._show),
            look("/credentials/{name}/change", self._form, admin),
            act("/credentials/{name}/change", self._change, admin, "login changed"),
            act("/credentials/{name}/rotate", self._rotate, admin, "new password for a login"),
            act("/credentials/{name}/finish", self._finish, admin, "old password of a login ended"),
            act("/credentials/{name}/disable", self._disable, admin, "login disabled"),
            act("/credentials/{name}/enable", self._enable, admin, "login enabled"),
        )

    async def _list(self, visit: Visit) -> Page:
        wanted, after = visit.query.get("text", "").strip().lower(), visit.query.get("after", "")
        found = [login for login in await self._logins.all() if _is_about(login, wanted)]
        rest = [login for login in found if login.name > after]
        shown = rest[:_ON_A_PAGE]
        facts = {
            "logins": [(login, path_of(login.name)) for login in shown],
            "count": len(found),
            "uses": _latest(await self._credentials.last_uses()),
            "today": await self._today(visit),
            "text": visit.query.get("text", ""),
            "next": shown[-1].name if len(rest) > len(shown) else "",
        }
        return Page(template="credentials", facts=facts)

    async def _today(self, visit: Visit) -> Mapping[str | int, int]:
        """Recipients by the name of the login: counted, however many the messages are."""
        since = visit.now // DAY * DAY
        found = await self._counters.sums(Wanted(since=since, until=visit.now, by=By.CREDENTIAL))
        return {name: figures.of(ACCEPTED) for name, figures in found.items()}

    async def _show(self, visit: Visit) -> Page:
        return await self.shown(visit, await self._of(visit))

    async def shown(self, visit: Visit, login: Credential, *, password: str = "", made: NewKey | None = None) -> Page:
        """With a password or an access key that was just made."""
        last_uses = await self._credentials.last_uses()
        uses = {use.password_hash: use for use in last_uses if use.name == login.name}
        latest = _latest(last_uses)
        wanted = Wanted(since=visit.now - _DAYS * DAY, until=visit.now, by=By.DAY, credential=login.name)
        days = await self._counters.sums(wanted)
        facts = {
            "login": login,
            "own_path": path_of(login.name),
            "password": password,
            "passwords": [uses.get(each) for each in login.password_hashes],
            "senders": [(listed, self._state(listed)) for listed in login.senders],
            "chosen": {name: dict(of)[str(getattr(login, name))] for name, of in CHOICES.items()},
            "quotas": self._quotas,
            "totals": _counts(sum(days.values(), Figures({}))),
            "days": [(_date(at), _counts(figures)) for at, figures in sorted(days.items(), reverse=True)],
            "doors": self._doors,
            "snippets": client_settings.snippets(self._doors, login),
            "example": client_settings.example_sender(login),
            "made": made,
            "ring": self._ring,
            "keys": [(key, latest.get(key.id)) for key in await self._ring.keys.all() if key.credential == login.name],
        }
        return Page(template="credential", facts=facts)

    def _state(self, listed: str) -> str:
        """What SES says; empty where it is not asked."""
        if self._identities.known is None:
            return ""
        return str(self._identities.state_of(listed.replace("@*.", "@")) or IdentityState.NOT_STARTED)

    async def _new(self, visit: Visit) -> Page:
        fields = {**written(_NEW), "kind": str(Kind.APPLICATION), "recipients": "", "on_suppressed": ""}
        return self._filled_in(_NEW, fields)

    async def _form(self, visit: Visit) -> Page:
        login = await self._of(visit)
        return self._filled_in(login, written(login))

    def _filled_in(self, login: Credential, fields: Mapping[str, str], objection: Objection | None = None) -> Page:
        facts: dict[str, Any] = {
            "login": login,
            "own_path": path_of(login.name),
            "fields": fields,
            "seen": unchanged.mark_of(written(login)),
            "kinds": _KINDS,
            "choices": CHOICES,
            "scopes": list(Scope),
            "quotas": self._quotas,
            "objection": objection.said if objection else None,
        }
        return Page(template="credential_form", facts=facts, status=400 if objection else 200)

    async def _add(self, visit: Visit) -> Page:
        fields, password = _fields(visit), new_password(self._chance)
        try:
            async with self._logins.changing:
                login = await self._added(fields, await self._passwords.hashed(password))
        except Objection as objection:
            return self._filled_in(_NEW, fields, objection)
        return await self.shown(visit, login, password=password)

    async def _added(self, fields: Mapping[str, str], password_hash: str) -> Credential:
        """Raises Objection."""
        login = new(fields, password_hash)
        if await self._credentials.get(login.name):
            raise Objection("There is a login {name} already.", name=login.name)
        await self._admin.put_credential(login)
        return login

    async def _change(self, visit: Visit) -> Page | Go:
        fields = _fields(visit)
        async with self._logins.changing:
            found = await self._of(visit)
            try:
                unchanged.check(fields, written(found), name=found.name)
                changed = read(fields, found)
            except Objection as objection:
                return self._filled_in(found, fields, objection)
            await self._admin.put_credential(changed)
        said = Said("{name} is changed.", {"name": found.name})
        return Go(path=path_of(found.name), said=said, detail=differences(found, changed))

    async def _rotate(self, visit: Visit) -> Page:
        password = new_password(self._chance)
        password_hash = await self._passwords.hashed(password)
        async with self._logins.changing:
            found = await self._of(visit)
            if len(found.password_hashes) > 1:
                raise Objection("{name} has an old password beside the new one: end that first.", name=found.name)
            changed = replace(found, password_hashes=(password_hash, *found.password_hashes))
            await self._admin.put_credential(changed)
        return await self.shown(visit, changed, password=password)

    async def _finish(self, visit: Visit) -> Go:
        async with self._logins.changing:
            found = await self._of(visit)
            await self._admin.put_credential(replace(found, password_hashes=found.password_hashes[:1]))
        return Go(path=path_of(found.name), said=Said("Only the newest password is good now."))

    async def _disable(self, visit: Visit) -> Go:
        return await self._switch(visit, "{name} is refused from now on.", disabled=True)

    async def _enable(self, visit: Visit) -> Go:
        return await self._switch(visit, "{name} may log in again.", disabled=False)

    async def _switch(self, visit: Visit, said: str, *, disabled: bool) -> Go:
        async with self._logins.changing:
            found = await self._of(visit)
            await self._admin.put_credential(replace(found, disabled=disabled))
        return Go(path=path_of(found.name), said=Said(said, {"name": found.name}))

    async def _of(self, visit: Visit) -> Credential:
        if found := await self._credentials.get(visit.path("name")):
            return found
        raise NotThere


def path_of(name: str) -> str:
    """Where the page of a login is, whatever it is called."""
    return f"/credentials/{quote(name, safe='')}"


def _fields(visit: Visit) -> dict[str, str]:
    return {name: value.strip() for name, value in visit.form.items() if isinstance(value, str)}


def _is_about(login: Credential, text: str) -> bool:
    return not text or text in login.name.lower() or any(text in listed for listed in login.senders)


def _latest(uses: Iterable[LastUse]) -> Mapping[str, LastUse]:
    """Of whichever password."""
    return {use.name: use for use in sorted(uses, key=lambda use: use.at)}


def _counts(figures: Figures) -> Sequence[int]:
    return [figures.bounced if name == "bounced" else figures.of(name) for name in _SHOWN]


def _date(at: str | int) -> str:
    return strftime("%Y-%m-%d", gmtime(int(at)))
