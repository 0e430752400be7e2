"""Where the links in mail lead: GET shows a page with one button, POST does it. RFC 8058: one click of a mailbox provider is a
POST without cookies and without anything else, answered 200 at once.

GET changes nothing: scanners follow every link. Who has the link may use it, so there is nothing that a forged request could
do which its sender could not.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from relay import journal
from relay.errors import StoreUnavailable, UnknownLink
from relay.links import UNSUBSCRIBE_PATH, Addressee, Linker
from relay.ports.clock import Clock
from relay.ports.links import LinkStore
from relay.tokens import Kind
from relay.web.callbacks.pages import Pages

_BODY_SECONDS = 10.0
_LEAVE, _COME_BACK = "leave", "come_back"


class Unsubscribe:
    """The pages below `/u/`."""

    def __init__(self, *, linker: Linker, store: LinkStore, pages: Pages, clock: Clock) -> None:
        self._linker = linker
        self._store = store
        self._pages = pages
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        path = UNSUBSCRIBE_PATH + "/{token}"
        return [web.get(path, self._show), web.post(path, self._do)]

    async def _show(self, request: web.Request) -> web.Response:
        try:
            whom = await self._whom(request)
            has_left = await self._store.has_left(whom, now=self._clock())
        except UnknownLink:
            return self._pages.answer(request, "unknown", status=404)
        except StoreUnavailable as error:
            return self._failed(request, error)
        return self._page(request, whom, "left" if has_left else "ask")

    async def _do(self, request: web.Request) -> web.Response:
        try:
            whom, said = await self._whom(request), await _said(request)
            if said == f"action={_COME_BACK}".encode():
                await self._come_back(whom)
                return self._page(request, whom, "back")
            await self._leave(whom, is_one_click=b"One-Click" in said)
        except UnknownLink:
            return self._pages.answer(request, "unknown", status=404)
        except StoreUnavailable as error:
            return self._failed(request, error)
        return web.Response(text="unsubscribed\n") if b"One-Click" in said else self._page(request, whom, "left")

    async def _leave(self, whom: Addressee, *, is_one_click: bool) -> None:
        if await self._store.leave(whom, at=self._clock()):
            journal.unsubscribed(address=whom.address, scope=whom.scope, one_click=is_one_click)

    async def _come_back(self, whom: Addressee) -> None:
        if await self._store.come_back(whom, at=self._clock()):
            journal.subscribed_again(address=whom.address, scope=whom.scope)

    async def _whom(self, request: web.Request) -> Addressee:
        """Raises UnknownLink, or StoreUnavailable."""
        link = self._linker.opened(request.match_info["token"], Kind.UNSUBSCRIBE)
        whom = await self._store.addressee(link)
        if whom is None:
            raise UnknownLink
        return whom

    def _page(self, request: web.Request, whom: Addressee, page: str) -> web.Response:
        action = {"ask": _LEAVE, "left": _COME_BACK}.get(page, "")
        return self._pages.answer(request, page, action=action, list=whom.list, address=_masked(whom.address))

    def _failed(self, request: web.Request, error: StoreUnavailable) -> web.Response:
        journal.trouble("a link in mail could not be followed", error)
        return self._pages.answer(request, "later", status=503)


async def _said(request: web.Request) -> bytes:
    """The body, or as much of it as came in time: the method and the token decide."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except (TimeoutError, web.HTTPRequestEntityTooLarge):
        return b""


def _masked(address: str) -> str:
    """Whoever a mail was passed on to need not read more of it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
