"""`relay init`: what it writes can be run, what is there stays, and where it cannot be run nothing is written."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import smtplib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from relay import config
from relay.assembly import database, installing
from relay.assembly.installing import Owner
from relay.errors import ConfigError
from relay.sandbox.cloud import Cloud
from relay.security.passwords import _fits
from relay.settings import StoreConfig
from tests.harness import Relay, mail, queued_id, unverified
from tests.ports import reserved_port

DOORS = ("SMTP__SUBMISSION", "SMTP__SUBMISSIONS", "CALLBACKS__LISTEN", "API__LISTEN", "PRIVATE__LISTEN")
FLAGS = ("--hostname", "relay.example.com", "--region", "eu-west-1", "--yes")


class Fresh(Relay):
    """A machine without settings: only where it listens, and what stands for AWS, comes from the environment."""

    def __init__(self, folder: Path, cloud_port: int, ports: list[int]) -> None:
        super().__init__(folder, cloud_port)
        self.file, self.data = folder / "etc/relay.toml", folder / "data"
        kept = {name: value for name, value in self.settings.items() if not name.startswith("RELAY_")}
        listeners = {f"RELAY_{door}": f"127.0.0.1:{port}" for door, port in zip(DOORS, ports, strict=True)}
        room = {"RELAY_QUEUE__MIN_FREE_OCTETS": "1", "RELAY_QUEUE__BALLAST_OCTETS": "0"}
        self.settings = {**kept, **listeners, **room, "RELAY_SES__ENDPOINT": f"http://127.0.0.1:{cloud_port}"}
        self.where = StoreConfig(path=self.data / "relay.db")
        self.arguments = ("serve", "--config", str(self.file))

    async def init(self, *words: str, check: bool = True) -> tuple[int, str]:
        return await self.cli("init", "--config", str(self.file), "--data", str(self.data), *words, check=check)

    def files(self) -> dict[str, bytes]:
        """All that is not the store's."""
        return {str(path): path.read_bytes() for path in self.file.parent.rglob("*") if path.is_file()}


@pytest.fixture
def ports() -> Iterator[list[int]]:
    with ExitStack() as reserved:
        yield [reserved.enter_context(reserved_port()) for _ in DOORS]


@pytest.fixture
async def fresh(tmp_path: Path, ports: list[int]) -> AsyncIterator[tuple[Fresh, Cloud]]:
    cloud = Cloud()
    yield Fresh(tmp_path, await cloud.start(), ports), cloud
    await cloud.stop()


def password_of(who: str, said: str) -> str:
    found = re.search(rf"^{who}: .* with the password (\S+)$", said, re.MULTILINE)
    assert found, said
    return found[1]


def send(port: int, login: str, password: str) -> str:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.starttls(context=unverified())
        client.login(login, password)
        client.mail("shop@example.com")
        client.rcpt("reader@example.net")
        return queued_id(client.data(mail()))


async def test_what_it_makes_relays_mail_and_stays_as_it_is(fresh: tuple[Fresh, Cloud], ports: list[int]) -> None:
    relay, cloud = fresh
    _, said = await relay.init(*FLAGS, "--login", "shop", "--sender", "@example.com", "--operator", "anna")
    assert all(f"relay --config {relay.file} aws {verb} --transport sqs" in said for verb in ("setup", "policy"))
    assert "callbacks.listen is empty" in said
    text = relay.file.read_text()
    sections = ["store", "smtp", "ses", "callbacks", "secrets"]
    assert [line.strip("[]") for line in text.splitlines() if line.startswith("[")] == sections
    assert "docs/configuration.md" in text
    assert {
        path.stat().st_mode & 0o777 for path in relay.file.parent.rglob("*") if path.is_file() and path.suffix != ".pem"
    } == {0o600}
    before = relay.files()
    await relay.start()
    try:
        id = await asyncio.to_thread(send, ports[0], "shop", password_of("login shop", said))
        assert await relay.status(id, "sent") == ["sent"]
        assert len(cloud.calls) == 1
        _, again = await relay.init(*FLAGS)
        assert "a relay runs and listens" in again
        assert next(line for line in again.splitlines() if "is there" in line) == f"{relay.file}: is there"
        assert "with the password" not in again
        assert relay.files() == before
    finally:
        assert await relay.stop() == 0
    store = await database.opened_to_read(relay.where)
    [operator] = await store.operators.all()
    await store.close()
    assert (operator.name, operator.role) == ("anna", "admin")
    assert _fits(operator.password_hash, password_of("operator anna", said).encode())


async def test_what_is_missing_is_made_by_and_by(fresh: tuple[Fresh, Cloud]) -> None:
    relay, _ = fresh
    await relay.init(*FLAGS, "--login", "shop")
    (relay.file.parent / "tls/cert.pem").unlink()
    (relay.file.parent / "tls/key.pem").unlink()
    _, said = await relay.init("--yes", "--login", "billing", "--operator", "boris")
    assert password_of("login billing", said) != password_of("operator boris", said)
    assert f"{relay.file.parent}/tls/cert.pem: made" in said
    _, said = await relay.init("--yes", "--login", "billing", "--operator", "boris")
    assert "with the password" not in said


async def test_a_file_that_says_otherwise_is_replaced_only_by_force(fresh: tuple[Fresh, Cloud]) -> None:
    relay, _ = fresh
    await relay.init(*FLAGS)
    before = relay.files()
    status, said = await relay.init("--region", "us-west-2", "--yes", check=False)
    assert (status, said) == (2, f"relay: {relay.file} is there, with eu-west-1 for --region: change it there, or --force\n")
    assert relay.files() == before
    await relay.init("--hostname", "relay.example.com", "--region", "us-west-2", "--yes", "--force")
    assert relay.file.with_name("relay.toml.old").read_bytes() == before[str(relay.file)]
    assert config.load(relay.file, {}).ses.region == "us-west-2"
    assert relay.files()[f"{relay.file.parent}/keys"] == before[f"{relay.file.parent}/keys"]


async def test_nothing_is_written_where_somebody_else_listens(fresh: tuple[Fresh, Cloud], tmp_path: Path) -> None:
    relay, _ = fresh
    with socket.create_server(("127.0.0.1", 0)) as taken:
        relay.settings["RELAY_CALLBACKS__LISTEN"] = f"127.0.0.1:{taken.getsockname()[1]}"
        status, said = await relay.init(*FLAGS, check=False)
    assert status == 2
    assert "callbacks.listen" in said
    assert "somebody listens there" in said
    assert said.endswith("relay: nothing was written: mend this first\n")
    assert not relay.file.parent.exists()
    assert not relay.data.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--region", "eu-west-1", "--yes", "--hostname", "no name"), "smtp.hostname: must be a host name"),
        (
            (*FLAGS, "--certificate", "/nonexistent/cert.pem", "--key", "/nonexistent/key.pem"),
            "/nonexistent/cert.pem does not exist",
        ),
        ((*FLAGS, "--public-url", "http://relay.example.com"), "callbacks.public_url: must be a URL like"),
        ((*FLAGS, "--user", "nobody-of-that-name"), "there is no such user"),
        ((*FLAGS, "--sender", "example.com"), "not an address"),
        ((*FLAGS, "--operator", "?"), "a name has letters"),
    ],
)
async def test_what_cannot_be_used_is_said_in_one_line(fresh: tuple[Fresh, Cloud], words: tuple[str, ...], why: str) -> None:
    status, said = await fresh[0].init(*words, check=False)
    assert (status, "Traceback" in said) == (2, False)
    assert why in said.splitlines()[-1]


async def test_with_a_public_url_tls_ends_here_or_at_a_proxy(fresh: tuple[Fresh, Cloud], tmp_path: Path) -> None:
    relay, _ = fresh
    del relay.settings["RELAY_CALLBACKS__LISTEN"]
    words = (*FLAGS, "--public-url", f"https://relay.example.com:{(port := 20443)}/")
    assert "aws setup\n" in (await relay.init(*words))[1]
    callbacks = config.load(relay.file, {}).callbacks
    assert (callbacks.listen, callbacks.public_url) == (f"0.0.0.0:{port}", f"https://relay.example.com:{port}")
    assert callbacks.certificate == str(relay.file.parent / "tls/cert.pem")
    await relay.init(*words, "--proxy", "192.0.2.1", "--force")
    callbacks = config.load(relay.file, {}).callbacks
    assert (callbacks.listen, callbacks.certificate, callbacks.proxies) == ("0.0.0.0:8080", "", ("192.0.2.1/32",))


async def test_at_a_terminal_it_asks_for_what_was_not_said(fresh: tuple[Fresh, Cloud]) -> None:
    relay, _ = fresh
    relay.settings["AWS_REGION"] = "eu-central-1"
    answers = ["mx.example.org", "", "", "", "y", "", "", "boss", "n"]
    said = await at_terminal(relay, answers)
    for question in ("[eu-central-1]", "[app]", "[@example.org]", "[admin]", "[Y/n]", "[y/N]"):
        assert question in said
    found = config.load(relay.file, {})
    assert (found.smtp.hostname, found.ses.region) == ("mx.example.org", "eu-central-1")
    assert "login app: may send as @example.org" in said
    assert "operator boss" in said


async def test_whoever_says_no_has_nothing_written(fresh: tuple[Fresh, Cloud]) -> None:
    relay, _ = fresh
    assert "Aborted!" in await at_terminal(relay, ["mx.example.org", "", "", "", "n"])
    assert not relay.file.exists()


async def at_terminal(relay: Fresh, answers: list[str]) -> str:
    """What is on the screen in the end."""
    ours, theirs = pty.openpty()
    words = ("init", "--config", str(relay.file), "--data", str(relay.data))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *words, env=relay.settings, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    seen = await asyncio.to_thread(everything, ours)
    await process.wait()
    os.close(ours)
    return seen


def everything(descriptor: int) -> str:
    seen = b""
    with suppress(OSError):  # EIO: the other side is closed
        while more := os.read(descriptor, 4096):
            seen += more
    return seen.decode()


def test_a_user_that_is_not_there_is_no_owner() -> None:
    with pytest.raises(ConfigError, match="no such user"):
        Owner("nobody-of-that-name")


def test_the_kind_of_a_disk_is_that_of_the_innermost_mount() -> None:
    kinds = {finding.check: finding.seen for finding in installing.facts(StoreConfig(path=Path("/proc/self/none/relay.db")))}
    assert kinds["kind of disk"] == "proc"
    assert {finding.grade for finding in installing.facts(StoreConfig())} == {"ok"}
