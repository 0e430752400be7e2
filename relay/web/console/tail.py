"""/messages/tail: deliveries as they come in, and what becomes of them, for a script that shows them (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web

from relay.errors import StoreUnavailable
from relay.lists.cells import told
from relay.operators import HOUR
from relay.ports.access import Operators
from relay.ports.clock import Clock
from relay.ports.search import Hit, Search
from relay.web.console import queries, statuses
from relay.web.console.visits import Objection, Routes, Visit, look
from relay.web.console.words import LANGUAGES, Words

_LONGEST = HOUR
_EVERY = 1.0
_LOOKS_BETWEEN_SIGNS = 5  # of life; as often somebody is asked whether he may still look
_WATCHED = 120.0  # seconds: what takes longer to come in is not seen
_MESSAGES = 100
_AT_ONCE = 20
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # as proxies have it
}


class Tail:
    """Its route."""

    def __init__(self, *, search: Search, operators: Operators, clock: Clock) -> None:
        self._search = search
        self._operators = operators
        self._clock = clock
        self._watching = 0
        self._words = {language: Words(language) for language in LANGUAGES}

    def routes(self) -> Routes:
        return (look("/messages/tail", self._watch),)

    async def _watch(self, visit: Visit) -> web.StreamResponse:
        """Until he goes, may look no more, or has looked for an hour."""
        if self._watching >= _AT_ONCE:
            raise Objection("Too many look at this at once.")
        answer = web.StreamResponse(headers=_HEADERS)
        self._watching += 1
        try:
            with suppress(ConnectionError, StoreUnavailable):  # the browser comes back by itself
                await answer.prepare(visit.request)
                await self._tell(visit, answer)
                await answer.write(b"event: over\ndata:\n\n")
        finally:
            self._watching -= 1
        return answer

    async def _tell(self, visit: Visit, answer: web.StreamResponse) -> None:
        after = queries.place_of(visit.query.get("after", ""))
        known = {hit.id: hit.status for hit in await self._newest() if hit.place <= after}
        looks = 0
        while self._clock() < visit.now + _LONGEST and visit.request.transport is not None:
            hits = await self._newest()
            new = [hit for hit in reversed(hits) if known.get(hit.id) != hit.status]
            known = {hit.id: hit.status for hit in hits}
            if new:
                await answer.write(self._event(new, self._words[visit.language]))
            if looks % _LOOKS_BETWEEN_SIGNS == 0:
                await answer.write(b":\n\n")
                if await self._operators.session(visit.session_key, now=self._clock()) is None:
                    break
            looks += 1
            await asyncio.sleep(_EVERY)

    async def _newest(self) -> Sequence[Hit]:
        return await self._search.newest(since=self._clock() - _WATCHED, count=_MESSAGES)

    def _event(self, hits: Sequence[Hit], words: Words) -> bytes:
        document = json.dumps([_row(hit, words) for hit in hits])
        return f"data: {document}\n\n".encode()


def _row(hit: Hit, words: Words) -> dict[str, Any]:
    return {
        "id": hit.id,
        "at": told(hit.accepted_at),
        "status": words(hit.status),
        "badge": statuses.badge(hit.status),
        "recipient": hit.recipient,
        "sender": hit.sender,
        "subject": hit.subject or words("(no subject)"),
        "credential": hit.credential,
    }
