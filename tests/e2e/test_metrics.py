from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from relay.alarm import Kind
from relay.sandbox.cloud import Cloud
from tests.harness import Relay, mail, submit


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


def grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)}


async def test_what_comes_goes_and_comes_back_is_counted(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    before = await metrics(relay)
    with relay.smtp() as client:
        id = await asyncio.to_thread(
            submit, client, mail(to="bounce@simulator.amazonses.com"), to="bounce@simulator.amazonses.com"
        )
        client.mail("stranger@example.org")
    await relay.told("bounce", id=f"{id}-1")
    found = grown(before, await metrics(relay))
    assert found['relay_messages_accepted_total{protocol="ESMTPSA"}'] == 1
    assert found['relay_refusals_total{class="5xx",rule="sender_not_allowed"}'] == 1
    assert found['relay_ses_calls_total{outcome="sent"}'] == 1
    assert (found["relay_ses_call_seconds_count"], found["relay_intake_seconds_count"]) == (1, 1)
    assert 0 < found["relay_intake_seconds_sum"] < 10
    assert found['relay_events_total{type="bounce"}'] == 1
    assert found['relay_sns_posts_total{status="200"}'] >= 2


async def test_calls_of_both_http_doors_and_posts_of_strangers_are_counted(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    before = await metrics(relay)
    for listener, path, body in (("api", "/email/v1/messages", None), ("api", "/", b"Action=X"), ("callbacks", "/sns", b"{}")):
        with pytest.raises(HTTPError):
            await asyncio.to_thread(urlopen, Request(f"http://127.0.0.1:{relay.ports[listener]}{path}", data=body))
    found = grown(before, await metrics(relay))
    assert found['relay_api_requests_total{class="4xx",door="api"}'] == 1
    assert found['relay_sns_posts_total{status="400"}'] == 1


async def test_there_are_no_alarms_of_a_relay_that_is_well(shared: tuple[Relay, Cloud]) -> None:
    alarms = {name: value for name, value in (await metrics(shared[0])).items() if name.startswith("relay_alarm{")}
    assert len(alarms) == len(Kind) - 1
    assert {name for name, value in alarms.items() if value} == set()


async def test_promtool_has_nothing_against_them(shared: tuple[Relay, Cloud]) -> None:
    if not shutil.which("promtool"):
        pytest.skip("no promtool")
    text = await asyncio.to_thread(get, shared[0], "private", "/metrics")
    done = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_a_message_that_is_refused_at_its_end_has_an_id_in_the_journal_and_a_step_before_none(
    shared: tuple[Relay, Cloud],
) -> None:
    relay, _ = shared
    with relay.smtp() as client:
        client.mail("stranger@example.org")
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        assert client.data(b"From: stranger@example.org\r\n\r\nHello\r\n")[0] == 554
    step, whole = [line for line in relay.journal() if line["event"] == "refused" and line["credential"] == "app"][-2:]
    assert "id" not in step
    assert re.fullmatch(r"[0-9A-Z]{26}", whole["id"])
