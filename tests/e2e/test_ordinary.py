"""Ordinary messages through the real door: what arrives at the far side is what was sent, but for the declared edits."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from relay.sandbox.cloud import Cloud
from tests.corpus.declared import declared, without_added
from tests.corpus.ordinary import ORDINARY, ROWS, Ordinary
from tests.harness import Relay, arrived

Seen = tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture(scope="module")
async def seen(shared: tuple[Relay, Cloud]) -> Seen:
    """All of them in one session, each to its name: what was replied, and what arrived."""
    relay, cloud = shared
    with relay.smtp() as client:
        replies = {row.name: await asyncio.to_thread(offer, client, row) for row in ORDINARY}
    await arrived(relay, cloud, sum(reply.startswith(b"250 ") for reply in replies.values()))
    return replies, {call.recipients[0].partition("@")[0]: call.raw for call in cloud.calls}


def offer(client: smtplib.SMTP, row: Ordinary) -> bytes:
    client.mail("shop@example.com")
    client.rcpt(f"{row.name}@example.net")
    code, text = client.data(row.content)
    return b"%d %s" % (code, text)


@pytest.mark.parametrize("row", ROWS)
async def test_an_ordinary_message_arrives_but_for_the_declared_edits(seen: Seen, row: Ordinary) -> None:
    replies, raw = seen
    assert row.name in raw, replies[row.name]
    assert without_added(row, raw[row.name]) == declared(row, row.content, raw[row.name])
