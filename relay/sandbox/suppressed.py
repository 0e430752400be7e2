"""The account's suppression list: one address, or all of a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from aiohttp import web

from relay.sandbox.faults import SesError

_PATH = "/v2/email/suppression/addresses"


class SuppressionList(dict[str, str]):
    """Address in lower case -> BOUNCE or COMPLAINT."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self._list),
            web.put(_PATH, self._put),
            web.get(_PATH + "/{address}", self._get),
            web.delete(_PATH + "/{address}", self._delete),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.getall("Reason", ["BOUNCE", "COMPLAINT"])
        found = [_entry(address, reason) for address, reason in self.items() if reason in wanted]
        return web.json_response({"SuppressedDestinationSummaries": found})

    async def _put(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self[body["EmailAddress"].lower()] = body["Reason"]
        return web.json_response({})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        address = request.match_info["address"]
        if address not in self:
            return _not_found(address)
        return web.json_response({"SuppressedDestination": _entry(address, self[address])})

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        address = request.match_info["address"]
        if self.pop(address, None) is None:
            return _not_found(address)
        return web.json_response({})


def _entry(address: str, reason: str) -> dict[str, str | float]:
    return {"EmailAddress": address, "Reason": reason, "LastUpdateTime": datetime.now(UTC).timestamp()}


def _not_found(address: str) -> web.Response:
    return SesError(404, "NotFoundException", f"Email address {address} does not exist on your suppression list.").response()
