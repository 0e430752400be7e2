"""Large messages on their way to a far side that reads slowly: the relay holds little of them, and sends few at one time.

More at one time would share one line for longer than a call may take, and all of them would end in doubt.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.security.certificates import make_server_pair
from tests.chaos.scene import FULL
from tests.harness import APPLICATION, Relay, mail, submit

MESSAGES, SIZE = (20, 30 * 1024 * 1024) if FULL else (10, 8 * 1024 * 1024)
AT_ONCE = 4
MORE_MEMORY = 3 * SIZE
PIECE = 64 * 1024
PAUSE = 0.005  # between pieces: a connection gets 12 MB a second

ACCOUNT = {"SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 100.0, "SentLast24Hours": 0.0}}


class SlowSes:
    """Reads bodies slowly; notes their lengths, and how many came at one time."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.has_all = asyncio.Event()
        self.open = 0
        self.most_open = 0
        self.port = 0

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator[None]:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        self.port = listening.getsockname()[1]
        server = await asyncio.start_server(self._serve, sock=listening, ssl=tls, limit=PIECE)
        yield
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                is_look = head.startswith(b"GET")
                answer = ACCOUNT if is_look else {"MessageId": await self._take(reader, head)}
                body = json.dumps(answer).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, head: bytes) -> str:
        left = length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        while left:
            left -= len(await reader.readexactly(min(PIECE, left)))
            await asyncio.sleep(PAUSE)
        self.open -= 1
        self.lengths.append(length)
        if len(self.lengths) == MESSAGES:
            self.has_all.set()
        return f"0100-{len(self.lengths)}"


def _relay(folder: Path, port: int) -> Relay:
    certificate = str(folder / "ses.pem")
    return Relay(
        folder,
        port,
        RELAY_SES__ENDPOINT=f"https://localhost:{port}",
        RELAY_SES__IDENTITIES_SECONDS="0",
        RELAY_SMTP__MAX_SIZE=str(2 * SIZE),
        SSL_CERT_FILE=certificate,
        AWS_CA_BUNDLE=certificate,
    )


async def _queue(relay: Relay) -> None:
    """With nobody there to send it to."""
    await relay.start(APPLICATION)
    content = mail(body=("x" * 70 + "\r\n") * (SIZE // 72))
    with relay.smtp() as client:
        for _ in range(MESSAGES):
            await asyncio.to_thread(submit, client, content)
    await relay.stop()


@pytest.mark.timeout(300)
async def test_large_messages_take_turns_and_little_memory(tmp_path: Path, unused_tcp_port: int) -> None:
    make_server_pair(key_file=tmp_path / "ses.key", certificate_file=tmp_path / "ses.pem", name="localhost", now=time.time())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "ses.pem", tmp_path / "ses.key")
    ses, relay = SlowSes(), _relay(tmp_path, unused_tcp_port)
    await _queue(relay)
    async with ses.serving(tls):
        await relay.start(RELAY_SES__ENDPOINT=f"https://localhost:{ses.port}")
        idle, began = relay.memory(), time.monotonic()
        relay.forget_peak()
        await ses.has_all.wait()
        took, more = time.monotonic() - began, relay.memory("VmHWM") - idle
        await relay.stop()
    print(f"{MESSAGES} messages of {SIZE >> 20} MB in {took:.0f} s, {ses.most_open} at once; memory +{more >> 20} MB")
    assert all(length > SIZE * 4 / 3 for length in ses.lengths)
    assert ses.most_open <= AT_ONCE
    assert more < MORE_MEMORY
