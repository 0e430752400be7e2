"""`python -m tests.bench.notices`: events a second told to a webhook, one in each request and a hundred.

The relay has facts that nobody was told yet, and nothing else to do. The receiver is a process of its own, and answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from rich.console import Console
from rich.table import Table

from relay.event import Event, EventType
from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from relay.webhooks.webhook import Webhook
from tests.bench.counts import POSTED, Counts
from tests.bench.processes import end
from tests.harness import Relay
from tests.store import kit

_AT_ONCE = 200
_KINDS = (EventType.SEND, EventType.DELIVERY, EventType.OPEN)


async def _known(folder: Path, messages: int, webhook: Webhook) -> int:
    """So many messages of three facts each, since somebody wants to be told; how many facts."""
    store, now = await SqliteStore.open(kit.database(folder)), time.time()
    try:
        await store.webhooks.put(webhook)
        await store.webhooks.pause(webhook.name, is_paused=True)
        for first in range(0, messages, _AT_ONCE):
            made = [kit.accepted(now, number) for number in range(first, min(first + _AT_ONCE, messages))]
            rows = [(of, kit.delivery(of, due_at=now + 86400, recipient=f"{of.id}@example.net")) for of in made]
            await asyncio.gather(*(store.queue.enqueue(of, kit.CONTENT, (to,)) for of, to in rows))
            for kind in _KINDS:
                told = [kit.event(kind, of=to, at=now, ses_message_id=f"ses-{to.id}") for _, to in rows]
                await asyncio.gather(*(_heard(store, each, now) for each in told))
        await store.webhooks.pause(webhook.name, is_paused=False)
        return messages * len(_KINDS)
    finally:
        await store.close()


async def _heard(store: SqliteStore, event: Event, now: float) -> None:
    id = f"{event.relay_id} {event.type}"
    await store.feedback.record(notification_id=id, topic="t", payload="{}", received_at=now, events=(event,))


@asynccontextmanager
async def _receiver(folder: Path) -> AsyncIterator[int]:
    """Its port."""
    words = ("-m", "tests.bench.notices", "--receive", str(folder / "counts"))
    started = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    try:
        assert started.stdout
        yield int(await started.stdout.readline())
    finally:
        await end(started)


async def _receive(counts: Counts) -> None:
    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        counts.add(POSTED, body.count(b'"event": '))
        return web.Response()

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def _round(messages: int, most: int) -> float:
    """Events a second, from the first to the last."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        Counts.make(folder / "counts")
        counts, cloud = Counts(folder / "counts"), Cloud()
        async with _receiver(folder) as port:
            wanted = await _known(
                folder, messages, Webhook(name="bench", url=f"http://127.0.0.1:{port}/", most=most, is_private=True)
            )
            relay = Relay(folder, await cloud.start())
            try:
                await relay.start()
                await _until(counts, 1)
                first, began = counts.posted, time.perf_counter()
                await _until(counts, wanted)
                return (wanted - first) / (time.perf_counter() - began)
            finally:
                await relay.stop()
                await cloud.stop()


async def _until(counts: Counts, count: int) -> None:
    while counts.posted < count:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.002)


async def main() -> None:
    """Medians with their spread."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.notices")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--receive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        await _receive(Counts(options.receive))
        return
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    table = Table(
        "events in a request", "events/s", "spread", title=f"{time.strftime('%Y-%m-%d')}, {machine}, {options.rounds} rounds"
    )
    rounds = [[await _round(options.messages, most) for most in (1, 100)] for _ in range(options.rounds)]
    for most, seen in zip((1, 100), zip(*rounds, strict=True), strict=True):
        table.add_row(str(most), f"{statistics.median(seen):.0f}", f"{min(seen):.0f} to {max(seen):.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    asyncio.run(main())
