"""/messages: deliveries that are looked for, and the same as a file."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from relay import journal
from relay.errors import StoreUnavailable
from relay.lists.cells import harmless, told
from relay.ports.search import TOP, Found, Hit, Place, Search
from relay.web.console import queries, statuses
from relay.web.console.queries import Meant
from relay.web.console.visits import Go, NotThere, Page, Routes, Visit, look

_SHOWN = 50
_EXPORTED = 100_000
_AT_ONCE = 1000
_PAUSE = 0.02  # seconds between two looks of one export: others read as well
_COLUMNS = ("id", "accepted", "status", "recipient", "sender", "subject", "login", "reason")
_FILE = {
    "Content-Type": "text/csv; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


class MessageListPages:
    """Its routes."""

    def __init__(self, *, search: Search) -> None:
        self._search = search

    def routes(self) -> Routes:
        return (look("/messages", self._list), look("/messages/export.csv", self._export))

    async def _list(self, visit: Visit) -> Page | Go:
        fields = queries.asked(visit.query)
        if found := queries.id_of(fields[queries.BOX]):
            return Go(path=f"/messages/{found}")
        before = queries.place_of(visit.query.get("before", ""))
        chosen, shown = await self._find(queries.meant(fields), before, _SHOWN)
        is_full = len(shown.hits) == _SHOWN
        said = {name: value for name, value in fields.items() if value}
        facts: dict[str, Any] = {
            "fields": fields,
            "is_detailed": bool(said.keys() - {queries.BOX}),
            "recognised": chosen.said,
            "hits": shown.hits,
            "badge": statuses.badge,
            "statuses": [(word, word or "–") for word in statuses.CHOICES],
            "looked_to": 0.0 if is_full else shown.looked_to,
            "older": _path("/messages", said, before=_written(shown.rest)) if shown.rest else "",
            "export": _path("/messages/export.csv", said),
            "is_by_address": chosen.query.recipient.strip("@*") != "",
            "is_newest": not said and before == TOP,
        }
        return Page(template="messages", facts=facts)

    async def _find(self, meant: Sequence[Meant], before: Place, count: int) -> tuple[Meant, Found]:
        """The first that is there, and else the last."""
        for each in meant:
            found = await self._search.find(each.query, before=before, count=count)
            if found.hits or found.rest:
                break
        return each, found

    async def _export(self, visit: Visit) -> web.StreamResponse:
        """Up to 100,000 deliveries, while they are found."""
        fields = queries.asked(visit.query)
        if queries.id_of(fields[queries.BOX]):
            raise NotThere
        chosen, _ = await self._find(queries.meant(fields), TOP, 1)
        name = datetime.fromtimestamp(visit.now, UTC).strftime("messages-%Y%m%d-%H%M%S.csv")
        answer = web.StreamResponse(headers=_FILE | {"Content-Disposition": f'attachment; filename="{name}"'})
        with suppress(ConnectionError):  # whoever wanted it is gone
            await self._write(answer, visit.request, chosen)
        return answer

    async def _write(self, answer: web.StreamResponse, request: web.Request, meant: Meant) -> None:
        await answer.prepare(request)
        await answer.write(b"\xef\xbb\xbf" + _lines([_COLUMNS]))  # by which spreadsheets know UTF-8
        try:
            async for hits in self._all(meant, request):
                await answer.write(_lines([_cells(hit) for hit in hits]))
        except StoreUnavailable as error:
            journal.trouble("an export of messages was broken off", error)
            if request.transport:
                request.transport.abort()  # or half a file would look like a whole one
            return
        await answer.write_eof()

    async def _all(self, meant: Meant, request: web.Request) -> AsyncIterator[list[Hit]]:
        """As long as somebody waits for them: what nobody looks at any more may take a minute to go through."""
        seen = set[str]()
        before: Place | None = TOP
        while before and len(seen) < _EXPORTED and request.transport is not None:
            found = await self._search.find(meant.query, before=before, count=min(_AT_ONCE, _EXPORTED - len(seen)))
            if new := [hit for hit in found.hits if hit.id not in seen]:
                yield new
            seen.update(hit.id for hit in new)
            before = found.rest
            await asyncio.sleep(_PAUSE)


def _path(path: str, said: Mapping[str, str], **more: str) -> str:
    fields = urlencode({**said, **more})
    return f"{path}?{fields}" if fields else path


def _written(place: Place) -> str:
    return f"{place[0]}-{place[1]}"


def _cells(hit: Hit) -> list[str]:
    return [hit.id, told(hit.accepted_at), hit.status, hit.recipient, hit.sender, hit.subject, hit.credential, hit.reason]


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([[harmless(cell) for cell in row] for row in rows])
    return file.getvalue().encode("utf-8", "replace")
