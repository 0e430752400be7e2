"""The door of the console: from a request to a visit, from what a page gives to a response. Nothing is done for a stranger, for
who may not, or for another site's form; and what is done is in the audit log before it happens.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import BodyPartReader, MultipartReader, web
from multidict import MultiDict, MultiDictProxy

from relay import journal
from relay.errors import StoreUnavailable
from relay.operators import AuditEntry, Operator, Session
from relay.ports.access import Operators
from relay.ports.clock import Clock
from relay.web.console import saying
from relay.web.console.files import Files
from relay.web.console.rendering import Rendering
from relay.web.console.sessions import UNREADABLE, Sessions, csrf_of, form_of, is_ours, path_within
from relay.web.console.visits import NO_FORM, Go, NotThere, Objection, Page, Route, Said, Visit
from relay.web.console.words import chosen

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
_SAID, _LANGUAGE = "said", "language"
_MULTIPART = "multipart/form-data"
_SECONDS_SAID = 60
_YEAR = 365 * 86400
_SECRETS = ("csrf", "password", "new_password", "secret", "headers")  # what webhooks are sent may hold keys of theirs
_LONGEST_DETAIL = 2000
_LONGEST_FIELD = 200
_BEFORE_ALL = ("/login", "/welcome")
_IN_PATH = re.compile(r"{(\w+)}")
_DEEPEST = 3  # pages above a path

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """All of its pages behind one door."""

    def __init__(
        self, routes: Sequence[Route], *, files: Files, sessions: Sessions, operators: Operators, clock: Clock
    ) -> None:
        self._found = routes
        paths = [*_BEFORE_ALL, *(route.path for route in routes if route.method == "GET")]
        self._pages = [re.compile(_IN_PATH.sub("[^/]+", path)) for path in paths]
        self._files = files
        self._rendering = Rendering(files)
        self._sessions = sessions
        self._operators = operators
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            *self._files.routes(),
            web.get("/language/{language}", self._choose_language),
            *(web.route(route.method, _with_braces(route.path), self._handler(route)) for route in self._found),
        ]

    def language(self, request: web.Request) -> str:
        """In which he reads."""
        return chosen(request.cookies.get(_LANGUAGE, ""), request.headers.get("Accept-Language", ""))

    def shown(self, request: web.Request, page: Page, *, visit: Visit | None = None) -> web.Response:
        """A page, with what all of them have."""
        language = self.language(request)
        said = saying.read(request.cookies.get(_SAID, ""))
        facts = {
            **page.facts,
            "path": request.path,
            "operator": visit.operator if visit else None,
            "csrf": visit.csrf if visit else "",
            "said": self._rendering.sentence(said[0], language) if said else "",
            "is_objection": bool(said and said[1]),
        }
        text = self._rendering.page(page.template, language, facts)
        answer = web.Response(text=text, content_type="text/html", charset="utf-8", status=page.status, headers=HEADERS)
        if said:
            answer.del_cookie(_SAID, path="/")
        answer.enable_compression()
        return answer

    def gone(self, path: str, said: Said | None = None, *, is_objection: bool = False) -> web.Response:
        """To another page, which says something once."""
        answer = web.Response(status=303, headers={**HEADERS, "Location": path})
        if said:
            self._sessions.keep(answer, _SAID, saying.written(said, is_objection), seconds=_SECONDS_SAID)
        return answer

    def answering(self, handler: Handler) -> Handler:
        """The same, with a page for when the store does not answer."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except StoreUnavailable as error:
                journal.trouble("a page of the console cannot be shown", error)
                return self.shown(request, Page(template="unavailable", status=503))

        return answer

    def _handler(self, route: Route) -> Handler:
        return self.answering(partial(self._answered, route))

    async def _answered(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Raises StoreUnavailable."""
        found = await self._sessions.of(request)
        if found is None:
            return self.gone(f"/login?next={quote(request.path_qs, safe='')}" if request.method == "GET" else "/login")
        visit = await self._visit(route, request, *found)
        if not visit.may(route.needs):
            return self.shown(request, Page(template="forbidden", facts={"needs": route.needs}, status=403), visit=visit)
        if request.method == "POST":
            return await self._acted(route, visit)
        try:
            given = await route.does(visit)
        except NotThere:
            given = Page(template="missing", status=404)
        except Objection as objection:
            given = Page(template="objection", facts={"objection": self._said(objection, visit)}, status=400)
        return self._response(given, visit)

    async def _visit(self, route: Route, request: web.Request, session: Session, operator: Operator) -> Visit:
        upload, form = None, NO_FORM
        if route.is_upload and request.content_type == _MULTIPART:
            upload, form = await _begun(request)
        elif request.method == "POST":
            form = await form_of(request)
        return Visit(
            request=request,
            operator=operator,
            csrf=csrf_of(self._sessions.token(request)),
            language=self.language(request),
            now=self._clock(),
            session_key=session.key,
            form=form,
            upload=upload,
        )

    async def _acted(self, route: Route, visit: Visit) -> web.StreamResponse:
        request = visit.request
        if not is_ours(request) or not hmac.compare_digest(visit.asked("csrf").encode(), visit.csrf.encode()):
            return self.shown(request, Page(template="foreign", status=403), visit=visit)
        wanted = _entry(route, visit)
        entry = await self._operators.note(wanted)
        subject, detail, outcome = "", "", "failed"
        try:
            given = await route.does(visit)
            outcome = "refused" if isinstance(given, Page) and given.status >= 400 else "done"
            if isinstance(given, Go):
                subject, detail = given.subject, given.detail
            return self._response(given, visit)
        except Objection as objection:
            outcome = "refused"
            return self.gone(self._back(request), objection.said, is_objection=True)
        except NotThere:
            outcome = "refused"
            return self.shown(request, Page(template="missing", status=404), visit=visit)
        finally:
            await self._conclude(entry, subject or wanted.subject, (detail or wanted.detail)[:_LONGEST_DETAIL], outcome)

    async def _conclude(self, entry: int, subject: str, detail: str, outcome: str) -> None:
        """What was done is told to who did it all the same where the log cannot take its outcome any more."""
        try:
            await self._operators.conclude(entry, subject=subject, detail=detail, outcome=outcome)
        except StoreUnavailable as error:
            journal.trouble("the audit log does not take an outcome", error)

    def _response(self, given: object, visit: Visit) -> web.StreamResponse:
        if isinstance(given, Page):
            return self.shown(visit.request, given, visit=visit)
        if isinstance(given, Go):
            return self.gone(given.path, given.said)
        assert isinstance(given, web.StreamResponse)
        return given

    def _back(self, request: web.Request) -> str:
        """The page somebody came from; or one above it, where forms alone lead to that."""
        path, mark, query = path_within(request.headers.get("Referer", ""), request).partition("?")
        for _ in range(_DEEPEST):
            if any(page.fullmatch(path) for page in self._pages):
                return path + mark + query
            path, mark, query = path.rpartition("/")[0] or "/", "", ""
        return "/"

    def _said(self, objection: Objection, visit: Visit) -> str:
        return self._rendering.sentence(objection.said, visit.language)

    async def _choose_language(self, request: web.Request) -> web.Response:
        answer = self.gone(self._back(request))
        self._sessions.keep(answer, _LANGUAGE, chosen(request.match_info["language"], ""), seconds=_YEAR)
        return answer


def _with_braces(path: str) -> str:
    """As aiohttp writes a path whose parts may have braces in them as well, as the names of logins may."""
    return _IN_PATH.sub(r"{\1:[^/]+}", path)


def _entry(route: Route, visit: Visit) -> AuditEntry:
    """What is asked for; no secrets."""
    asked = {name: value for name, value in visit.form.items() if name not in _SECRETS and isinstance(value, str) and value}
    return AuditEntry(
        at=visit.now,
        operator=visit.operator.name,
        peer=visit.request.remote or "",
        action=route.action,
        subject=", ".join(visit.request.match_info.values()),
        detail=json.dumps(asked, ensure_ascii=False)[:_LONGEST_DETAIL] if asked else "",
    )


async def _begun(request: web.Request) -> tuple[MultipartReader | None, MultiDictProxy[Any]]:
    """A form whose file is read while it comes: what proves that the form is ours stands before it."""
    try:
        upload = await request.multipart()
        part = await upload.next()
        if isinstance(part, BodyPartReader) and part.name == "csrf":
            token = (await part.read_chunk(_LONGEST_FIELD)).decode("ascii", "replace")
            return upload, MultiDictProxy(MultiDict(csrf=token))
    except UNREADABLE:  # it is no such form
        pass
    return None, NO_FORM
