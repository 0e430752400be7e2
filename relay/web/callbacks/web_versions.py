"""Where [WebVersion] leads: the mail as it was sent to its reader, by itself in a page that can do nothing but show it."""

from __future__ import annotations

import asyncio

from aiohttp import web

from relay import journal, web_version
from relay.errors import DamagedBody, Malformed, StoreUnavailable, UnknownLink
from relay.links import WEB_VERSION_PATH, LinkedMail, Linker
from relay.ports.bodies import Bodies
from relay.ports.links import LinkStore
from relay.reading.octets import Slices
from relay.tokens import Kind, Link
from relay.web.callbacks.limits import SECONDS, Limits
from relay.web.callbacks.pages import Pages
from relay.writing import edits, merging

_AT_ONCE = 2  # each may hold a large message in memory
# The sandbox takes scripts, forms and the origin away, so that nothing of a mail can act for the reader. Its pictures, styles
# and fonts are loaded as a mail program would.
_HEADERS = {
    "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
    " img-src http: https: data:; media-src http: https:; style-src 'unsafe-inline' http: https:;"
    " font-src http: https: data:; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
}


class WebVersionPages:
    """The pages below `/w/`, and the images in them."""

    def __init__(self, *, linker: Linker, store: LinkStore, bodies: Bodies, pages: Pages, limits: Limits) -> None:
        self._linker = linker
        self._store = store
        self._bodies = bodies
        self._pages = pages
        self._limits = limits
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        path = WEB_VERSION_PATH + "/{token}"
        return [web.get(path, self._answer), web.get(path + "/{image}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._limits.may_look(request.remote or ""):
            answer = self._pages.answer(request, "often", status=429)
            answer.headers["Retry-After"] = f"{SECONDS:.0f}"
            return answer
        try:
            return await self._shown(request)
        except UnknownLink:
            return self._pages.answer(request, "unknown", status=404)
        except StoreUnavailable as error:
            journal.trouble("a link in mail could not be followed", error)
            return self._pages.answer(request, "later", status=503)

    async def _shown(self, request: web.Request) -> web.Response:
        """Raises UnknownLink or StoreUnavailable."""
        token = request.match_info["token"]
        link = self._linker.opened(token, Kind.WEB_VERSION)
        mail = await self._store.mail(link)
        if mail is None:
            return await self._gone(request, link)
        try:
            content = await self._bodies.read(mail.message, mail.content)
            async with self._turns:
                return await asyncio.to_thread(self._rendered, request, link, mail, content)
        except (DamagedBody, Malformed) as error:
            journal.trouble(f"{mail.message.id}: its web version cannot be shown", error, id=mail.message.id)
            return await self._gone(request, link)

    async def _gone(self, request: web.Request, link: Link) -> web.Response:
        if await self._store.addressee(link) is None:
            raise UnknownLink
        return self._pages.answer(request, "gone", status=410)

    def _rendered(self, request: web.Request, link: Link, mail: LinkedMail, content: Slices) -> web.Response:
        """Raises UnknownLink for an image that there is not."""
        links = self._linker.of(link.message_id, link.number)
        sent = b"".join(edits.edited(content, mail.message.edits, links, merging.values(mail.fields)))
        if wanted := request.match_info.get("image"):
            return _image(web_version.image(sent, wanted))
        found = web_version.read(sent, images=self._linker.web_version(request.match_info["token"]))
        if found.html:
            return web.Response(text=found.html, content_type="text/html", charset="utf-8", headers=_HEADERS)
        return self._pages.answer(request, "mail", mail=found.text)


def _image(image: web_version.Image | None) -> web.Response:
    """Raises UnknownLink for none."""
    if image is None:
        raise UnknownLink
    return web.Response(body=image.octets, content_type=image.content_type, headers=_HEADERS)
