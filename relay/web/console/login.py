"""Who is it? The pages before the console: a name and a password, and the first operator's of all."""

from __future__ import annotations

import asyncio
import base64
import hmac
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from relay import journal
from relay.errors import StoreUnavailable, TooBusy
from relay.guesses import Guesses
from relay.operators import NAME, Operator, OperatorRole
from relay.ports.access import Operators
from relay.ports.clock import Chance, Clock
from relay.ports.logins import Passwords
from relay.web.console.door import Console
from relay.web.console.sessions import Sessions, form_of, is_ours
from relay.web.console.visits import Page

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
_AT_ONCE = 2  # passwords that are looked at
_LONGEST_NAME = 100  # that is looked at, counted and written down, whatever somebody sends


class LoginPages:
    """`hash_password` is slow on purpose."""

    def __init__(
        self,
        console: Console,
        *,
        operators: Operators,
        sessions: Sessions,
        passwords: Passwords,
        guesses: Guesses,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._console = console
        self._operators = operators
        self._sessions = sessions
        self._passwords = passwords
        self._guesses = guesses
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._welcome = base64.urlsafe_b64encode(chance(24)).decode()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/login", self._show),
            web.post("/login", self._enter),
            web.post("/logout", self._console.answering(self._leave)),
            web.get("/welcome", self._console.answering(self._show_welcome)),
            web.post("/welcome", self._console.answering(self._add_first)),
        ]

    async def first_link(self) -> str:
        """Where the first operator names himself, while there is none; else empty. Raises StoreUnavailable."""
        return "" if await self._operators.all() else f"/welcome?key={self._welcome}"

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request, "", wanted=_within(request.query.get("next", "")))

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        name, wanted = _name(form), _within(str(form.get("next", "")))
        if not is_ours(request):
            return self._console.shown(request, Page(template="foreign", status=403))
        try:
            operator = await self._checked(name, str(form.get("password", "")), request.remote or "")
            if isinstance(operator, str):
                return self._page(request, operator, name=name, wanted=wanted, status=403)
            answer = self._console.gone(wanted)
            await self._sessions.begin(operator, request, answer)
        except (StoreUnavailable, TooBusy) as error:
            journal.trouble("an operator cannot log in", error)
            objection = "It cannot be done right now. Please try again in a moment."
            return self._page(request, objection, name=name, wanted=wanted, status=503)
        return answer

    async def _checked(self, name: str, password: str, peer: str) -> Operator | str:
        """Or why not: the same for a wrong name and a wrong password. Raises StoreUnavailable or TooBusy."""
        await asyncio.sleep(self._guesses.delay(name, peer))
        async with self._turns:  # who sends many at once has no more of them than who sends one after the other
            return await self._judged(name, password, peer)

    async def _judged(self, name: str, password: str, peer: str) -> Operator | str:
        if self._guesses.is_stopped(peer):
            return "Too many wrong passwords came from this address. Please wait a few minutes."
        operator = await self._operators.get(name) if NAME.fullmatch(name) else None
        usable = operator if operator and not operator.is_disabled else None
        if await self._passwords.verify(password[:LONGEST_PASSWORD], usable) is None or usable is None:
            journal.login_refused(name=name, peer=peer, why="operator: wrong name or password")
            for by in self._guesses.failed(name, peer):
                journal.passwords_guessed(name=name, peer=peer, by=by)
            return "The name or the password is wrong."
        self._guesses.succeeded(name, peer)
        return usable

    async def _leave(self, request: web.Request) -> web.Response:
        if not is_ours(request):
            return self._console.shown(request, Page(template="foreign", status=403))
        answer = self._console.gone("/login")
        await self._sessions.end(request, answer)
        return answer

    async def _show_welcome(self, request: web.Request) -> web.Response:
        return await self._welcomed(request, "")

    async def _add_first(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        name, password = _name(form), str(form.get("password", ""))
        if not is_ours(request) or not self._is_welcome(request):
            return self._console.shown(request, Page(template="foreign", status=403))
        if objection := objection_to(name, password):
            return await self._welcomed(request, objection, name=name)
        hashed = await self._passwords.hashed(password)
        operator = Operator(name=name, password_hash=hashed, role=OperatorRole.ADMIN, created_at=self._clock())
        if not await self._operators.add(operator, is_first=True):
            return self._console.gone("/login")
        answer = self._console.gone("/")
        await self._sessions.begin(operator, request, answer)
        return answer

    def _is_welcome(self, request: web.Request) -> bool:
        return hmac.compare_digest(request.query.get("key", "").encode(), self._welcome.encode())

    async def _welcomed(self, request: web.Request, objection: str, *, name: str = "") -> web.Response:
        if await self._operators.all():
            return self._console.gone("/login")
        if not self._is_welcome(request):
            return self._console.shown(request, Page(template="foreign", status=403))
        facts = {"objection": objection, "name": name, "shortest": SHORTEST_PASSWORD}
        return self._console.shown(request, Page(template="welcome", facts=facts, status=400 if objection else 200))

    def _page(
        self, request: web.Request, objection: str, *, name: str = "", wanted: str = "/", status: int = 200
    ) -> web.Response:
        facts = {"objection": objection, "name": name, "next": wanted}
        return self._console.shown(request, Page(template="login", facts=facts, status=status))


def _name(form: MultiDictProxy[Any]) -> str:
    return str(form.get("name", "")).strip()[:_LONGEST_NAME]


def objection_to(name: str, password: str) -> str:
    """Why an operator may not be called so, or have such a password; empty if he may."""
    if not NAME.fullmatch(name):
        return "A name has letters, digits and . _ @ - in it, and 64 of them at most."
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return "A password has 12 characters at least."
    return ""


def _within(path: str) -> str:
    """A path of ours, whatever was asked for: no other site."""
    is_ours_alone = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if is_ours_alone else "/"
