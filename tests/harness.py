"""The real relay as a process of its own, with the far side in ours: AWS in miniature on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import smtplib
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from relay.assembly import database
from relay.credential import Credential, Kind, LineEnds, OnSuppressed, Recipients, Scope
from relay.model import Life
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.sns import Topic
from relay.security.certificates import make_server_pair, make_signing_pair
from relay.security.passwords import hash_password
from relay.settings import StoreConfig
from tests import forks

TOPIC = "arn:aws:sns:us-east-1:123456789012:relay-events"
PASSWORD = "a password"
_HASH = hash_password(PASSWORD)

APPLICATION = Credential(name="app", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",))
PERSON = Credential(
    name="person",
    kind=Kind.PERSON,
    password_hashes=(_HASH,),
    senders=("anna@example.com",),
    recipients=Recipients.SPLIT,
    on_suppressed=OnSuppressed.REJECT,
)
FIRST = Credential(
    name="first", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), recipients=Recipients.FIRST
)
BARE = Credential(name="bare", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), enhanced_codes=False)
ELSEWHERE = Credential(
    name="elsewhere", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), networks=("192.0.2.0/24",)
)
NULL_SENDER = Credential(
    name="null", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), null_sender="bounces@example.com"
)
ACCENTED = Credential(
    name="Zoë", kind=Kind.APPLICATION, password_hashes=(hash_password("pässwörd €"),), senders=("@example.com",)
)
DISABLED = Credential(
    name="disabled", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), disabled=True
)
LENIENT = Credential(
    name="lenient",
    kind=Kind.APPLICATION,
    password_hashes=(_HASH,),
    senders=("@example.com",),
    line_ends=LineEnds.NORMALISE,
)
CRM = Credential(
    name="crm", kind=Kind.APPLICATION, password_hashes=(_HASH,), senders=("@example.com",), scopes=frozenset(Scope)
)
CREDENTIALS = (APPLICATION, PERSON, FIRST, BARE, ELSEWHERE, NULL_SENDER, ACCENTED, DISABLED, LENIENT, CRM)

# What is for an interpreter, or its loader, as it starts.
_OF_INTERPRETERS = ("LD_PRELOAD", "PYTHONPATH")

# The line that is put before each message.
RECEIVED = rb"Received: by localhost with ESMTPSA id [0-9A-Z]{26};\r\n\t[^\r\n]+\r\n"

Settings = dict[str, str]

# What the journal calls a door, its short name, and the setting that opens it.
_DOORS = {
    "smtp submission": ("submission", "RELAY_SMTP__SUBMISSION"),
    "smtp submissions (TLS)": ("submissions", "RELAY_SMTP__SUBMISSIONS"),
    "smtp trusted": ("trusted", "RELAY_SMTP__TRUSTED"),
    "http callbacks": ("callbacks", "RELAY_CALLBACKS__LISTEN"),
    "http api": ("api", "RELAY_API__LISTEN"),
    "http private": ("private", "RELAY_PRIVATE__LISTEN"),
}


@cache
def signing_pair() -> dict[str, bytes]:
    """SNS's key and certificate, by the names of their files: RSA takes its time, and each relay believes the one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_signing_pair(key_file=folder / "sns.key", certificate_file=folder / "sns.pem", name="sns", now=time.time())
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Relay:
    """One relay in `folder`: `start`, `stop` and `kill` as often as a test likes. `ports` changes with each start."""

    module = "relay"  # what is run
    arguments: tuple[str, ...] = ("serve",)

    def __init__(self, folder: Path, cloud_port: int, **settings: str) -> None:
        self.folder = folder
        self.path = Path(settings.get("RELAY_STORE__PATH", folder / "relay.db"))
        self.where = StoreConfig(
            url=settings.get("RELAY_STORE__URL", ""), direct_url=settings.get("RELAY_STORE__DIRECT_URL", ""), path=self.path
        )
        self.ports: dict[str, int] = {}
        self.log = folder / "relay.log"
        self._process: asyncio.subprocess.Process | forks.Forked | None = None
        self.settings = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RELAY_"))},
            **self._settings(cloud_port),
            **settings,
        }

    def _settings(self, cloud_port: int) -> Settings:
        now = time.time()
        folder = self.folder
        make_server_pair(key_file=folder / "smtp.key", certificate_file=folder / "smtp.pem", name="localhost", now=now)
        for name, content in signing_pair().items():
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
        cloud = f"http://127.0.0.1:{cloud_port}"
        key, secret = next(iter(ACCESS_KEYS.items()))
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RELAY_STORE__PATH": str(self.path),
            "RELAY_QUEUE__MIN_FREE_OCTETS": str(16 << 20),
            "RELAY_QUEUE__BALLAST_OCTETS": str(1 << 20),
            "RELAY_SMTP__SUBMISSION": "127.0.0.1:0",
            "RELAY_SMTP__SUBMISSIONS": "127.0.0.1:0",
            "RELAY_SMTP__CERTIFICATE": str(folder / "smtp.pem"),
            "RELAY_SMTP__KEY": str(folder / "smtp.key"),
            "RELAY_SES__ENDPOINT": cloud,
            "RELAY_SES__CONFIGURATION_SET": "tests",
            "RELAY_FEEDBACK__TOPICS": TOPIC,
            "RELAY_FEEDBACK__SNS_ENDPOINT": cloud,
            "RELAY_FEEDBACK__PINNED_CERTIFICATE": str(folder / "sns.pem"),
            "RELAY_CALLBACKS__LISTEN": "127.0.0.1:0",
            "RELAY_API__LISTEN": "127.0.0.1:0",
            "RELAY_PRIVATE__LISTEN": "127.0.0.1:0",
        }

    async def start(self, *credentials: Credential, **settings: str) -> None:
        """Ready when all doors are open. Credentials are put into the store first, with nobody else there.

        `settings` are for this start alone.
        """
        if credentials:
            store = await database.opened(self.where)
            for credential in credentials:
                await store.credentials.put(credential)
            await store.close()
        self.ports = {}
        environment = {**self.settings, **settings}
        began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = await _started(self.module, self.arguments, environment, output=log)
        async with asyncio.timeout(30):
            while len(self.ports) < sum(bool(environment.get(setting)) for _, setting in _DOORS.values()):
                await asyncio.sleep(0.02)
                if self._process.returncode is not None:
                    raise RuntimeError(f"the relay did not start: {self.log.read_text()[-2000:]}")
                self._read_ports(began)

    def _read_ports(self, began: int) -> None:
        for line in self.journal(began):
            if line.get("event") == "started" and line["what"] in _DOORS:
                self.ports[_DOORS[line["what"]][0]] = int(line["where"].rpartition(":")[2])

    def journal(self, began: int = 0) -> list[dict[str, Any]]:
        """The journal's lines, from an offset of the file."""
        with self.log.open("rb") as log:
            log.seek(began)
            lines = log.read().split(b"\n")
        return [json.loads(line) for line in lines[:-1] if line.startswith(b"{")]

    async def told(self, event: str, *, within: float = 15.0, **fields: Any) -> dict[str, Any]:
        """The first line of an event that has these fields, once it is there; `within` so many seconds."""
        for _ in range(int(within / 0.05)):
            for line in self.journal():
                if line["event"] == event and fields.items() <= line.items():
                    return line
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {event} {fields}")

    def faults(self) -> list[dict[str, Any]]:
        """What no client may cause: errors in the journal, and lines that are none of its own."""
        alien = [{"line": line} for line in self.log.read_text().splitlines() if not line.startswith("{")]
        return alien + [line for line in self.journal() if line["level"] == "error"]

    @property
    def process_id(self) -> int:
        assert self._process
        return self._process.pid

    def descriptors(self) -> int:
        """Open ones."""
        return len(list(Path(f"/proc/{self.process_id}/fd").iterdir()))

    def memory(self, field: str = "VmRSS") -> int:
        """Octets, by a field of proc(5)'s status: VmRSS for now, VmHWM for the most since `forget_peak`."""
        return memory_of(self.process_id, field)

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process_id}/clear_refs").write_text("5")

    async def kill(self) -> None:
        """kill -9."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.terminate()
        return await self.ended()

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        assert self._process
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def ended(self) -> int:
        """The exit status, or the signal that ended it as a negative number."""
        assert self._process
        return await self._process.wait()

    async def cli(self, *words: str, check: bool = True, answer: str = "") -> tuple[int, str]:
        """A verb of the command line, in a process of its own: exit status and all it wrote. `answer` is what is typed."""
        with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as wrote:
            typed.write(answer.encode())
            typed.seek(0)
            process = await _started("relay", words, self.settings, typed=typed, output=wrote)
            status = await process.wait()
            wrote.seek(0)
            output = wrote.read().decode()
        assert not check or status == 0, output
        return status, output

    @property
    def api(self) -> str:
        """The URL that all resources of the HTTP API are below."""
        return f"http://127.0.0.1:{self.ports['api']}/email/v1"

    def smtp(self, *, login: str = "app", tls: bool = False) -> smtplib.SMTP:
        """A logged-in smtplib client: 587 with STARTTLS, or 465."""
        client: smtplib.SMTP
        if tls:
            client = smtplib.SMTP_SSL("127.0.0.1", self.ports["submissions"], timeout=30, context=unverified())
        else:
            client = smtplib.SMTP("127.0.0.1", self.ports["submission"], timeout=30)
            client.starttls(context=unverified())
        client.ehlo()
        if login:
            client.login(login, PASSWORD)
        return client

    async def life(self, message_id: str) -> Life | None:
        """What the store knows of a message."""
        store = await database.opened_to_read(self.where)
        try:
            return await store.messages.show(message_id)
        finally:
            await store.close()

    async def status(self, message_id: str, *wanted: str) -> list[str]:
        """The shown status of each delivery, once they are as wanted, or after 15 seconds."""
        seen: list[str] = []
        for _ in range(150):
            life = await self.life(message_id)
            seen = list(life.statuses) if life else []
            if seen == list(wanted):
                break
            await asyncio.sleep(0.1)
        return seen


async def _started(
    module: str, words: Sequence[str], environment: Settings, *, output: IO[bytes], typed: IO[bytes] | None = None
) -> asyncio.subprocess.Process | forks.Forked:
    if (
        forks.is_here()
        and module == "relay"
        and all(environment.get(name) == os.environ.get(name) for name in _OF_INTERPRETERS)
    ):
        return await forks.start(words, environment, typed=typed, output=output)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, env=environment, stdin=typed, stdout=output, stderr=output
    )


def memory_of(process_id: int, field: str = "VmRSS") -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


@asynccontextmanager
async def running_relay(
    folder: Path,
    *credentials: Credential,
    far_side: Callable[[], Cloud] = Cloud,
    settings: Settings | None = None,
    are_known: bool = False,
) -> AsyncIterator[tuple[Relay, Cloud]]:
    """A relay that runs, and the cloud it sends to, subscribed to its webhook. Where logins `are_known` the store has them."""
    cloud = far_side()
    port = await cloud.start()
    relay = Relay(folder, port, **(settings or {}))
    try:
        await relay.start(*(() if are_known else credentials or CREDENTIALS))
        endpoint = f"http://127.0.0.1:{relay.ports['callbacks']}/sns"
        cloud.topic = Topic(arn=TOPIC, key_file=folder / "sns.key", endpoint=endpoint)
        cloud.topic.delay = 0.0
        await cloud.topic.start()
        await cloud.topic.subscribe()
        yield relay, cloud
    finally:
        await relay.stop()
        await cloud.stop()


def mail(
    *,
    to: str = "reader@example.net",
    sender: str = "shop@example.com",
    subject: str = "Order 42",
    body: str = "Hello\r\n",
    extra: str = "",
) -> bytes:
    """A plain message with all headers that the relay would add."""
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
        f"Message-ID: <1@example.com>\r\n{extra}\r\n{body}"
    ).encode()


def queued_id(reply: tuple[int, bytes]) -> str:
    """The message's id out of the 250."""
    code, text = reply
    assert code == 250, reply
    return text.decode().rpartition(" ")[2]


def submit(client: smtplib.SMTP, content: bytes, *, to: str = "reader@example.net", sender: str = "shop@example.com") -> str:
    """One message over an open session; its id."""
    assert client.mail(sender)[0] == 250
    assert client.rcpt(to)[0] == 250
    return queued_id(client.data(content))


async def arrived(relay: Relay, cloud: Cloud, count: int) -> bytes:
    """What the far side got last, once it got so many."""
    for _ in range(200):
        if len(cloud.calls) >= count:
            return cloud.calls[-1].raw
        await asyncio.sleep(0.05)
    raise AssertionError("nothing arrived")
