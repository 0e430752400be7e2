"""Stopping in good order, and clients that leave in the middle."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.harness import PASSWORD, Relay, mail, running_relay, submit, unverified


async def test_sigterm_ends_what_is_under_way_and_exits_0(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, cloud):
        cloud.faults.latency = 1.0
        client = relay.smtp()
        message_id = await asyncio.to_thread(submit, client, mail())
        await _until_sending(relay, message_id)
        assert await relay.stop() == 0
        assert client.sock
        assert client.sock.recv(1000).startswith(b"421 4.3.2 ")
        life = await relay.life(message_id)
        assert life
        assert life.deliveries[0].state == "sent"


async def _until_sending(relay: Relay, message_id: str) -> None:
    for _ in range(200):
        life = await relay.life(message_id)
        if life and life.deliveries[0].state == "sending":
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it was never sent")


async def test_a_start_that_waits_for_credentials_ends_in_good_order_when_told(tmp_path: Path) -> None:
    """With the default of the signal mail that is sent meanwhile would be left in doubt."""
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        relay = Relay(tmp_path, cloud_port=1)
        del relay.settings["AWS_ACCESS_KEY_ID"]
        relay.settings["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        starting = asyncio.create_task(relay.start())
        await asyncio.wait_for(asked.wait(), 15)
        began = time.monotonic()
        relay.terminate()
        assert await relay.ended() == 0
        assert time.monotonic() - began < 3  # botocore asks eight times in this minute
        with pytest.raises(RuntimeError, match='"stopped"'):
            await starting
    assert relay.faults() == []
    assert not (tmp_path / "relay.open").exists()


async def test_a_second_relay_on_the_same_folder_does_not_start(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    status, said = await relay.cli("serve", check=False)
    assert status == 2
    assert f"store.path: another relay runs on {relay.folder}" in said


@pytest.mark.parametrize("again", [False, True])
async def test_strangers_do_not_hold_up_a_stop(tmp_path: Path, again: bool) -> None:
    async with running_relay(tmp_path) as (relay, _):
        clients = await asyncio.gather(*(asyncio.to_thread(_stranger, relay, said) for said in STRANGERS))
        began = time.monotonic()
        relay.terminate()
        if again:
            relay.terminate()
        assert await relay.ended() in ((0, 1) if again else (0,))
        assert time.monotonic() - began < 3
        assert relay.faults() == []
        for client in clients:
            client.close()


# In the middle of a handshake, made to wait for its errors, and with more commands than anybody answers at once.
STRANGERS = (b"STARTTLS\r\n", b"FOO\r\n" * 15, b"NOOP\r\n" * 200_000)


def _stranger(relay: Relay, said: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", relay.ports["submission"]))
    client.recv(1000)
    client.settimeout(0.2)
    with suppress(TimeoutError):
        client.sendall(said)
        client.recv(1000)
    return client


async def test_what_is_queued_survives_a_stop(tmp_path: Path) -> None:
    async with running_relay(tmp_path, settings={"RELAY_RETRY__DELAYS_SECONDS": "1"}) as (relay, cloud):
        port = cloud.port
        await cloud.close_door()
        with relay.smtp() as client:
            message_id = await asyncio.to_thread(submit, client, mail())
        assert await relay.stop() == 0
        await cloud.start(port)
        await relay.start()
        assert await relay.status(message_id, "sent") == ["sent"]


async def test_a_client_that_leaves_before_the_250_is_accepted_all_the_same(running: tuple[Relay, Cloud]) -> None:
    """Its last octet came: the commit goes on without it, and says so. It may send the same again; nothing is lost."""
    relay, _ = running
    for _ in range(20):
        await asyncio.to_thread(_send_and_reset, relay)
    await asyncio.sleep(1)
    store = await SqliteStore.open_to_read(relay.path)
    lives = await store.messages.newest(limit=100)
    await store.close()
    journal = relay.journal()
    gone = [line["id"] for line in journal if line["event"] == "accepted_client_gone"]
    accepted = [line["id"] for line in journal if line["event"] == "accepted"]
    assert sorted(life.message.id for life in lives) == sorted(accepted)
    assert set(gone) <= set(accepted)
    assert not [line for line in journal if line["level"] == "error"]
    with relay.smtp() as client:
        await asyncio.to_thread(submit, client, mail())


def _send_and_reset(relay: Relay) -> None:
    raw = socket.create_connection(("127.0.0.1", relay.ports["submissions"]))
    wrapped = unverified().wrap_socket(raw)
    login = b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode())
    for line in (b"EHLO x", login, b"MAIL FROM:<shop@example.com>", b"RCPT TO:<reader@example.net>", b"DATA"):
        wrapped.recv(4096)
        wrapped.sendall(line + b"\r\n")
    wrapped.recv(4096)
    wrapped.sendall(mail() + b".\r\n")
    wrapped.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with_reset = ssl.SSLSocket.detach(wrapped)
    socket.socket(fileno=with_reset).close()


async def test_a_client_that_leaves_in_the_middle_of_data_leaves_nothing(running: tuple[Relay, Cloud]) -> None:
    relay, _ = running
    big = mail(body="z" * 70 + "\r\n" + ("z" * 70 + "\r\n") * 40_000)  # 2.9 MB: a spool file is open by then
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports["submissions"], ssl=unverified())
        login = b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode())
        writer.write(b"EHLO x\r\n" + login + b"\r\nMAIL FROM:<shop@example.com>\r\nRCPT TO:<reader@example.net>\r\nDATA\r\n")
        writer.write(big)
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.1)
        reader.feed_eof()
    await asyncio.sleep(1)
    assert list((relay.folder / "spool").iterdir()) == []
    assert not [line for line in relay.journal() if line["level"] == "error"]


@pytest.mark.parametrize("count", [1_000, 100_000, 230_000])
async def test_a_client_that_ends_its_side_and_reads_late_has_all_its_replies(running: tuple[Relay, Cloud], count: int) -> None:
    relay, _ = running
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", relay.ports["submission"]))
        client.recv(1000)
        heard = await asyncio.to_thread(_ask_and_read_late, client, b"NOOP\r\n" * count + b"QUIT\r\n")
    assert heard == b"250 2.0.0 Ok\r\n" * count + b"221 2.0.0 Bye\r\n"


def _ask_and_read_late(client: socket.socket, commands: bytes) -> bytes:
    client.sendall(commands)
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.7)
    heard = b""
    while piece := client.recv(65536):
        heard += piece
    return heard
