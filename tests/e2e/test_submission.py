"""Submission over both doors, octet by octet: what arrives at the far side is what was written, but for the declared edits."""

from __future__ import annotations

import asyncio
import re
import smtplib
from base64 import b64encode

import pytest

from relay.sandbox.cloud import Cloud
from tests.harness import PASSWORD, RECEIVED, Relay, arrived, mail, submit, unverified

HARD_BODIES = {
    "dots": ".\r\n..\r\n...\r\n.x\r\nend.\r\n",
    "a dot first": ".first\r\n",
    "blank lines": "\r\n\r\n\r\n",
    "nothing": "",
    "64 KB and a dot at the border": "x" * 62 + "\r\n" + ("y" * 62 + "\r\n") * 1023 + ".\r\n.\r\n",
    "300 KB": ("line of text, with a dot.\r\n..\r\n") * 10000,
}


@pytest.mark.parametrize("tls", [False, True], ids=["587", "465"])
@pytest.mark.parametrize("body", HARD_BODIES.values(), ids=HARD_BODIES.keys())
async def test_smtplib_bodies_arrive_equal_to_the_octet(shared: tuple[Relay, Cloud], tls: bool, body: str) -> None:
    relay, cloud = shared
    before, content = len(cloud.calls), mail(body=body)
    with relay.smtp(tls=tls) as client:
        await asyncio.to_thread(submit, client, content)
    raw = await arrived(relay, cloud, before + 1)
    assert re.sub(rb"\A" + RECEIVED, b"", raw) == content


async def test_login_and_plain_work_in_any_letter_case(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    for mechanism in ("PLAIN", "plain", "LOGIN", "login", "LoGiN"):
        with relay.smtp(login="") as client:
            client.user, client.password = "app", PASSWORD
            method = client.auth_plain if mechanism.upper() == "PLAIN" else client.auth_login
            assert client.auth(mechanism, method)[0] == 235


async def test_hidden_headers_are_removed_and_missing_ones_added(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    content = (
        b"From: shop@example.com\r\nBCC: secret@example.net\r\nX-SES-Configuration-Set: other\r\n"
        b"x-ses-message-tags: a=b,\r\n c=d\r\nReturn-Path: <x@example.com>\r\nX-Relay-Tag: t=1\r\nX-Keep: kept\r\n\r\nHello\r\n"
    )
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, content)
    raw = re.sub(rb"\A" + RECEIVED, b"", await arrived(relay, cloud, before + 1))
    added, found, rest = raw.partition(b"From: ")
    assert found + rest == b"From: shop@example.com\r\nX-Keep: kept\r\n\r\nHello\r\n"
    assert re.fullmatch(
        rb"Date: [^\r\n]+\r\nMessage-ID: <" + message_id.encode() + rb"@localhost>\r\nTo: undisclosed-recipients:;\r\n", added
    )


async def test_commands_sent_in_one_packet_are_answered_in_order(shared: tuple[Relay, Cloud]) -> None:
    """RFC 2920: what follows the dot in the same packet is not lost, and nothing before it is taken for content."""
    relay, _ = shared
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports["submissions"], ssl=unverified())
    try:
        await reader.readline()
        writer.write(b"EHLO client.example\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        login = b"AUTH PLAIN " + plain("app", PASSWORD)
        envelope = b"MAIL FROM:<shop@example.com>\r\nRCPT TO:<reader@example.net>\r\nDATA\r\n"
        writer.write(login + b"\r\n" + envelope + mail() + b".\r\n" + envelope + mail() + b".\r\nNOOP\r\nQUIT\r\n")
        codes = [line[:3] for line in (await reader.read()).splitlines()]
    finally:
        writer.close()
    assert codes == [b"235", b"250", b"250", b"354", b"250", b"250", b"250", b"354", b"250", b"250", b"221"]


def plain(name: str, password: str) -> bytes:
    return b64encode(f"\0{name}\0{password}".encode())


async def test_each_ehlo_reply_is_one_write(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.ports["submission"])
    try:
        await reader.readline()
        writer.write(b"EHLO client.example\r\n")
        reply = await reader.read(65536)  # one read, as the clients in question do
    finally:
        writer.close()
    lines = reply.decode().splitlines()
    assert lines[0] == "250-localhost"
    assert lines[-1] == "250 STARTTLS"
    assert {"250-SIZE 10485760", "250-8BITMIME", "250-PIPELINING", "250-ENHANCEDSTATUSCODES"} == set(lines[1:-1])


async def test_smtplib_can_quit_and_come_again(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    for _ in range(3):
        client = relay.smtp()
        assert client.quit()[0] == 221
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
