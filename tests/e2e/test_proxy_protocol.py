"""Behind a proxy, the client that its header names is the client; who sends a bad header, or is no proxy, is nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import Any

import pytest
import pytest_asyncio

from tests.harness import Relay, running_relay, unverified
from tests.wire import Wire, client_hello, connected

HANDSHAKE = 2
SETTINGS = {
    "RELAY_SMTP__PROXIES": "127.0.0.1/32",
    "RELAY_SMTP__HANDSHAKE_SECONDS": str(HANDSHAKE),
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "2",
}
WELCOME = "220 localhost ESMTP relay"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPECIFIED, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31
TLVS = b"\x04\0\3xyz" + b"\x02\0\x0cmail.example" + b"\x20\0\5\1\0\0\0\0" + b"\xe0\0\0"


def v1(source: str, family: str = "TCP4", there: str = "192.0.2.250") -> bytes:
    return f"PROXY {family} {source} {there} 40000 465\r\n".encode()


def v2(command: int, family: int, rest: bytes = b"", *, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest) if length is None else length) + rest


def ends(source: str, there: str) -> bytes:
    """Both addresses and both ports of a version 2 header."""
    return ip_address(source).packed + ip_address(there).packed + struct.pack("!HH", 40000, 465)


GOOD = {
    "v1-tcp4": (v1("192.0.2.11"), "192.0.2.11"),
    "v1-tcp6": (v1("2001:db8::11", "TCP6", "2001:db8::1"), "2001:db8::11"),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v1-unknown-with-more": (v1("2001:db8::12", "UNKNOWN", "2001:db8::1"), "127.0.0.1"),
    "v2-tcp4": (v2(PROXY, TCP4, ends("192.0.2.21", "192.0.2.250")), "192.0.2.21"),
    "v2-tcp4-tlvs": (v2(PROXY, TCP4, ends("192.0.2.22", "192.0.2.250") + TLVS), "192.0.2.22"),
    "v2-tcp6-tlvs": (v2(PROXY, TCP6, ends("2001:db8::21", "2001:db8::1") + TLVS), "2001:db8::21"),
    "v2-unspecified": (v2(PROXY, UNSPECIFIED), "127.0.0.1"),
    "v2-unix": (v2(PROXY, UNIX, bytes(216)), "127.0.0.1"),
    "v2-local": (v2(LOCAL, UNSPECIFIED), "127.0.0.1"),
    "v2-local-tlvs": (v2(LOCAL, UNSPECIFIED, TLVS), "127.0.0.1"),
    "v2-local-with-addresses": (v2(LOCAL, TCP4, ends("192.0.2.23", "192.0.2.250")), "127.0.0.1"),
}
BAD = {
    "no-header-but-smtp": b"EHLO client.example\r\n",
    "no-header-but-tls": client_hello(),
    "no-header-but-http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "v1-nothing-else": b"PROXY\r\n",
    "v1-no-addresses": b"PROXY TCP4\r\n",
    "v1-one-address": b"PROXY TCP4 192.0.2.7\r\n",
    "v1-no-ports": b"PROXY TCP4 192.0.2.7 192.0.2.250\r\n",
    "v1-no-address": v1("999.0.2.7"),
    "v1-name": v1("mail.example"),
    "v1-ipv6-as-tcp4": v1("2001:db8::7", "TCP4", "2001:db8::1"),
    "v1-ipv4-as-tcp6": v1("192.0.2.7", "TCP6"),
    "v1-other-protocol": v1("192.0.2.7", "UDP4"),
    "v1-lower-case": v1("192.0.2.7").lower(),
    "v1-no-port": b"PROXY TCP4 192.0.2.7 192.0.2.250 x y\r\n",
    "v1-port-too-high": b"PROXY TCP4 192.0.2.7 192.0.2.250 99999 465\r\n",
    "v1-too-much": b"PROXY TCP4 192.0.2.7 192.0.2.250 40000 465 1\r\n",
    "v1-two-spaces": b"PROXY TCP4  192.0.2.7 192.0.2.250 40000 465\r\n",
    "v1-only-lf": b"PROXY TCP4 192.0.2.7 192.0.2.250 40000 465\n",
    "v1-too-long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "v1-endless": b"PROXY TCP4 " + b"1" * 10_000,
    "v1-not-ascii": b"PROXY TCP4 \xff\xfe 192.0.2.250 40000 465\r\n",
    "v2-broken-signature": v2(PROXY, TCP4, ends("192.0.2.7", "192.0.2.250")).replace(b"QUIT", b"QUIX"),
    "v2-version-1": v2(0x11, TCP4, ends("192.0.2.7", "192.0.2.250")),
    "v2-unknown-command": v2(0x22, TCP4, ends("192.0.2.7", "192.0.2.250")),
    "v2-unknown-family": v2(PROXY, 0x41, ends("192.0.2.7", "192.0.2.250")),
    "v2-unknown-transport": v2(PROXY, 0x13, ends("192.0.2.7", "192.0.2.250")),
    "v2-no-addresses": v2(PROXY, TCP4),
    "v2-addresses-too-short": v2(PROXY, TCP6, ends("192.0.2.7", "192.0.2.250")),
}
ENDLESS = {
    "nothing": b"",
    "v1-half": b"PROXY TCP4 192.0.",
    "v2-half-signature": SIGNATURE[:7],
    "v2-half": v2(PROXY, TCP4, ends("192.0.2.7", "192.0.2.250"))[:20],
    "v2-length-too-long": v2(PROXY, TCP4, ends("192.0.2.7", "192.0.2.250"), length=65535),
}


@pytest_asyncio.fixture(scope="module")
async def proxied(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("proxied"), settings=SETTINGS) as (relay, _):
        yield relay
        assert not [line for line in relay.journal() if line["level"] == "error"]


async def _event(relay: Relay, event: str, **facts: str) -> dict[str, Any]:
    """The first such line of the journal, once it is there."""
    for _ in range(400):
        for line in relay.journal():
            if line["event"] == event and facts.items() <= line.items():
                return line
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {event} with {facts}")


async def _greet(wire: Wire, door: str) -> None:
    if door == "submissions":
        await wire.shake_hands()
    assert await wire.reply() == WELCOME
    if door == "submission":
        assert await wire.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
        await wire.shake_hands()


DOORS = pytest.mark.parametrize("door", ["submission", "submissions"])


@DOORS
@pytest.mark.parametrize(("header", "client"), GOOD.values(), ids=GOOD)
async def test_the_client_is_the_one_that_the_header_names(proxied: Relay, door: str, header: bytes, client: str) -> None:
    async with connected(proxied.ports[door]) as wire:
        wire.send(header)
        await _greet(wire, door)
        await wire.log_in("app")
        message_id = await wire.submit()
    assert (await _event(proxied, "accepted", id=message_id))["peer"] == client


@DOORS
@pytest.mark.parametrize("header", [GOOD["v1-tcp4"][0], GOOD["v2-tcp6-tlvs"][0]], ids=["v1", "v2"])
async def test_a_header_may_come_octet_by_octet(proxied: Relay, door: str, header: bytes) -> None:
    async with connected(proxied.ports[door]) as wire:
        for octet in header:
            wire.send(bytes((octet,)))
            await asyncio.sleep(0.002)
        await _greet(wire, door)


@pytest.mark.parametrize("header", [GOOD["v1-tcp4"][0], GOOD["v2-tcp4-tlvs"][0]], ids=["v1", "v2"])
async def test_header_and_client_hello_may_come_in_one_segment(proxied: Relay, header: bytes) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = unverified().wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", proxied.ports["submissions"]), timeout=10) as raw:
        first, greeting = header, b""
        while not greeting:
            try:
                greeting = client.read(1000)
            except ssl.SSLWantReadError:
                raw.sendall(first + outgoing.read())
                first = b""
                incoming.write(raw.recv(65536))
    assert greeting == WELCOME.encode() + b"\r\n"


@pytest.mark.parametrize(("client", "reply"), [("192.0.2.31", "235 2.7.0 "), ("198.51.100.31", "535 5.7.8 ")])
async def test_the_networks_of_a_credential_are_about_the_client(proxied: Relay, client: str, reply: str) -> None:
    async with connected(proxied.ports["submissions"]) as wire:
        wire.send(v1(client))
        await _greet(wire, "submissions")
        assert (await wire.ask("EHLO x")).startswith("250 ")
        assert (await wire.ask("AUTH PLAIN AGVsc2V3aGVyZQBhIHBhc3N3b3Jk")).startswith(reply)
    if reply.startswith("535"):
        assert (await _event(proxied, "login_refused", peer=client))["why"] == "not from this network"


async def test_the_limit_for_one_client_is_about_the_client_and_not_about_the_proxy(proxied: Relay) -> None:
    crowded = "421 4.7.0 Too many connections from your address"
    async with AsyncExitStack() as stack:
        for client, reply in [("192.0.2.41", WELCOME)] * 2 + [("192.0.2.41", crowded)] + [("192.0.2.42", WELCOME)] * 2:
            wire = await stack.enter_async_context(connected(proxied.ports["submission"]))
            wire.send(v1(client))
            assert await wire.reply() == reply
        last = await stack.enter_async_context(connected(proxied.ports["submissions"]))
        last.send(v1("192.0.2.42"))
        assert await last.rest() == []
    await _event(proxied, "connection_failed", peer="192.0.2.42", why="Too many connections from your address")


async def test_a_handshake_that_fails_is_journaled_with_the_client(proxied: Relay) -> None:
    async with connected(proxied.ports["submissions"]) as wire:
        wire.send(v1("192.0.2.51") + b"EHLO client.example\r\n")
        await wire.rest()
    await _event(proxied, "connection_failed", peer="192.0.2.51")


# What is no header, or not from a proxy.


@DOORS
@pytest.mark.parametrize("octets", BAD.values(), ids=BAD)
async def test_a_proxy_without_a_good_header_is_told_nothing(proxied: Relay, door: str, octets: bytes) -> None:
    async with connected(proxied.ports[door]) as wire:
        wire.send(octets)
        assert await wire.rest() == []


@DOORS
async def test_a_header_without_an_end_has_the_time_of_a_handshake(proxied: Relay, door: str) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connected(proxied.ports[door])) for _ in ENDLESS]
        for wire, octets in zip(wires, ENDLESS.values(), strict=True):
            wire.send(octets)
        assert [await wire.rest() for wire in wires] == [[]] * len(ENDLESS)
    assert HANDSHAKE - 0.1 < loop.time() - began < HANDSHAKE + 15


@pytest.mark.parametrize("second", [v1("192.0.2.62"), v2(PROXY, TCP4, ends("192.0.2.62", "192.0.2.250"))], ids=["v1", "v2"])
async def test_a_second_header_is_no_smtp_and_no_tls(proxied: Relay, second: bytes) -> None:
    async with connected(proxied.ports["submission"]) as wire:
        wire.send(v1("192.0.2.61") + second)
        assert await wire.rest() == ["421 4.7.0 You spoke before the greeting"]
    async with connected(proxied.ports["submissions"]) as wire:
        wire.send(v1("192.0.2.61") + second)
        await wire.rest()
    await _event(proxied, "connection_failed", peer="192.0.2.61")
    assert "192.0.2.62" not in str(proxied.journal())


@pytest.mark.parametrize("header", [v1("192.0.2.71"), v2(PROXY, TCP4, ends("192.0.2.71", "192.0.2.250"))], ids=["v1", "v2"])
async def test_a_header_from_anybody_else_is_no_smtp(proxied: Relay, header: bytes) -> None:
    """The relay sleeps meanwhile: the header is there before it could greet."""
    os.kill(proxied.process_id, signal.SIGSTOP)
    try:
        raw = socket.create_connection(("127.0.0.1", proxied.ports["submission"]), 10, source_address=("127.0.0.2", 0))
        raw.sendall(header)
    finally:
        os.kill(proxied.process_id, signal.SIGCONT)
    with raw:
        assert raw.recv(1000) == b"421 4.7.0 You spoke before the greeting\r\n"
    async with connected(proxied.ports["submissions"], source="127.0.0.2") as wire:
        wire.send(header)
        await wire.rest()
    await _event(proxied, "connection_failed", peer="127.0.0.2")
    assert "192.0.2.71" not in str(proxied.journal())


async def test_who_is_no_proxy_needs_no_header(proxied: Relay) -> None:
    async with connected(proxied.ports["submissions"], source="127.0.0.2") as wire:
        await _greet(wire, "submissions")
        await wire.log_in()
        message_id = await wire.submit()
    assert (await _event(proxied, "accepted", id=message_id))["peer"] == "127.0.0.2"
