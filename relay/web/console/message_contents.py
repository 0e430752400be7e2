"""What is inside of a message: on its page by parts, by itself for a frame, and as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from relay.ports.operators import Messages
from relay.web.console import letters, queries
from relay.web.console.contents import Contents
from relay.web.console.mailing_previews import FRAMED
from relay.web.console.visits import NotThere, Objection, Routes, Visit, look, whole_number

_LONGEST_SHOWN = 200_000  # characters
_READINGS: dict[str, Callable[[bytes], Any]] = {
    "text": lambda sent: _cut(letters.text(sent)),
    "headers": letters.fields,
    "attachments": letters.attachments,
    "source": lambda sent: _cut(sent[: 2 * _LONGEST_SHOWN].decode("utf-8", "replace")),
}
PREVIEW = "preview"
PARTS = (PREVIEW, *_READINGS)


class MessageContents:
    """Its routes. Of a message with several recipients it is the first one's, where none is named."""

    def __init__(self, *, messages: Messages, contents: Contents) -> None:
        self._messages = messages
        self._contents = contents

    def routes(self) -> Routes:
        return (
            look("/messages/{id}/preview", self._preview),
            look("/messages/{id}/source", self._source),
            look("/messages/{id}/attachments/{number}", self._attachment),
        )

    async def shown(self, delivery_id: str, part: str) -> Any:
        """What the page has of such a part: nothing for the frame, and a Said where it cannot be read."""
        if part == PREVIEW:
            return None
        try:
            return await self._contents.look(delivery_id, _READINGS[part])
        except Objection as objection:
            return objection.said

    async def _preview(self, visit: Visit) -> web.Response:
        """Mail of others, by itself."""
        text = await self._contents.look(await self._delivery(visit), letters.page)
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=FRAMED)

    async def _source(self, visit: Visit) -> web.Response:
        sent = await self._contents.look(await self._delivery(visit), bytes)
        return _file(f"{visit.path('id').upper()}.eml", sent)

    async def _attachment(self, visit: Visit) -> web.Response:
        number = whole_number(visit.path("number"))
        found = await self._contents.look(await self._delivery(visit), lambda sent: letters.attachment(sent, number))
        if found is None:
            raise NotThere
        return _file(*found)

    async def _delivery(self, visit: Visit) -> str:
        """Raises NotThere."""
        id = queries.id_of(visit.path("id"))
        if "-" in id:
            return id
        life = await self._messages.show(id) if id else None
        if life is None:
            raise NotThere
        return life.deliveries[0].id


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _file(name: str, octets: bytes) -> web.Response:
    """To be saved, whatever it is."""
    headers = FRAMED | {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return web.Response(body=octets, content_type="application/octet-stream", headers=headers)
