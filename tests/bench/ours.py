"""The relay, sending held back: the account's rate is 1/s, so that accepting is what is measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relay.sandbox.cloud import Cloud
from tests.bench.load import Target
from tests.bench.processes import Running
from tests.harness import APPLICATION, PASSWORD, running_relay

_SETTINGS = {"RELAY_LOGINS__MESSAGES_PER_MINUTE": "100000000", "RELAY_LOGINS__MESSAGES_PER_DAY": "100000000"}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    async with running_relay(folder, APPLICATION, far_side=lambda: Cloud(rate=1.0), settings=_SETTINGS) as (relay, _):
        login = (APPLICATION.name, PASSWORD)
        doors = {
            "tls": Target(port=relay.ports["submissions"], starttls=False, login=login),
            "starttls": Target(port=relay.ports["submission"], starttls=True, login=login),
        }
        yield Running(process_id=relay.process_id, doors=doors)
