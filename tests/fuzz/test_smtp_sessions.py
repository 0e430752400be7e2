"""Thousands of sessions with faults, and the relay none the worse. `RELAY_FUZZ_SESSIONS=20000` for the full run."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from relay.sandbox.cloud import Cloud
from tests.fuzz.sessions import changed, converse, corpus
from tests.harness import CREDENTIALS, Relay, mail, running_relay, submit

SESSIONS = int(os.environ.get("RELAY_FUZZ_SESSIONS", "500"))
SEED = os.environ.get("RELAY_FUZZ_SEED", "1")
AT_ONCE = 100
CALLS = 5  # to SES at one time: descriptors that come and go
SETTINGS = {
    "RELAY_SMTP__SOFT_ERRORS": "20",
    "RELAY_SES__CONNECTIONS": str(CALLS),
    # Passwords that arrive broken are guesses, and their alarm is a fault of nobody here.
    "RELAY_LOGINS__FAILURES_PER_ADDRESS": "1000000",
    "RELAY_LOGINS__FAILURES_PER_NAME": "1000000",
}
MEGABYTE = 1 << 20

_REPLY = re.compile(rb"[2-5][0-9][0-9](?:[ -][ -~]*)?\r\n")


async def test_the_good_sessions_are_good() -> None:
    """So that it is the changes that are tried, and not a client that cannot speak."""
    assert len(corpus()) > 70
    assert {session.door for session in corpus()} == {"submission", "submissions"}


@pytest.mark.timeout(60 + SESSIONS // 10)
async def test_no_session_does_harm(tmp_path: Path) -> None:
    async with running_relay(tmp_path, *CREDENTIALS, far_side=lambda: Cloud(rate=100_000.0), settings=SETTINGS) as (
        relay,
        cloud,
    ):
        for _ in range(5):
            await asyncio.to_thread(_honest, relay)
        descriptors, octets = relay.descriptors(), relay.memory()
        await _fuzz(relay)
        await _until(lambda: relay.descriptors() <= descriptors + CALLS, "descriptors")
        grown = (relay.memory() - octets) / MEGABYTE
        print(f"{SESSIONS} sessions, seed {SEED}, {relay.descriptors() - descriptors:+} descriptors, {grown:+.0f} MB")
        assert grown < 150
        message_id = await asyncio.to_thread(_honest, relay, "an honest one")
        await _until(lambda: bool(_calls(cloud, b"Subject: an honest one\r\n")), "the honest message")
        assert await relay.stop() == 0
        assert relay.faults() == []
        assert relay.journal()[-1]["event"] == "stopped"
        [sent] = _calls(cloud, b"Subject: an honest one\r\n")
        assert message_id in sent.decode()
        assert sent.endswith(b"\r\n\r\nHello\r\n")


async def _fuzz(relay: Relay) -> None:
    sessions, known = iter(range(SESSIONS)), corpus()

    async def client() -> None:
        for number in sessions:
            chance = Random(f"{SEED}:{number}")
            session = changed(chance.choice(known), chance)
            for line in await converse(relay.ports[session.door], session):
                assert _REPLY.fullmatch(line), f"session {number} of seed {SEED}: {line!r}"

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(client())


def _honest(relay: Relay, subject: str = "warm") -> str:
    with relay.smtp() as client, relay.smtp(tls=True):
        return submit(client, mail(subject=subject))


def _calls(cloud: Cloud, text: bytes) -> list[bytes]:
    return [call.raw for call in cloud.calls if text in call.raw]


async def _until(is_reached: Callable[[], bool], what: str) -> None:
    for _ in range(300):
        if is_reached():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what}: not reached")
