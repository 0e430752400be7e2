"""The console as operators meet it: by a browser, or by a client that knows forms and cookies and runs no scripts."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from playwright.async_api import Browser, Page

from relay.cli.access import changing
from relay.operators import Operator, OperatorRole
from relay.security.passwords import hash_password
from tests.harness import Relay

PASSWORD = "a password of an operator"
_HASH = hash_password(PASSWORD)
OPERATORS = tuple(
    Operator(name=role.value, password_hash=_HASH, role=role, created_at=1_700_000_000.0) for role in OperatorRole
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)


class Shown(NamedTuple):
    """A page."""

    status: int
    headers: Mapping[str, str]
    source: str
    url: str

    @property
    def text(self) -> str:
        """What one reads, its spaces and lines made one space each."""
        return " ".join(html.unescape(_TAGS.sub(" ", self.source)).split())


class Visitor:
    """Logs in by `login`; follows where an action leads. Forms are sent as a browser sends them from a page of the console."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http = http
        self.base = base
        self.csrf = ""

    async def get(self, path: str) -> Shown:
        async with self.http.get(self.base + path) as answer:
            return await self._shown(answer)

    async def post(self, path: str, fields: Mapping[str, Any] | None = None, *, came_from: str = "/", **headers: str) -> Shown:
        """With the token of the last page that had one, unless `fields` have another."""
        given = {"Sec-Fetch-Site": "same-origin", "Referer": self.base + came_from, **headers}
        async with self.http.post(self.base + path, data={"csrf": self.csrf, **(fields or {})}, headers=given) as answer:
            return await self._shown(answer)

    async def login(self, name: str = "admin", password: str = PASSWORD) -> Shown:
        shown = await self.post("/login", {"name": name, "password": password})
        await self.get("/account")
        return shown

    async def _shown(self, answer: aiohttp.ClientResponse) -> Shown:
        source = await answer.text()
        if found := re.search(r'name="csrf" value="([0-9a-f]+)"', source):
            self.csrf = found[1]
        return Shown(answer.status, dict(answer.headers), source, str(answer.url.relative()))


def base_of(relay: Relay) -> str:
    return f"http://127.0.0.1:{relay.ports['private']}"


async def admit(relay: Relay) -> None:
    """An operator of each role, called like it, at a relay that runs."""
    async with changing(relay.where) as admin:
        for operator in OPERATORS:
            assert await admin.add_operator(operator)


@asynccontextmanager
async def visiting(relay: Relay, name: str = "admin") -> AsyncIterator[Visitor]:
    """Somebody who is logged in; nobody for an empty name."""
    jar = aiohttp.CookieJar(unsafe=True)  # which is what aiohttp calls cookies of an IP address
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Accept-Language": "en"}) as http:
        visitor = Visitor(http, base_of(relay))
        if name:
            assert (await visitor.login(name)).status == 200
        yield visitor


@asynccontextmanager
async def browsing(browser: Browser, relay: Relay, name: str = "admin", **options: Any) -> AsyncIterator[Page]:
    """A page of somebody who is logged in."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    await page.goto(f"{base_of(relay)}/login")
    await page.fill("[name=name]", name)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/login" not in url)
    yield page
    await context.close()
