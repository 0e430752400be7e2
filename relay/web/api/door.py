"""The one way into the API: who it is, what is meant, the answer in its envelope.

An answer is always an object of Result, Code and Description. Never a stack trace: a fault of ours is 500 with a line in the
log, or 503 where the same call may be repeated.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import web

from relay import journal, metrics
from relay.credential import Credential, Scope
from relay.errors import Refused, RelayError, WrongLogin
from relay.logins import Login
from relay.receiving import Budget
from relay.refusals import Refusals
from relay.web import bodies
from relay.web.api import codes, models, wire
from relay.web.api.calls import Answer, Call, Operation, Range, range_of
from relay.web.api.codes import Code, Fault
from relay.web.api.refusals import fault
from relay.web.api.router import PREFIXES, Found, Router, format_of
from relay.web.api.wire import Format
from relay.windows import MINUTE, Window

_LONGEST_KEY = 255
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # octets that are no UTF-8 are half of a pair in headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Octets of a body, and calls of a login in a minute."""

    body: int = 16 * 1024 * 1024


class Api:
    """All that is below the prefixes. `calls` are those of logins in a minute, by whatever door."""

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        login: Login,
        refusals: Refusals,
        limits: Limits,
        calls: Window,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = Router(operations)
        self._login = login
        self._refusals = refusals
        self._limits = limits
        self._monotonic = monotonic
        self._calls = calls
        self._budget = Budget(4 * limits.body)

    def routes(self) -> list[web.RouteDef]:
        prefixes = "|".join(prefix.strip("/") for prefix in PREFIXES)
        return [web.route("*", f"/{{prefix:(?i:{prefixes})}}{{rest:(?:/(?s:.*))?}}", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        response = await self._answered(request)
        metrics.api_requests.labels("api", f"{response.status // 100}xx").inc()
        return response

    async def _answered(self, request: web.Request) -> web.Response:
        language = "ru" if request.headers.get("Accept-Language", "").strip().lower().startswith("ru") else "en"
        said = _Said(request, language)
        try:
            found = self._router.find(request.method, request.rel_url.raw_path)
            said.format = _format(request, found.suffix)
            return await self._work(request, found, said)
        except Fault as error:
            return said.fault(error, self._router.methods(request.rel_url.raw_path) if error.status == 405 else ())
        except ConnectionError:
            raise
        except Exception:
            journal.bug(f"a call of the API failed: {request.method} {request.path}")
            return said.fault(Fault(Code.INTERNAL_ERROR, codes.SERVER_FAULT))

    async def _work(self, request: web.Request, found: Found, said: _Said) -> web.Response:
        try:
            credential = await self._who(request, found.operation.scope)
        except RelayError as error:
            raise fault(error) from None
        try:
            with self._budget.taking(self._size(request)):
                call = await self._call(request, found, credential)
                answer = await found.operation.does(call)
            return said.answer(answer, call.range)
        except RelayError as error:
            if isinstance(error, Refused) and found.operation.sends:
                self._refusals.note(error, credential.name)
            raise fault(error) from None

    async def _who(self, request: web.Request, scope: Scope) -> Credential:
        """Raises Fault, or what Login raises."""
        name, password = _name_and_password(request.headers.get("Authorization", ""))
        agent = _NO_TEXT.sub("?", request.headers.get("User-Agent", ""))[:200]
        credential = await self._login.check(name, password, peer=request.remote or "", helo=agent)
        if scope not in credential.scopes:
            raise Fault(Code.INVALID_PERMISSION, codes.NO_RIGHT, scope=scope.value)
        now = self._monotonic()
        if self._calls.is_full(credential.name, now):
            raise Fault(Code.NOT_AVAILABLE, codes.TOO_OFTEN, status=429, again_in=int(MINUTE))
        self._calls.add(credential.name, now)
        return credential

    def _size(self, request: web.Request) -> int:
        """Octets that its body may take. Raises Fault."""
        try:
            return bodies.size(request, self._limits.body)
        except bodies.TooLarge:
            raise self._too_large() from None

    async def _call(self, request: web.Request, found: Found, credential: Credential) -> Call:
        operation, key = found.operation, request.headers.get("Idempotency-Key", "").strip()
        if len(key) > _LONGEST_KEY:
            raise Fault(Code.INVALID_VALUE, codes.KEY_TOO_LONG)
        if not (key.isascii() and key.isprintable()):
            raise Fault(Code.INVALID_VALUE, codes.WRONG, field="Idempotency-Key", why="is not printable ASCII")
        body = await self._body(request)
        said = wire.read(body, request.content_type) if operation.body else None
        if operation.body and said is not None and not isinstance(said, dict | wire.Branch):
            raise Fault(Code.INVALID_VALUE, codes.UNREADABLE, why="it is no object")
        return Call(
            credential=credential,
            peer=request.remote or "",
            path=found.path,
            query=models.read(operation.query, _query(request)) if operation.query else None,
            body=models.read(operation.body, said) if operation.body else None,
            range=range_of(request.headers.get("Range", "") if operation.is_list else "", is_needed=operation.needs_range),
            idempotency_key=key,
            fingerprint=sha256(request.path.lower().encode() + b"\0" + body).digest() if key else b"",
        )

    async def _body(self, request: web.Request) -> bytes:
        """Raises Fault."""
        try:
            return await bodies.read(request, self._limits.body)
        except bodies.Compressed:
            raise Fault(Code.INVALID_VALUE, codes.UNREADABLE, status=415, why="it is compressed") from None
        except bodies.TooSlow:
            raise Fault(Code.INVALID_VALUE, codes.TOO_SLOW, status=408) from None
        except bodies.TooLarge:
            raise self._too_large() from None

    def _too_large(self) -> Fault:
        return Fault(Code.SIZE_EXCEEDED, codes.TOO_LARGE, octets=self._limits.body)


def _query(request: web.Request) -> dict[str, str]:
    """Raises Fault."""
    for name, value in request.query.items():
        if "\0" in value:
            raise Fault(Code.INVALID_VALUE, codes.WRONG, field=name, why="has U+0000")
    return dict(request.query)


def _format(request: web.Request, suffix: str) -> Format:
    wanted = next((value for name, value in request.query.items() if name.lower() == "format"), "")
    return Format(format_of(suffix, wanted, request.headers.get("Accept", "")))


def _name_and_password(authorization: str) -> tuple[str, str]:
    """RFC 7617, or a key of both with a dot between them, as RFC 6750 sends it. Raises WrongLogin."""
    scheme, _, given = authorization.partition(" ")
    try:
        text = base64.b64decode(given.strip(), validate=True).decode() if scheme.lower() == "basic" else given.strip()
    except (binascii.Error, UnicodeDecodeError):
        raise WrongLogin from None
    name, parted, password = text.partition(":") if scheme.lower() == "basic" else text.rpartition(".")
    if scheme.lower() not in ("basic", "bearer") or not parted or not name or not password or _NO_TEXT.search(text):
        raise WrongLogin
    return name, password


class _Said:
    """How this client is answered."""

    def __init__(self, request: web.Request, language: str) -> None:
        self._language = language
        self.format = Format.XML if "xml" in request.headers.get("Accept", "").lower() else Format.JSON

    def answer(self, answer: Answer, range: Range) -> web.Response:
        envelope: dict[str, Any] = {} if answer.result is None else {"Result": models.as_written(answer.result)}
        envelope |= {"Code": answer.code.value, "Description": answer.description.said(self._language, **answer.values)}
        response = self._response(envelope, answer.status)
        if answer.total is not None:
            last = range.first + len(answer.result) - 1
            shown, total = f"{range.first}-{last}" if answer.result else "*", "*" if answer.total < 0 else answer.total
            response.headers["Content-Range"] = f"items {shown}/{total}"
        if answer.is_repeated:
            response.headers["Idempotency-Replayed"] = "true"
        return response

    def fault(self, error: Fault, methods: Sequence[str] = ()) -> web.Response:
        envelope = {"Code": error.code.value, "Description": error.description(self._language)}
        response = self._response(envelope, error.status)
        if error.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="relay", charset="UTF-8"'
        if error.again_in:
            response.headers["Retry-After"] = str(error.again_in)
        if methods:
            response.headers["Allow"] = ", ".join(methods)
        return response

    def _response(self, envelope: dict[str, Any], status: int) -> web.Response:
        return web.Response(
            status=status,
            body=wire.written(envelope, self.format),
            headers={"Content-Type": self.format.content_type, "Cache-Control": "no-store", "Content-Language": self._language},
        )
