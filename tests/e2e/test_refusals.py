"""Every refusal is a clear reply, and nothing is stored."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
import socket

import pytest

from relay.sandbox.cloud import Cloud
from relay.store.sqlite.store import SqliteStore
from tests.harness import PASSWORD, Relay, mail

SHOP = "shop@example.com"
READER = "reader@example.net"

WITH_ATTACHMENT = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n"
    b'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="a.Exe"\r\n\r\nMZ\r\n--b--\r\n'
)


async def _stored(relay: Relay) -> int:
    store = await SqliteStore.open_to_read(relay.path)
    try:
        return len(await store.messages.newest(limit=1000))
    finally:
        await store.close()


def _attempt(client: smtplib.SMTP, sender: str, to: list[str], content: bytes) -> tuple[int, bytes]:
    reply = client.mail(sender)
    for recipient in to:
        if reply[0] == 250:
            reply = client.docmd("RCPT", f"TO:<{recipient}>")  # smtplib's own rcpt() would mend the address
    return client.data(content) if reply[0] == 250 else reply


@pytest.mark.parametrize(
    ("sender", "to", "content", "reply"),
    [
        ("boss@example.org", [READER], mail(), "554 5.7.1 Disallowed source address: boss@example.org"),
        ("", [READER], mail(), "554 5.7.1 Disallowed source address: <>"),
        (SHOP, ["nobody@nowhere"], mail(), "554 5.1.3 Invalid recipient address: nobody@nowhere"),
        (SHOP, ["a b@example.net"], mail(), "554 5.1.3 Invalid recipient address: a b@example.net"),
        (SHOP, ["@relay:a@example.net"], mail(), "554 5.1.3 Invalid recipient address: @relay:a@example.net"),
        (SHOP, [READER, "other@example.net"], mail(), "554 5.5.3 Only one recipient per message"),
        (SHOP, [READER], mail(sender="boss@example.org"), "554 5.7.1 Disallowed source address: boss@example.org"),
        (SHOP, [READER], mail(extra=f"From: {SHOP}\r\n"), "554 5.6.0 Malformed message: 2 From headers"),
        (SHOP, [READER], b"Subject: no from\r\n\r\nhi\r\n", "554 5.6.0 Malformed message: no From header"),
        (
            SHOP,
            [READER],
            mail().replace(b"\r\n\r\nHello\r\n", b"\r\n" + WITH_ATTACHMENT),
            "554 5.7.1 Not allowed attachement type exe",
        ),
        (SHOP, [READER], mail(extra="not a header\r\n"), "554 5.6.0 Malformed message: a header line without a name and colon"),
    ],
)
async def test_a_refusal_is_one_exact_line_and_the_session_goes_on(
    shared: tuple[Relay, Cloud], sender: str, to: list[str], content: bytes, reply: str
) -> None:
    relay, cloud = shared
    stored, accepted = await _stored(relay), cloud.accepted
    with relay.smtp() as client:
        code, text = await asyncio.to_thread(_attempt, client, sender, to, content)
        assert f"{code} {text.decode()}" == reply
        assert await _stored(relay) == stored
        client.rset()
        code, text = await asyncio.to_thread(_attempt, client, SHOP, [READER], mail())
        assert code == 250
    assert await relay.status(text.decode().rpartition(" ")[2], "delivered") == ["delivered"]
    assert cloud.accepted == accepted + 1
    assert cloud.calls[-1].recipients == (READER,)


async def test_after_two_recipients_data_is_refused_as_well(shared: tuple[Relay, Cloud]) -> None:
    """A client that ignores the reply to RCPT must not reach the first recipient only."""
    relay, _ = shared
    with relay.smtp() as client:
        client.mail(SHOP)
        assert client.rcpt(READER)[0] == 250
        assert client.rcpt("other@example.net") == (554, b"5.5.3 Only one recipient per message")
        assert client.docmd("DATA") == (554, b"5.5.3 Only one recipient per message")


async def test_size_is_refused_when_declared_and_when_sent(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    with relay.smtp() as client:
        assert client.esmtp_features["size"] == str(10 * 1024 * 1024)
        assert client.mail(SHOP, ["size=10485761"]) == (554, b"5.3.4 Message exceeds fixed size limit")
        assert client.mail(SHOP, ["size=10485760"])[0] == 250
        client.rset()
        large = mail(body=("x" * 998 + "\r\n") * 10486)
        assert await asyncio.to_thread(_attempt, client, SHOP, [READER], large) == (
            554,
            b"5.3.4 Message exceeds fixed size limit",
        )
        assert client.noop()[0] == 250


@pytest.mark.parametrize(
    ("login", "password"),
    [("app", "wrong"), ("nobody", PASSWORD), ("disabled", PASSWORD), ("elsewhere", PASSWORD)],
)
async def test_every_failed_login_looks_alike(shared: tuple[Relay, Cloud], login: str, password: str) -> None:
    relay, _ = shared
    with relay.smtp(login="") as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login(login, password)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (535, b"5.7.8 Authentication credentials invalid")
        assert client.mail(SHOP) == (554, b"5.7.0 Must authenticate before sending mail")


async def test_without_tls_nothing_is_offered_that_would_show_a_password(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    with smtplib.SMTP("127.0.0.1", relay.ports["submission"], timeout=10) as client:
        client.ehlo("client.example")
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH", "PLAIN AGFwcABh")[0] == 538
        assert client.mail(SHOP) == (530, b"5.7.0 Must issue a STARTTLS command first")


async def test_a_credential_without_enhanced_codes_gets_the_bare_text(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    with relay.smtp(login="bare") as client:
        client.mail(SHOP)
        assert client.docmd("RCPT", "TO:<nobody@nowhere>") == (554, b"Invalid recipient address: nobody@nowhere")


async def test_who_speaks_before_the_greeting_is_sent_away(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    os.kill(relay.process_id, signal.SIGSTOP)  # so that the octets are surely there before the connection is taken
    try:
        client = socket.create_connection(("127.0.0.1", relay.ports["submission"]), timeout=5)
        client.sendall(b"EHLO client.example.com\r\nMAIL FROM:<shop@example.com>\r\n")
    finally:
        os.kill(relay.process_id, signal.SIGCONT)
    with client, client.makefile("rb") as said:
        assert await asyncio.to_thread(said.read) == b"421 4.7.0 You spoke before the greeting\r\n"


async def test_mail_that_goes_round_in_circles_is_refused(shared: tuple[Relay, Cloud]) -> None:
    relay, _ = shared
    hops = b"Received: by mx.example.com id 1\r\n" * 51
    with relay.smtp() as client:
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        assert client.data(hops + mail()) == (554, b"5.4.6 Too many hops")
