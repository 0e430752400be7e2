"""The account's suppression list: one address, or all of a reason, a page at a time.

SES keeps the case that an address was put in, and its API wants that very case; mail is compared without it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from relay.sandbox.faults import SesError

_PATH = "/v2/email/suppression/addresses"
_PAGE = 1000
_EVER = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Entry:
    """Why and since when."""

    reason: str
    at: float = field(default_factory=time.time)


class SuppressionList(dict[str, Entry]):
    """Address as it was put -> its entry. More requests in a second than `rate` are throttled; `requests` are their times.
    `before_put` happens while an address is being put there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = 0
        self.requests: list[float] = []
        self.before_put: Callable[[], Awaitable[None]] | None = None

    def covers(self, recipient: str) -> bool:
        """Whether mail to it is not sent."""
        return recipient.lower() in map(str.lower, self)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self._list),
            web.put(_PATH, self._put),
            web.get(_PATH + "/{address}", self._get),
            web.delete(_PATH + "/{address}", self._delete),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if throttled := self._count():
            return throttled
        query = request.query
        wanted, size = query.getall("Reason", ["BOUNCE", "COMPLAINT"]), int(query.get("PageSize", _PAGE))
        since, first = datetime.fromisoformat(query.get("StartDate", _EVER)).timestamp(), int(query.get("NextToken", 0))
        found = [(address, entry) for address, entry in self.items() if entry.reason in wanted and entry.at >= since]
        answer: dict[str, object] = {"SuppressedDestinationSummaries": [_shown(*each) for each in found[first : first + size]]}
        return web.json_response(answer | ({"NextToken": str(first + size)} if len(found) > first + size else {}))

    async def _put(self, request: web.Request) -> web.StreamResponse:
        if throttled := self._count():
            return throttled
        body = json.loads(await request.read())
        if self.before_put:
            await self.before_put()
        self[body["EmailAddress"]] = Entry(body["Reason"])
        return web.json_response({})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        address = request.match_info["address"]
        if address not in self:
            return _not_found(address)
        return web.json_response({"SuppressedDestination": _shown(address, self[address])})

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        if throttled := self._count():
            return throttled
        address = request.match_info["address"]
        if self.pop(address, None) is None:
            return _not_found(address)
        return web.json_response({})

    def _count(self) -> web.Response | None:
        now = time.monotonic()
        self.requests.append(now)
        recent = sum(at > now - 1.0 for at in self.requests[-self.rate - 1 :])
        if self.rate and recent > self.rate:
            return SesError(429, "TooManyRequestsException", "Too many requests have been made to the operation.").response()
        return None


def _shown(address: str, entry: Entry) -> dict[str, str | float]:
    return {"EmailAddress": address, "Reason": entry.reason, "LastUpdateTime": entry.at}


def _not_found(address: str) -> web.Response:
    return SesError(404, "NotFoundException", f"Email address {address} does not exist on your suppression list.").response()
