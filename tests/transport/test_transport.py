"""The transport of the SMTP door against real sockets and OpenSSL, on both event loops, without the relay."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.security.certificates import make_server_pair
from relay.security.tls import Pair, ServerTls
from relay.smtp.transport import SocketTransport
from tests.harness import unverified


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, stays: bool = False) -> None:
        self.told: list[str] = []
        self.received = b""
        self.lost = asyncio.Event()
        self.ended = asyncio.Event()
        self.resumed = asyncio.Event()
        self._stays = stays

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.ended.set()
        return self._stays

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.resumed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(f"lost {type(error).__name__}" if error else "lost")
        self.lost.set()


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make_server_pair(key_file=key, certificate_file=certificate, name="localhost", now=time.time())
    return ServerTls([Pair(certificate, key)], section="smtp", file="x").context


@pytest.fixture
async def pair() -> AsyncIterator[tuple[SocketTransport, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    accepted.setblocking(False)
    client.settimeout(10)
    transport = SocketTransport(asyncio.get_running_loop(), accepted, "127.0.0.1")
    yield transport, client
    transport.abort()
    client.close()
    await asyncio.sleep(0)


Ends = tuple[SocketTransport, socket.socket]


async def secured(ends: Ends, context: ssl.SSLContext, protocol: asyncio.Protocol) -> ssl.SSLSocket:
    transport, client = ends
    client_side = asyncio.create_task(asyncio.to_thread(unverified().wrap_socket, client))
    await transport.start_tls(context, seconds=10)
    transport.begin(protocol)
    return await client_side


def all_of(client: socket.socket) -> bytes:
    found = b""
    while piece := client.recv(65536):
        found += piece
    return found


@pytest.mark.parametrize("size", [1, 16384, 16385, 300_000, 3_000_000])
async def test_what_is_sent_arrives_over_tls_whatever_its_size(pair: Ends, context: ssl.SSLContext, size: int) -> None:
    protocol, data = Recorder(), bytes(size)
    client = await secured(pair, context, protocol)
    await asyncio.to_thread(client.sendall, data)
    client.shutdown(socket.SHUT_WR)
    await protocol.lost.wait()
    assert protocol.received == data


async def test_what_is_written_arrives_and_the_protocol_is_told_when_to_stop(pair: Ends, context: ssl.SSLContext) -> None:
    protocol, data = Recorder(), bytes(8_000_000)
    client = await secured(pair, context, protocol)
    pair[0].write(data)
    assert protocol.told == ["pause"]
    pair[0].write(b"the end")
    reading = asyncio.create_task(asyncio.to_thread(all_of, client))
    await protocol.resumed.wait()
    pair[0].close()
    assert await reading == data + b"the end"


async def test_last_words_reach_a_peer_whose_octets_were_not_read(pair: Ends) -> None:
    transport, client = pair
    client.sendall(bytes(200_000))
    protocol = Recorder()
    transport.begin(protocol)
    transport.write(b"421 no\r\n")
    transport.close()
    assert await asyncio.to_thread(all_of, client) == b"421 no\r\n"
    client.close()
    await protocol.lost.wait()
    assert protocol.told == ["lost"]


async def test_a_peer_that_does_not_read_cannot_keep_a_close_from_ending(pair: Ends) -> None:
    protocol = Recorder()
    pair[0].begin(protocol)
    pair[0].write(bytes(20_000_000))
    pair[0].close()
    async with asyncio.timeout(10):
        await protocol.lost.wait()


async def test_after_the_peer_s_end_a_reply_can_still_be_sent(pair: Ends) -> None:
    protocol = Recorder(stays=True)
    transport, client = pair
    transport.begin(protocol)
    client.sendall(b"QUIT\r\n")
    client.shutdown(socket.SHUT_WR)
    await protocol.ended.wait()
    transport.write(b"221 Bye\r\n")
    transport.close()
    assert await asyncio.to_thread(all_of, client) == b"221 Bye\r\n"
    await protocol.lost.wait()


async def test_after_the_peer_s_close_notify_a_reply_can_still_be_sent(pair: Ends, context: ssl.SSLContext) -> None:
    protocol = Recorder(stays=True)
    transport, client = pair
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = unverified().wrap_bio(to_client, to_server)
    client_side = asyncio.create_task(asyncio.to_thread(shake_hands, client, session, to_client, to_server))
    await transport.start_tls(context, seconds=10)
    transport.begin(protocol)
    await client_side
    session.write(b"QUIT\r\n")
    with pytest.raises(ssl.SSLWantReadError):  # for the relay's own
        session.unwrap()
    client.sendall(to_server.read())
    client.shutdown(socket.SHUT_WR)
    await protocol.ended.wait()
    transport.write(b"221 Bye\r\n")
    transport.close()
    to_client.write(await asyncio.to_thread(all_of, client))
    assert (protocol.received, session.read()) == (b"QUIT\r\n", b"221 Bye\r\n")


def shake_hands(client: socket.socket, session: ssl.SSLObject, to_client: ssl.MemoryBIO, to_server: ssl.MemoryBIO) -> None:
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            client.sendall(to_server.read())
            to_client.write(client.recv(65536))
        else:
            break
    client.sendall(to_server.read())


async def test_what_was_written_before_a_close_reaches_a_peer_that_ended_its_side(pair: Ends) -> None:
    transport, client = pair
    protocol = Recorder()
    transport.begin(protocol)
    transport.write(bytes(8_000_000))
    transport.close()
    client.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.1)
    assert len(await asyncio.to_thread(all_of, client)) == 8_000_000
    await protocol.lost.wait()
    assert protocol.told[-1] == "lost"


async def test_a_reset_is_told(pair: Ends) -> None:
    protocol = Recorder()
    transport, client = pair
    transport.begin(protocol)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    await protocol.lost.wait()
    assert protocol.told == ["lost ConnectionResetError"]


@pytest.mark.parametrize("size", [1, 1_000, 16 * 1024, 50_000])
async def test_a_reset_is_told_when_octets_came_before_it(pair: Ends, size: int) -> None:
    protocol = Recorder()
    transport, client = pair
    client.sendall(bytes(size))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    transport.begin(protocol)
    async with asyncio.timeout(5):
        await protocol.lost.wait()
    assert protocol.told == ["lost ConnectionResetError"]
    assert len(protocol.received) == size


async def test_a_handshake_that_fails_tells_the_client_why(pair: Ends, context: ssl.SSLContext) -> None:
    transport, client = pair
    old = unverified()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    client_side = asyncio.create_task(asyncio.to_thread(old.wrap_socket, client))
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        await transport.start_tls(context, seconds=10)
    transport.abort()
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await client_side


async def test_a_handshake_takes_no_longer_than_it_may(pair: Ends, context: ssl.SSLContext) -> None:
    with pytest.raises(TimeoutError):
        await pair[0].start_tls(context, seconds=0.1)


async def test_what_came_behind_the_pause_is_read_after_it(pair: Ends, context: ssl.SSLContext) -> None:
    protocol = Recorder()
    client = await secured(pair, context, protocol)
    pair[0].pause_reading()
    client.sendall(b"x" * 40_000)
    client.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.05)
    assert protocol.received == b""
    pair[0].resume_reading()
    await protocol.ended.wait()
    assert len(protocol.received) == 40_000
