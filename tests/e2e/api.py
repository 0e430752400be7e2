"""A small client of the HTTP API, as anybody would write one: it knows HTTP, JSON and XML, and none of the relay's own code."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, NamedTuple
from xml.etree import ElementTree

import aiohttp

from tests.harness import PASSWORD, Relay


class Reply(NamedTuple):
    """What came back. The document is of JSON; of XML there is only `text`."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.text)

    @property
    def code(self) -> str:
        return str(self.document["Code"])

    @property
    def result(self) -> Any:
        return self.document["Result"]


class Api:
    """Calls of one login."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> Reply:
        """`body` goes as JSON, `data` as it is; `path` is below the prefix, or a whole one after //."""
        given = dict(headers or {})
        if body is not None:
            data, given = json.dumps(body).encode(), {"Content-Type": "application/json", **given}
        url = self._base.rpartition("/email/")[0] + path[1:] if path.startswith("//") else self._base + path
        payload = None if data is None else BytesIO(data)
        async with self._session.request(method, url, data=payload, headers=given) as response:
            return Reply(response.status, dict(response.headers), await response.text())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("POST", path, body, headers=named)

    async def put(self, path: str, body: Any = None) -> Reply:
        return await self.call("PUT", path, body)

    async def patch(self, path: str, body: Any = None) -> Reply:
        return await self.call("PATCH", path, body)

    async def delete(self, path: str, body: Any = None) -> Reply:
        return await self.call("DELETE", path, body)


@asynccontextmanager
async def api_of(relay: Relay, login: str = "crm", password: str = PASSWORD) -> AsyncIterator[Api]:
    """Of a relay that runs."""
    words = base64.b64encode(f"{login}:{password}".encode()).decode()
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {words}"}) as session:
        yield Api(session, relay.api)
