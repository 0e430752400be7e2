"""Who takes too much is sent away, and nobody else notices."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from tests.harness import Relay, mail, running_relay, submit

LIMITS = {
    "RELAY_SMTP__MAX_CONNECTIONS": "5",
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "3",
    "RELAY_SMTP__MAX_ERRORS": "4",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("limits"), settings=LIMITS) as (relay, _):
        yield relay


def _connect(relay: Relay, source: str = "127.0.0.1") -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", relay.ports["submission"], timeout=5, source_address=(source, 0))


async def _until_welcome(relay: Relay, source: str = "127.0.0.1") -> smtplib.SMTP:
    """A connection that ended is forgotten a moment later."""
    for _ in range(100):
        try:
            return _connect(relay, source)
        except smtplib.SMTPConnectError:
            await asyncio.sleep(0.02)
    raise AssertionError("nobody is let in any more")


async def test_one_address_may_not_take_all_connections(limited: Relay) -> None:
    with ExitStack() as stack:
        first = [stack.enter_context(await _until_welcome(limited)) for _ in range(3)]
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            _connect(limited)
        assert (refused.value.smtp_code, refused.value.smtp_error) == (421, b"4.7.0 Too many connections from your address")
        stack.enter_context(_connect(limited, "127.0.0.2"))
        assert [client.noop()[0] for client in first] == [250] * 3
        first[0].quit()
        stack.enter_context(await _until_welcome(limited))


async def test_who_is_turned_away_takes_nobody_s_place(limited: Relay) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(await _until_welcome(limited, "127.0.0.3"))
        for _ in range(120):
            address = ("127.0.0.1", limited.ports["submission"])
            stack.enter_context(socket.create_connection(address, source_address=("127.0.0.3", 0)))
        assert stack.enter_context(_connect(limited)).noop()[0] == 250


async def test_all_together_may_not_take_more_than_there_are(limited: Relay) -> None:
    with ExitStack() as stack:
        for number in range(5):
            stack.enter_context(await _until_welcome(limited, f"127.0.0.{2 + number}"))
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            _connect(limited, "127.0.0.9")
        assert (refused.value.smtp_code, refused.value.smtp_error) == (421, b"4.7.0 Too many connections")


async def test_a_client_that_only_makes_errors_is_sent_away(limited: Relay) -> None:
    client = await _until_welcome(limited)
    assert [client.docmd("FOO")[0] for _ in range(4)] == [500] * 4
    assert client.getreply() == (421, b"4.7.0 Too many errors")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()


async def test_errors_between_messages_that_are_accepted_do_not_add_up(limited: Relay) -> None:
    (await _until_welcome(limited)).quit()
    with limited.smtp() as client:
        for _ in range(3):
            assert [client.docmd("FOO")[0] for _ in range(3)] == [500] * 3
            await asyncio.to_thread(submit, client, mail())
