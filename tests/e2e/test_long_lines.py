"""Lines that SES refuses and plain aiosmtpd does not take: here they come through the door and arrive, in short ones."""

from __future__ import annotations

import asyncio
import email
import os
import re
import smtplib
from base64 import b64encode, encodebytes
from email.policy import default
from typing import Any

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.plain import plain
from tests.harness import RECEIVED, Relay, arrived, mail, submit

LINE = "Ein Satz mit 25 Zeichen. " * 200
FILE = os.urandom(60_000)


def multipart(subtype: str, *sections: str) -> bytes:
    body = "".join(f"--=_frontier\r\n{section}\r\n" for section in sections) + "--=_frontier--\r\n"
    return mail(body=body, extra=f'MIME-Version: 1.0\r\nContent-Type: multipart/{subtype}; boundary="=_frontier"\r\n')


PLAIN = "Content-Type: text/plain; charset=utf-8\r\n\r\nGuten Tag, \r\nder Laden"
HTML = f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>Grüße</p><p>{LINE}</p>"
PDF = (
    "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    f'Content-Disposition: attachment; filename="offer.pdf"\r\n\r\n{b64encode(FILE).decode()}'
)
SIGNATURE = "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----"

# Each with the part that is encoded anew, and how that one is sent.
MESSAGES = {
    "text": (mail(body=f"Grüße\r\n{LINE}\r\n.\r\n"), f"Grüße\r\n{LINE}\r\n.\r\n".encode(), "quoted-printable"),
    "html of an alternative": (
        multipart("alternative", PLAIN, HTML),
        HTML.partition("\r\n\r\n")[2].encode(),
        "quoted-printable",
    ),
    "base64 in one line": (multipart("mixed", PLAIN, PDF), FILE, "base64"),
    "text of 400 KB in one line": (mail(body=LINE * 80 + "\r\n"), f"{LINE * 80}\r\n".encode(), "quoted-printable"),
}


def decoded(content: bytes) -> list[tuple[str, str | None, Any]]:
    """Type, file name and octets of each leaf, as Python's `email` reads them."""
    parts = [part for part in email.message_from_bytes(content, policy=default).walk() if not part.is_multipart()]
    return [(part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) for part in parts]


@pytest.mark.parametrize(("content", "octets", "encoding"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_a_long_line_arrives_in_short_ones_and_means_the_same(
    shared: tuple[Relay, Cloud], content: bytes, octets: bytes, encoding: str
) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    with relay.smtp() as client:
        message_id = await asyncio.to_thread(submit, client, content)
    raw = re.sub(rb"\A" + RECEIVED, b"", await arrived(relay, cloud, before + 1))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert decoded(raw) == decoded(content)
    assert octets in [found for _, _, found in decoded(raw)]
    assert f"\r\nContent-Transfer-Encoding: {encoding}\r\n".encode() in raw
    assert await relay.status(message_id, "delivered") == ["delivered"]


async def test_all_but_the_part_with_the_long_line_arrives_equal_to_the_octet(shared: tuple[Relay, Cloud]) -> None:
    relay, cloud = shared
    before, content = len(cloud.calls), multipart("mixed", PLAIN, PDF)
    with relay.smtp() as client:
        await asyncio.to_thread(submit, client, content)
    raw = re.sub(rb"\A" + RECEIVED, b"", await arrived(relay, cloud, before + 1))
    assert raw == content.replace(b64encode(FILE), encodebytes(FILE).replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (multipart("signed", HTML, SIGNATURE), "line too long in a signed part"),
        (mail(subject="x" * 1000), "header line too long"),
        (multipart("mixed", PLAIN) + LINE.encode() + b"\r\n", "line too long outside of any part"),
    ],
)
async def test_a_long_line_that_must_stay_is_refused_and_the_session_goes_on(
    shared: tuple[Relay, Cloud], content: bytes, reason: str
) -> None:
    relay, cloud = shared
    before = len(cloud.calls)
    with relay.smtp() as client:
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        code, text = await asyncio.to_thread(client.data, content)
        assert (code, text.decode()) == (554, f"5.6.0 Malformed message: {reason}")
        await asyncio.to_thread(submit, client, mail(subject="the next one"))
    assert b"\r\nSubject: the next one\r\n" in await arrived(relay, cloud, before + 1)
    assert len(cloud.calls) == before + 1


async def test_plain_aiosmtpd_refuses_the_long_lines_that_the_relay_takes() -> None:
    with plain() as port:
        for content in (mail(), *(content for content, _, _ in MESSAGES.values())):
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.ehlo()
                client.mail("shop@example.com")
                client.rcpt("reader@example.net")
                code, text = await asyncio.to_thread(client.data, content)
            assert (code, text) == ((250, b"OK") if content == mail() else (500, b"Line too long (see RFC5321 4.5.3.1.6)"))
