"""A list on its way to the relay: a line that says whose it is, lines of entries, and one that says that this was all of them.

Without the last one the list is not whole, however its end came about.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from relay.errors import StoreUnavailable
from relay.suppression import Reason, Suppression

_END = b"null\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came of it so far: the entries are still to be read."""

    source: str
    again: bool
    batches: AsyncIterator[Sequence[Suppression]]


async def sent(batches: AsyncIterator[Sequence[Suppression]], *, source: str, again: bool) -> AsyncIterator[bytes]:
    """What goes over the socket."""
    yield _line({"source": source, "again": again})
    async for batch in batches:
        yield _line([_row(entry) for entry in batch])
    yield _END


async def received(content: aiohttp.StreamReader) -> Received:
    """What came over it. Raises StoreUnavailable where it does not even begin."""
    lines = _lines(content)
    async for line in lines:
        return Received(**json.loads(line), batches=_batches(lines))
    raise StoreUnavailable("the list never began")


async def drain(content: aiohttp.StreamReader) -> None:
    """The rest of what comes is for nobody."""
    async for _ in _lines(content):
        pass


async def _batches(lines: AsyncIterator[bytes]) -> AsyncIterator[Sequence[Suppression]]:
    async for line in lines:
        rows = json.loads(line)
        if rows is None:
            return
        yield [_entry(*row) for row in rows]
    raise StoreUnavailable("the list was broken off: nothing of it counts")


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole ones, however long: the reader's own have a limit. Ends where the sender is gone."""
    rest = b""
    try:
        async for piece in content.iter_any():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line
    except (aiohttp.ClientError, OSError):
        return


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _row(entry: Suppression) -> list[str | float]:
    return [entry.address, entry.reason, entry.scope, entry.created_at, entry.expires_at, entry.source, entry.note]


def _entry(address: str, reason: str, scope: str, created_at: float, expires_at: float, source: str, note: str) -> Suppression:
    return Suppression(
        address=address,
        reason=Reason(reason),
        scope=scope,
        created_at=created_at,
        expires_at=expires_at,
        source=source,
        note=note,
    )
