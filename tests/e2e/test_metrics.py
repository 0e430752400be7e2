from __future__ import annotations

import asyncio
import re
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from relay.sandbox.cloud import Cloud
from tests.harness import Relay


def get(relay: Relay, listener: str, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{relay.ports[listener]}{path}") as answer:
        text: str = answer.read().decode()
        return text


async def metrics(relay: Relay) -> dict[str, float]:
    text = await asyncio.to_thread(get, relay, "private", "/metrics")
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


async def test_the_end_of_the_certificate_is_told(shared: tuple[Relay, Cloud]) -> None:
    ends = (await metrics(shared[0]))['relay_certificate_ends_timestamp_seconds{name="localhost",section="smtp"}']
    assert 820 < (ends - time.time()) / 86400 < 826


async def test_open_connections_are_counted(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    before = (await metrics(relay))["relay_smtp_connections"]
    with relay.smtp(), relay.smtp(tls=True):
        assert (await metrics(relay))["relay_smtp_connections"] == before + 2


async def test_the_public_listener_shows_no_metrics(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    assert await asyncio.to_thread(get, relay, "callbacks", "/healthz") == "ok\n"
    with pytest.raises(HTTPError, match="404"):
        await asyncio.to_thread(get, relay, "callbacks", "/metrics")
