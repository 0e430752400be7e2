"""Sessions: a browser shows a token that nobody can guess, and the store has only its digest."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict, MultiDictProxy

from relay.operators import LONGEST_SECONDS, Operator, Session
from relay.ports.access import Operators
from relay.ports.clock import Chance, Clock
from relay.web.console.visits import NO_FORM

_TOKEN_OCTETS = 32
_SEEN_EVERY = 60.0
_LONGEST_AGENT = 200


class Sessions:
    """`is_secure` says that browsers reach us by TLS, here or at a proxy."""

    def __init__(self, operators: Operators, *, clock: Clock, chance: Chance, is_secure: bool) -> None:
        self._operators = operators
        self._clock = clock
        self._chance = chance
        self._is_secure = is_secure
        self.cookie = "__Host-relay" if is_secure else "relay"  # RFC 6265bis: of this host alone, and never without TLS

    def token(self, request: web.Request) -> str:
        """What the browser shows; empty for nothing."""
        return request.cookies.get(self.cookie, "")

    async def of(self, request: web.Request) -> tuple[Session, Operator] | None:
        """None for a stranger. Raises StoreUnavailable."""
        token, now = self.token(request), self._clock()
        found = await self._operators.session(key_of(token), now=now) if token else None
        if found and now - found[0].seen_at > _SEEN_EVERY:
            await self._operators.see(replace(found[0], seen_at=now, peer=request.remote or ""))
        return found

    async def begin(self, operator: Operator, request: web.Request, answer: web.StreamResponse) -> None:
        """A new one; that of before is over. Raises StoreUnavailable."""
        await self.end(request, answer)
        token, now = base64.urlsafe_b64encode(self._chance(_TOKEN_OCTETS)).rstrip(b"=").decode(), self._clock()
        await self._operators.begin(
            Session(
                key=key_of(token),
                operator=operator.name,
                began_at=now,
                seen_at=now,
                peer=request.remote or "",
                agent=_text(request.headers.get("User-Agent", ""))[:_LONGEST_AGENT],
            )
        )
        self.keep(answer, self.cookie, token, seconds=int(LONGEST_SECONDS))

    async def end(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Raises StoreUnavailable."""
        if token := self.token(request):
            await self._operators.end(key_of(token))
        answer.del_cookie(self.cookie, path="/", secure=self._is_secure, httponly=True, samesite="Lax")

    def keep(self, answer: web.StreamResponse, name: str, value: str, *, seconds: int) -> None:
        """A cookie that no script reads, and that comes with no POST of other sites."""
        answer.set_cookie(name, value, max_age=seconds, path="/", secure=self._is_secure, httponly=True, samesite="Lax")


def key_of(token: str) -> bytes:
    """What the store knows of it."""
    return sha256(token.encode("utf-8", "replace")).digest()


def csrf_of(token: str) -> str:
    """What every form of the session has, and no other site can know."""
    return hmac.digest(token.encode("utf-8", "replace"), b"csrf", "sha256").hex()


def is_ours(request: web.Request) -> bool:
    """Whether a form was sent from a page of ours, as browsers tell: Fetch Metadata, or RFC 6454 from older ones."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return _split(request.headers.get("Origin", "")).netloc in _hosts(request)


def path_within(url: str, request: web.Request) -> str:
    """The path of a URL with its query, if it is of ours; else that of the first page."""
    parts = _split(url)
    if parts.netloc not in _hosts(request) or not parts.path.startswith("/") or parts.path.startswith("//"):
        return "/"
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# What aiohttp raises for a form, or a part of one, that is none: in no charset or encoding that anybody knows, or cut short.
UNREADABLE = (ValueError, LookupError, RuntimeError, HttpProcessingError)


async def form_of(request: web.Request) -> MultiDictProxy[Any]:
    """Empty for what is no form, or in no charset that anybody knows."""
    try:
        form = await request.post()
    except UNREADABLE:
        return NO_FORM
    said = ((name, _text(value) if isinstance(value, str) else value) for name, value in form.items())
    return MultiDictProxy(MultiDict(said))


def _hosts(request: web.Request) -> set[str]:
    """As browsers call us, also before a proxy."""
    return {request.headers.get(name, "") for name in ("Host", "X-Forwarded-Host")} - {""}


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # as "http://["
        return urlsplit("")


def _text(header: str) -> str:
    """What is no UTF-8 is replaced."""
    return header.encode("utf-8", "replace").decode()
