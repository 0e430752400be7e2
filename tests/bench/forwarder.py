"""A relay in the shape of aws-smtp-relay: it reads a message, sends it, and answers once SES has. It keeps nothing.

As lean as it is here without doing more: octets as they come, our own client and signature, uvloop.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import ssl
import sys
import time
from hashlib import sha256
from typing import cast

import pybase64
import uvloop

from relay import sigv4
from relay.aws.http import HttpClient
from relay.sandbox.cloud import ACCESS_KEYS

_PATH = "/v2/email/outbound-emails"
_ID, _SECRET = next(iter(ACCESS_KEYS.items()))
_KEY = sigv4.AccessKey(id=_ID, secret=_SECRET)
_ADDRESS = re.compile(rb"<([^<>]*)>")
_REPLIES = {b"EHLO": b"250 forwarder\r\n", b"MAIL": b"250 Ok\r\n", b"RCPT": b"250 Ok\r\n", b"QUIT": b"221 Bye\r\n"}


class Forwarder(asyncio.Protocol):
    """One client."""

    def __init__(self, ses: HttpClient) -> None:
        self._ses = ses
        self._buffer = b""
        self._is_content = False
        self._sender = self._recipient = ""
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods alone
        self._transport.write(b"220 forwarder\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._is_content and b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            self._obey(line)
        if self._is_content and self._buffer.endswith(b"\r\n.\r\n"):
            content, self._buffer, self._is_content = self._buffer[:-3], b"", False
            self._sending = asyncio.create_task(self._send(content))

    def _obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"DATA":
            self._is_content = True
            self._transport.write(b"354 Go\r\n")
            return
        if found := _ADDRESS.search(line):
            address = found[1].decode()
            self._sender, self._recipient = (address, "") if verb == b"MAIL" else (self._sender, address)
        self._transport.write(_REPLIES[verb])

    async def _send(self, content: bytes) -> None:
        request = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [self._recipient]},
            "Content": {"Raw": {"Data": pybase64.b64encode(content.replace(b"\r\n..", b"\r\n.")).decode()}},
        }
        payload = json.dumps(request).encode()
        headers = sigv4.sign(
            method="POST",
            host=self._ses.host,
            path=_PATH,
            headers={"Content-Type": "application/json", "Content-Length": str(len(payload))},
            payload_sha256=sha256(payload).hexdigest(),
            key=_KEY,
            region="us-east-1",
            service="ses",
            at=time.time(),
        )
        answer = await self._ses.post(_PATH, headers, payload, seconds=lambda: math.inf)
        self._transport.write(b"250 Ok\r\n" if answer.status == 200 else b"451 Later\r\n")


async def main(port: int, endpoint: str, connections: int) -> None:
    tls = ssl.create_default_context()
    ses = HttpClient(endpoint, tls=tls, connections=connections, connect_timeout=5.0, read_timeout=60.0)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Forwarder(ses), "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
