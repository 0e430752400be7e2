"""The wall clock jumps while the relay runs: nothing expires early, nothing waits for a time that is days away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from relay.sandbox.faults import Faults, SesError
from relay.security.certificates import make_signing_pair
from tests.chaos.clients import SMALL, Clients
from tests.chaos.scene import Scene, scene, twice
from tests.e2e.test_clients import needs

DAY = 86400
LIBRARY = str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), "libfaketime"))
MESSAGES = 5
WAITS = {"RELAY_RETRY__DELAYS_SECONDS": "2", "RELAY_RETRY__LIFETIME_SECONDS": str(DAY)}
HELD_SECONDS = 30  # by a fault of the clock
WAIT_SECONDS = 20  # for them, and the queue's chores are done every five

AWAY = SesError(503, "ServiceUnavailableException", "later")
# What a delivery may be doing when the clock jumps: between two tries, in doubt, in a call.
FAULTS = {
    "retry": Faults(pattern=rb'"retry[0-9].*"relay_try", "Value": "[12]"', error=AWAY),
    "doubt": Faults(pattern=rb'"doubt[0-9].*"relay_try", "Value": "1"', reset="before"),
    "slow": Faults(pattern=rb'"slow[0-9]', hang=4.0),
}
JUMPS = {"+2d": 2 * DAY, "-2d": -2 * DAY, "+6h": DAY // 4}

pytestmark = pytest.mark.timeout(300)


def clock_read_from(file: Path) -> dict[str, str]:
    """Only the wall clock, as where an operator or NTP sets it: libfaketime looks into the file at every call."""
    return {
        "LD_PRELOAD": needs(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # which would slow down every wait for a lock
        "NO_FAKE_STAT": "1",
    }


def set_clock(file: Path, offset: int) -> None:
    """In one step: the relay looks at it all the time."""
    file.with_suffix(".new").write_text(f"{offset:+}")
    file.with_suffix(".new").rename(file)


def offset_of(found: Scene) -> float:
    """Seconds between the relay's clock and ours, by what it wrote last."""
    at = found.relay.journal()[-1]["at"]
    return datetime.fromisoformat(at).timestamp() - time.time()


async def under_way(found: Scene) -> set[str]:
    """Recipients of deliveries that are at each of these."""
    clients = [Clients(found.relay, 1, name=kind, body=SMALL) for kind in FAULTS]
    await asyncio.gather(*(client.send(MESSAGES) for client in clients))
    await found.until(lambda: {"queued", "in_doubt", "sending"} == _states(found), 10)
    return clients[0].acked | clients[1].acked | clients[2].acked


def _states(found: Scene) -> set[str]:
    return {delivery.state for delivery in found.stored().values()}


@asynccontextmanager
async def faked(folder: Path, offset: int = 0) -> AsyncIterator[tuple[Scene, Path]]:
    """A relay whose clock is so far off, and the file to set it by. SNS's certificate is valid then as well."""
    folder.mkdir()
    clock, made = folder / "clock", time.time() - 10 * DAY
    set_clock(clock, offset)
    make_signing_pair(key_file=folder / "sns.key", certificate_file=folder / "sns.pem", name="sns", now=made)
    async with scene(folder, settings={**WAITS, **clock_read_from(clock)}) as found:
        yield found, clock


async def test_a_clock_that_jumps_ends_and_stops_nothing(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for jump, offset in JUMPS.items():
            group.create_task(jumps(tmp_path / jump, offset))


async def jumps(folder: Path, offset: int) -> None:
    """The clock of one relay, in the middle of everything."""
    async with faked(folder) as (found, clock):
        found.cloud.plan += (replace(fault, until=time.monotonic() + 3600) for fault in FAULTS.values())
        acked = await under_way(found)
        set_clock(clock, offset)
        later = Clients(found.relay, 1, name="later", body=SMALL)
        await later.send(MESSAGES)
        assert abs(offset_of(found) - offset) < 60
        began = time.monotonic()
        await found.settled(WAIT_SECONDS)
        print(f"{folder.name}: all settled after {time.monotonic() - began:.1f} s")
        assert _states(found) == {"sent"}
        delivered = found.delivered()
        assert delivered.keys() == acked | later.acked
        assert twice(delivered) == {}


async def test_a_wrong_clock_stops_no_mail_for_long(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for jump, offset in JUMPS.items():
            group.create_task(is_wrong(tmp_path / jump, offset))


async def is_wrong(folder: Path, offset: int) -> None:
    """AWS takes no signature that is more than five minutes off, but says in every answer what time it is."""
    async with faked(folder, offset) as (found, _):
        found.cloud.checks_clock = True
        clients = Clients(found.relay, 1, body=SMALL)
        await clients.send(MESSAGES)
        began = time.monotonic()
        await found.settled(HELD_SECONDS + WAIT_SECONDS)
        print(f"{folder.name}: all settled after {time.monotonic() - began:.1f} s")
        delivered = found.delivered()
        assert delivered.keys() == clients.acked
        assert twice(delivered) == {}
