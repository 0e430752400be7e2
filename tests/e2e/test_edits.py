"""What SES would refuse or change, through the real door: it arrives as docs/edits.md says, or is refused in words."""

from __future__ import annotations

import asyncio
import re
import time
from email.utils import formatdate

import pytest

from relay.credential import MessageClass
from relay.model import Labels, State
from relay.sandbox.cloud import Cloud
from tests.harness import RECEIVED, Relay, arrived, mail, submit

HEAD = (
    "From: shop@example.com\r\nTo: reader@example.net\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
    "Message-ID: <1@example.com>\r\n"
)
ONE = " <1@example.com>"
PART = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{}\r\n--b--\r\n"

# What is submitted, and what arrives of it behind the Received line.
MESSAGES = {
    "8-bit body": (
        HEAD + "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Viele Grüße aus dem Süden und bis bald\r\n",
        HEAD + "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Viele Gr=C3=BC=C3=9Fe aus dem S=C3=BCden und bis bald\r\n",
    ),
    "raw 8-bit headers": (
        HEAD + "Subject: Grüße\r\nCc: Süden <a@example.net>\r\n\r\nx\r\n",
        HEAD + "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nCc: =?utf-8?b?U8O8ZGVu?= <a@example.net>\r\n\r\nx\r\n",
    ),
    "raw 8-bit file name": (
        HEAD + PART.format('Content-Disposition: attachment; filename="Süden.pdf"\r\n\r\nx'),
        HEAD + PART.format("Content-Disposition: attachment; filename*=utf-8''S%C3%BCden.pdf\r\n\r\nx"),
    ),
    "long header line": (
        HEAD + "References:" + ONE * 70 + "\r\n\r\nx\r\n",
        HEAD + "References:" + (ONE * 4 + "\r\n") * 17 + ONE * 2 + "\r\n\r\nx\r\n",
    ),
    "repeated headers": (
        HEAD + "Delivered-To: a\r\nPriority: normal\r\nDelivered-To: b\r\nMessage-ID: <2@example.com>\r\n\r\nx\r\n",
        HEAD + "Delivered-To: a\r\nPriority: normal\r\n\r\nx\r\n",
    ),
    "empty recipients": (
        HEAD.replace("reader@example.net", "") + "Cc: \r\n\r\nx\r\n",
        "To: undisclosed-recipients:;\r\n" + HEAD.replace("To: reader@example.net\r\n", "") + "\r\nx\r\n",
    ),
    "signatures that would break": (HEAD + "DKIM-Signature: v=1; h=from:date; b=x\r\n\r\nx\r\n", HEAD + "\r\nx\r\n"),
    "8-bit that is signed": (
        HEAD + PART.format("\r\nGrüße").replace("mixed", "signed"),
        HEAD + PART.format("\r\nGrüße").replace("mixed", "signed"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_what_ses_would_refuse_or_change_arrives_as_it_takes_it(
    shared: tuple[Relay, Cloud], content: str, expected: str
) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, content.encode())
    raw = await arrived(relay, cloud, before + 1)
    assert re.sub(rb"\A" + RECEIVED, b"", raw).decode() == expected
    assert await relay.status(message_id, "delivered") == ["delivered"]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("Subject: another", "more than one Subject header"),
        ("Cc: süden@example.net", "8-bit in an address or identifier"),
        ("X-Relay-Class: urgent", "X-Relay-Class is neither transactional nor marketing"),
        ("X-Relay-Send-At: tomorrow", "X-Relay-Send-At is no date"),
        ("X-Relay-Expires-At: 2001-01-01T00:00:00Z", "X-Relay-Expires-At is over already"),
        ("X-Relay-Tag: x", "X-Relay-Tag is not name=value, or there are more than 20 or two of one name"),
    ],
)
async def test_what_cannot_be_put_right_is_refused_in_words(shared: tuple[Relay, Cloud], extra: str, reason: str) -> None:
    relay, _ = shared
    with relay.smtp() as client:
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        assert await asyncio.to_thread(client.data, mail(extra=f"{extra}\r\n")) == (
            554,
            f"5.6.0 Malformed message: {reason}".encode(),
        )


async def test_what_is_said_of_a_message_is_kept_and_shown_and_not_sent(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    said = "X-Relay-Id: order 42\r\nX-Relay-Campaign: spring\r\nX-Relay-Class: marketing\r\nX-Relay-Tag: shop=north\r\n"
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, mail(extra=said))
    assert b"X-Relay" not in await arrived(relay, cloud, before + 1)
    life = await relay.life(message_id)
    assert life
    assert life.message.labels == Labels(
        id="order 42", campaign="spring", message_class=MessageClass.MARKETING, tags=(("shop", "north"),)
    )
    _, shown = await relay.cli("message", "show", message_id)
    assert "\n  id order 42, campaign spring, class marketing\n  tags shop=north\n" in shown


async def test_a_message_for_later_is_sent_then(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before, at = len(cloud.calls), int(time.time()) + 4
    with relay.smtp() as client:
        later = await asyncio.to_thread(submit, client, mail(extra=f"X-Relay-Send-At: {formatdate(at)}\r\n"))
        over = await asyncio.to_thread(submit, client, mail(extra="X-Relay-Send-At: 2001-01-01T00:00:00Z\r\n"))
    assert await relay.status(over, "delivered") == ["delivered"]
    waiting = await relay.life(later)
    assert waiting
    [delivery] = waiting.deliveries
    assert (delivery.state, delivery.due_at, waiting.message.labels.send_at) == (State.QUEUED, at, at)
    assert delivery.expires_at - delivery.due_at == 3 * 86400
    _, shown = await relay.cli("message", "show", later)
    assert "\n  not before 20" in shown
    await arrived(relay, cloud, before + 2)
    assert time.time() >= at
    assert await relay.status(later, "delivered") == ["delivered"]


async def test_the_first_message_id_of_the_client_is_kept_for_the_record_however_it_looks(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    content = mail(extra="Message-ID: <2@example.com>\r\n").replace(b"<1@example.com>", b"one @ example")
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, content)
    life = await relay.life(message_id)
    assert life
    assert life.message.client_message_id == "one @ example"
    raw = await arrived(relay, cloud, before + 1)
    assert re.findall(rb"(?im)^message-id: .*\r\n", raw) == [b"Message-ID: one @ example\r\n"]
