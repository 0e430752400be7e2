r"""SMTP sessions as text. Each file of this folder is one connection:

`# door: submission`, `submissions` (TLS at once) or `trusted` (no login) comes first. `C: line` is sent with CRLF,
`RAW: octets` as it is; both know \r \n \0 \xNN and {x*300}. `S: line` must be the next line that comes; `...` at its end
stands for any rest. `EHLO name` takes the reply too, `OPEN` the greeting before it. `STARTTLS` upgrades the client's
socket, `LOGIN app` logs in. `MESSAGE subject` is a plain mail without its last dot. `CLOSED` expects the end. After the
last line nothing more may come but the 221 of QUIT.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from relay.sandbox.cloud import Cloud
from tests.harness import PASSWORD, Relay, mail, running_relay, unverified

FILES = sorted(Path(__file__).parent.glob("*.txt"))
_ESCAPE = re.compile(r"\\(r|n|0|x[0-9a-f]{2})|\{(.)\*(\d+)\}")
_PLAIN = {"r": "\r", "n": "\n", "0": "\0"}

Pair = tuple[Relay, Cloud]


TRUSTED = {
    "RELAY_SMTP__TRUSTED": "127.0.0.1:0",
    "RELAY_SMTP__TRUSTED_NETWORKS": "127.0.0.1",
    "RELAY_SMTP__TRUSTED_CREDENTIAL": "app",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with running_relay(tmp_path_factory.mktemp("relay"), settings=TRUSTED) as pair:
        await pair[0].cli("suppression", "add", "gone@example.net")
        yield pair


def octets(text: str) -> bytes:
    def meant(match: re.Match[str]) -> str:
        escape, repeated, times = match.groups()
        if repeated:
            return repeated * int(times)
        return _PLAIN.get(escape) or chr(int(escape[1:], 16))

    return _ESCAPE.sub(meant, text).encode("latin-1")


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_closed = False

    @classmethod
    async def connect(cls, relay: Relay, door: str) -> Client:
        tls = unverified() if door == "submissions" else None
        return cls(*await asyncio.open_connection("127.0.0.1", relay.ports[door], ssl=tls))

    async def obey(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "C:":
                await self._send(octets(rest) + b"\r\n")
            case "RAW:":
                await self._send(octets(rest))
            case "S:":
                await self._expect(rest)
            case "OPEN":
                await self._expect("220 ...")
                await self._hello(b"client.example.com")
            case "EHLO":
                await self._hello(octets(rest))
            case "MESSAGE":
                await self._send(mail(subject=rest))
            case "STARTTLS":
                await self._writer.start_tls(unverified())
            case "LOGIN":
                await self._send(b"AUTH PLAIN " + b64encode(f"\0{rest}\0{PASSWORD}".encode()) + b"\r\n")
                await self._expect("235 2.7.0 Authentication successful")
            case "CLOSED":
                assert await self._reader.read() == b""
                self._is_closed = True
            case _:
                raise AssertionError(f"no such line: {line}")

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _hello(self, name: bytes) -> None:
        await self._send(b"EHLO " + name + b"\r\n")
        while (line := await self._line()).startswith("250-"):
            pass
        assert line.startswith("250 "), line

    async def _line(self) -> str:
        got = await self._reader.readline()
        assert got.endswith(b"\r\n"), f"got {got!r}"
        return got[:-2].decode("latin-1")

    async def _expect(self, wanted: str) -> None:
        line = await self._line()
        if wanted.endswith("..."):
            assert line.startswith(wanted.removesuffix("..."))
        else:
            assert line == wanted

    async def end(self) -> None:
        """Whatever the relay said beyond the dialogue would come before its goodbye."""
        if not self._is_closed:
            await self._send(b"QUIT\r\n")
            await self._expect("221 2.0.0 Bye")
            await self.obey("CLOSED")

    async def close(self) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)


async def run(relay: Relay, lines: list[str], *, seconds: float = 5.0) -> None:
    door = re.fullmatch(r"# door: (submissions?|trusted)", lines[0])
    assert door, "the first line names the door"
    client = await Client.connect(relay, door[1])
    try:
        for number, line in enumerate(lines[1:], 2):
            try:
                async with asyncio.timeout(seconds):
                    await client.obey(line)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"line {number}: {line[:100]}: {error or 'nothing came'}") from error
        async with asyncio.timeout(seconds):
            await client.end()
    finally:
        await client.close()


def lines_of(name: str) -> list[str]:
    return Path(__file__).with_name(f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_dialogue(shared: Pair, file: Path) -> None:
    await run(shared[0], lines_of(file.stem))


async def sent(cloud: Cloud, text: bytes) -> list[bytes]:
    """What the far side got with this text in it, once there is something."""
    for _ in range(500):
        if found := [call.raw for call in cloud.calls if text in call.raw]:
            return found
        await asyncio.sleep(0.01)
    return []


async def test_stuffed_dots_arrive_as_they_were_meant(shared: Pair) -> None:
    await run(shared[0], lines_of("dot-stuffing"))
    raw, *_ = await sent(shared[1], b"Subject: dots\r\n")
    assert raw.endswith(b"\r\n\r\n.\r\n.two dots became one\r\n..\r\nx\r\na.\r\n")


async def test_nothing_refused_and_nothing_smuggled_was_sent(shared: Pair) -> None:
    for name in ("bare-line-ends", "nul", "smuggling", "wrong-order"):
        await run(shared[0], lines_of(name))
    assert await sent(shared[1], b"Subject: in order at last\r\n")
    await asyncio.sleep(0.3)
    recipients = {recipient for call in shared[1].calls for recipient in call.recipients}
    assert recipients <= {"reader@example.net", "second@example.net"}
    assert not [call.raw for call in shared[1].calls if re.search(rb"Subject: (bare|nul|smuggled)", call.raw)]


@pytest.mark.parametrize(
    "wrong",
    [
        ["# door: submission", "S: 250 ..."],
        ["# door: submission", "S: 220 ...", "C: NOOP", "S: 250 2.0.0"],
        ["# door: submission", "S: 220 ...", "C: NOOP"],
        ["# door: submission", "S: 220 ...", "CLOSED"],
        ["# door: submission", "S: 220 ...", "HELLO"],
        ["S: 220 ..."],
    ],
)
async def test_the_runner_itself_can_fail(shared: Pair, wrong: list[str]) -> None:
    with pytest.raises(AssertionError):
        await run(shared[0], wrong, seconds=0.5)
