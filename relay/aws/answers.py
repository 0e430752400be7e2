"""Reads the body of an HTTP answer, up to a limit."""

from __future__ import annotations

import asyncio

import aiohttp


async def body_of(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises ValueError where it is longer than `limit` octets."""
    try:
        await answer.content.readexactly(limit + 1)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    raise ValueError(f"the answer is longer than {limit} octets")
