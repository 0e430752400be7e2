from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from importlib import import_module
from typing import Any


async def test_asyncio_buffers_one_tls_record_per_connection_and_no_more() -> None:
    """256 KB otherwise: 2,000 connections would take 600 MB."""
    import_module("relay.security.tls")
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    connection: Any = SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future(), server_side=True)
    assert len(connection._ssl_buffer) == 16 * 1024
