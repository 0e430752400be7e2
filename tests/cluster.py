"""Several relays on one PostgreSQL database, and what stands before them: a balancer of connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from relay.sandbox.cloud import Cloud
from relay.sandbox.sns import Topic
from tests.harness import APPLICATION, TOPIC, Relay, Settings
from tests.ports import reserved_pair, reserved_port


class Health:
    """Asks each relay once a second whether it can take mail, as balancers do, and leaves out who does not say so."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._relays = relays
        self._ill: set[Relay] = set()

    def doors(self, name: str) -> list[int]:
        """Of those that are well."""
        return [relay.ports[name] for relay in self._relays if relay not in self._ill and name in relay.ports]

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.gather(*map(self._look, self._relays), asyncio.sleep(1))

    async def _look(self, relay: Relay) -> None:
        try:
            async with asyncio.timeout(2):
                is_ready = await _ready(relay.ports.get("private", 1))
        except (OSError, TimeoutError):
            is_ready = False
        (self._ill.discard if is_ready else self._ill.add)(relay)


async def _ready(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        return b" 200 " in await reader.readline()
    finally:
        writer.transport.abort()


class Balancer:
    """Leads each connection to one of some doors in turn, and to the next where nobody listens."""

    def __init__(self, doors: Callable[[], Sequence[int]]) -> None:
        self._doors = doors
        self._turn = 0
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Its port."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        doors = deque(self._doors())
        doors.rotate(self._turn)
        for door in doors:
            with suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", door)
                for source, sink in ((reader, there[1]), (there[0], writer)):
                    pump = asyncio.create_task(_pump(source, sink))
                    self._pumps.add(pump)
                    pump.add_done_callback(self._pumps.discard)
                return
        writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while octets := await source.read(65536):
            sink.write(octets)
            await sink.drain()
    with suppress(OSError):
        sink.close()


@asynccontextmanager
async def cluster(
    folder: Path, url: str, *nodes: Settings, far_side: Callable[[], Cloud] = Cloud
) -> AsyncIterator[tuple[list[Relay], Cloud]]:
    """One relay for each of `nodes`, with these settings, on the database; SES posts to whichever takes it."""
    async with AsyncExitStack() as parts:
        cloud = far_side()
        port = await cloud.start()
        parts.push_async_callback(cloud.stop)
        relays = []
        for number, settings in enumerate(nodes, 1):
            own = folder / f"node{number}"
            own.mkdir()
            relays.append(Relay(own, port, **{"RELAY_STORE__URL": url, "RELAY_NODE__NAME": f"node{number}", **settings}))
            certificate = str(folder / "node1" / "sns.pem")  # all believe the same one
            relays[-1].settings["RELAY_FEEDBACK__PINNED_CERTIFICATE"] = certificate
        for relay in relays:
            await relay.start(*([APPLICATION] if relay is relays[0] else []))
            parts.push_async_callback(relay.stop)
        health = Health(relays)
        watch = asyncio.create_task(health.watch())
        parts.callback(watch.cancel)
        webhooks = Balancer(lambda: health.doors("callbacks"))
        endpoint = f"http://127.0.0.1:{await webhooks.start()}/sns"
        parts.push_async_callback(webhooks.stop)
        cloud.topic = Topic(arn=TOPIC, key_file=folder / "node1" / "sns.key", endpoint=endpoint)
        cloud.topic.delay = 0.0
        await cloud.topic.start()
        await cloud.topic.subscribe()
        yield relays, cloud


@asynccontextmanager
async def two_workers(folder: Path, url: str) -> AsyncIterator[Relay]:
    """A relay that stands still; its next start is one with two workers."""
    with reserved_port() as port, reserved_pair() as private:  # for each worker one
        settings = {
            "RELAY_SMTP__SUBMISSION": f"127.0.0.1:{port}",
            "RELAY_SMTP__SUBMISSIONS": "",
            "RELAY_PRIVATE__LISTEN": f"127.0.0.1:{private}",
        }
        async with cluster(folder, url, settings) as ([relay], _):
            await relay.stop()
            relay.arguments = ("serve", "--workers", "2")
            yield relay
