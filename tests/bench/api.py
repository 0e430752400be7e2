"""`python -m tests.bench.api`: messages by HTTP, a mailing to many, and the statistics of ten million messages."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.bench import history
from tests.bench.table import figures
from tests.e2e.api import Api, api_of
from tests.harness import CRM, Relay, running_relay

_RATE = 5000.0
_CONNECTIONS = 30
_TIMES = 100
_AT_ONCE = 10_000
_SETTINGS = {"RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=", "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}
_QUIET = {"RELAY_SUPPRESSION__SYNC_MINUTES": "0", "RELAY_API__CALLS_PER_MINUTE": "1000000"}
_MAIL = {
    "Sender": {"Address": "shop@example.com"},
    "Recipient": {"Address": "reader@example.net"},
    "Subject": "Order 42",
    "Text": "<p>Hello</p>" + "x" * 4000,
}
_TASK = {
    "Name": "all",
    "Sender": {"Address": "news@example.com"},
    "Subject": "News for [FirstName]",
    "Text": "<p>[FirstName]</p><a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>" + "x" * 4000,
    "Type": 1,
}
_LOGIN = replace(CRM, name="app1")  # as in the history
_Figures = dict[str, str]


async def _posted(api: Api, seconds: float) -> _Figures:
    """Answers to POST /Messages over kept connections."""
    times: list[float] = []
    ends = time.perf_counter() + seconds

    async def client() -> None:
        while (began := time.perf_counter()) < ends:
            reply = await api.post("/Messages", _MAIL)
            assert reply.status == 201, reply.text
            times.append(1000 * (time.perf_counter() - began))

    await asyncio.gather(*(client() for _ in range(_CONNECTIONS)))
    p99 = statistics.quantiles(times, n=100)[98]
    return {
        "POST /Messages a second": f"{len(times) / seconds:.0f}",
        "its answer p50, p99, ms": f"{statistics.median(times):.0f}, {p99:.0f}",
    }


async def _mailed(api: Api, cloud: Cloud, count: int) -> _Figures:
    """From the release of a task to its last message, with what was imported before."""
    group = (await api.post("/ContactGroups", {"Name": "all"})).result
    began = time.perf_counter()
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        contacts = [{"Email": f"{number}@readers.example", "FirstName": f"Name {number}"} for number in numbers]
        await api.post("/ContactsImport", {"ContactGroupId": group, "Contacts": contacts})
    imported = time.perf_counter() - began
    began = time.perf_counter()
    task = (await api.post("/Tasks", {**_TASK, "ContactGroups": [{"Id": group}]})).result["TaskId"]
    added = time.perf_counter() - began
    before, began = cloud.accepted, time.perf_counter()
    await api.put(f"/Tasks/{task}/State", {"State": "Created"})
    while (await api.get(f"/Tasks/{task}")).result["State"] != "Finished":  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    took = time.perf_counter() - began
    assert cloud.accepted - before == count
    return {
        f"{count} contacts imported, s": f"{imported:.1f}",
        "POST /Tasks to them, s": f"{added:.2f}",
        "made into deliveries and sent, a second": f"{count / took:.0f}",
    }


async def _counted(relay: Relay, folder: Path) -> _Figures:
    """GET /Statistics with the counts of ten million messages behind it."""
    await relay.stop()
    store = await SqliteStore.open(folder / "relay.db")
    await history.fill(store, argparse.Namespace(messages=10_000_000, logins=10, domains=1, campaigns=2), time.time())
    await store.close()
    await relay.start()
    times = []
    async with api_of(relay, _LOGIN.name) as api:
        for path in ("/Statistics?StartDateTime=/Date(0-0000)/", "/Statistics?StartDateTime=2026-11-01"):
            for _ in range(_TIMES):
                began = time.perf_counter()
                assert (await api.get(path)).status == 200
                times.append(1000 * (time.perf_counter() - began))
    return {"GET /Statistics at 10,000,000 messages p50, most, ms": f"{statistics.median(times):.1f}, {max(times):.1f}"}


async def main() -> None:
    """Prints one table."""
    options = _options()
    found: _Figures = {}
    far_side = partial(Cloud, rate=_RATE, quota=-1.0, keep_bodies=False)
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        async with running_relay(Path(name), _LOGIN, far_side=far_side, settings=_SETTINGS | _QUIET) as (relay, cloud):
            async with api_of(relay, _LOGIN.name) as api:
                found |= await _posted(api, options.seconds)
                found |= await _mailed(api, cloud, options.recipients)
            found |= await _counted(relay, Path(name))
    figures(found, f"SQLite, {_CONNECTIONS} kept connections")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.api")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--recipients", type=int, default=50_000)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
