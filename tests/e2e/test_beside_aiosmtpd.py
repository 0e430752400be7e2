"""What plain aiosmtpd 1.4.6 does, started as its manual shows it, and what the relay does with the same octets.

If one of the plain halves fails after an upgrade of aiosmtpd, an override of ours may have lost its reason.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import AuthResult

from tests.bench import plain_aiosmtpd
from tests.e2e.plain import Failing, Slow, connect, greeted, plain, said, said_lines, to_the_end, until
from tests.harness import PASSWORD, Relay, memory_of, running_relay

SETTINGS = {
    "RELAY_SMTP__HOSTNAME": "relay.example.com",
    "RELAY_SMTP__TRUSTED": "127.0.0.1:0",
    "RELAY_SMTP__TRUSTED_NETWORKS": "127.0.0.1",
    "RELAY_SMTP__TRUSTED_CREDENTIAL": "app",
    "RELAY_SMTP__MAX_CONNECTIONS_PER_CLIENT": "10",
    "RELAY_SMTP__LOGIN_SECONDS": "1",
}
EHLO = b"EHLO client.example.com\r\n"
MAIL = b"MAIL FROM:<shop@example.com>\r\n"
ENVELOPE = MAIL + b"RCPT TO:<reader@example.net>\r\n"
HEADERS = b"DATA\r\nFrom: shop@example.com\r\nSubject: beside\r\n\r\n"
MEGABYTE = 1 << 20


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path_factory.mktemp("relay"), settings=SETTINGS) as (running, _):
        yield running


@pytest.fixture
def tls(relay: Relay) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(relay.folder / "smtp.pem", relay.folder / "smtp.key")
    return context


@pytest.mark.parametrize(
    ("octets", "plainly", "ours"),
    [
        pytest.param(b"MAIL FROM:shop@example.com\r\n", "250 OK", "501 5.5.4 Syntax: MAIL FROM:...", id="4 no brackets"),
        pytest.param(MAIL + b"RCPT TO:<a@example.net\r\n", "250 OK", "501 5.5.4 Syntax: RCPT TO:...", id="4 half a bracket"),
        pytest.param(MAIL + b"RCPT TO:<a(c)@example.net>\r\n", "250 OK", "554 5.1.3 Invalid recipient...", id="4 comment"),
        pytest.param(MAIL + b"RCPT TO:<@b.example:a@example.net>\r\n", "250 OK", "554 5.1.3 Invalid...", id="4 source route"),
        pytest.param(MAIL + b"RCPT TO:<a@=?utf-8?q?evil?=>\r\n", "250 OK", "554 5.1.3 Invalid...", id="4 encoded word"),
        pytest.param(MAIL + b'RCPT TO:<"a\rb"@example.net>\r\n', "250 OK", "554 5.1.3 Invalid...", id="5 CR in an address"),
        pytest.param(ENVELOPE + HEADERS + b"a\nb\r\n.\r\n", "250 OK", "554 5.6.0 Malformed message: bare CR or LF", id="6 LF"),
        pytest.param(ENVELOPE + HEADERS + b"a\rb\r\n.\r\n", "250 OK", "554 5.6.0 Malformed message: bare CR or LF", id="6 CR"),
        pytest.param(ENVELOPE + HEADERS + b"a\0b\r\n.\r\n", "250 OK", "554 5.6.0 Malformed message: NUL octet", id="6 NUL"),
        pytest.param(
            ENVELOPE + HEADERS + b"x" * 2000 + b"\r\n.\r\n", "500 Line too long...", "250 2.0.0 Ok...", id="7 long line"
        ),
        pytest.param(MAIL[:-2] + b" AUTH=<>\r\n", "555 MAIL FROM...", "250 2.1.0 Ok", id="12 AUTH"),
        pytest.param(MAIL[:-2] + b" RET=HDRS\r\n", "555 MAIL FROM...", "250 2.1.0 Ok", id="12 RET"),
        pytest.param(MAIL[:-2] + b" ENVID=1\r\n", "555 MAIL FROM...", "250 2.1.0 Ok", id="12 ENVID"),
        pytest.param(ENVELOPE[:-2] + b" NOTIFY=NEVER\r\n", "555 RCPT TO...", "250 2.1.5 Ok", id="12 NOTIFY"),
        pytest.param(ENVELOPE[:-2] + b" ORCPT=rfc822;a@b.example\r\n", "555 RCPT TO...", "250 2.1.5 Ok", id="12 ORCPT"),
    ],
)
async def test_the_last_reply_to_the_same_octets(relay: Relay, octets: bytes, plainly: str, ours: str) -> None:
    with plain() as port:
        replies = (await said(port, EHLO + octets))[-2], (await said(relay.ports["trusted"], EHLO + octets))[-2]
    for reply, wanted in zip(replies, (plainly, ours), strict=True):
        assert reply.startswith(wanted.removesuffix("...")) if wanted.endswith("...") else reply == wanted


async def test_row_1_a_line_without_end_is_kept_in_memory_by_the_plain_one_only(relay: Relay) -> None:
    async with plain_aiosmtpd.running(relay.folder) as running:
        door = connect(running.doors["tls"].port, implicit_tls=True)
        plainly = await asyncio.to_thread(_grown_by_an_endless_line, running.process_id, door)
    ours = await asyncio.to_thread(_grown_by_an_endless_line, relay.process_id, connect(relay.ports["trusted"]))
    assert plainly > 60 * MEGABYTE
    assert ours < 40 * MEGABYTE


def _grown_by_an_endless_line(process_id: int, connection: socket.socket) -> int:
    """Octets of memory taken by 80 MB without a line end, or by what the server lets itself be sent of them."""
    before = memory_of(process_id)
    with connection:
        for line in (EHLO, MAIL, b"RCPT TO:<reader@example.net>\r\n", b"DATA\r\n"):
            connection.recv(4096)
            connection.sendall(line)
            time.sleep(0.05)
        try:
            for _ in range(80):
                connection.sendall(b"x" * MEGABYTE)
        except OSError:
            pass  # cut off at twice the limit
        time.sleep(0.3)
        return memory_of(process_id) - before


async def test_row_2_the_end_of_the_client_cancels_a_commit_of_the_plain_one_only(relay: Relay) -> None:
    handler, before = Slow(), len(_accepted(relay))
    with plain(handler) as port:
        for door in (port, relay.ports["trusted"]):
            with greeted(door) as connection:
                connection.sendall(EHLO + ENVELOPE + HEADERS + b"and gone\r\n.\r\n")
                until(connection, b"354")
        await asyncio.sleep(0.6)
    assert handler.taken == []
    assert len(_accepted(relay)) == before + 1


def _accepted(relay: Relay) -> list[dict[str, Any]]:
    return [line for line in relay.journal() if line["event"] == "accepted"]


async def test_row_3_a_fault_of_the_server_costs_the_plain_one_the_mail_and_mixes_it_with_the_next(relay: Relay) -> None:
    first = ENVELOPE + HEADERS + b"first\r\n" + (b"x" * 70 + b"\r\n") * 1000 + b".\r\n"
    second = b"MAIL FROM:<other@example.com>\r\nRCPT TO:<second@example.net>\r\n" + HEADERS + b".\r\n"
    handler = Failing()
    with plain(handler) as port:
        plainly = await said(port, EHLO + first + second)
    spool = relay.folder / "spool"
    hidden = spool.rename(relay.folder / "hidden")  # content over 64 KB has no place to go
    ours = await said(relay.ports["trusted"], EHLO + first + second)
    hidden.rename(spool)
    assert plainly[4] == "500 Error: (FileNotFoundError) /a/secret/place"
    assert handler.taken == [("shop@example.com", ["reader@example.net", "second@example.net"])]
    assert ours[4] == "451 4.3.0 Internal server error"
    assert ours[8].startswith("250 2.0.0 Ok: queued as ")
    assert (_accepted(relay)[-1]["sender"], _accepted(relay)[-1]["recipients"]) == ("other@example.com", ["second@example.net"])


async def test_rows_5_and_15_a_client_writes_lines_of_the_plain_log_only(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mail.log")
    octets = EHLO + MAIL + b"RCPT TO:<rea\rder@example.net>\r\nRSET\r\n" + ENVELOPE + HEADERS + b"a body line\r\n.\r\n"
    with plain() as port:
        await said(port, octets)
    await said(relay.ports["trusted"], octets)
    assert [record for record in caplog.records if record.getMessage().endswith("recip: rea\rder@example.net")]
    assert [record for record in caplog.records if "a body line" in record.getMessage()]
    written = (relay.folder / "relay.log").read_bytes()
    assert b"\r" not in written
    assert b"a body line" not in written


async def test_row_8_nobody_can_log_in_to_the_plain_one_over_implicit_tls(relay: Relay, tls: ssl.SSLContext) -> None:
    login = EHLO + b"AUTH PLAIN " + b64encode(f"\0app\0{PASSWORD}".encode()) + b"\r\n"
    with plain(ssl_context=tls, authenticator=_anybody) as port:
        assert (await said(port, login, implicit_tls=True))[-2].startswith("538 5.7.11")
    assert (await said(relay.ports["submissions"], login, implicit_tls=True))[-2].startswith("235 2.7.0")


def _anybody(*_: Any) -> AuthResult:
    return AuthResult(success=True)


def _nobody(*_: Any) -> AuthResult:
    return AuthResult(success=False, handled=False)


async def test_row_9_login_in_lower_case_and_its_prompts(relay: Relay, tls: ssl.SSLContext) -> None:
    with plain(tls_context=tls, authenticator=_anybody) as port:
        assert (await said(port, EHLO + b"AUTH login\r\n", starttls=True))[-2].startswith("504 5.5.4")
        prompts = await said(port, EHLO + b"AUTH LOGIN\r\n*\r\n", starttls=True)
    ours = await said(relay.ports["submission"], EHLO + b"AUTH login\r\n*\r\n", starttls=True)
    assert prompts[1] == "334 " + b64encode(b"User Name\0").decode()
    assert ours[1] == "334 " + b64encode(b"Username:").decode()


async def test_row_9_the_plain_one_lets_passwords_be_guessed_in_one_connection(relay: Relay, tls: ssl.SSLContext) -> None:
    guesses = EHLO + (b"AUTH PLAIN " + b64encode(b"\0app\0wrong") + b"\r\n") * 6
    with plain(tls_context=tls, authenticator=_nobody) as port:
        plainly = await said(port, guesses, starttls=True)
    ours = await said(relay.ports["submission"], guesses, starttls=True)
    assert [line[:3] for line in plainly] == ["250"] + ["535"] * 6 + ["221"]
    assert [line[:3] for line in ours] == ["250", "535", "535", "421"]


async def test_row_10_one_client_may_have_all_connections_of_the_plain_one(relay: Relay) -> None:
    door = relay.ports["submission"]
    with plain() as port, ExitStack() as stack:
        opened = {to: [_from_elsewhere(to) for _ in range(15)] for to in (port, door)}
        for connection in [*opened[port], *opened[door]]:
            stack.enter_context(connection)
        greetings = {to: [connection.recv(3) for connection in opened[to]] for to in opened}
    assert greetings == {port: [b"220"] * 15, door: [b"220"] * 10 + [b"421"] * 5}


def _from_elsewhere(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=("127.0.0.9", 0))


async def test_row_10_noop_holds_the_plain_one_open_beyond_its_timeout(relay: Relay) -> None:
    with plain(timeout=1) as port, connect(port) as plainly, connect(relay.ports["submission"]) as ours:
        said_by = await asyncio.gather(*(asyncio.to_thread(_noop_for_three_seconds, it) for it in (plainly, ours)))
    assert said_by[0].endswith("250 OK\r\n")
    assert said_by[1].endswith("421 4.4.2 No login for too long\r\n")


def _noop_for_three_seconds(connection: socket.socket) -> str:
    octets = b""
    for _ in range(10):
        time.sleep(0.3)
        octets += (piece := connection.recv(4096))
        if not piece:
            break
        try:
            connection.sendall(b"NOOP\r\n")
        except OSError:
            break
    return octets.decode()


async def test_rows_11_and_18_what_ehlo_offers(relay: Relay) -> None:
    with plain() as port:
        plainly = await asyncio.to_thread(said_lines, port, EHLO)
    ours = await asyncio.to_thread(said_lines, relay.ports["trusted"], EHLO)
    offered = [{line[4:].split()[0] for line in lines[1:-1]} for lines in (plainly, ours)]
    assert offered[0] == {"SIZE", "8BITMIME", "SMTPUTF8", "HELP"}
    assert offered[1] == {"SIZE", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS"}


async def test_row_13_ehlo_is_many_writes_of_the_plain_one(relay: Relay, tls: ssl.SSLContext) -> None:
    """A read of TLS brings one record at most, and each write is one."""
    with plain(ssl_context=tls) as port:
        plainly = await asyncio.to_thread(_first_read_after_ehlo, port)
    ours = await asyncio.to_thread(_first_read_after_ehlo, relay.ports["submissions"])
    assert plainly.count(b"\r\n") == 1
    assert ours.splitlines()[-1] == b"250 AUTH PLAIN LOGIN"


def _first_read_after_ehlo(port: int) -> bytes:
    with connect(port, implicit_tls=True) as connection:
        connection.recv(4096)
        connection.sendall(EHLO)
        return connection.recv(65536)


async def test_row_14_http_is_answered_line_by_line_by_the_plain_one(relay: Relay) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
    with plain() as port:
        assert [line[:3] for line in await said(port, request)] == ["500"] * 4 + ["221"]
    assert await said(relay.ports["trusted"], request) == ["421 4.7.0 This is an SMTP server"]


async def test_row_16_the_ehlo_of_one_client_moves_the_limits_of_another_in_the_plain_one(relay: Relay) -> None:
    long = MAIL[:-2] + b" ENVID=" + b"x" * 700 + b"\r\n"
    with plain() as port:
        plainly = await asyncio.to_thread(_before_and_after_a_stranger, port, long)
    longest = MAIL[:-2] + b" ENVID=" + b"x" * 12300 + b"\r\n"
    ours = await asyncio.to_thread(_before_and_after_a_stranger, relay.ports["trusted"], longest)
    assert plainly == ["500 Command line too long", "555 MAIL FROM parameters not recognized or not implemented"]
    assert ours == ["500 5.5.2 Command line too long"] * 2


def _before_and_after_a_stranger(port: int, line: bytes) -> list[str]:
    with greeted(port) as client, greeted(port) as stranger:
        client.sendall(EHLO + line)
        before = until(client, b"500 ")
        stranger.sendall(EHLO * 20 + b"QUIT\r\n")
        to_the_end(stranger)
        client.sendall(line + b"QUIT\r\n")
        return [before, to_the_end(client)[0]]


async def test_row_17_the_name_in_the_greeting_is_looked_up_by_the_plain_one(relay: Relay) -> None:
    """For each connection, on the loop; the relay has it from its settings."""
    with plain() as port:
        assert await asyncio.to_thread(_greeting, port) == f"220 {socket.getfqdn()} Python SMTP 1.4.6"
    assert await asyncio.to_thread(_greeting, relay.ports["trusted"]) == "220 relay.example.com ESMTP relay"


def _greeting(port: int) -> str:
    with connect(port) as connection:
        return until(connection, b"220 ")
