"""Says all that is kept of an address, and erases it: step by step, so that others go on meanwhile."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from time import gmtime, strftime
from typing import Any, NamedTuple

from relay import journal
from relay.erasure import Erased, ErasedAddress, Erasure, MarkedAddress, Marks
from relay.errors import CannotErase, DamagedBody
from relay.ports.bodies import Bodies, SpooledFiles
from relay.ports.clock import Clock
from relay.ports.privacy import BEGINNING, Cursor, Erasing, Marked, Personal, Record
from relay.reading import fields, mime

_NO_KEY = "there is no key in secrets.keys, and without one a suppressed address cannot stay so: `relay key new` makes it"
_CALLED = "{count} of its deliveries are being sent or in doubt: once they have ended (`relay queue status`), erase it again"
_TIMES = frozenset(
    "at since due_at expires_at sent_at ended_at accepted_at received_at created_at made_at".split(),
)
_LAST = 253402300799.0  # of the year 9999: what is due at no time is later
_DOCUMENTS = frozenset(("document", "fields", "payload", "body"))
_PAUSE = 0.005  # seconds between two steps
_HEADERS = 1 << 20  # octets in which they end


class Told(NamedTuple):
    """One thing that is kept: of which kind, and what it says."""

    kind: str
    facts: Mapping[str, Any]


def said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON says it to people: times in UTC, octets as text, documents opened."""
    return {name: _said(name, value) for name, value in facts.items()}


def _said(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [said(each) if isinstance(each, dict) else each for each in value]
    if isinstance(value, float) and name in _TIMES:
        return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(value)) if 0 < value < _LAST else None
    if isinstance(value, bytes):
        return _said(name, value.decode("utf-8", "replace"))
    if isinstance(value, str) and name in _DOCUMENTS and value:
        with suppress(ValueError):
            return json.loads(value)
    return value


class Document:
    """One JSON object, piece by piece: a list of each kind, which come one after the other."""

    def __init__(self) -> None:
        self._kind = ""

    def begin(self, address: str, at: float) -> str:
        return f'{{\n"address": {json.dumps(address)},\n"at": {json.dumps(_said("at", at))}'

    def add(self, told: Told) -> str:
        before = f",\n{json.dumps(told.kind)}: [\n" if told.kind != self._kind else ",\n"
        if self._kind and told.kind != self._kind:
            before = "\n]" + before
        self._kind = told.kind
        return before + json.dumps(told.facts)

    def end(self) -> str:
        return ("\n]" if self._kind else "") + "\n}\n"


def cursor_text(cursor: Cursor) -> str:
    """For whoever is to go on there."""
    return urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def cursor_of(text: str) -> Cursor:
    """What `cursor_text` wrote. Raises ValueError or TypeError for what it did not."""
    number, key = json.loads(urlsafe_b64decode(text.encode("ascii")))
    if not isinstance(number, int) or number < 0 or not all(isinstance(each, str | int | float) for each in key or ()):
        raise ValueError("no cursor")
    return number, None if key is None else tuple(key)


class Export:
    """Reads. With `bodies` the headers of messages come as long as their content is kept."""

    def __init__(self, *, store: Personal, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies

    async def some(self, address: str, after: Cursor = BEGINNING) -> tuple[list[Told], Cursor | None]:
        """A part of all that is kept, which may be none of it, and where it goes on. Raises StoreUnavailable."""
        found = await self._store.some(address, after)
        return [await self._told(record) for record in found.records], found.rest

    async def all(self, address: str) -> AsyncIterator[Told]:
        """One kind after the other. Raises StoreUnavailable."""
        rest: Cursor | None = BEGINNING
        while rest:
            told, rest = await self.some(address, rest)
            for each in told:
                yield each

    async def _told(self, record: Record) -> Told:
        if record.message is None:
            return Told(record.kind, said(record.facts))
        of = record.message
        about = {
            "id": of.id,
            "accepted_at": of.accepted_at,
            "credential": of.credential,
            "sender": of.sender,
            "from": of.header_from,
            "message_id": of.client_message_id,
            "subject": of.subject,
            "client": of.peer,
            "size": of.size,
            "label": of.labels.id,
            "campaign": of.labels.campaign,
            "list": of.labels.list,
            "tags": [list(tag) for tag in of.labels.tags],
            "mailing": of.task,
            "headers": await self._headers(record),
        }
        return Told(record.kind, said({**record.facts, "message": said(about)}))

    async def _headers(self, record: Record) -> list[list[str]]:
        """None of content that is no longer kept."""
        assert record.message
        with suppress(DamagedBody):
            content = await self._bodies.read(record.message, record.content)
            return [[each.name, fields.text(fields.unfold(each.value))] for each in mime.headers(content[:_HEADERS])]
        return []


class Eraser:
    """Erases. `pause` are seconds between two steps."""

    def __init__(self, *, store: Erasing, files: SpooledFiles, marks: Marks, clock: Clock, pause: float = _PAUSE) -> None:
        self._store = store
        self._files = files
        self._marks = marks
        self._clock = clock
        self._pause = pause

    async def erase(self, erasure: Erasure) -> Erased:
        """All that is kept of it but what keeps mail from it. Raises CannotErase, where something of it is under way, or
        StoreUnavailable; after both once more is right.
        """
        if not self._marks:
            raise CannotErase(_NO_KEY)
        cancelled = await self._cancel(erasure)
        mark = await self._store.begin(erasure, now=self._clock())
        counts = await self._forget(erasure.address)
        async for kind, count in self._store.everything_else(erasure.address):
            counts[kind] += count
            await asyncio.sleep(self._pause)
        if reached := await self._store.reached(erasure.address):  # meanwhile
            raise CannotErase(_CALLED.format(count=reached))
        await self._store.end(erasure.address, mark, now=self._clock())
        journal.erased(mark=mark, by=erasure.source, cancelled=cancelled, rows=counts.total())
        return Erased(mark=mark, counts={kind: count for kind, count in counts.items() if count}, cancelled=cancelled)

    async def erase_again(self, marked: Sequence[MarkedAddress], store: Marked, *, source: str) -> int:
        """What an older store has of addresses that were erased since it was left; how many of them it had. Raises as `erase`
        does; a call that has no end yet stops it.
        """
        if not self._marks:
            raise CannotErase(_NO_KEY)
        await store.put(marked)
        wanted, found = {each.mark for each in marked}, set[str]()
        async for keys in store.addresses():
            found.update(key for key in keys if not wanted.isdisjoint(self._marks.of(key)))
        for key in sorted(found):
            await self.erase(Erasure(address=key, source=source))
        return len(found)

    async def erased(self) -> tuple[ErasedAddress, ...]:
        """By their marks, the newest first. Raises StoreUnavailable."""
        return await self._store.erased()

    async def _cancel(self, erasure: Erasure) -> int:
        cancelled = called = 0
        async for waits in self._store.cancel(erasure.address, now=self._clock()):
            cancelled += waits.cancelled
            called += waits.called
        if called:
            raise CannotErase(_CALLED.format(count=called))
        return cancelled

    async def _forget(self, address: str) -> Counter[str]:
        """Content first, then its files, and what is known of a message last: what a crash leaves is found by it."""
        counts = Counter[str]()
        async for some in self._store.deliveries(address):
            await self._files.remove(await self._store.let_go(some))
            counts.update(await self._store.forget(some))
            await asyncio.sleep(self._pause)
        return counts
