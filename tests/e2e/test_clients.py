"""Real clients over both doors: what arrives at the far side is what was sent, but for the declared edits."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from binascii import a2b_base64, a2b_qp
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.clients.table import LIBRARIES, PROGRAMS, Client
from tests.harness import PASSWORD, RECEIVED, Relay, arrived, mail

ROOT = Path(__file__).parents[2]

ADDED = {b"date": rb"Date: [^\r\n]+\r\n", b"message-id": rb"Message-ID: <[0-9A-Z]{26}@localhost>\r\n"}
MIME = (
    "MIME-Version: 1.0\r\nContent-Type: text/plain;  charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    "X-Odd:\t two  blanks\r\n"
)
DOORS = ("submission", "submissions")
MATRIX = [
    pytest.param(client, door, id=f"{client.name} {number}")
    for client in PROGRAMS + LIBRARIES
    for door, number in zip(DOORS, (587, 465), strict=True)
    if getattr(client, door) is not None
]


def needs(program: str) -> str:
    """The program's path; a test that cannot run says so, and where the clients are promised it fails."""
    path = shutil.which(program) or (program if (ROOT / program).exists() else None)
    if path is None and os.environ.get("RELAY_CLIENTS") == "required":
        pytest.fail(f"{program} is not installed")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def able_to_run(client: Client) -> None:
    for need in client.needs:
        needs(need)
    if client.as_root and os.geteuid():
        pytest.skip(f"{client.name} needs root")


@pytest.mark.parametrize(("client", "door"), MATRIX)
async def test_what_a_client_sends_arrives_but_for_the_declared_edits(
    shared: tuple[Relay, Cloud], home: Path, tmp_path: Path, client: Client, door: str
) -> None:
    relay, cloud = shared
    able_to_run(client)
    write_what_to_send(tmp_path)
    before = len(cloud.calls)
    said = await run(client, door, relay, home, tmp_path)
    raw = await arrived(relay, cloud, before + 1)
    sent = client.sent(tmp_path, said)
    assert cloud.calls[-1].recipients == ("reader@example.net",)
    assert raw.isascii()
    assert re.sub(rb"\A" + added_to(sent) + client.before, b"", as_before(raw, sent), count=1) == sent + client.behind


@pytest.mark.parametrize("script", ["postfix.sh", "exim.sh"])
async def test_a_smarthost_client_gives_each_recipient_a_message_of_its_own(
    shared: tuple[Relay, Cloud], home: Path, tmp_path: Path, script: str
) -> None:
    """A credential of mode `one` takes no second RCPT: docs/clients.md names the settings."""
    relay, cloud = shared
    (client,) = (client for client in PROGRAMS if script in client.command)
    able_to_run(client)
    write_what_to_send(tmp_path)
    before, readers = len(cloud.calls), {f"reader-{number}@example.net" for number in range(5)}
    await run(replace(client, command=f"./{script} {' '.join(sorted(readers))}"), "submission", relay, home, tmp_path)
    await arrived(relay, cloud, before + len(readers))
    assert {recipient for call in list(cloud.calls)[before:] for recipient in call.recipients} == readers


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No settings of whoever runs the tests; what Go compiled once is kept for its next run."""
    return tmp_path_factory.mktemp("home")


def write_what_to_send(folder: Path) -> None:
    text = "dots:\n.\n..\n.x\nGrüße, " + "w" * 900 + "\n\nthe end\n"
    content = mail(subject="=?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\n 42", body=text.replace("\n", "\r\n"), extra=MIME)
    (folder / "text").write_text(text)
    (folder / "mail").write_bytes(content)
    (folder / "mail-unix").write_bytes(content.replace(b"\r\n", b"\n"))


def added_to(sent: bytes) -> bytes:
    """The pattern of what the relay puts in front of this content."""
    names = {line.partition(b":")[0].lower() for line in sent.partition(b"\r\n\r\n")[0].splitlines()}
    return RECEIVED + b"".join(pattern for name, pattern in ADDED.items() if name not in names)


# Up to the next delimiter: no line that the relay encodes begins like one.
ENCODED_PART = re.compile(
    rb"(Content-Transfer-Encoding: )(quoted-printable|base64)((?:\r\n[^\r\n]+)*\r\n\r\n)(.*?)(?=\r\n--|\Z)", re.DOTALL
)
DECODED: dict[bytes, Callable[[bytes], bytes]] = {b"quoted-printable": a2b_qp, b"base64": a2b_base64}


def as_before(raw: bytes, sent: bytes) -> bytes:
    """What arrived, with its parts in 8-bit again where the relay has encoded them."""

    def in_8_bit(part: re.Match[bytes]) -> bytes:
        return part[0] if part[0] in sent else part[1] + b"8bit" + part[3] + DECODED[part[2]](part[4])

    if not sent.isascii() and b"mime-version" not in sent.partition(b"\r\n\r\n")[0].lower():
        raw = raw.replace(b"MIME-Version: 1.0\r\n", b"", 1)
    return ENCODED_PART.sub(in_8_bit, raw)


async def run(client: Client, door: str, relay: Relay, home: Path, folder: Path) -> str:
    """All that the client said. Its TLS trusts the relay's certificate and no other."""
    certificate = str(relay.folder / "smtp.pem")
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "EMAIL": "shop@example.com",
        "NODE_PATH": str(ROOT / ".node/node_modules"),
        "GO111MODULE": "off",
        "SSL_CERT_FILE": certificate,
        "CERTIFICATE": certificate,
        "PORT": str(relay.ports[door]),
        "TLS": "yes" if door == "submissions" else "",
        "DOOR": getattr(client, door),
        "LOGIN": "app",
        "PASSWORD": PASSWORD,
        "MAIL": str(folder / "mail"),
        "MAIL_UNIX": str(folder / "mail-unix"),
        "TEXT": str(folder / "text"),
        **{name.upper(): str(folder / name) if (folder / name).exists() else "" for name in ("html", "image")},
        "SENT": str(folder / "sent"),
        "PYTHON": sys.executable,
        "ROOT": str(ROOT),
    }
    return await output_of(client.command, environment)


async def output_of(command: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=ROOT / "tests/e2e/clients",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
    said = output.decode(errors="replace")
    assert process.returncode == 0, said
    return said
