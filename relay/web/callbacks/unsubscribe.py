"""Where [Unsubscribe] leads: GET shows a page with one button, POST does it. RFC 8058: one click of a mailbox provider is a
POST without cookies and without anything else, answered 200 at once.

GET changes nothing: scanners follow every link. Who has the link may use it, so there is nothing that a forged request could
do which its sender could not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from aiohttp import web

from relay import journal
from relay.errors import StoreUnavailable, UnknownLink
from relay.links import UNSUBSCRIBE_PATH, Addressee
from relay.unsubscribing import By, Unsubscribing
from relay.web.callbacks.limits import SECONDS, Limits
from relay.web.callbacks.pages import Pages

_BODY_SECONDS = 10.0
_LEAVE, _COME_BACK, _CHOOSE = "leave", "come_back", "choose"
_ONE_CLICK = b"One-Click"
_LISTS = "/lists"

_Step = Callable[[web.Request, Addressee], Awaitable[web.Response]]


class UnsubscribePages:
    """The pages below `/u/`."""

    def __init__(self, *, unsubscribing: Unsubscribing, pages: Pages, limits: Limits) -> None:
        self._unsubscribing = unsubscribing
        self._pages = pages
        self._limits = limits

    def routes(self) -> list[web.RouteDef]:
        path = UNSUBSCRIBE_PATH + "/{token}"
        return [
            web.get(path, self._looking(self._show)),
            web.post(path, self._acting(self._do)),
            web.get(path + _LISTS, self._looking(self._show_lists)),
            web.post(path + _LISTS, self._acting(self._choose)),
        ]

    def _looking(self, step: _Step) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            if not self._limits.may_look(request.remote or ""):
                return self._too_often(request)
            return await self._answer(request, step)

        return answer

    def _acting(self, step: _Step) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def limited(request: web.Request, whom: Addressee) -> web.Response:
            if not self._limits.may_act(f"{whom.address} {whom.scope}"):
                return self._too_often(request)
            return await step(request, whom)

        async def answer(request: web.Request) -> web.Response:
            return await self._answer(request, limited)

        return answer

    async def _answer(self, request: web.Request, step: _Step) -> web.Response:
        try:
            return await step(request, await self._unsubscribing.whom(request.match_info["token"]))
        except UnknownLink:
            return self._pages.answer(request, "unknown", status=404)
        except StoreUnavailable as error:
            journal.trouble("a link in mail could not be followed", error)
            return self._pages.answer(request, "later", status=503)

    async def _show(self, request: web.Request, whom: Addressee) -> web.Response:
        return await self._page(request, whom, "left" if await self._unsubscribing.has_left(whom) else "ask")

    async def _do(self, request: web.Request, whom: Addressee) -> web.Response:
        said = await _said(request)
        if said == f"action={_COME_BACK}".encode():
            await self._unsubscribing.come_back(whom)
            return await self._page(request, whom, "back")
        if _ONE_CLICK in said:
            await self._unsubscribing.leave(whom, By.ONE_CLICK)
            return web.Response(text="unsubscribed\n")
        await self._unsubscribing.leave(whom, By.PAGE)
        return await self._page(request, whom, "left")

    async def _show_lists(self, request: web.Request, whom: Addressee) -> web.Response:
        return await self._list_page(request, whom, "choose")

    async def _choose(self, request: web.Request, whom: Addressee) -> web.Response:
        """Only of lists that he was shown: another may have come since."""
        said = parse_qs((await _said(request)).decode("utf-8", "replace"))
        wanted = {name: name in said.get("list", ()) for name in said.get("shown", ())}
        await self._unsubscribing.choose(whom, wanted)
        return await self._list_page(request, whom, "chosen")

    async def _page(self, request: web.Request, whom: Addressee, page: str) -> web.Response:
        return self._pages.answer(
            request,
            page,
            action={"ask": _LEAVE, "left": _COME_BACK}.get(page, ""),
            lists=f"{request.match_info['token']}{_LISTS}" if len(await self._unsubscribing.lists(whom)) > 1 else "",
            list=whom.list,
            address=_masked(whom.address),
        )

    async def _list_page(self, request: web.Request, whom: Addressee, page: str) -> web.Response:
        choices = await self._unsubscribing.lists(whom)
        return self._pages.answer(
            request, page, action=_CHOOSE if choices else "", choices=choices, address=_masked(whom.address)
        )

    def _too_often(self, request: web.Request) -> web.Response:
        answer = self._pages.answer(request, "often", status=429)
        answer.headers["Retry-After"] = f"{SECONDS:.0f}"
        return answer


async def _said(request: web.Request) -> bytes:
    """The body, or as much of it as came in time: the method and the token decide."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except (TimeoutError, ConnectionError, web.HTTPRequestEntityTooLarge):
        return b""


def _masked(address: str) -> str:
    """Whoever a mail was passed on to need not read more of it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
