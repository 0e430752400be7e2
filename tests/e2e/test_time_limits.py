"""Nobody holds a connection for nothing. Waits overlap: two relays are asked everything at once."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.store.sqlite.store import SqliteStore
from tests.harness import Relay, mail, running_relay, unverified
from tests.wire import Wire, client_hello, connected, logged_in

HANDSHAKE, LOGIN, LINE, SILENCE, SESSION = 3, 5, 3, 6, 9
BRIEF = {
    "RELAY_SMTP__HANDSHAKE_SECONDS": str(HANDSHAKE),
    "RELAY_SMTP__LOGIN_SECONDS": str(LOGIN),
    "RELAY_SMTP__LINE_SECONDS": str(LINE),
    "RELAY_SMTP__TIMEOUT_SECONDS": str(SILENCE),
    "RELAY_SMTP__SESSION_SECONDS": str(SESSION),
    "RELAY_SMTP__MIN_DATA_RATE": "1000000",
    "RELAY_SMTP__SOFT_ERRORS": "2",
    "RELAY_SMTP__ERROR_SECONDS": "3",
    "RELAY_SMTP__MAX_ERRORS": "4",
    "RELAY_SMTP__MAX_MESSAGES_PER_CONNECTION": "4",
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "2",
}
FEW = {
    "RELAY_SMTP__MAX_CONNECTIONS": "10",
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "4",
    "RELAY_SMTP__MAX_ERRORS": "6",
}
WELCOME = "220 localhost ESMTP relay"
CROWDED = "421 4.7.0 Too many connections from your address"
UNKNOWN = "500 5.5.2 Command not recognized"
_SLACK = 15.0  # on a busy machine
_ENDLESS = 64_000_000  # octets: nobody's buffers hold so much

Scenario = Callable[[Relay], Coroutine[Any, Any, None]]
BRIEF_SCENARIOS: list[Scenario] = []
FEW_SCENARIOS: list[Scenario] = []


def with_brief_limits(scenario: Scenario) -> Scenario:
    BRIEF_SCENARIOS.append(scenario)
    return scenario


def with_few_connections(scenario: Scenario) -> Scenario:
    FEW_SCENARIOS.append(scenario)
    return scenario


class Span:
    """The seconds that a block may take: not less than `least`, and not much more."""

    def __init__(self, least: float) -> None:
        self._least = least

    async def __aenter__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            took = asyncio.get_running_loop().time() - self._began
            assert self._least - 0.1 <= took <= self._least + _SLACK


async def _until_told(port: int, source: str, wanted: str) -> None:
    """A connection that begins or ends is counted a moment later."""
    told = ""
    async with asyncio.timeout(_SLACK):
        while told != wanted:
            async with connected(port, source=source) as wire:
                told = await wire.reply()


async def _stored(relay: Relay) -> list[str]:
    store = await SqliteStore.open_to_read(relay.path)
    try:
        return [life.message.id for life in await store.messages.newest(limit=1000)]
    finally:
        await store.close()


# Handshakes.


@with_brief_limits
async def half_a_handshake_takes_a_place_until_its_time_is_over(relay: Relay) -> None:
    source, tls = "127.0.0.11", relay.ports["submissions"]
    async with Span(HANDSHAKE), connected(tls, source=source) as silent, connected(tls, source=source) as slow:
        slow.send(client_hello()[:100])
        async with connected(tls, source=source) as third:
            assert await third.rest() == []
        assert not silent.is_closed
        assert not slow.is_closed
        assert (await silent.rest(), await slow.rest()) == ([], [])
        await _until_told(relay.ports["submission"], source, WELCOME)


@with_brief_limits
async def a_handshake_of_one_octet_at_a_time_is_cut_off(relay: Relay) -> None:
    async with Span(HANDSHAKE), connected(relay.ports["submissions"], source="127.0.0.12") as wire:
        await _trickle(wire, client_hello())
        assert await wire.rest() == []


@with_brief_limits
async def half_a_handshake_after_starttls_takes_a_place_until_its_time_is_over(relay: Relay) -> None:
    source, port = "127.0.0.13", relay.ports["submission"]
    async with connected(port, source=source) as silent, connected(port, source=source) as slow, Span(HANDSHAKE):
        for wire, hello in ((silent, b""), (slow, client_hello()[:100])):
            assert await wire.reply() == WELCOME
            assert await wire.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
            wire.send(hello)
        async with connected(port, source=source) as third:
            assert await third.rest() == [CROWDED]
        assert (await silent.rest(), await slow.rest()) == ([], [])
        await _until_told(port, source, WELCOME)


async def _trickle(wire: Wire, octets: bytes, *, pause: float = 0.3) -> None:
    """One octet at a time, until the relay has enough of it."""
    for octet in octets:
        if wire.is_closed:
            return
        wire.send(bytes((octet,)))
        await asyncio.sleep(pause)


# Waiting for what does not come.


@with_brief_limits
async def who_does_not_log_in_is_sent_away_however_much_he_says(relay: Relay) -> None:
    async with connected(relay.ports["submission"], source="127.0.0.14") as silent, Span(LOGIN):
        async with connected(relay.ports["submission"], source="127.0.0.14") as busy:
            assert await busy.reply() == WELCOME
            replies = await _noops(busy)
            assert replies[-1] == "421 4.4.2 No login for too long"
        assert (await silent.rest())[1:] == ["421 4.4.2 No login for too long"]


async def _noops(wire: Wire) -> list[str]:
    """All replies, until the relay has enough of them."""
    replies = []
    while not wire.is_closed:
        replies.append(await wire.ask("NOOP"))
        await asyncio.sleep(0.3)
    assert replies[0] == "250 2.0.0 Ok"
    return [reply for reply in replies if reply] + await wire.rest()


@with_brief_limits
async def a_line_of_one_octet_at_a_time_is_too_slow(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.15") as wire, Span(LINE):
        assert await wire.ask("NOOP") == "250 2.0.0 Ok"
        await _trickle(wire, b"NOOP with a long argument")
        assert await wire.rest() == ["421 4.4.2 Too slow"]


@with_brief_limits
async def a_line_longer_than_any_command_has_no_more_time_than_others(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.18") as wire:
        wire.send(b"x" * 20_000)
        await _trickle(wire, b"x" * 100)
        assert await wire.rest() == ["421 4.4.2 Too slow"]


@with_brief_limits
async def a_line_in_two_pieces_is_not_too_slow(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.15") as wire:
        for _ in range(4):
            wire.send(b"NO")
            await asyncio.sleep(LINE / 4)
            assert await wire.ask("OP") == "250 2.0.0 Ok"


@with_brief_limits
async def who_is_silent_is_sent_away(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.16") as wire, Span(SILENCE):
        assert await wire.ask("NOOP") == "250 2.0.0 Ok"
        assert await wire.rest() == ["421 4.4.2 Idle for too long"]


@with_brief_limits
async def a_session_without_a_message_ends_however_much_is_said(relay: Relay) -> None:
    async with Span(SESSION), logged_in(relay.ports["submissions"], source="127.0.0.17") as wire:
        replies = await _noops(wire)
        assert replies[-1] == "421 4.4.2 No message for too long"


@with_brief_limits
async def a_session_that_submits_now_and_then_goes_on(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.18") as wire, Span(1.2 * SESSION):
        for _ in range(2):
            for _ in range(12):
                await asyncio.sleep(0.05 * SESSION)
                assert await wire.ask("NOOP") == "250 2.0.0 Ok"
            await wire.submit()


# Content.


@with_brief_limits
async def content_that_comes_too_slowly_is_told_so_and_nothing_of_it_stays(relay: Relay) -> None:
    """Over 1 MB at first: it has a file by then."""
    async with logged_in(relay.ports["submissions"], source="127.0.0.19") as wire, Span(LINE):
        await wire.start_message()
        wire.send(mail(subject="slow", body=("z" * 70 + "\r\n") * 17_000))
        await _until_spooled(relay, 1)
        await _trickle(wire, b"z" * 100)
        assert await wire.rest() == ["421 4.4.2 Too slow"]
    await _until_spooled(relay, 0)


def _spooled(relay: Relay) -> list[Path]:
    return [path for path in (relay.folder / "spool").rglob("*") if path.is_file()]


async def _until_spooled(relay: Relay, count: int) -> None:
    for _ in range(int(_SLACK / 0.02)):
        if len(_spooled(relay)) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(_spooled(relay))


@with_brief_limits
async def content_that_does_not_come_at_all_is_too_slow(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.19") as wire, Span(LINE):
        await wire.start_message()
        assert await wire.rest() == ["421 4.4.2 Too slow"]


# Errors and messages.


@with_brief_limits
async def errors_cost_time_and_then_the_connection(relay: Relay) -> None:
    """The second and the third of four cost three seconds each."""
    async with logged_in(relay.ports["submissions"], source="127.0.0.20") as wire, Span(6):
        wire.send(b"FOO\r\n" * 4 + b"NOOP\r\n")
        assert await wire.rest() == [UNKNOWN] * 4 + ["421 4.7.0 Too many errors"]


@with_brief_limits
async def the_first_errors_cost_nothing(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.21") as wire:
        assert await wire.ask("FOO") == UNKNOWN
        async with asyncio.timeout(2.9):
            assert await wire.ask("NOOP") == "250 2.0.0 Ok"


@with_brief_limits
async def a_connection_is_for_so_many_messages(relay: Relay) -> None:
    async with logged_in(relay.ports["submissions"], source="127.0.0.22") as wire:
        for _ in range(4):
            await wire.submit()
        assert await wire.ask("NOOP") == "250 2.0.0 Ok"
        wire.send(b"MAIL FROM:<shop@example.com>\r\n")
        assert await wire.rest() == ["421 4.7.0 Too many messages in one connection"]


# Many clients at once.


@with_few_connections
async def limits_tighten_while_nearly_all_connections_are_taken(relay: Relay) -> None:
    """9 of 10: two connections from an address for four, three errors for six, five seconds for a handshake; then as before."""
    port = relay.ports["submission"]
    async with AsyncExitStack() as stack:
        async with logged_in(relay.ports["submissions"], source="127.0.0.40") as worker:
            guests = [await stack.enter_async_context(connected(port, source=f"127.0.0.{41 + n // 2}")) for n in range(7)]
            assert [await guest.reply() for guest in guests] == [WELCOME] * 7
            async with connected(relay.ports["submissions"], source="127.0.0.45") as silent, Span(5):
                await _until_told(port, "127.0.0.41", CROWDED)
                guests[0].send(b"FOO\r\n" * 3)
                assert await guests[0].rest() == [UNKNOWN] * 3 + ["421 4.7.0 Too many errors"]
                await worker.submit()
                assert await silent.rest() == []
        await _until_told(port, "127.0.0.42", WELCOME)
        assert [await guests[4].ask("FOO") for _ in range(5)] == [UNKNOWN] * 5
        assert await guests[4].ask("NOOP") == "250 2.0.0 Ok"


# All of it.


Asked = dict[Scenario, asyncio.Task[None]]


@pytest_asyncio.fixture(scope="module")
async def brief(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("brief"), settings=BRIEF) as (relay, _):
        yield relay


@pytest_asyncio.fixture(scope="module")
async def few(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("few"), settings=FEW) as (relay, _):
        yield relay


@pytest_asyncio.fixture(scope="module")
async def asked(brief: Relay, few: Relay) -> AsyncIterator[Asked]:
    """Everything begins when the first test does."""
    pairs = [(brief, scenario) for scenario in BRIEF_SCENARIOS] + [(few, scenario) for scenario in FEW_SCENARIOS]
    tasks = {scenario: asyncio.create_task(scenario(relay)) for relay, scenario in pairs}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("scenario", BRIEF_SCENARIOS + FEW_SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_that(asked: Asked, scenario: Scenario) -> None:
    await asked[scenario]


async def test_only_what_was_answered_250_is_stored_and_no_limit_is_a_fault_of_ours(
    asked: Asked, brief: Relay, few: Relay
) -> None:
    await asyncio.wait(asked.values())
    assert len(await _stored(brief)) == 2 + 4
    assert not [line for relay in (brief, few) for line in relay.journal() if line["level"] == "error"]


# Clients that do not read.


async def test_clients_that_never_read_are_no_longer_read_and_then_cut_off(tmp_path: Path) -> None:
    """EHLO has the longest reply for a short line: neither those replies nor what they send is kept."""
    async with AsyncExitStack() as stack:
        relay, _ = await stack.enter_async_context(running_relay(tmp_path, settings={"RELAY_SMTP__LINE_SECONDS": "1"}))
        honest = await stack.enter_async_context(logged_in(relay.ports["submissions"]))
        before = _resident(relay)
        doors = [relay.ports["submission"], relay.ports["submissions"]] * 3
        deaf = [asyncio.create_task(asyncio.to_thread(_talk_without_listening, port, relay)) for port in doors]
        while not all(client.done() for client in deaf):
            assert _resident(relay) - before < 16_000_000
            await asyncio.sleep(0.1)
        assert max(client.result() for client in deaf) < _ENDLESS
        await honest.submit()


def _talk_without_listening(port: int, relay: Relay) -> int:
    """So many octets were taken of it. Returns when the connection was cut."""
    raw = socket.create_connection(("127.0.0.1", port))
    with unverified().wrap_socket(raw) if port == relay.ports["submissions"] else raw as client:
        assert client.recv(1000).startswith(b"220 ")
        client.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < _ENDLESS:
                sent += client.send(b"EHLO x\r\n" * 8000)
        end = select.poll()
        end.register(client, 0)
        assert end.poll(1000 * _SLACK), "it is still open"
        return sent


def _resident(relay: Relay) -> int:
    """Octets of memory that the relay has."""
    pages = int(Path(f"/proc/{relay.process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
