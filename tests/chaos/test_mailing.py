"""A mailing to many, its relay killed twice on the way: everybody gets it exactly once, and memory stays as it is.

A scaled version runs with all tests; `make chaos` (RELAY_CHAOS=full) sends to 50,000.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from functools import partial
from io import StringIO
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, api_of
from tests.harness import CRM, Relay, running_relay

FULL = os.environ.get("RELAY_CHAOS") == "full"
COUNT, RATE = (50_000, 500.0) if FULL else (1_000, 200.0)
AT_ONCE = 10_000
SETTINGS = {
    "RELAY_SECRETS__KEYS": "1:" + "A" * 43 + "=",
    "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com",
    "RELAY_RETRY__IN_DOUBT_SECONDS": "15",
    "RELAY_SES__READ_TIMEOUT_SECONDS": "5",
}
TASK = {
    "Name": "to all",
    "Sender": {"Address": "news@example.com"},
    "Subject": "News for [FirstName]",
    "Text": "<p>[FirstName]</p><a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>"
    + "<p>Something new.</p>" * 500,
    "Type": 1,
}

pytestmark = pytest.mark.timeout(1800 if FULL else 240)


async def imported(api: Api) -> int:
    group = int((await api.post("/ContactGroups", {"Name": "all"})).result)
    for first in range(0, COUNT, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, COUNT))
        contacts = [{"Email": f"{number}@readers.example", "FirstName": f"Name {number}"} for number in numbers]
        reply = await api.post("/ContactsImport", {"ContactGroupId": group, "Contacts": contacts})
        assert reply.result["ValidContacts"] == len(contacts)
    return group


async def until_sent(cloud: Cloud, count: int) -> None:
    while cloud.accepted < count:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)


async def killed_and_started(relay: Relay) -> None:
    await relay.kill()
    await relay.start()


async def finished(relay: Relay, task: int) -> None:
    async with api_of(relay) as api:
        while (state := (await api.get(f"/Tasks/{task}")).result["State"]) != "Finished":
            assert state == "Started"
            await asyncio.sleep(0.5)


async def test_everybody_gets_it_once_though_the_relay_is_killed_twice(tmp_path: Path, unused_tcp_port: int) -> None:
    settings = {**SETTINGS, "RELAY_CALLBACKS__LISTEN": f"127.0.0.1:{unused_tcp_port}"}
    log = StringIO()
    far_side = partial(Cloud, rate=RATE, quota=-1.0, log=log, keep_bodies=False)
    async with running_relay(tmp_path, CRM, far_side=far_side, settings=settings) as (relay, cloud):
        assert cloud.topic
        cloud.topic.shuffle, cloud.topic.longest_pause = True, 0.5
        async with api_of(relay) as api:
            group = await imported(api)
            task = (await api.post("/Tasks", {**TASK, "ContactGroups": [{"Id": group}]})).result["TaskId"]
            before, began = relay.memory(), time.monotonic()
            await api.put(f"/Tasks/{task}/State", {"State": "Created"})
        for part in (0.25, 0.6):
            await until_sent(cloud, int(part * COUNT))
            await killed_and_started(relay)
        await finished(relay, task)
        took, grown = time.monotonic() - began, relay.memory() - before
        got = Counter(recipient for line in log.getvalue().splitlines() for recipient in json.loads(line)["to"])
        print(f"{COUNT:,} in {took:.0f} s at {RATE:.0f}/s, killed twice; memory {grown / 1e6:+.0f} MB")
        assert got == Counter({f"{number}@readers.example": 1 for number in range(COUNT)})
        assert grown < 64 << 20
