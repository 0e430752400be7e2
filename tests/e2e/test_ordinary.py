"""Ordinary messages through the real door: what arrives at the far side is what was sent, but for the declared edits."""

from __future__ import annotations

import asyncio

import pytest

from relay.sandbox.cloud import Cloud
from tests.corpus.declared import declared, without_added
from tests.corpus.ordinary import ROWS, Ordinary
from tests.harness import Relay, arrived, submit


@pytest.mark.parametrize("row", ROWS)
async def test_an_ordinary_message_arrives_but_for_the_declared_edits(shared: tuple[Relay, Cloud], row: Ordinary) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    with relay.smtp() as client:
        await asyncio.to_thread(submit, client, row.content)
    raw = await arrived(relay, cloud, before + 1)
    assert without_added(row, raw) == declared(row, row.content, raw)
