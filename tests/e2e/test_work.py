"""How much a message makes the relay do, counted and not timed: what doubles it is found out on any machine.

The bounds are what was counted when they were written, and up to a third more. Who needs more says here for what.
Messages share what comes while a commit lasts: where it lasts a while, they do on a quiet machine as on a busy one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from tests import counted
from tests.counted import Counters, Work
from tests.harness import CREDENTIALS, Relay, arrived, mail, running_relay, submit

_BODY = ("x" * 70 + "\r\n") * 56  # 4 KB
_LARGE = ("y" * 70 + "\r\n") * 29_000  # 2 MB: it goes to a spool file
_WARM, _COUNTED, _CLIENTS = 20, 200, 20
_SLOW_DISK = {counted.COMMIT: "0.05"}


@asynccontextmanager
async def counting(folder: Path, patched: pytest.MonkeyPatch, **more: str) -> AsyncIterator[tuple[Relay, Cloud, Counters]]:
    """A relay that counts its work, and has sent its first messages."""
    patched.setattr(Relay, "module", counted.__name__)
    Counters.make(folder / "counted")
    settings = {counted.FILE: str(folder / "counted"), "RELAY_SES__IDENTITIES_SECONDS": "0", **more}
    async with running_relay(folder, *CREDENTIALS, settings=settings) as (relay, cloud):
        await sent(relay, cloud, count=_WARM)
        yield relay, cloud, Counters(folder / "counted")


async def sent(relay: Relay, cloud: Cloud, *, count: int, clients: int = 1, body: str = _BODY) -> None:
    """One after the other by each client, until the far side has all of them."""

    def session() -> None:
        with relay.smtp() as client:
            for _ in range(count // clients):
                submit(client, mail(body=body))

    wanted = len(cloud.calls) + count
    await asyncio.gather(*(asyncio.to_thread(session) for _ in range(clients)))
    await arrived(relay, cloud, wanted)


async def too_much(
    relay: Relay, cloud: Cloud, counters: Counters, most: Work, *, clients: int, count: int = _COUNTED, body: str = _BODY
) -> list[str]:
    """What of it one message takes more of."""
    before = counters.look()
    await sent(relay, cloud, count=count, clients=clients, body=body)
    did = [(after - earlier) / count for after, earlier in zip(counters.look(), before, strict=True)]
    print(f"{clients} clients: {did[0]:.0f} calls, {did[1]:.1f} steps, {did[2]:.1f} statements")
    return [name for name, each, bound in zip(Work._fields, did, most, strict=True) if each > bound]


async def test_a_message_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counting(tmp_path, monkeypatch) as (relay, cloud, counters):
        assert await too_much(relay, cloud, counters, Work(calls=1360, steps=150, statements=35), clients=1) == []


async def test_messages_together_share_their_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counting(tmp_path, monkeypatch, **_SLOW_DISK) as (relay, cloud, counters):
        assert await too_much(relay, cloud, counters, Work(calls=1050, steps=90, statements=13), clients=_CLIENTS) == []


async def test_a_large_message_changes_threads_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counting(tmp_path, monkeypatch) as (relay, cloud, counters):
        most = Work(calls=3600, steps=370, statements=60)
        assert await too_much(relay, cloud, counters, most, clients=1, count=20, body=_LARGE) == []


async def test_the_octets_of_a_large_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counting(tmp_path, monkeypatch) as (relay, cloud, _):
        # Read from the client, and from its file to check it and to send it; written there, and in base64 to SES.
        before = moved(relay)
        await sent(relay, cloud, count=4, body=_LARGE)
        read, written = ((after - earlier) / 4 / len(_LARGE) for after, earlier in zip(moved(relay), before, strict=True))
    print(f"read {read:.2f} times, written {written:.2f} times")
    assert read < 4
    assert written < 3


def moved(relay: Relay) -> tuple[int, int]:
    """Octets that it has read and written so far."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{relay.process_id}/io").read_text().splitlines())
    return int(lines["rchar"]), int(lines["wchar"])
