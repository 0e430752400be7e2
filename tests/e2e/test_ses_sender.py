"""The way out, alone, against AWS in miniature: clocks that differ, keys that end."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from relay import journal
from relay.aws import clients
from relay.aws.credentials import ChainCredentials, session
from relay.aws.ses import SesSender
from relay.model import Claimed
from relay.outcome import Hold, HoldScope, Outcome, Sent
from relay.reading.octets import Slices
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from tests.store.kit import delivery, message

CONTENT = b"From: shop@example.com\r\nSubject: Order 42\r\n\r\nHello\r\n"

# Says a key that is good for so many seconds, after so many of thought. Fails from its third call on where it
# is told to: botocore asks twice for one that is good for less than ten minutes.
PROCESS = """\
import datetime, json, pathlib, sys, time
calls, life, thought, fails = pathlib.Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "fails"
with calls.open("a") as log:
    log.write("called\\n")
time.sleep(thought)
if fails and calls.read_text().count("called") > 2:
    sys.exit("no key today")
until = time.time() + life
expiration = datetime.datetime.fromtimestamp(until, datetime.timezone.utc).isoformat()
print(json.dumps({**KEY, "Version": 1, "SessionToken": f"until-{until}", "Expiration": expiration}))
"""


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    found = Cloud()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def static_key(folder: Path, token: str = "") -> None:
    [(key, secret)] = ACCESS_KEYS.items()
    text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    (folder / "credentials").write_text(text + (f"aws_session_token = {token}\n" if token else ""))


def process_of_keys(folder: Path, *, life: float, thought: float = 0.0, fails: bool = False) -> None:
    [(key, secret)] = ACCESS_KEYS.items()
    given = json.dumps({"AccessKeyId": key, "SecretAccessKey": secret})
    (folder / "process.py").write_text(f"KEY = {given}\n{PROCESS}")
    command = f"{sys.executable} {folder}/process.py {folder}/calls {life} {thought} {'fails' if fails else 'works'}"
    (folder / "config").write_text(f"[default]\ncredential_process = {command}\n")


def calls_of_process(folder: Path) -> int:
    return (folder / "calls").read_text().count("called")


class Sending:
    """A sender with keys that are kept fresh."""

    def __init__(self, cloud: Cloud) -> None:
        self.credentials = ChainCredentials(session(profile="", region="us-east-1"), clock=time.time)
        self._number = 0
        self.sender = SesSender(
            endpoint=f"http://127.0.0.1:{cloud.port}",
            region="us-east-1",
            configuration_set="",
            credentials=self.credentials,
            clock=time.time,
            connections=50,
            connect_timeout=5,
            read_timeout=5,
            tls=ssl.create_default_context(),
        )

    async def send(self, content: Slices = CONTENT) -> Outcome:
        self._number += 1
        of = message(self._number, content=CONTENT)
        claimed = Claimed(delivery=replace(delivery(of), attempt=1), message=of, flow=1, content=CONTENT)
        return await self.sender.send(claimed, content, time_left=lambda: 100.0)


class Watched:
    """Content that counts what is read of it."""

    def __init__(self, size: int) -> None:
        self.octets = CONTENT + (b"x" * 70 + b"\r\n") * (size // 72)
        self._read = 0

    def __len__(self) -> int:
        return len(self.octets)

    def __getitem__(self, key: slice) -> bytes:
        self._read += len(self.octets[key])
        return self.octets[key]

    @property
    def times(self) -> int:
        """That it was read."""
        times, rest = divmod(self._read, len(self.octets))
        assert not rest
        return times


@asynccontextmanager
async def sending(cloud: Cloud) -> AsyncIterator[Sending]:
    found = Sending(cloud)
    await found.credentials.refresh()
    keeping = asyncio.create_task(found.credentials.run())
    yield found
    keeping.cancel()
    await found.sender.close()


def is_held(outcome: Outcome, why: str) -> bool:
    return isinstance(outcome, Hold) and outcome.scope is HoldScope.ACCOUNT and why in outcome.reason


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What the journal says."""
    stream = StringIO()
    journal.open_journal(stream=stream)
    yield stream
    journal.open_journal(stream=StringIO())


def differences(lines: StringIO) -> list[float]:
    """What was told of AWS's clock, to ten seconds."""
    told = map(json.loads, lines.getvalue().splitlines())
    return [round(line["seconds"] / 10) * 10 for line in told if line["event"] == "clock_differs"]


async def test_where_many_are_under_way_no_more_than_some_are_held_in_memory(cloud: Cloud, tmp_path: Path) -> None:
    static_key(tmp_path)
    contents = [Watched(size) for size in (1000, 300_000, *[1_000_000] * 20, 2_500_000)]
    async with sending(cloud) as relay:
        outcomes = await asyncio.gather(*map(relay.send, contents))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    # Held, it is read once; else twice, to sign it and to send it.
    assert [content.times for content in contents] == [1, *[1] * 16, *[2] * 5, 2]
    assert sorted(call.raw for call in cloud.calls) == sorted(content.octets for content in contents)


@pytest.mark.parametrize("seconds", [1200.0, -1200.0, 400 * 86400.0], ids=["behind", "ahead", "a year behind"])
async def test_a_clock_that_is_off_is_put_right_by_what_aws_says(
    cloud: Cloud, tmp_path: Path, lines: StringIO, seconds: float
) -> None:
    static_key(tmp_path)
    cloud.checks_clock, cloud.clock_ahead = True, seconds
    async with sending(cloud) as relay:
        outcomes = [await relay.send() for _ in range(5)]
        cloud.clock_ahead = 0.0  # as if ours was mended
        outcomes += [await relay.send() for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Hold, Sent, Sent, Sent, Sent, Hold, Sent, Sent]
    assert all(is_held(outcome, "Signature") for outcome in outcomes if not isinstance(outcome, Sent))
    assert differences(lines) == [seconds, 0]


async def test_calls_that_were_open_at_the_time_tell_of_it_once(cloud: Cloud, tmp_path: Path, lines: StringIO) -> None:
    static_key(tmp_path)
    cloud.checks_clock, cloud.clock_ahead = True, 3600.0
    async with sending(cloud) as relay:
        first = await asyncio.gather(*(relay.send() for _ in range(20)))
        second = await asyncio.gather(*(relay.send() for _ in range(20)))
    assert all(is_held(outcome, "Signature expired") for outcome in first)
    assert all(isinstance(outcome, Sent) for outcome in second)
    assert differences(lines) == [3600]


async def test_sending_goes_on_while_keys_end_and_new_ones_are_slow_to_come(cloud: Cloud, tmp_path: Path) -> None:
    process_of_keys(tmp_path, life=14, thought=1.5)
    async with sending(cloud) as relay:
        ends, longest = time.monotonic() + 24, 0.0
        while time.monotonic() < ends:
            began = time.monotonic()
            outcome = await relay.send()
            longest = max(longest, time.monotonic() - began)
            assert isinstance(outcome, Sent)
            await asyncio.sleep(0.02)
    assert longest < 1.0
    assert 3 <= calls_of_process(tmp_path) <= 5


async def test_a_key_that_has_ended_is_not_signed_with(cloud: Cloud, tmp_path: Path) -> None:
    process_of_keys(tmp_path, life=8, fails=True)
    async with sending(cloud) as relay:
        assert isinstance(await relay.send(), Sent)
        await asyncio.sleep(4)
        assert is_held(await relay.send(), "no AWS credentials")
    assert cloud.accepted == 1


async def test_where_there_is_no_key_at_the_start_the_first_call_looks_for_one(cloud: Cloud, tmp_path: Path) -> None:
    async with sending(cloud) as relay:
        assert is_held(await relay.send(), "no AWS credentials")
        static_key(tmp_path)
        assert isinstance(await relay.send(), Sent)


async def test_a_key_that_ses_refuses_is_replaced_at_once(cloud: Cloud, tmp_path: Path) -> None:
    """botocore holds it to be good for an hour."""
    process_of_keys(tmp_path, life=3600)
    async with sending(cloud) as relay:
        assert isinstance(await relay.send(), Sent)
        key = await relay.credentials.key()
        assert key
        cloud.revoked.add(key.token)
        assert all(is_held(outcome, "ExpiredToken") for outcome in await asyncio.gather(*(relay.send() for _ in range(20))))
        assert await first_sent(relay) < 3
    assert calls_of_process(tmp_path) == 2


async def test_a_token_that_somebody_put_into_a_file_is_read_anew(cloud: Cloud, tmp_path: Path) -> None:
    static_key(tmp_path, "first")
    async with sending(cloud) as relay:
        assert isinstance(await relay.send(), Sent)
        cloud.revoked.add("first")
        static_key(tmp_path, "second")
        assert is_held(await relay.send(), "ExpiredToken")
        assert await first_sent(relay) < 3


async def test_what_asks_and_does_not_send_takes_the_new_token_too(cloud: Cloud, tmp_path: Path) -> None:
    """Of one session: the look at the account, SNS, and the queues of events."""
    static_key(tmp_path, "first")
    client = clients.client(session(profile="", region="us-east-1"), "sesv2", f"http://127.0.0.1:{cloud.port}")
    await asyncio.to_thread(client.get_account)
    cloud.revoked.add("first")
    static_key(tmp_path, "second")
    await asyncio.sleep(1.1)  # it does not look more often
    with pytest.raises(ClientError, match="ExpiredToken"):
        await asyncio.to_thread(client.get_account)
    await asyncio.to_thread(client.get_account)


async def first_sent(relay: Sending) -> float:
    """Seconds until a call is taken again."""
    began = time.monotonic()
    while time.monotonic() < began + 10:
        if isinstance(await relay.send(), Sent):
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    raise AssertionError("nothing is sent any more")
