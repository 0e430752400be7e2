"""The body of a request: no larger than it may be, in good time, and as it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

_SECONDS = 120.0


class Unread(Exception):
    """A body that is not taken."""


class TooLarge(Unread):
    """More octets than a request may have."""


class TooSlow(Unread):
    """It does not come."""


class Compressed(Unread):
    """A small one could become a large one."""


def size(request: web.Request, most: int) -> int:
    """Octets that its body may take. Raises TooLarge."""
    length = request.content_length
    if length is not None and length > most:
        raise TooLarge
    return (most if length is None else length) if request.can_read_body else 0


async def read(request: web.Request, most: int, *, take: Callable[[int], None] = lambda _: None) -> bytes:
    """All of it. `take` hears of the octets as they come. Raises Unread, or what that raises."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Compressed
    try:
        async with asyncio.timeout(_SECONDS):
            return await _read(request, most, take)
    except TimeoutError:
        raise TooSlow from None


async def _read(request: web.Request, most: int, take: Callable[[int], None]) -> bytes:
    pieces, length = [], 0
    async for piece in request.content.iter_any():
        length += len(piece)
        if length > most:
            raise TooLarge
        take(len(piece))
        pieces.append(piece)
    return b"".join(pieces)
