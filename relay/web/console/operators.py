"""/operators, /account, /audit: who may use the console, from which browsers, and what they did."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from relay import journal
from relay.errors import TooBusy
from relay.guesses import Guesses
from relay.operators import NAME, Operator, OperatorRole, new_password
from relay.ports.access import Operators
from relay.ports.clock import Chance
from relay.ports.logins import Passwords
from relay.web.console.login import LONGEST_PASSWORD, objection_to
from relay.web.console.visits import Go, NotThere, Objection, Page, Routes, Said, Visit, act, look, whole_number

_ROLES = [(role.value, role.value.capitalize()) for role in OperatorRole]
_ENTRIES = 100
_NOBODY_LEFT = "Nobody would be left who may admit others."


class OperatorPages:
    """Its routes."""

    def __init__(self, *, operators: Operators, passwords: Passwords, guesses: Guesses, chance: Chance) -> None:
        self._operators = operators
        self._passwords = passwords
        self._guesses = guesses
        self._chance = chance
        self._turn = asyncio.Lock()

    def routes(self) -> Routes:
        admin, anybody = OperatorRole.ADMIN, OperatorRole.VIEWER
        return (
            look("/operators", self._list, admin),
            look("/audit", self._audit, admin),
            act("/operators", self._add, admin, "operator added"),
            act("/operators/{name}/role", self._set_role, admin, "role changed"),
            act("/operators/{name}/password", self._set_password, admin, "password renewed"),
            act("/operators/{name}/disable", self._disable, admin, "operator disabled"),
            act("/operators/{name}/enable", self._enable, admin, "operator enabled"),
            act("/operators/{name}/remove", self._remove, admin, "operator removed"),
            look("/account", self._account),
            act("/account/password", self._change_own, anybody, "own password changed"),
            act("/account/sessions/end", self._end_session, anybody, "session ended"),
        )

    async def _list(self, visit: Visit) -> Page:
        return await self._listed(visit, None)

    async def _listed(self, visit: Visit, shown_password: dict[str, str] | None) -> Page:
        """With a password that was just made, or None."""
        operators = await self._operators.all()
        seen = dict.fromkeys((each.name for each in operators), 0.0)
        for session in await self._operators.sessions(now=visit.now):
            seen[session.operator] = max(seen.get(session.operator, 0.0), session.seen_at)
        facts: dict[str, Any] = {"operators": operators, "seen": seen, "roles": _ROLES, "shown_password": shown_password}
        return Page(template="operators", facts=facts)

    async def _add(self, visit: Visit) -> Page:
        name, password = visit.asked("name"), new_password(self._chance)
        if not NAME.fullmatch(name):
            raise Objection("A name has letters, digits and . _ @ - in it, and 64 of them at most.")
        operator = Operator(
            name=name,
            password_hash=await self._passwords.hashed(password),
            role=_role(visit.asked("role")),
            created_at=visit.now,
        )
        if not await self._operators.add(operator):
            raise Objection("There is an operator {name} already.", name=name)
        return await self._listed(visit, {"name": name, "password": password})

    async def _set_role(self, visit: Visit) -> Go:
        operator = await self._of(visit)
        return await self._change(replace(operator, role=_role(visit.asked("role"))), "The role of {name} is changed.")

    async def _set_password(self, visit: Visit) -> Page:
        name, password = visit.path("name"), new_password(self._chance)
        if not await self._operators.renew(name, await self._passwords.hashed(password)):
            raise NotThere
        return await self._listed(visit, {"name": name, "password": password})

    async def _disable(self, visit: Visit) -> Go:
        return await self._change(replace(await self._of(visit), is_disabled=True), "{name} may not come in any more.")

    async def _enable(self, visit: Visit) -> Go:
        return await self._change(replace(await self._of(visit), is_disabled=False), "{name} may come in again.")

    async def _remove(self, visit: Visit) -> Go:
        operator = await self._of(visit)
        if not await self._operators.remove(operator.name):
            raise Objection(_NOBODY_LEFT)
        return Go(path="/operators", said=Said("{name} is removed.", {"name": operator.name}))

    async def _change(self, operator: Operator, said: str) -> Go:
        if not await self._operators.change(operator):
            raise Objection(_NOBODY_LEFT)
        return Go(path="/operators", said=Said(said, {"name": operator.name}))

    async def _account(self, visit: Visit) -> Page:
        """An admin sees the sessions of all."""
        everybody = await self._operators.sessions(now=visit.now)
        mine = [each for each in everybody if visit.may(OperatorRole.ADMIN) or each.operator == visit.operator.name]
        return Page(template="account", facts={"sessions": mine, "own": visit.session_key})

    async def _change_own(self, visit: Visit) -> Go:
        """All of his sessions end: who has stolen one has lost it."""
        password, new = str(visit.form.get("password", "")), str(visit.form.get("new_password", ""))
        async with self._turn:  # who sends many at once has no more of them than who sends one after the other
            await self._check(password, visit)
        if objection := objection_to(visit.operator.name, new):
            raise Objection(objection)
        await self._operators.renew(visit.operator.name, await self._passwords.hashed(new))
        return Go(path="/login", said=Said("The password is changed. Log in with the new one."))

    async def _check(self, password: str, visit: Visit) -> None:
        """It is his. Wrong ones are counted as those of the login are: a session may be stolen. Raises Objection."""
        name, peer = visit.operator.name, visit.request.remote or ""
        if self._guesses.is_stopped(peer):
            raise Objection("Too many wrong passwords came from this address. Please wait a few minutes.")
        try:
            found = await self._passwords.verify(password[:LONGEST_PASSWORD], visit.operator)
        except TooBusy:
            raise Objection("It cannot be done right now. Please try again in a moment.") from None
        if found is None:
            journal.login_refused(name=name, peer=peer, why="operator: wrong password for a new one")
            for by in self._guesses.failed(name, peer):
                journal.passwords_guessed(name=name, peer=peer, by=by)
            raise Objection("The password that you have is another one.")

    async def _end_session(self, visit: Visit) -> Go:
        wanted = visit.asked("session")
        for session in await self._operators.sessions(now=visit.now):
            is_his = session.operator == visit.operator.name or visit.may(OperatorRole.ADMIN)
            if session.key.hex() == wanted and is_his and await self._operators.end(session.key):
                return Go(path="/account", said=Said("The session is over."), subject=session.operator, detail=session.peer)
        raise NotThere

    async def _audit(self, visit: Visit) -> Page:
        wanted, before = (
            visit.query.get("operator", ""),
            whole_number(visit.query.get("before", ""), otherwise=2**53, most=2**53),
        )
        entries = await self._operators.audit(before=before, count=_ENTRIES + 1, operator=wanted)
        older = entries[_ENTRIES - 1].id if len(entries) > _ENTRIES else 0
        known = {each.name for each in await self._operators.all()} | {wanted}  # who is removed did something as well
        names = [("", "–"), *((name, name) for name in sorted(known - {""}))]
        facts = {"entries": entries[:_ENTRIES], "older": older, "names": names, "wanted": wanted}
        return Page(template="audit", facts=facts)

    async def _of(self, visit: Visit) -> Operator:
        if found := await self._operators.get(visit.path("name")):
            return found
        raise NotThere


def _role(word: str) -> OperatorRole:
    try:
        return OperatorRole(word)
    except ValueError:
        raise Objection("There is no such role.") from None
