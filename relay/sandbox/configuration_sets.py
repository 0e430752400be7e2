"""Configuration sets of the sandbox's account, and where they publish to.

As SES does, it publishes a text to a topic before it takes it as a destination, and refuses one whose policy does not let it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from relay.sandbox.faults import SesError

_PATH = "/v2/email/configuration-sets"
_VALIDATION = "Successfully validated SNS topic for Amazon SES event publishing."

Publish = Callable[[str, str, str], bool]
"""Publishes a text to a topic for a configuration set; False where the topic does not let SES."""


class ConfigurationSets(dict[str, dict[str, dict[str, Any]]]):
    """Name -> name of a destination -> the destination. `paused` are sets whose sending is off."""

    def __init__(self, publish: Publish) -> None:
        super().__init__()
        self.paused: set[str] = set()
        self._publish = publish

    def routes(self) -> list[web.RouteDef]:
        one, all = _PATH + "/{name}", _PATH + "/{name}/event-destinations"
        return [
            web.post(_PATH, self._create),
            web.get(one, self._get),
            web.get(all, self._list),
            web.post(all, self._create_destination),
            web.put(all + "/{destination}", self._update_destination),
        ]

    def publishes(self, name: str, kind: str) -> bool:
        """Whether events of a kind go out. One that nobody made here publishes all, for tests that need no more."""
        if name not in self:
            return bool(name)
        return any(each["Enabled"] and kind in each["MatchingEventTypes"] for each in self[name].values())

    async def _create(self, request: web.Request) -> web.StreamResponse:
        name = json.loads(await request.read())["ConfigurationSetName"]
        if name in self:
            return SesError(400, "AlreadyExistsException", f"Configuration set <{name}> already exists.").response()
        self[name] = {}
        return web.json_response({})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self:
            return _missing(name)
        return web.json_response({"ConfigurationSetName": name, "SendingOptions": {"SendingEnabled": name not in self.paused}})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self:
            return _missing(name)
        return web.json_response({"EventDestinations": [{"Name": key, **value} for key, value in self[name].items()]})

    async def _create_destination(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        name, destination = request.match_info["name"], body["EventDestinationName"]
        if destination in self.get(name, {}):
            return SesError(400, "AlreadyExistsException", f"Event destination <{destination}> already exists.").response()
        return self._put(name, destination, body["EventDestination"])

    async def _update_destination(self, request: web.Request) -> web.StreamResponse:
        name, destination = request.match_info["name"], request.match_info["destination"]
        if destination not in self.get(name, {}):
            return SesError(404, "NotFoundException", f"Event destination <{destination}> does not exist.").response()
        return self._put(name, destination, json.loads(await request.read())["EventDestination"])

    def _put(self, name: str, destination: str, definition: dict[str, Any]) -> web.StreamResponse:
        if name not in self:
            return _missing(name)
        topic = definition["SnsDestination"]["TopicArn"]
        if not self._publish(topic, name, _VALIDATION):
            return SesError(400, "BadRequestException", f"Could not publish to SNS topic <{topic}>.").response()
        self[name][destination] = {"Enabled": False, **definition}
        return web.json_response({})


def _missing(name: str) -> web.Response:
    return SesError(404, "NotFoundException", f"Configuration set <{name}> does not exist.").response()
