"""Clients that do no good, by the hundred, and big mail: nobody else notices, and memory stays small.

A scaled version runs with all tests; `make chaos` (RELAY_CHAOS=full) runs the figures of docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from threading import Thread

import pytest

from relay.sandbox.cloud import Cloud
from tests.bench import load
from tests.chaos import crowd
from tests.corpus.bombs import BOMBS
from tests.harness import APPLICATION, PASSWORD, Relay, Settings, mail, running_relay

FULL = os.environ.get("RELAY_CHAOS") == "full"
MEGABYTE = 1 << 20
ROOM = {"RELAY_SMTP__MAX_CONNECTIONS": "3000"}  # more than there will be, for limits tighten at 80 %
CALLS = 5  # to SES at one time: descriptors that come and go

pytestmark = pytest.mark.timeout(600 if FULL else 120)


def fast_cloud() -> Cloud:
    return Cloud(rate=100_000.0)


class Honest(Thread):
    """A client that sends on while the others do what they do, and measures how long each message takes."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(daemon=True)
        self._relay = relay
        self._is_over = False
        self.replies: list[bytes] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        with crowd.logged_in(self._relay, 0) as connection:
            while not self._is_over:
                began = time.monotonic()
                self.replies.append(crowd.submit(connection)[:4])
                self.seconds.append(time.monotonic() - began)
                time.sleep(0.02)

    def stop(self) -> float:
        """The 99th percentile of the seconds. Raises AssertionError if a message was refused."""
        self._is_over = True
        self.join()
        assert set(self.replies) == {b"250 "}
        return quantiles(self.seconds, n=100)[98]


def until(is_reached: Callable[[], bool], *, seconds: float) -> float:
    """Seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    while not is_reached():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(0.1)
    return time.monotonic() - began


SLOW, DEAF, HALF = (500, 200, 200) if FULL else (30, 10, 10)
HANDSHAKE, LOGIN, LINE = (10, 60, 30) if FULL else (1, 6, 2)
SLOW_LIMITS = {
    **ROOM,
    "RELAY_SES__CONNECTIONS": str(CALLS),
    "RELAY_SMTP__HANDSHAKE_SECONDS": str(HANDSHAKE),
    "RELAY_SMTP__LOGIN_SECONDS": str(LOGIN),
    "RELAY_SMTP__LINE_SECONDS": str(LINE),
}


async def test_the_slow_the_deaf_and_the_half_shaken_are_dropped_in_time_and_nobody_else_notices(tmp_path: Path) -> None:
    crowd.allow_many_descriptors()
    async with running_relay(tmp_path, APPLICATION, far_side=fast_cloud, settings=SLOW_LIMITS) as (relay, _):
        await asyncio.to_thread(_bear_them, relay)
        assert relay.faults() == []


def _bear_them(relay: Relay) -> None:
    honest = Honest(relay)
    honest.start()
    until(lambda: len(honest.seconds) > 20, seconds=20)
    before, octets = relay.descriptors(), relay.memory()
    kinds = ((crowd.slow_command, SLOW // 2), (crowd.slow_content, SLOW // 2), (crowd.deaf, DEAF), (crowd.half_handshake, HALF))
    with crowd.many(relay, *kinds) as (commands, contents, _, halves):
        most = relay.descriptors()
        dripping = Thread(target=crowd.drip, args=[[*commands, *contents]], daemon=True)
        dripping.start()
        took = until(lambda: relay.descriptors() <= before + CALLS, seconds=LOGIN + 30)
        p99 = honest.stop()
        dripping.join()
        words = Counter(crowd.last_words(connection) for connection in (*commands, *contents, *halves))
    grown = (relay.memory("VmHWM") - octets) / MEGABYTE
    print(f"{most - before} connections gone in {took:.0f} s, {grown:+.0f} MB; last words {dict(words)}")
    print(f"honest: {len(honest.seconds)} messages, p99 {1000 * p99:.0f} ms, longest {1000 * max(honest.seconds):.0f} ms")
    assert set(words) <= {"", "220 2.0.0 Ready to start TLS", "421 4.4.2 Too slow", "421 4.4.2 No login for too long"}
    assert words["421 4.4.2 Too slow"] >= SLOW // 2
    if FULL:
        assert took < LOGIN + 5
        assert p99 < 0.5


IDLE, ACTIVE = (2000, 200) if FULL else (100, 10)


async def test_thousands_of_open_tls_sessions_take_little_memory_and_none_is_refused(tmp_path: Path) -> None:
    crowd.allow_many_descriptors()
    settings = {**ROOM, "RELAY_SES__CONNECTIONS": str(CALLS)}
    async with running_relay(tmp_path, APPLICATION, far_side=fast_cloud, settings=settings) as (relay, _):
        await asyncio.to_thread(_keep_open, relay)
        assert relay.faults() == []


def _keep_open(relay: Relay) -> None:
    before = relay.descriptors()
    with (
        crowd.many(relay, (crowd.logged_in, IDLE), (crowd.logged_in, ACTIVE)) as (idle, active),
        ThreadPoolExecutor(4) as threads,
    ):
        for _ in range(5):
            assert {reply[:4] for reply in threads.map(crowd.submit, active)} == {b"250 "}
        assert {crowd.say(connection, b"NOOP") for connection in idle} == {b"250 2.0.0 Ok"}
        print(
            f"{IDLE} idle, {ACTIVE} active: {relay.memory() / MEGABYTE:.0f} MB, most {relay.memory('VmHWM') / MEGABYTE:.0f} MB"
        )
        assert relay.memory("VmHWM") < 350 * MEGABYTE
    until(lambda: relay.descriptors() <= before + CALLS, seconds=20)


ENDLESS = 200 if FULL else 60  # MB
SENDERS, EACH = (20, 40) if FULL else (4, 13)  # at once, MB
ALLOWED = {"RELAY_SMTP__MAX_SIZE": str((EACH + 1) * MEGABYTE)}
if not FULL:
    ALLOWED["RELAY_SMTP__MAX_OCTETS_IN_FLIGHT"] = str((2 * EACH + 1) * MEGABYTE)


async def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION) as (relay, _):
        with crowd.logged_in(relay, 0) as warm:
            await asyncio.to_thread(crowd.submit, warm)
        before = relay.memory()
        relay.forget_peak()
        with crowd.greeted(relay, 1) as command, crowd.slow_content(relay, 1) as content:
            reply = await asyncio.to_thread(crowd.say, command, b"x" * ENDLESS * MEGABYTE)
            with suppress(ConnectionError, ssl.SSLError):  # at twice smtp.max_size it is answered, and then cut off
                await asyncio.to_thread(content.sendall, b"x" * ENDLESS * MEGABYTE)
            assert await asyncio.to_thread(_last_words, content) in (b"554 5.3.4 Message exceeds fixed size limit\r\n", b"")
        assert reply == b"500 5.5.2 Command line too long"
        grown = (relay.memory("VmHWM") - before) / MEGABYTE
        print(f"two lines of {ENDLESS} MB: {grown:+.0f} MB")
        assert grown < 150
        assert relay.faults() == []


def _last_words(connection: socket.socket) -> bytes:
    """Until the end, which may be a reset."""
    heard = b""
    with suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(1000):
            heard += piece
    return heard


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        pytest.param({}, {b"554", b""}, id="too large: refused, or cut off at twice the limit"),
        pytest.param(ALLOWED, {b"250", b"452"}, id="allowed: taken or put off, by the budget of octets in flight"),
    ],
)
async def test_large_messages_at_once_take_no_memory(tmp_path: Path, settings: Settings, wanted: set[bytes]) -> None:
    """What is taken is sent at once, while the others still come in."""
    async with running_relay(tmp_path, APPLICATION, far_side=lambda: Cloud(rate=1000.0), settings=settings) as (relay, _):
        with crowd.logged_in(relay, 0) as warm:
            await asyncio.to_thread(crowd.submit, warm)
        before = relay.memory()
        relay.forget_peak()
        began = time.monotonic()
        replies = Counter(await asyncio.to_thread(_send_large, relay))
        grown = (relay.memory("VmHWM") - before) / MEGABYTE
        print(f"{SENDERS} x {EACH} MB in {time.monotonic() - began:.0f} s: {dict(replies)}, {grown:+.0f} MB")
        assert set(replies) <= wanted
        assert (b"250" in replies) == (b"250" in wanted)
        assert grown < 150
        assert relay.faults() == []


TWENTY, THIRTY = (20, 30) if FULL else (4, 5)  # at once, MB
LARGE_ALLOWED = {
    "RELAY_SMTP__MAX_SIZE": str((THIRTY + 1) * MEGABYTE),
    "RELAY_SMTP__MAX_OCTETS_IN_FLIGHT": str((THIRTY + 1) * TWENTY * MEGABYTE),
}


async def test_large_messages_at_once_do_not_make_a_small_one_wait_for_them(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=fast_cloud, settings=LARGE_ALLOWED) as (relay, _):
        await asyncio.to_thread(_send_small_beside_large, relay)
        assert relay.faults() == []


def _send_small_beside_large(relay: Relay) -> None:
    honest = Honest(relay)
    honest.start()
    until(lambda: len(honest.seconds) > 20, seconds=20)
    before = relay.memory()
    relay.forget_peak()
    target = load.Target(port=relay.ports["submission"], starttls=True, login=("app", PASSWORD))
    shares = load.run(target, load.Load(size=THIRTY * MEGABYTE, connections=TWENTY), 10.0 if FULL else 1.0)
    p99 = honest.stop()
    grown = (relay.memory("VmHWM") - before) / MEGABYTE
    large = quantiles([seconds for share in shares for seconds in share.latencies], n=2)[0]
    print(f"{TWENTY} x {THIRTY} MB over and over, {large:.1f} s each, {grown:+.0f} MB; beside them {len(honest.seconds)} small")
    print(f"messages, p99 {1000 * p99:.0f} ms, longest {1000 * max(honest.seconds):.0f} ms")
    assert grown < 150
    if FULL:
        assert p99 < large / 2


BOMB_LIMIT = 64 if FULL else 1  # MB
BOMBS_ALLOWED = {"RELAY_SMTP__MAX_SIZE": str((BOMB_LIMIT + 1) * MEGABYTE), "RELAY_SMTP__MAX_ERRORS": "1000"}


async def test_messages_made_to_take_long_do_not_make_others_wait(tmp_path: Path) -> None:
    async with running_relay(tmp_path, APPLICATION, far_side=fast_cloud, settings=BOMBS_ALLOWED) as (relay, _):
        await asyncio.to_thread(_send_small_beside_bombs, relay)
        assert relay.faults() == []


def _send_small_beside_bombs(relay: Relay) -> None:
    honest = Honest(relay)
    honest.start()
    until(lambda: len(honest.seconds) > 20, seconds=20)
    before = relay.memory()
    relay.forget_peak()
    seconds = {}
    with crowd.logged_in(relay, 0) as connection:
        for title, made in BOMBS.items():
            if len(content := made()) <= BOMB_LIMIT * MEGABYTE:
                began = time.monotonic()
                assert crowd.submit(connection, content + b"\r\n")[:4] in (b"250 ", b"554 "), title
                seconds[title] = time.monotonic() - began
    p99 = honest.stop()
    grown = (relay.memory("VmHWM") - before) / MEGABYTE
    slowest = max(seconds, key=lambda title: seconds[title])
    print(f"{len(seconds)} bombs, the longest {seconds[slowest]:.1f} s ({slowest}), {grown:+.0f} MB; beside them")
    print(f"{len(honest.seconds)} small messages, p99 {1000 * p99:.0f} ms, longest {1000 * max(honest.seconds):.0f} ms")
    assert grown < 150
    if FULL:
        assert max(seconds.values()) < 5
        assert p99 < 0.5


def _send_large(relay: Relay) -> list[bytes]:
    content = mail(body=("x" * 70 + "\r\n") * (EACH * MEGABYTE // 72))

    def send(number: int) -> bytes:
        with crowd.logged_in(relay, number) as connection:
            try:
                return crowd.submit(connection, content)[:3]
            except OSError:
                return b""

    with ThreadPoolExecutor(SENDERS) as threads:
        return list(threads.map(send, range(SENDERS)))
