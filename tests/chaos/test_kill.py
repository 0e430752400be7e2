"""kill -9 under load: what was acknowledged is delivered, counted as sets. The far side's own log is the truth."""

from __future__ import annotations

import asyncio
import random
import smtplib
import ssl
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from tests.harness import APPLICATION, PASSWORD, Relay, mail, running_relay, unverified

KILLS = 20
CLIENTS = 10
ACKNOWLEDGED = 2000


class Load:
    """Clients that keep sending and write down what was acknowledged. A broken connection is opened anew."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.acknowledged: set[str] = set()
        self.is_over = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client())

    async def _client(self) -> None:
        while not self.is_over:
            try:
                await self._session()
            except (OSError, ssl.SSLError, asyncio.IncompleteReadError, smtplib.SMTPException):
                await asyncio.sleep(0.05)

    async def _session(self) -> None:
        port = self._relay.ports.get("submissions", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=unverified())
        try:
            await reader.readline()
            login = b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode())
            for command in (b"EHLO x", login):
                await self._say(reader, writer, command)
            while not self.is_over:
                for command in (b"MAIL FROM:<shop@example.com>", b"RCPT TO:<reader@example.net>", b"DATA"):
                    await self._say(reader, writer, command)
                # Some are large enough for a spool file.
                body = "x" * 70 + "\r\n" if random.random() < 0.95 else ("y" * 70 + "\r\n") * 1500
                reply = await self._say(reader, writer, mail(body=body) + b".")
                assert reply.startswith(b"250 "), reply
                self.acknowledged.add(reply.split()[-1].decode())
        finally:
            writer.transport.abort()

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
        writer.write(line + b"\r\n")
        reply = await reader.readuntil(b"\n")
        while reply[3:4] == b"-":
            reply = await reader.readuntil(b"\n")
        return reply


@pytest.mark.timeout(280)
async def test_kill_9_twenty_times_under_load_loses_nothing(tmp_path: Path) -> None:
    quick = {"RELAY_RETRY__DELAYS_SECONDS": "1", "RELAY_RETRY__IN_DOUBT_SECONDS": "4"}
    async with running_relay(tmp_path, APPLICATION, far_side=lambda: Cloud(rate=100_000.0), settings=quick) as (relay, cloud):
        load = Load(relay)
        clients = asyncio.create_task(load.run())
        kills = 0
        while kills < KILLS or len(load.acknowledged) < ACKNOWLEDGED:
            await asyncio.sleep(random.uniform(0.8, 1.8))
            await relay.kill()
            kills += 1
            await relay.start()
            assert cloud.topic
            cloud.topic.endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
        load.is_over = True
        await clients
        acknowledged = load.acknowledged
        await _until(lambda: acknowledged <= set(_delivered(cloud)))
        delivered = _delivered(cloud)
        lost = acknowledged - set(delivered)
        twice = {message_id for message_id, count in delivered.items() if count > 1}
        in_doubt = {line["id"][:26] for line in relay.journal() if line["event"] in ("in_doubt", "possible_duplicate")}
        print(f"{kills} kills, {len(acknowledged)} acknowledged, {len(lost)} lost, {len(twice)} delivered twice")
        assert lost == set()
        assert twice <= in_doubt


def _delivered(cloud: Cloud) -> Counter[str]:
    """By our own tag, which is in the far side's log."""
    return Counter(call.tags["relay_id"][:26] for call in cloud.calls)


async def _until(is_reached: Callable[[], bool]) -> None:
    for _ in range(300):
        if is_reached():
            return
        await asyncio.sleep(0.1)
