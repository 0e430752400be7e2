"""The first page of the console: its figures are those that the relay counts, and what is wrong is said with what to do."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import time
from collections.abc import AsyncIterator

import pytest

from relay.sandbox import mailbox
from tests.e2e.console import Shown, Visitor, admit, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, running_relay, submit


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    settings = {"RELAY_REPUTATION__VOLUME": "1"}
    async with running_relay(tmp_path_factory.mktemp("overview"), APPLICATION, CRM, settings=settings) as (relay, _):
        await admit(relay)
        yield relay
        assert relay.faults() == []


@pytest.fixture
async def viewer(relay: Relay) -> AsyncIterator[Visitor]:
    async with visiting(relay, "viewer") as visitor:
        yield visitor


async def sent(relay: Relay, *recipients: str, login: str = "app", extra: str = "") -> None:
    def submitted() -> list[str]:
        with relay.smtp(login=login) as client:
            return [submit(client, mail(extra=extra), to=to) for to in recipients]

    for id in await asyncio.to_thread(submitted):
        for _ in range(100):
            life = await relay.life(id)
            if life and life.statuses[0] not in ("queued", "sending", "sent"):
                break
            await asyncio.sleep(0.05)


def series(shown: Shown) -> list[list[float]]:
    found = html.unescape(shown.source.partition('data-series="')[2].partition('"')[0])
    columns: list[list[float]] = json.loads(found)
    return columns


async def test_its_figures_are_those_that_are_counted(relay: Relay, viewer: Visitor) -> None:
    before = [sum(column) for column in series(await viewer.get("/"))[1:]]
    await sent(relay, "a@example.net", "b@example.net", "bounce@simulator.amazonses.com")
    times, *columns = series(await viewer.get("/"))
    assert [sum(column) - was for column, was in zip(columns, before, strict=True)] == [3, 2, 1, 0, 0, 0]
    assert len(times) in (24, 25, 26)
    assert times == sorted(times)
    assert all(later - sooner == 3600 for sooner, later in itertools.pairwise(times))
    assert times[-1] <= time.time() < times[-1] + 7200


@pytest.mark.parametrize(("period", "step", "most"), [("day", 3600, 26), ("week", 86400, 9), ("month", 86400, 32)])
async def test_of_each_length_there_are_all_points(viewer: Visitor, period: str, step: int, most: int) -> None:
    shown = await viewer.get(f"/?period={period}")
    times, *columns = series(shown)
    assert {later - sooner for sooner, later in itertools.pairwise(times)} == {step}
    assert most - 4 <= len(times) <= most
    assert {len(column) for column in columns} == {len(times)}
    assert sum(columns[0]) == sum(series(await viewer.get("/"))[1])


async def test_of_one_login_domain_or_campaign(relay: Relay, viewer: Visitor) -> None:
    await sent(relay, "a@example.net", login="crm", extra='X-Relay-Campaign: <i>spring</i> & "more"\r\n')
    shown = await viewer.get("/")
    assert "<i>spring" not in shown.source
    assert '<i>spring</i> & "more"' in shown.text
    campaign = "campaign=%3Ci%3Espring%3C%2Fi%3E%20%26%20%22more%22"
    for query, count in (("credential=crm", 1), (campaign, 1), ("credential=nobody", 0)):
        assert sum(series(await viewer.get(f"/?{query}"))[1]) == count
    assert sum(series(await viewer.get("/?sender_domain=example.com"))[1]) > 1
    assert sum(series(await viewer.get("/?sender_domain=example.org"))[1]) == 0


@pytest.mark.parametrize("query", ["period=", "period=century", "period=%00", "credential=%27%20OR%201=1", "campaign=%f0%28"])
async def test_what_nobody_means_is_nothing(viewer: Visitor, query: str) -> None:
    assert (await viewer.get(f"/?{query}")).status == 200


async def test_what_is_wrong_is_said_with_what_to_do(relay: Relay, viewer: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as far_side:
        far_side.setattr(mailbox, "events_for", lambda *_, **__: ("send", "bounce"))
        await sent(relay, *(f"bounce{number}@example.net" for number in range(3)))
    await relay.cli("queue", "pause", "--reason", "<b>stop</b>")
    shown = await viewer.get("/")
    assert "Hard bounces:" in shown.text
    assert "Look at who bounces" in shown.text
    assert "<b>stop</b>" not in shown.source
    assert "<b>stop</b>" in shown.text
    await relay.cli("queue", "resume")
